/* SPDX-License-Identifier: BSD-2-Clause */
/* A lab's verdict (redmem.lab/1), and two of them (redmem.lab_diff/1): every metric in a line, with
 * its interval drawn where ratios are, on one axis for all. */
(function (R) {
	'use strict';

	const WIDE = 320,
		HIGH = 18,
		WIDEST = Math.log(4);
	const UNITS = {
		per_second: 'per second',
		seconds: 'seconds',
		bytes: 'bytes',
		share: 'ratio',
	};
	const JUDGED = ['worse', 'better', 'no_difference'];
	const HEADS = {
		lab: { worse: 'B is worse', better: 'B is better', no_difference: 'No difference' },
		lab_diff: {
			worse: 'Became worse',
			better: 'Became better',
			no_difference: 'Not changed',
		},
	};
	const COLOURS = { worse: 'k3', better: 'k6', no_difference: 'k8', not_judged: 'k8' };

	function known(value) {
		return typeof value === 'number' && Number.isFinite(value);
	}

	/* --- the forest ------------------------------------------------------------------ */

	function place(share) {
		return Math.log(Math.max(1 + share, 1e-9));
	}

	/* The half of the axis, from equal on: as far as any interval goes, and some. */
	function reach(rows) {
		const ends = rows
			.filter((row) => row.change_is_ratio && JUDGED.includes(row.verdict))
			.flatMap((row) => [row.low, row.high])
			.filter(known)
			.map((share) => Math.abs(place(share)));

		return Math.min(WIDEST, 1.1 * Math.max(0.01, ...ends));
	}

	function at(share, most) {
		const x = (place(share) / most) * (WIDE / 2) + WIDE / 2;

		return Math.max(0, Math.min(WIDE, x));
	}

	function box(x1, x2, high, attributes) {
		return R.svg(
			'rect',
			Object.assign(
				{
					x: x1.toFixed(1),
					y: ((HIGH - high) / 2).toFixed(1),
					width: Math.max(1, x2 - x1).toFixed(1),
					height: String(high),
				},
				attributes
			)
		);
	}

	/* What A is to itself as a band, the interval as a bar, the estimate as a mark on it. */
	function forest(row, most) {
		if (!row.change_is_ratio || !known(row.low) || !known(row.high)) return null;
		const x = at(row.change, most);
		const itself = known(row.aa_half_width)
			? box(at(-row.aa_half_width, most), at(row.aa_half_width, most), HIGH, {
					class: 'forest-itself',
				})
			: null;

		return R.svg(
			'svg',
			{
				class: 'forest',
				viewBox: '0 0 ' + WIDE + ' ' + HIGH,
				width: String(WIDE),
				height: String(HIGH),
				role: 'img',
				'aria-label':
					row.title + ': from ' + R.ratio(row.low) + ' to ' + R.ratio(row.high),
			},
			itself,
			box(WIDE / 2 - 0.5, WIDE / 2 + 0.5, HIGH, { class: 'forest-equal' }),
			box(at(row.low, most), at(row.high, most), 4, { class: COLOURS[row.verdict] }),
			box(x - 2, x + 2, 11, { class: COLOURS[row.verdict] })
		);
	}

	function axis(most) {
		const ends = [Math.exp(-most) - 1, Math.exp(most) - 1].map(
			(share) => (share > 0 ? '+' : '') + R.ratio(share)
		);

		return R.el(
			'span',
			{ class: 'forest-axis' },
			R.el('span', null, ends[0]),
			R.el('span', null, 'equal'),
			R.el('span', null, ends[1])
		);
	}

	/* --- rows ------------------------------------------------------------------------ */

	function value(row, path, field) {
		return R.num(row[field], path + '/' + field, R.pick(UNITS, row.unit) || 'real');
	}

	function change(row, path, field, ratio) {
		const shown = row[field];

		return [
			known(shown) && shown > 0 ? '+' : null,
			ratio ? R.num(shown, path + '/' + field, 'ratio') : value(row, path, field),
		];
	}

	function interval(row, path) {
		const ratio = row.change_is_ratio;

		if (!known(row.low)) return '-';
		return [change(row, path, 'low', ratio), ' to ', change(row, path, 'high', ratio)];
	}

	function said(row) {
		if (row.why) return row.why;
		if (row.same) return 'the same each time';
		return null;
	}

	/* [head, what is in the cell] of both documents. */
	function columnsOf(kind, most) {
		const ratio = (row) => row.change_is_ratio;
		const sides =
			kind === 'lab'
				? [
						['A', (row, path) => value(row, path, 'a')],
						['B', (row, path) => value(row, path, 'b')],
						['B to A', (row, path) => change(row, path, 'change', ratio(row))],
					]
				: [
						['before', (row, path) => change(row, path, 'before_change', ratio(row))],
						['after', (row, path) => change(row, path, 'after_change', ratio(row))],
						['change', (row, path) => change(row, path, 'change', ratio(row))],
					];

		return sides.concat([
			[axis(most), (row) => forest(row, most)],
			['interval', interval],
			['', said],
		]);
	}

	function table(entries, columns) {
		return R.el(
			'div',
			{ class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Metrics' },
			R.el(
				'table',
				null,
				R.el(
					'thead',
					null,
					R.el(
						'tr',
						null,
						R.el('th', { scope: 'col' }, 'metric'),
						columns.map(([head], i) =>
							R.el('th', { scope: 'col', class: i < 3 ? 'n' : null }, head)
						)
					)
				),
				R.el(
					'tbody',
					null,
					entries.map(({ row, path }) =>
						R.el(
							'tr',
							null,
							R.el('td', null, row.title),
							columns.map(([, cell], i) =>
								R.el('td', { class: i < 3 ? 'n' : null }, cell(row, path))
							)
						)
					)
				)
			)
		);
	}

	function draw(body, context) {
		const kind = R.kindOf(context.doc),
			most = reach(context.doc.metrics);
		const entries = context.doc.metrics.map((row, i) => ({
			row,
			path: context.path + '/metrics/' + i,
		}));
		const seen = (row) => row.reason !== 'unknown' && known(row.change);
		const rest = entries.filter((e) => e.row.verdict === 'not_judged');

		for (const verdict of JUDGED) {
			const mine = entries.filter((e) => e.row.verdict === verdict);

			if (mine.length)
				R.add(body, [
					R.el('h3', { class: 'lab-' + verdict }, R.pick(HEADS, kind)[verdict]),
					table(mine, columnsOf(kind, most)),
				]);
		}
		if (rest.some((e) => seen(e.row)))
			R.add(body, [
				R.el('h3', null, 'Not judged'),
				table(
					rest.filter((e) => seen(e.row)),
					columnsOf(kind, most)
				),
			]);
		if (rest.some((e) => !seen(e.row)))
			R.add(body, [
				R.el(
					'p',
					{ class: 'note' },
					kind === 'lab' ? 'Not measured: ' : 'Not judged in both: ',
					rest
						.filter((e) => !seen(e.row))
						.map((e) => e.row.title)
						.join('; '),
					'.'
				),
			]);
		R.add(body, [
			R.el(
				'p',
				{ class: 'note' },
				context.doc.basis ? [context.doc.basis, ' '] : null,
				'Bars are intervals that hold the truth in 95 % of all cases; the grey ' +
					'band is how far A is from itself.'
			),
		]);
	}

	(R.sections = R.sections || []).push({
		id: 'lab',
		order: 5,
		title: 'By metric',
		claims: [
			'metrics',
			'basis',
			'better_total',
			'worse_total',
			'no_difference_total',
			'not_judged_total',
		],
		wants: (doc) => ['lab', 'lab_diff'].includes(R.kindOf(doc)) && Array.isArray(doc.metrics),
		draw,
	});

	/* --- what was compared ------------------------------------------------------------ */

	function sides(body, doc, path) {
		for (const side of ['a', 'b'])
			if (doc[side])
				R.add(body, [
					R.el('h3', null, side.toUpperCase(), ' ', R.name(doc[side].label)),
					R.parts(doc[side], path + '/' + side),
				]);
		if (doc.host)
			R.add(body, [R.el('h3', null, 'The host'), R.facts(doc.host, path + '/host')]);
	}

	R.sections.push({
		id: 'lab-sides',
		order: 8,
		title: 'What was compared',
		claims: ['a', 'b', 'host', 'notes', 'moved', 'before', 'after'],
		wants: (doc) => ['lab', 'lab_diff'].includes(R.kindOf(doc)),
		draw(body, context) {
			const doc = context.doc,
				path = context.path;

			(doc.notes || []).forEach((note, i) =>
				R.add(body, [
					R.el('p', { class: 'note' }, R.value(note, path + '/notes/' + i, 'note')),
				])
			);
			if (Array.isArray(doc.moved))
				R.add(body, [R.table({ rows: doc.moved, path: path + '/moved', plain: true })]);
			sides(body, doc, path);
			for (const one of ['before', 'after'])
				if (doc[one])
					R.add(body, [
						R.later(
							one === 'before' ? 'Before' : 'After',
							() => {
								const host = R.el('div');

								sides(host, doc[one], path + '/' + one);
								return host;
							},
							{ class: 'behind' }
						),
					]);
		},
	});
})((window.redmem = window.redmem || {}));
