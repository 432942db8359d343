/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page of `redmem serve`: which server, which time; the report is fetched and drawn as one
 * that lies in the page. It follows the newest until somebody takes hold of what is shown.
 * Nothing but reading: all requests are GET.
 */
(function (R) {
	'use strict';

	const FOLLOW_MS = 10000;
	const SPANS = [
		['10m', '10 minutes'],
		['30m', '30 minutes'],
		['1h', '1 hour'],
		['3h', '3 hours'],
		['6h', '6 hours'],
	];
	const FEET = [
		['/metrics', 'Metrics'],
		['/healthz', 'Health'],
		['/api/v1/servers', 'Servers as JSON'],
		['/api/v1/findings', 'Findings as JSON'],
	];

	/* The document at @path; what went wrong is an Error with one line. */
	function ask(path) {
		return fetch(path, { credentials: 'same-origin', cache: 'no-store' }).then(
			(answer) =>
				answer
					.json()
					.catch(() => null)
					.then((document) => {
						if (answer.ok && document) return document;
						throw new Error(
							(document && document.error) || 'the answer was ' + answer.status
						);
					}),
			() => {
				throw new Error('redmem serve does not answer');
			}
		);
	}

	function query(values) {
		return Object.keys(values)
			.filter((name) => values[name])
			.map((name) => name + '=' + encodeURIComponent(values[name]))
			.join('&');
	}

	/* The servers that are there now, in the choice; the chosen one stays. */
	function setServers(live, list) {
		const labels = list.servers.map((one) => one.server),
			before = live.server.value;
		const state = (one) =>
			one.state && one.state !== 'attributed' ? ' (' + one.state + ')' : '';

		if (labels.join('\n') === live.known) return;
		live.known = labels.join('\n');
		R.add(
			R.clear(live.server),
			list.servers.map((one) =>
				R.el('option', { value: one.server }, R.cut(one.server + state(one), 60))
			)
		);
		if (labels.includes(before)) live.server.value = before;
	}

	/* All servers with their verdicts, where there are several or the report is not to be had. */
	function drawServers(live, list, always) {
		const choose = (one) => () => {
			live.server.value = one.server;
			load(live, true);
		};

		R.clear(live.list);
		if (list.servers.length > 1 || always)
			R.add(live.list, [
				R.el(
					'table',
					{ class: 'servers' },
					R.el(
						'tbody',
						null,
						list.servers.map((one) =>
							R.el(
								'tr',
								null,
								R.el('td', null, R.button(R.cut(one.server, 60), choose(one))),
								R.el(
									'td',
									null,
									one.state === 'attributed'
										? ''
										: R.name(
												[one.state, one.reason].filter(Boolean).join(': '),
												true
											)
								),
								R.el('td', null, R.name(one.verdict || null, true))
							)
						)
					)
				),
			]);
	}

	function say(live, text, failed) {
		R.add(R.clear(live.said), [text]);
		live.said.classList.toggle('failed', failed);
	}

	function later(live) {
		clearTimeout(live.timer);
		live.timer = setTimeout(() => {
			if (live.follow.checked && !live.at.value && !document.hidden) load(live, false);
			else later(live);
		}, FOLLOW_MS);
	}

	function draw(live, report, chosen) {
		const top = window.scrollY;

		R.showReport(report, live.shown);
		if (!chosen) {
			R.drawAll();
			window.scrollTo(0, top);
		}
		say(live, 'Read at ' + new Date().toLocaleTimeString(), false);
	}

	/* Ask and draw; @chosen: because something else was chosen. */
	function load(live, chosen) {
		const turn = ++live.asked;
		const from = live.at.value ? new Date(live.at.value).toISOString() : null;

		if (chosen) live.follow.checked = !from;
		say(live, 'Reading', false);
		ask('/api/v1/servers')
			.then((list) => {
				setServers(live, list);
				drawServers(live, list, false);
				live.servers = list;
				if (!live.server.value) throw new Error('no server is watched yet');
				return ask(
					'/api/v1/report?' +
						query({ server: live.server.value, at: from, for: live.span.value })
				);
			})
			.then((report) => {
				if (turn === live.asked) draw(live, report, chosen);
			})
			.catch((error) => {
				if (turn !== live.asked) return;
				if (live.servers) drawServers(live, live.servers, true);
				say(live, 'Nothing to show: ' + error.message + '.', true);
			})
			.then(() => later(live));
	}

	R.live = function (parts) {
		const host = R.el('div');
		const chosen = { change: () => load(live, true) };
		const followed = {
			change: () => {
				if (live.follow.checked) load(live, false);
			},
		};
		const live = {
			said: R.el('p', { class: 'said', role: 'status' }, 'Looking for servers'),
			server: R.el('select', { 'aria-label': 'Server', on: chosen }),
			at: R.el('input', {
				type: 'datetime-local',
				step: '1',
				'aria-label': 'From (empty: the newest)',
				on: chosen,
			}),
			span: R.el(
				'select',
				{ 'aria-label': 'How long', on: chosen },
				SPANS.map(([value, label]) => R.el('option', { value }, label))
			),
			follow: R.el('input', { type: 'checkbox', checked: true, on: followed }),
			shown: { main: host, links: parts.links, choice: R.el('span') },
			asked: 0,
			timer: 0,
			known: '',
			list: R.el('div'),
			servers: null,
		};

		/* Who looks closer must not lose what is open. */
		for (const event of ['pointerdown', 'keydown'])
			host.addEventListener(event, () => {
				live.follow.checked = false;
			});
		R.add(parts.choice, [
			live.server,
			live.at,
			live.span,
			R.el('label', { class: 'follow' }, live.follow, ' follow'),
			R.button('Read now', () => load(live, false)),
		]);
		R.add(parts.main, [
			live.said,
			live.list,
			host,
			R.el(
				'footer',
				null,
				FEET.map(([href, label]) => R.el('a', { href }, label))
			),
		]);
		load(live, true);
	};
})((window.redmem = window.redmem || {}));
