/* SPDX-License-Identifier: BSD-2-Clause */
/* One key: what it is, what it takes, how its elements are spread, what each command would do. */
(function (R) {
	'use strict';

	const IS = [
		'key',
		'db',
		'type',
		'encoding',
		'elements_total',
		'length_bytes',
		'ttl_seconds',
		'idle_seconds',
		'frequency',
		'used_in_watch',
	];
	const SPREADS = [
		['name_bytes', 'Names of elements'],
		['value_bytes', 'Values'],
		['head_bytes', 'At the head'],
		['tail_bytes', 'At the tail'],
		['scores', 'Scores'],
	];

	/* Least to most as a line, the middle half of them thick, by the logarithm where it is wide. */
	function spread(title, one, path) {
		const kind = title === 'Scores' ? 'count' : 'bytes';

		return R.el(
			'tr',
			null,
			R.el('th', { scope: 'row' }, title),
			['min', 'p50', 'p90', 'p99', 'max', 'mean', 'looked_at_total'].map((name) =>
				R.el(
					'td',
					{ class: 'n' },
					R.num(one[name], path + '/' + name, name === 'looked_at_total' ? 'count' : kind)
				)
			)
		);
	}

	function spreads(elements, path) {
		const rows = SPREADS.filter(([name]) => elements[name]);

		if (!rows.length) return null;
		return R.el(
			'div',
			{ class: 'scroll' },
			R.el(
				'table',
				null,
				R.el(
					'thead',
					null,
					R.el(
						'tr',
						null,
						['', 'least', 'median', '90 %', '99 %', 'most', 'mean', 'looked at'].map(
							(t) =>
								R.el(
									'th',
									{
										scope: 'col',
										class: t ? 'n' : null,
									},
									t
								)
						)
					)
				),
				R.el(
					'tbody',
					null,
					rows.map(([name, title]) => spread(title, elements[name], path + '/' + name))
				)
			)
		);
	}

	function costs(rows, path) {
		return R.bars({
			rows: R.top(rows, path, (row) => row.seconds, 20),
			kind: 'seconds',
			right: { field: 'seconds', colour: 'k3', label: 'seconds' },
			name: (row) => R.el('code', null, row.command),
		});
	}

	(R.sections = R.sections || []).push({
		id: 'key',
		order: 15,
		title: 'The key',
		claims: IS.concat([
			'size',
			'elements',
			'blocking',
			'encoding_limits',
			'content',
			'growth',
			'stream',
			'users',
			'key_base64',
		]),
		wants: (doc) => R.kindOf(doc) === 'key',
		draw(body, context) {
			const doc = context.doc,
				path = context.path;
			const part = (title, name) => {
				if (doc[name] && Object.values(doc[name]).some((value) => value !== null))
					R.add(body, [R.el('h3', null, title), R.facts(doc[name], path + '/' + name)]);
			};

			R.add(body, [R.facts(doc, path, IS)]);
			part('What it takes', 'size');
			if (doc.blocking && doc.blocking.length)
				R.add(body, [
					R.el('h3', null, 'How long a command on it would hold the server'),
					costs(doc.blocking, path + '/blocking'),
					R.behind({ rows: doc.blocking, path: path + '/blocking' }),
				]);
			if (doc.elements && spreads(doc.elements, path + '/elements'))
				R.add(body, [
					R.el('h3', null, 'Elements'),
					spreads(doc.elements, path + '/elements'),
					R.facts(
						doc.elements,
						path + '/elements',
						Object.keys(doc.elements).filter(
							(name) => !SPREADS.some(([s]) => s === name)
						)
					),
				]);
			part('Growth', 'growth');
			part('Encoding', 'encoding_limits');
			part('Content', 'content');
			if (doc.stream) {
				R.add(body, [
					R.el('h3', null, 'Stream'),
					R.facts(
						doc.stream,
						path + '/stream',
						Object.keys(doc.stream).filter((n) => n !== 'groups')
					),
				]);
				if (doc.stream.groups && doc.stream.groups.length)
					R.add(body, [
						R.table({
							title: 'Groups',
							rows: doc.stream.groups,
							path: path + '/stream/groups',
						}),
					]);
			}
			part('Who uses it', 'users');
		},
	});
})((window.redmem = window.redmem || {}));
