// SPDX-License-Identifier: BSD-2-Clause
//
// Answers as `redmem serve` does, with one report: what the live page asks for.
'use strict';

const http = require('http');

// An HTTP server on a port of its own; set .fail and it refuses reports.
async function serve(html, report) {
	const live = { fail: false, asked: [] };
	const watched = (name, verdict) => ({
		server: name,
		state: 'attributed',
		reason: null,
		verdict,
	});
	const servers = {
		schema: 'redmem.servers/1',
		servers: [
			watched('redis-a', report.verdict),
			watched('redis-b', 'healthy: nothing wrong found in 10 s.'),
		],
	};
	const server = http.createServer((request, answer) => {
		const where = new URL(request.url, 'http://localhost').pathname;
		const json = (status, document) => {
			answer.writeHead(status, { 'Content-Type': 'application/json' });
			answer.end(JSON.stringify(document));
		};

		live.asked.push(`${request.method} ${request.url}`);
		if (where === '/api/v1/servers') json(200, servers);
		else if (where === '/api/v1/report')
			json(
				live.fail ? 503 : 200,
				live.fail
					? {
							schema: 'redmem.error/1',
							status: 503,
							error: 'the history is busy',
						}
					: report
			);
		else if (where === '/') {
			answer.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
			answer.end(html);
		} else {
			answer.writeHead(204);
			answer.end();
		}
	});

	await new Promise((done) => {
		server.listen(0, '127.0.0.1', done);
	});
	live.url = `http://127.0.0.1:${server.address().port}/`;
	live.close = () => server.close();
	return live;
}

module.exports = { serve };
