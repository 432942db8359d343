/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the memory is: a bar of the lines below resident memory; one that has lines of its own
 * opens by a click, as the next bar. Lines that are taken off (negative ones) are a hatched strip
 * below its end: the others add up to more than there is, by as much.
 */
(function (R) {
	'use strict';

	const COLOURS = {
		allocated: 'k1',
		slab_holes: 'k2',
		dirty: 'k4',
		muzzy: 'k4',
		allocator_metadata: 'k8',
		huge_page_excess: 'k5',
		binary_and_libraries: 'k6',
		unexplained: 'k7',
		swap: 'k3',
	};
	const WORDS = {
		defrag: 'active defrag',
		purge: 'MEMORY PURGE',
		thp: 'huge pages off',
		restart: 'restart',
		none: 'nothing',
	};

	/* Each line what its share is of, and its colour; those below a line begin with its own. */
	function paint(node, whole, colour) {
		const first = Number(colour.slice(1)) - 1;

		node.whole = whole;
		node.colour = colour;
		node.kids.forEach((kid, i) =>
			paint(kid, whole, R.pick(COLOURS, kid.row.id) || 'k' + (1 + ((first + i) % 8)))
		);
	}

	function plant(rows, path) {
		const nodes = rows.map((row, i) => ({
			row,
			path: R.step(path, i),
			kids: [],
			open: false,
		}));
		const byId = new Map(nodes.map((node) => [node.row.id, node]));
		const roots = [];

		for (const node of nodes) {
			const parent = byId.get(node.row.parent);

			(parent && parent !== node ? parent.kids : roots).push(node);
		}
		const rss = nodes.find((node) => node.row.id === 'rss');

		roots.forEach((root) => paint(root, rss || root, 'k1'));
		return roots;
	}

	const size = (node) => node.row.bytes || 0;
	const title = (node) => node.row.title || node.row.id || '-';

	function gains(node) {
		return (node.row.reclaim || [])
			.map((gain, i) => ({ gain, path: node.path + '/reclaim/' + i }))
			.filter((entry) => entry.gain.action !== 'none' && entry.gain.bytes);
	}

	/* --- the bars ------------------------------------------------------------------- */

	function segment(node, draw) {
		const text = title(node) + ', ' + R.show(node.row.bytes, 'bytes');
		const piece = R.el(
			'button',
			{
				type: 'button',
				class: 'piece ' + node.colour,
				title: text,
				'aria-label': text,
				'aria-expanded': node.kids.length ? String(node.open) : null,
				disabled: !node.kids.length,
				on: {
					click: () => {
						node.open = !node.open;
						draw();
					},
				},
			},
			R.el('b', null, title(node)),
			R.el('span', null, R.show(node.row.bytes, 'bytes'))
		);

		piece.style.flexGrow = String(size(node));
		return piece;
	}

	/* The strip below a bar: how much of its end is not there, because lines are taken off. */
	function minus(taken, whole) {
		const strip = R.el('i', { class: 'less' });

		strip.style.width =
			100 * Math.min(1, taken.reduce((sum, kid) => sum - size(kid), 0) / whole) + '%';
		return R.el('div', { class: 'minus', 'aria-hidden': 'true' }, strip);
	}

	function bar(parent, draw) {
		const given = parent.kids.filter((kid) => size(kid) > 0),
			taken = parent.kids.filter((kid) => size(kid) < 0);
		const whole = given.reduce((sum, kid) => sum + size(kid), 0);

		return [
			R.el(
				'div',
				{ class: 'level' },
				R.el(
					'p',
					null,
					title(parent),
					' ',
					R.num(parent.row.bytes, parent.path + '/bytes', 'bytes'),
					taken.map((kid, i) => [
						i ? ', ' : '; taken off (hatched): ',
						title(kid),
						' ',
						R.num(kid.row.bytes, kid.path + '/bytes', 'bytes'),
					])
				),
				R.el(
					'div',
					{ class: 'ledger-bar' },
					given.map((kid) => segment(kid, draw))
				),
				taken.length && whole ? minus(taken, whole) : null
			),
		].concat(
			...parent.kids.filter((kid) => kid.open && kid.kids.length).map((kid) => bar(kid, draw))
		);
	}

	/* --- the lines ------------------------------------------------------------------ */

	function line(node, depth, draw) {
		const mark = node.kids.length
			? R.button(
					node.open ? '\u2212' : '+',
					() => {
						node.open = !node.open;
						draw();
					},
					{
						class: 'twist',
						'aria-expanded': String(node.open),
						'aria-label': 'Lines of ' + title(node),
					}
				)
			: R.el('span', { class: 'twist' });
		const row = R.el(
			'tr',
			{ class: 'depth' + Math.min(depth, 4) },
			R.el(
				'th',
				{ scope: 'row' },
				mark,
				depth
					? R.el('i', {
							class: 'chip ' + (size(node) < 0 ? 'less' : node.colour),
						})
					: null,
				R.el('span', { title: node.row.id }, title(node))
			),
			R.el('td', { class: 'n' }, R.num(node.row.bytes, node.path + '/bytes', 'bytes')),
			R.el(
				'td',
				{ class: 'n' },
				R.derived('ratio', [node.path + '/bytes', node.whole.path + '/bytes'], 'ratio')
			),
			R.el('td', null, node.row.basis || '-'),
			R.el(
				'td',
				null,
				gains(node).map((entry, i) => [
					i ? ', ' : '',
					R.pick(WORDS, entry.gain.action) || entry.gain.action,
					' ',
					R.num(entry.gain.bytes, entry.path + '/bytes', 'bytes'),
				])
			)
		);

		return [row].concat(
			...(node.open ? node.kids.map((kid) => line(kid, depth + 1, draw)) : [])
		);
	}

	function drawLedger(body, context) {
		const roots = plant(context.doc.ledger, context.path + '/ledger');
		const bars = R.el('div', { class: 'ledger' }),
			lines = R.el('tbody');
		const draw = () => {
			R.clear(bars);
			R.clear(lines);
			for (const root of roots) {
				if (root.kids.length) R.add(bars, bar(root, draw));
				R.add(lines, line(root, 0, draw));
			}
		};

		for (const root of roots) {
			root.open = true;
			for (const kid of root.kids) kid.open = kid.row.id === 'allocated';
		}
		draw();
		R.add(body, [
			bars,
			R.el(
				'div',
				{ class: 'scroll' },
				R.el(
					'table',
					{ class: 'lines' },
					R.el(
						'thead',
						null,
						R.el(
							'tr',
							null,
							R.el('th', { scope: 'col' }, 'Line'),
							R.el('th', { scope: 'col', class: 'n' }, 'bytes'),
							R.el('th', { scope: 'col', class: 'n' }, 'of rss'),
							R.el('th', { scope: 'col' }, 'basis'),
							R.el('th', { scope: 'col' }, 'given back by')
						)
					),
					lines
				)
			),
		]);
	}

	(R.sections = R.sections || []).push({
		id: 'memory',
		order: 20,
		title: 'Where the memory is',
		claims: ['ledger'],
		wants: (doc) =>
			R.kindOf(doc) !== 'changes' && Array.isArray(doc.ledger) && doc.ledger.length > 0,
		draw: drawLedger,
	});
})((window.redmem = window.redmem || {}));
