/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What charts share: a choice between measures, columns side by side, bars to two sides. Colours
 * are classes (k1 to k8, see page.css); every bar says its numbers to who points at it or tabs
 * to it.
 */
(function (R) {
	'use strict';

	/* Buttons of which one is pressed. @options: { id, label }; @take is called with an id. */
	R.choice = function (label, options, current, take) {
		const group = R.el('div', { class: 'choice', role: 'group', 'aria-label': label });

		for (const option of options)
			group.appendChild(
				R.button(
					option.label,
					(event) => {
						for (const other of group.children)
							other.setAttribute(
								'aria-pressed',
								String(other === event.currentTarget)
							);
						take(option.id);
					},
					{ 'aria-pressed': String(option.id === current) }
				)
			);
		return options.length > 1 ? group : null;
	};

	R.legend = function (entries) {
		return R.el(
			'ul',
			{ class: 'legend' },
			entries.map(([colour, label]) =>
				R.el('li', null, R.el('i', { class: 'chip ' + colour }), label)
			)
		);
	};

	/*
	 * One stop of the Tab key for all that @selector finds in @room; arrows go from one to the
	 * next, Home and End to the ends.
	 */
	R.rove = function (room, selector) {
		room.addEventListener('keydown', (event) => {
			const all = Array.from(room.querySelectorAll(selector)),
				at = all.indexOf(document.activeElement);
			const to = {
				ArrowRight: at + 1,
				ArrowDown: at + 1,
				ArrowLeft: at - 1,
				ArrowUp: at - 1,
				Home: 0,
				End: all.length - 1,
			}[event.key];

			if (at < 0 || !all[to]) return;
			all[at].setAttribute('tabindex', '-1');
			all[to].setAttribute('tabindex', '0');
			all[to].focus();
			event.preventDefault();
		});
	};

	/* The largest round number a scale of @max needs. */
	function ceiling(max, kind) {
		const base = kind === 'bytes' ? 1024 : 1000;
		let unit = 1;

		while (max / unit >= base) unit *= base;
		for (const step of [
			1, 1.5, 2, 3, 4, 5, 8, 10, 15, 20, 30, 40, 50, 80, 100, 150, 200, 300, 400, 500, 800,
			1024,
		])
			if (unit * step >= max) return unit * step;
		return max;
	}

	/*
	 * Columns side by side. @spec: rows, path, label(row), parts: [{ field, colour, label }],
	 * kind, name (what it shows, for who does not see it).
	 */
	R.columns = function (spec) {
		/* Where there are many only some have a label below them: at most so many. */
		const every = (i, most, name) => (i % Math.ceil(spec.rows.length / most) ? '' : name);
		const total = (row) => spec.parts.reduce((sum, part) => sum + (row[part.field] || 0), 0);
		const top = ceiling(Math.max(0, ...spec.rows.map(total)), spec.kind) || 1;
		const plot = R.el('div', {
			class: 'columns' + (spec.rows.length > 12 ? ' many' : ''),
			role: 'list',
			'aria-label': spec.name,
		});

		spec.rows.forEach((row, i) => {
			const bar = R.el('div', { class: 'bar' });
			const told = spec.parts
				.map((part) => part.label + ' ' + R.show(row[part.field], spec.kind))
				.join(', ');

			for (const part of spec.parts) {
				const piece = R.el('i', { class: part.colour });

				piece.style.height = (100 * (row[part.field] || 0)) / top + '%';
				bar.appendChild(piece);
			}
			plot.appendChild(
				R.el(
					'div',
					{
						class: 'column',
						role: 'listitem',
						tabindex: i ? '-1' : '0',
						title: spec.label(row) + ': ' + told,
						'aria-label': spec.label(row) + ': ' + told,
					},
					bar,
					R.el(
						'span',
						{
							class: 'under' + every(i, 14, ' wide') + every(i, 5, ' narrow'),
						},
						spec.label(row)
					)
				)
			);
		});
		R.rove(plot, '.column');
		return R.el(
			'figure',
			{ class: 'plot' },
			R.el(
				'div',
				{ class: 'scale', 'aria-hidden': 'true' },
				R.el('span', null, R.show(top, spec.kind)),
				R.el('span', null, R.show(top / 2, spec.kind)),
				R.el('span', null, '0')
			),
			plot
		);
	};

	/*
	 * Bars from a middle line: what is freed to the left, what is allocated to the right; or of
	 * one measure only. @spec: rows (of { row, path }), name(row) (a node), left and right
	 * ({ field, colour, label }, left may be null), kind, more(entry) (nodes behind the bar).
	 */
	R.bars = function (spec) {
		const sides = [spec.left, spec.right].filter(Boolean);
		const size = (entry, side) => Math.abs(entry.row[side.field] || 0);
		const most =
			Math.max(...sides.map((side) => Math.max(0, ...spec.rows.map((e) => size(e, side))))) ||
			1;
		const list = R.el('ul', { class: spec.left ? 'bars two' : 'bars' });

		for (const entry of spec.rows)
			list.appendChild(
				R.el(
					'li',
					null,
					R.el('span', { class: 'who' }, spec.name(entry.row)),
					sides.map((side) => {
						const bar = R.el('i', { class: side.colour });
						const value = entry.row[side.field];

						bar.style.width = (100 * size(entry, side)) / most + '%';
						return R.el(
							'span',
							{
								class: side === spec.left ? 'side left' : 'side',
							},
							bar,
							R.num(value, R.step(entry.path, side.field), spec.kind)
						);
					}),
					spec.more ? R.el('span', { class: 'more-numbers' }, spec.more(entry)) : null
				)
			);
		return list;
	};

	/* The @most rows with most of what @measure gives, each with its path. */
	R.top = function (rows, path, measure, most) {
		return rows
			.map((row, i) => ({ row, path: R.step(path, i), size: measure(row) || 0 }))
			.filter((entry) => entry.size > 0)
			.sort((a, b) => b.size - a.size)
			.slice(0, most);
	};
})((window.redmem = window.redmem || {}));
