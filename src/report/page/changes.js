/* SPDX-License-Identifier: BSD-2-Clause */
/* What differs between two times of a server (redmem.changes/1), or two dumps (redmem.diff/1). */
(function (R) {
	'use strict';

	const MOST = 15;

	/* Less to the left, more to the right. */
	function both(rows, path, field, name) {
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

				bar.style.width = (100 * Math.abs(value)) / most + '%';
				const number = R.num(value, entry.path + '/' + field, kindOf(entry.row, field));

				return R.el(
					'li',
					null,
					R.el('span', { class: 'who' }, name(entry.row)),
					R.el('span', { class: 'side left' }, less ? [bar, number] : null),
					R.el('span', { class: 'side' }, less ? null : [bar, number])
				);
			})
		);
	}

	/* A figure's unit is in its name; of a change of bytes in the member's. */
	function kindOf(row, field) {
		return field === 'change'
			? /_bytes$|^(rss|swap|used)/.test(row.name || '') || row.size_bytes
				? 'bytes'
				: R.kind(row.name || '')
			: R.kind(field);
	}

	const PARTS = [
		['figures', 'Figures', null],
		['ledger', 'Where the memory is', 'change'],
		['prefixes', 'Prefixes', null],
		['commands', 'Commands', 'net_bytes'],
		['size_class_holes', 'Holes by size class', 'change'],
		['settings', 'Settings', null],
		['grown', 'Keys that grew', 'change_bytes'],
		['shrunk', 'Keys that shrank', 'change_bytes'],
	];

	function nameOf(row) {
		if (typeof row.size_bytes === 'number') return R.show(row.size_bytes, 'bytes');
		return R.name(
			row.name !== undefined ? row.name : row.prefix !== undefined ? row.prefix : row.key
		);
	}

	(R.sections = R.sections || []).push({
		id: 'changes',
		order: 18,
		title: 'What changed',
		claims: PARTS.map((part) => part[0]),
		wants: (doc) => ['changes', 'diff'].includes(R.kindOf(doc)),
		draw(body, context) {
			const doc = context.doc;
			let drawn = 0;

			for (const [name, title, field] of PARTS) {
				const rows = doc[name],
					path = context.path + '/' + name;

				if (!Array.isArray(rows) || !rows.length) continue;
				const measure =
					field ||
					['change_bytes', 'net_bytes'].find((one) =>
						rows.some((row) => typeof row[one] === 'number')
					);

				R.add(body, [R.el('h3', null, title)]);
				if (measure && rows.some((row) => row[measure]))
					R.add(body, [both(rows, path, measure, nameOf), R.behind({ rows, path })]);
				else R.add(body, [R.table({ rows, path })]);
				drawn++;
			}
			if (!drawn) R.add(body, [R.el('p', { class: 'note' }, 'Nothing differs.')]);
		},
	});
})((window.redmem = window.redmem || {}));
