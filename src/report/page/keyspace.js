/* SPDX-License-Identifier: BSD-2-Clause */
/* What a pass over all keys has found: expiry, types, encodings, the largest, patterns. */
(function (R) {
	'use strict';

	const OWN = ['keys', 'rdb'];
	const CLAIMS = [
		'ttl',
		'types',
		'top',
		'encodings',
		'patterns',
		'prefixes',
		'prefix_tree',
		'idle',
		'frequency',
		'slots',
	];

	function base(doc, path) {
		return doc.census ? [doc.census, path + '/census'] : [doc, path];
	}

	/* Rows with a title, keys_total and bytes each. */
	function histogram(title, rows, path) {
		const host = R.el('div');
		const show = (id) =>
			R.add(R.clear(host), [
				R.columns({
					rows,
					kind: R.kind(id),
					label: (row) => row.title,
					name: title,
					parts: [
						{
							field: id,
							colour: id === 'bytes' ? 'k1' : 'k6',
							label: R.label(id),
						},
					],
				}),
			]);

		show('bytes');
		return [
			R.el(
				'div',
				{ class: 'tools' },
				R.el('h3', null, title),
				R.choice(
					'Measure',
					[
						{ id: 'bytes', label: 'Bytes' },
						{ id: 'keys_total', label: 'Keys' },
					],
					'bytes',
					show
				)
			),
			host,
			R.behind({ rows, path }),
		];
	}

	function patterns(rows, path) {
		const seen = rows
			.map((row, i) => ({ row, path: path + '/' + i }))
			.filter((entry) => entry.row.keys_total);

		if (!seen.length)
			return R.el('p', { class: 'note' }, 'No pattern of keys that cause trouble was found.');
		return seen.map((entry) =>
			R.el(
				'details',
				{ class: 'finding info', open: true },
				R.el(
					'summary',
					null,
					R.el('strong', null, R.label(entry.row.id)),
					R.el(
						'span',
						null,
						R.num(entry.row.keys_total, entry.path + '/keys_total', 'count'),
						' keys, ',
						R.num(entry.row.bytes, entry.path + '/bytes', 'bytes')
					)
				),
				R.el(
					'div',
					{ class: 'finding-body' },
					R.el('p', null, entry.row.advice),
					entry.row.keys && entry.row.keys.length
						? R.table({
								rows: entry.row.keys,
								path: entry.path + '/keys',
							})
						: null
				)
			)
		);
	}

	function draw(body, context) {
		const [keyspace, path] = base(context.doc, context.path);
		const table = (title, name) => {
			if (Array.isArray(keyspace[name]) && keyspace[name].length)
				R.add(body, [
					R.table({
						title,
						rows: keyspace[name],
						path: path + '/' + name,
					}),
				]);
		};

		for (const [title, name] of [
			['Until they expire', 'ttl'],
			['Since their last use', 'idle'],
			['How often they are used', 'frequency'],
		])
			if (Array.isArray(keyspace[name]) && keyspace[name].length)
				R.add(body, histogram(title, keyspace[name], path + '/' + name));
		if (Array.isArray(keyspace.patterns))
			R.add(body, [
				R.el('h3', null, 'Patterns'),
				patterns(keyspace.patterns, path + '/patterns'),
			]);
		table('The largest keys', 'top');
		table('Types', 'types');
		table('Encodings', 'encodings');
		table('Slots', 'slots');
		if (context.doc.census) {
			const rest = Object.keys(keyspace).filter(
				(name) => !CLAIMS.includes(name) && keyspace[name] !== null
			);

			R.members(body, keyspace, path, rest);
		}
	}

	(R.sections = R.sections || []).push({
		id: 'keys',
		order: 55,
		title: 'Keys',
		claims: ['census'].concat(CLAIMS),
		wants: (doc) =>
			Boolean(doc.census) || (OWN.includes(R.kindOf(doc)) && Array.isArray(doc.ttl)),
		draw,
	});
})((window.redmem = window.redmem || {}));
