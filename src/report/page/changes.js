/* SPDX-License-Identifier: BSD-2-Clause */
/* What differs between two times of a server (redmem.changes/1), or two dumps (redmem.diff/1). */
(function (R) {
	'use strict';

	const MOST = 15;

	/* Less to the left, more to the right. */
	function signed(rows, path, field, kind) {
		const top = rows
			.map((row, i) => ({ row, path: path + '/' + i }))
			.filter((entry) => entry.row[field])
			.sort((a, b) => Math.abs(b.row[field]) - Math.abs(a.row[field]))
			.slice(0, MOST);
		const most = Math.max(1, ...top.map((entry) => Math.abs(entry.row[field])));

		return R.el(
			'ul',
			{ class: 'bars two signed' },
			top.map((entry) => {
				const value = entry.row[field],
					less = value < 0;
				const bar = R.el('i', { class: less ? 'k2' : 'k1' });
				const shown = [bar, R.num(value, entry.path + '/' + field, kind)];

				bar.style.width = (100 * Math.abs(value)) / most + '%';
				return R.el(
					'li',
					null,
					R.el('span', { class: 'who' }, nameOf(entry.row)),
					R.el('span', { class: 'side left' }, less ? shown : null),
					R.el('span', { class: 'side' }, less ? null : shown)
				);
			})
		);
	}

	function nameOf(row) {
		if (typeof row.size_bytes === 'number') return R.show(row.size_bytes, 'bytes');
		return R.name([row.name, row.prefix, row.key].find((name) => name !== undefined));
	}

	/* Of a figure only its name says whether it is bytes. */
	function figureKind(row) {
		return row.name === 'used_memory' || typeof row.size_bytes === 'number' ? 'bytes' : 'count';
	}

	/* [member, title, what is drawn, unit of change, before and after] */
	const PARTS = [
		['figures', 'Figures', null, figureKind],
		['ledger', 'Where the memory is', 'change', () => 'bytes'],
		['prefixes', 'Prefixes', 'change_bytes'],
		['prefixes', 'Prefixes', 'net_bytes'],
		['commands', 'Commands', 'net_bytes'],
		['size_class_holes', 'Holes by size class', 'change', () => 'bytes'],
		['settings', 'Settings', null],
		['grown', 'Keys that grew', 'change_bytes'],
		['shrunk', 'Keys that shrank', 'change_bytes'],
	];

	function columnsOf(rows, kind) {
		return (
			kind &&
			['name', 'size_bytes', 'change', 'before', 'after']
				.filter((name) => rows.some((row) => name in row))
				.map((name) => ({ steps: [name], kind: name === 'size_bytes' ? 'bytes' : kind }))
		);
	}

	function drawPart(body, rows, path, [, title, field, kind]) {
		const table = { rows, path, columns: columnsOf(rows, kind) };

		R.add(body, [R.el('h3', null, title)]);
		R.add(
			body,
			field ? [signed(rows, path, field, 'bytes'), R.behind(table)] : [R.table(table)]
		);
	}

	(R.sections = R.sections || []).push({
		id: 'changes',
		order: 18,
		title: 'What changed',
		claims: PARTS.map((part) => part[0]),
		wants: (doc) => ['changes', 'diff'].includes(R.kindOf(doc)),
		draw(body, context) {
			const parts = PARTS.filter(
				([name, , field]) =>
					Array.isArray(context.doc[name]) &&
					context.doc[name].some((row) => !field || row[field])
			);

			for (const part of parts)
				drawPart(body, context.doc[part[0]], context.path + '/' + part[0], part);
			if (!parts.length) R.add(body, [R.el('p', { class: 'note' }, 'Nothing differs.')]);
		},
	});
})((window.redmem = window.redmem || {}));
