/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocator's size classes: what is allocated of each, and the holes between. */
(function (R) {
	'use strict';

	const PARTS = [
		{ field: 'allocated_bytes', colour: 'k1', label: 'allocated' },
		{ field: 'holes_bytes', colour: 'k2', label: 'holes' },
	];
	const CALLS = [{ field: 'calls_total', colour: 'k1', label: 'calls seen' }];
	const label = (row) => R.show(row.size_bytes, 'bytes').replace('.0 ', ' ');

	/* What is allocated of each class, and what lies between. */
	function holes(body, rows) {
		const host = R.el('div');
		const options = [
			{ id: 'both', label: 'Allocated and holes' },
			{ id: 'holes', label: 'Holes only' },
		];
		const show = (id) =>
			R.add(R.clear(host), [
				R.columns({
					rows,
					label,
					kind: 'bytes',
					parts: id === 'holes' ? PARTS.slice(1) : PARTS,
					name: 'Size classes',
				}),
			]);

		R.add(body, [
			R.el(
				'div',
				{ class: 'tools' },
				R.choice('What', options, 'both', show),
				R.legend(PARTS.map((part) => [part.colour, part.label]))
			),
			host,
		]);
		show('both');
	}

	/* Of a watch of calls only: how many of them got which class. */
	function calls(body, rows) {
		R.add(body, [
			R.el(
				'p',
				{ class: 'note' },
				'Calls of the allocator that were looked at, by the size class they got.'
			),
			R.columns({ rows, label, kind: 'count', parts: CALLS, name: 'Calls by size class' }),
		]);
	}

	function draw(body, context) {
		const rows = context.doc.size_classes;

		(rows.some((row) => typeof row.holes_bytes === 'number') ? holes : calls)(body, rows);
		R.add(body, [R.behind({ rows, path: context.path + '/size_classes' })]);
	}

	(R.sections = R.sections || []).push({
		id: 'sizes',
		order: 60,
		title: 'Size classes',
		claims: ['size_classes'],
		wants: (doc) => Array.isArray(doc.size_classes) && doc.size_classes.length > 0,
		draw,
	});
})((window.redmem = window.redmem || {}));
