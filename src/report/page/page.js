/* SPDX-License-Identifier: BSD-2-Clause */
/* What the browser makes of the report: names are written as text only. */
(function () {
	'use strict';
	const report = JSON.parse(document.getElementById('report').textContent);
	const main = document.getElementById('page');

	function add(tag, text, name) {
		const element = document.createElement(tag);

		element.textContent = text;
		if (name)
			element.className = name;
		main.appendChild(element);
	}

	add('h1', 'redmem');
	if (!report)
		return;
	if (report.verdict)
		add('p', report.verdict);
	for (const finding of report.findings || []) {
		add('h2', finding.title, finding.severity);
		add('p', finding.cause);
	}
})();
