/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who allocates and frees, who uses the CPU, who faults: by command, by prefix, by thread. What
 * is freed goes to the left, what is allocated to the right.
 */
(function (R) {
	'use strict';

	const MOST = 12;
	const BY = [
		['commands', 'Commands', 'command'],
		['prefixes', 'Prefixes', 'prefix'],
		['threads', 'Threads', 'thread'],
	];
	const MEASURES = [
		{
			id: 'bytes',
			label: 'Allocated and freed',
			kind: 'bytes',
			left: ['free_bytes', 'k2', 'freed'],
			right: ['alloc_bytes', 'k1', 'allocated'],
		},
		{
			id: 'cpu',
			label: 'CPU time',
			kind: 'seconds',
			right: ['cpu_seconds', 'k2', 'CPU time'],
		},
		{
			id: 'minor',
			label: 'Minor faults',
			kind: 'count',
			right: ['minor_faults_total', 'k5', 'minor faults'],
		},
		{
			id: 'major',
			label: 'Major faults',
			kind: 'count',
			right: ['major_faults_total', 'k3', 'major faults'],
		},
		{
			id: 'fault',
			label: 'Time in faults',
			kind: 'seconds',
			right: ['fault_seconds', 'k3', 'in faults'],
		},
	];

	const side = (part) => part && { field: part[0], colour: part[1], label: part[2] };

	function netOf(entry) {
		const row = entry.row;

		if (typeof row.net_bytes === 'number')
			return [
				'net ',
				R.num(row.net_bytes, entry.path + '/net_bytes', 'bytes'),
				typeof row.net_low_bytes === 'number'
					? [
							' (',
							R.num(row.net_low_bytes, entry.path + '/net_low_bytes', 'bytes'),
							' to ',
							R.num(row.net_high_bytes, entry.path + '/net_high_bytes', 'bytes'),
							')',
						]
					: null,
			];
		return [
			'net ',
			R.derived(
				'difference',
				[entry.path + '/alloc_bytes', entry.path + '/free_bytes'],
				'bytes'
			),
		];
	}

	function chart(rows, path, field, measure) {
		const size = (row) =>
			Math.abs(row[measure.right[0]] || 0) +
			(measure.left ? Math.abs(row[measure.left[0]] || 0) : 0);
		const top = R.top(rows, path, size, MOST);

		if (!top.length)
			return R.el(
				'p',
				{ class: 'note' },
				'Nothing of that in this watch, or it was not measured.'
			);
		return [
			R.legend(
				[measure.left, measure.right].filter(Boolean).map((part) => [part[1], part[2]])
			),
			R.bars({
				rows: top,
				kind: measure.kind,
				left: side(measure.left),
				right: side(measure.right),
				name: (row) => (field === 'command' ? R.command(row[field]) : R.name(row[field])),
				more: measure.id === 'bytes' ? netOf : null,
			}),
			top.length < rows.length
				? R.el(
						'p',
						{ class: 'note' },
						'The ' +
							top.length +
							' largest of ' +
							R.count(rows.length) +
							'; all are in the table.'
					)
				: null,
		];
	}

	function draw(body, context) {
		const by = BY.filter(([id]) => Array.isArray(context.doc[id]) && context.doc[id].length);
		const has = (measure) =>
			by.some(([id]) =>
				context.doc[id].some(
					(row) => row[measure.right[0]] || (measure.left && row[measure.left[0]])
				)
			);
		const measures = MEASURES.filter(has);
		const host = R.el('div'),
			behind = R.el('div');
		let which = by[0],
			measure = measures[0] || MEASURES[0];
		const redraw = () => {
			const rows = context.doc[which[0]],
				path = context.path + '/' + which[0];

			R.add(R.clear(host), [chart(rows, path, which[2], measure)]);
			R.add(R.clear(behind), [R.behind({ rows, path })]);
		};

		R.add(body, [
			R.el(
				'div',
				{ class: 'tools' },
				R.choice(
					'By',
					by.map(([id, label]) => ({ id, label })),
					which[0],
					(id) => {
						which = by.find((entry) => entry[0] === id);
						redraw();
					}
				),
				R.choice('Measure', measures, measure.id, (id) => {
					measure = measures.find((entry) => entry.id === id);
					redraw();
				})
			),
			host,
			behind,
		]);
		redraw();
	}

	(R.sections = R.sections || []).push({
		id: 'who',
		order: 40,
		title: 'Who allocates, frees, faults',
		claims: ['commands', 'prefixes', 'threads'],
		wants: (doc) =>
			['doctor', 'alloc'].includes(R.kindOf(doc)) &&
			BY.some(([id]) => Array.isArray(doc[id]) && doc[id].length),
		draw,
	});

	/* --- alloc only: growth, the peak, latency second by second ------------------------ */

	(R.sections = R.sections || []).push({
		id: 'growth',
		order: 45,
		title: 'Growth and the peak',
		claims: ['growth', 'peak', 'timeline'],
		wants: (doc) =>
			R.kindOf(doc) === 'alloc' && (doc.growth || doc.peak || Array.isArray(doc.timeline)),
		draw(body, context) {
			const doc = context.doc,
				path = context.path;
			const ticks = Array.isArray(doc.timeline) ? doc.timeline : [];

			if (doc.growth) R.add(body, [R.parts(doc.growth, path + '/growth')]);
			if (doc.peak)
				R.add(body, [
					R.el('h3', null, 'When memory was highest'),
					R.parts(doc.peak, path + '/peak'),
				]);
			if (ticks.length)
				R.add(body, [
					R.el('h3', null, 'Second by second'),
					R.behind({ rows: ticks, path: path + '/timeline' }),
				]);
		},
	});
})((window.redmem = window.redmem || {}));
