/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables: of rows of one kind, with their columns found in the rows, sorted by a click, filtered,
 * fifty rows at a time. One stands behind each chart.
 */
(function (R) {
	'use strict';

	const PAGE = 50;
	/* Members that hold what was typed by somebody, as it was typed. */
	const NAMES =
		/key|prefix|example|client|name|address|socket|file|executable|before|after|fix|server$/;

	function known(value) {
		return (
			value !== null &&
			value !== undefined &&
			value !== '' &&
			!(Array.isArray(value) && !value.length)
		);
	}

	function isObject(value) {
		return value !== null && typeof value === 'object' && !Array.isArray(value);
	}

	/* One that speaks of a key stays in one cell. */
	function isKey(value) {
		return isObject(value) && typeof value.key === 'string';
	}

	/* --- columns -------------------------------------------------------------------- */

	function get(row, steps) {
		let value = row;

		for (const step of steps)
			value = value === null || value === undefined ? undefined : value[step];
		return value;
	}

	/* The members of all rows; those of objects in them one by one. */
	function collect(rows, steps, found) {
		for (const row of rows) {
			const object = get(row, steps);

			if (isObject(object))
				for (const name of Object.keys(object))
					if (!/_base64$/.test(name) && !found.has(steps.concat(name).join('\n')))
						found.set(steps.concat(name).join('\n'), steps.concat(name));
		}
	}

	function columnsOf(rows) {
		const columns = [];
		const look = (steps) => {
			const found = new Map();

			collect(rows, steps, found);
			for (const inner of found.values())
				if (
					rows.some((row) => isObject(get(row, inner))) &&
					!rows.some((row) => isKey(get(row, inner)))
				)
					look(inner);
				else columns.push({ steps: inner });
		};

		look([]);
		return columns;
	}

	/* What each column is called, its unit, whether it is of numbers, whether any is known. */
	function arrange(columns, rows) {
		for (const column of columns) {
			const field = column.steps[column.steps.length - 1];

			column.field = String(field);
			column.kind = column.kind || R.kind(column.field);
			column.label = column.label || column.steps.map((s) => R.label(String(s))).join(' ');
			column.number = rows.every(
				(row) =>
					!known(get(row, column.steps)) || typeof get(row, column.steps) === 'number'
			);
			column.known = rows.some((row) => known(get(row, column.steps)));
		}
		return columns;
	}

	/* --- cells ---------------------------------------------------------------------- */

	/* Any value: a number with its path, a text, lists and objects in a line. */
	R.value = function (value, path, field) {
		if (value === null || value === undefined) return R.el('span', { class: 'none' }, '-');
		if (typeof value === 'number') return R.num(value, path, R.kind(field));
		if (typeof value === 'boolean') return value ? 'yes' : 'no';
		if (Array.isArray(value)) return list(value, path, field);
		if (isKey(value))
			return R.el(
				'span',
				{ class: 'object' },
				R.name(value.key),
				['bytes', 'elements_total']
					.filter((name) => typeof value[name] === 'number')
					.map((name) => [
						', ',
						R.num(value[name], R.step(path, name), R.kind(name)),
						name === 'bytes' ? '' : ' elements',
					])
			);
		if (isObject(value)) return inLine(value, path);
		if (field === 'cause') return R.causeWords(value);
		if (/command$/.test(field)) return R.command(value);
		return value === ''
			? R.el('span', { class: 'none' }, '-')
			: R.name(value, !NAMES.test(field));
	};

	/* "GET 7.7 ms derived": an object's members in a line; a number that is the only one of its
	 * unit needs no name. */
	function inLine(object, path) {
		const names = Object.keys(object).filter(
			(name) => !/_base64$/.test(name) && known(object[name])
		);
		const bare = (name) => typeof object[name] === 'string' || /^(seconds|bytes)$/.test(name);

		return R.el(
			'span',
			{ class: 'object' },
			names.map((name, i) => [
				i ? ' ' : '',
				bare(name) ? '' : R.label(name) + ' ',
				R.value(object[name], R.step(path, name), name),
			])
		);
	}

	function list(values, path, field) {
		const items = () =>
			R.el(
				'ul',
				{ class: 'list' },
				values.map((value, i) => R.el('li', null, R.value(value, R.step(path, i), field)))
			);

		if (!values.length) return R.el('span', { class: 'none' }, '-');
		if (values.length <= 3) return items();
		return R.later(R.count(values.length), items);
	}

	/* What is made when it is opened, once. */
	R.later = function (title, make, attributes) {
		const details = R.el('details', attributes, R.el('summary', null, title));

		details.addEventListener('toggle', () => {
			if (details.open && details.childElementCount === 1) details.appendChild(make());
		});
		return details;
	};

	/* --- the table ------------------------------------------------------------------ */

	/* Small before large, or the other way; what is not known comes last in both. */
	function order(a, b, up) {
		if (!known(a) || !known(b)) return Number(known(b)) - Number(known(a));
		if (a === b) return 0;
		if (typeof a === 'number' && typeof b === 'number') return up ? a - b : b - a;
		return String(a) < String(b) === up ? -1 : 1;
	}

	/* A column may have a unit by row. */
	function kindIn(column, row) {
		return typeof column.kind === 'function' ? column.kind(row) : column.kind;
	}

	function cell(table, column, entry) {
		const value = get(entry.row, column.steps);
		const path = column.steps.reduce(R.step, R.step(table.path, entry.i));

		return R.el(
			'td',
			{ class: column.number ? 'n' : null },
			typeof value === 'number'
				? R.num(value, path, kindIn(column, entry.row))
				: R.value(value, path, column.field)
		);
	}

	function drawRows(table) {
		const page = table.entries.slice(table.from, table.from + PAGE);

		R.clear(table.body);
		for (const entry of page)
			R.add(table.body, [
				R.el(
					'tr',
					null,
					table.shown.map((column) => cell(table, column, entry))
				),
			]);
		drawPager(table);
	}

	function drawPager(table) {
		const count = table.entries.length,
			to = Math.min(table.from + PAGE, count);
		const go = (by) => () => {
			table.from += by;
			drawRows(table);
		};

		R.clear(table.pager);
		if (count > PAGE)
			R.add(table.pager, [
				R.button('\u2039 Back', go(-PAGE), { disabled: table.from === 0 }),
				R.el(
					'span',
					null,
					R.count(table.from + 1) + ' to ' + R.count(to) + ' of ' + R.count(count)
				),
				R.button('Next \u203a', go(PAGE), { disabled: to === count }),
			]);
	}

	/* The rows that the filter leaves, in the order that was asked for. */
	function arrangeRows(table) {
		const words = table.filter.toLowerCase();
		const texts = table.shown.filter((c) => !c.number);
		const has = (entry) =>
			texts.some((c) =>
				R.visible(get(entry.row, c.steps) || '')
					.toLowerCase()
					.includes(words)
			);

		table.entries = table.rows.map((row, i) => ({ row, i }));
		if (words) table.entries = table.entries.filter(has);
		if (table.sorted) {
			const steps = table.sorted.steps;

			table.entries.sort(
				(a, b) => order(get(a.row, steps), get(b.row, steps), table.up) || a.i - b.i
			);
		}
		table.from = 0;
		drawRows(table);
	}

	function drawHead(table) {
		const sort = (column) => {
			table.up = table.sorted === column ? !table.up : !column.number;
			table.sorted = column;
			drawHead(table);
			arrangeRows(table);
		};
		const way = table.up ? 'ascending' : 'descending';

		R.add(R.clear(table.head), [
			R.el(
				'tr',
				null,
				table.shown.map((column) =>
					R.el(
						'th',
						{
							scope: 'col',
							class: column.number ? 'n' : null,
							'aria-sort': column === table.sorted ? way : null,
						},
						R.button(column.label, () => sort(column))
					)
				)
			),
		]);
	}

	function filterOf(table) {
		return R.el('input', {
			type: 'search',
			placeholder: 'Filter',
			'aria-label': 'Filter the rows',
			on: {
				input: (event) => {
					table.filter = event.target.value;
					arrangeRows(table);
				},
			},
		});
	}

	/*
	 * @spec: rows (of the report), path (theirs), columns (found when not given: { steps, label,
	 * kind }), title; sort (the name of a column, largest first), plain: without filter and pages.
	 */
	R.table = function (spec) {
		const columns = arrange(spec.columns || columnsOf(spec.rows), spec.rows);
		const unknown = columns.filter((c) => !c.known && c.number);
		const table = {
			rows: spec.rows,
			path: spec.path,
			shown: columns.filter((c) => c.known),
			entries: [],
			from: 0,
			up: false,
			filter: '',
			sorted: columns.find((c) => c.known && c.field === spec.sort) || null,
			head: R.el('thead'),
			body: R.el('tbody'),
			pager: R.el('div', { class: 'pager' }),
		};
		const tools = [
			spec.title ? R.el('h3', null, spec.title) : null,
			spec.plain || spec.rows.length <= 20 ? null : filterOf(table),
		].filter(Boolean);

		drawHead(table);
		arrangeRows(table);
		return R.el(
			'div',
			{ class: 'table' },
			tools.length ? R.el('div', { class: 'tools' }, tools) : null,
			R.el(
				'div',
				{
					class: 'scroll',
					tabindex: '0',
					role: 'region',
					'aria-label': spec.title || 'Table',
				},
				R.el('table', null, table.head, table.body)
			),
			table.pager,
			unknown.length
				? R.el(
						'p',
						{ class: 'note' },
						'Not known: ' + unknown.map((c) => c.label).join(', ') + '.'
					)
				: null
		);
	};

	/* The table behind a chart: made when it is opened. */
	R.behind = function (spec) {
		return R.later(
			'Table, ' + R.count(spec.rows.length) + (spec.rows.length === 1 ? ' row' : ' rows'),
			() => R.table(spec),
			{ class: 'behind' }
		);
	};

	/* The members of an object, two columns of names and values. */
	R.facts = function (object, path, names) {
		const list = R.el('dl', { class: 'facts' });

		for (const name of names || Object.keys(object)) {
			const value = object[name];

			if (/_base64$/.test(name) || value === undefined || value === '') continue;
			list.appendChild(
				R.el(
					'div',
					{ class: typeof value === 'string' && value.length > 32 ? 'wide' : null },
					R.el('dt', null, R.label(name)),
					R.el('dd', null, R.value(value, R.step(path, name), name))
				)
			);
		}
		return list;
	};
})((window.redmem = window.redmem || {}));
