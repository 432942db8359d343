/* SPDX-License-Identifier: BSD-2-Clause */
/* What the watch cost the server and the host, and which sensors were on. */
(function (R) {
	'use strict';

	/* What was spent of the budget, as a bar that is full where the budget is. */
	function budget(cost, path) {
		if (typeof cost.spent_ratio !== 'number' || !(cost.budget_ratio > 0)) return null;
		const bar = R.el('i', {
			class: cost.spent_ratio > cost.budget_ratio ? 'k3' : 'k6',
		});

		bar.style.width = Math.min(100, (100 * cost.spent_ratio) / cost.budget_ratio) + '%';
		return R.el(
			'div',
			{ class: 'budget' },
			R.el(
				'p',
				null,
				'The sensors took ',
				R.num(cost.spent_ratio, path + '/spent_ratio', 'ratio'),
				' of a core from the server; the budget is ',
				R.num(cost.budget_ratio, path + '/budget_ratio', 'ratio'),
				'.'
			),
			R.el('div', { class: 'meter', 'aria-hidden': 'true' }, bar)
		);
	}

	function sensors(rows, path) {
		const limited = rows.some((row) => row.state !== 'on' || row.reason);

		return R.el(
			'div',
			null,
			R.el('h3', null, 'Sensors'),
			R.el(
				'p',
				null,
				rows
					.filter((row) => row.state === 'on')
					.map((row, i) => [i ? ', ' : 'On: ', row.id]),
				'.'
			),
			limited ? R.table({ rows, path, plain: true }) : null
		);
	}

	(R.sections = R.sections || []).push({
		id: 'cost',
		order: 80,
		title: 'What the watch cost',
		claims: ['self', 'cost', 'sensors'],
		wants: (doc) => Boolean(doc.self || doc.cost || doc.sensors),
		draw(body, context) {
			const doc = context.doc,
				path = context.path;

			if (doc.cost) R.add(body, [budget(doc.cost, path + '/cost')]);
			if (doc.self)
				R.add(body, [R.el('h3', null, 'redmem itself'), R.facts(doc.self, path + '/self')]);
			if (doc.cost)
				R.add(body, [R.el('h3', null, 'Its sensors'), R.facts(doc.cost, path + '/cost')]);
			if (Array.isArray(doc.sensors) && doc.sensors.length)
				R.add(body, [sensors(doc.sensors, path + '/sensors')]);
		},
	});
})((window.redmem = window.redmem || {}));
