/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prefixes as a treemap: areas as large as what they hold, squarified (Bruls, Huizing, van Wijk
 * 2000); what lies below a prefix is drawn inside it, and a click or Enter goes in.
 */
(function (R) {
	'use strict';

	const MOST = 250; /* areas of one level; the rest is one area */
	const HEAD = 17,
		WIDE = 1000,
		INSIDE_WIDTH = 70,
		INSIDE_HEIGHT = 46;

	/* Lay @nodes (with .size, largest first) into a rectangle; gives each its .box. */
	function squarify(nodes, x, y, width, height) {
		const sum = nodes.reduce((total, node) => total + node.size, 0);
		let scale = sum > 0 ? (width * height) / sum : 0,
			from = 0;

		while (from < nodes.length) {
			const short = Math.min(width, height);
			let row = 0,
				to = from,
				worst = Infinity;

			while (to < nodes.length) {
				const area = row + nodes[to].size * scale;
				const side = area / short;
				const next = Math.max(
					(side * side) / (nodes[to].size * scale),
					(nodes[from].size * scale) / (side * side)
				);

				if (next > worst) break;
				worst = next;
				row = area;
				to++;
			}
			if (to === from) to++;
			const thick = short > 0 ? row / short : 0;
			let along = width >= height ? y : x;

			for (let i = from; i < to; i++) {
				const length = thick > 0 ? (nodes[i].size * scale) / thick : 0;

				nodes[i].box =
					width >= height
						? { x, y: along, w: thick, h: length }
						: { x: along, y, w: length, h: thick };
				along += length;
			}
			if (width >= height) {
				x += thick;
				width -= thick;
			} else {
				y += thick;
				height -= thick;
			}
			from = to;
		}
		return nodes;
	}

	function level(nodes) {
		const kept = nodes.filter((node) => node.size > 0).sort((a, b) => b.size - a.size);

		if (kept.length <= MOST) return kept;
		const rest = kept.slice(MOST);

		return kept
			.slice(0, MOST)
			.concat([
				{
					others: rest.length,
					size: rest.reduce((sum, node) => sum + node.size, 0),
					kids: [],
				},
			])
			.sort((a, b) => b.size - a.size);
	}

	function labelOf(node) {
		return node.others
			? R.count(node.others) + ' others'
			: R.visible(node.name === '' ? '(empty)' : node.name);
	}

	/* As much of a text as goes into so many pixels. */
	function fit(text, pixels) {
		const most = Math.floor(pixels / 6.6);

		return most < 3 ? '' : R.cut(text, most);
	}

	function say(map, node) {
		R.add(R.clear(map.told), [
			R.el('strong', null, node.others ? labelOf(node) : R.name(node.name)),
			' ',
			node.path ? R.num(R.at(node.path), node.path, map.kind) : R.show(node.size, map.kind),
		]);
	}

	/* What is inside is at least as large as what is known of it. */
	function nest(node) {
		const kids = level(node.kids),
			{ x, y, w, h } = node.box;
		const rest = node.size - kids.reduce((sum, kid) => sum + kid.size, 0);

		squarify(
			rest > node.size * 0.001 ? kids.concat({ size: rest, kids: [] }) : kids,
			x + 2,
			y + HEAD,
			w - 4,
			h - HEAD - 2
		);
		return kids.filter((kid) => kid.box.w > 2 && kid.box.h > 2);
	}

	function words(map, node, inside) {
		const { x, y, w, h } = node.box;
		const size = R.show(node.size, map.kind),
			name = h > 13 ? fit(labelOf(node), w - 8) : '';
		const write = (text, down, kind) =>
			R.svg('text', { class: kind, x: (x + 4).toFixed(2), y: (y + down).toFixed(2) }, text);

		return [
			name ? write(name, 12, null) : null,
			!inside && h > 28 && fit(size, w - 6) === size ? write(size, 25, 'size') : null,
		];
	}

	function area(map, node, depth, colour) {
		const { x, y, w, h } = node.box;
		const inside = depth < 2 && node.kids.length && w > INSIDE_WIDTH && h > INSIDE_HEIGHT;
		const open = (event) => {
			event.stopPropagation();
			map.trail.push(node);
			draw(map);
		};
		const on = { mouseenter: () => say(map, node), focus: () => say(map, node) };
		const label = R.cut(labelOf(node), 200) + ', ' + R.show(node.size, map.kind);

		if (node.kids.length)
			Object.assign(on, {
				click: open,
				keydown: (event) => {
					if (event.key === 'Enter') open(event);
				},
			});
		return R.svg(
			'g',
			{
				class: 'area ' + (node.others ? 'k8' : colour) + ' deep' + depth,
				tabindex: depth ? null : '-1',
				role: depth ? null : node.kids.length ? 'button' : 'img',
				'aria-label': label,
				on,
			},
			R.svg('title', null, label),
			R.svg('rect', {
				x: x.toFixed(2),
				y: y.toFixed(2),
				width: Math.max(0, w).toFixed(2),
				height: Math.max(0, h).toFixed(2),
			}),
			words(map, node, inside),
			inside ? nest(node).map((kid) => area(map, kid, depth + 1, colour)) : null
		);
	}

	/* The way from the top to what is shown; each step leads back. */
	function drawTrail(map) {
		const back = (steps) => () => {
			map.trail.length = steps;
			draw(map);
		};

		R.clear(map.crumbs);
		if (map.trail.length)
			R.add(map.crumbs, [
				R.button(map.name, back(0)),
				map.trail.map((node, i) => [
					' \u203a ',
					R.button(R.cut(node.name, 40), back(i + 1)),
				]),
			]);
	}

	function draw(map) {
		const trail = map.trail;
		const nodes = level(trail.length ? trail[trail.length - 1].kids : map.nodes);
		const wide = Math.max(280, map.room.clientWidth || WIDE);
		const high = Math.round(
			Math.min(nodes.length < 12 ? 240 : 420, Math.max(220, wide * 0.42))
		);

		const focused = map.room.contains(document.activeElement);

		drawTrail(map);
		squarify(nodes, 0, 0, wide, high);
		R.add(R.clear(map.room), [
			R.svg(
				'svg',
				{
					viewBox: '0 0 ' + wide + ' ' + high,
					width: wide,
					height: high,
					role: 'group',
					'aria-label': map.name,
				},
				nodes.map((node, i) => area(map, node, 0, 'k' + (1 + (i % 7))))
			),
		]);

		const first = map.room.querySelector('.deep0');

		if (first) first.setAttribute('tabindex', '0');
		if (first && focused) first.focus();
	}

	/*
	 * Draw a treemap into @host, which is in the page. @spec: nodes ({ name, size, path, kids }) of
	 * the top, kind of the sizes, name of the whole.
	 */
	R.treemap = function (host, spec) {
		const map = Object.assign(
			{
				trail: [],
				room: R.el('div', { class: 'treemap' }),
				crumbs: R.el('nav', { class: 'crumbs', 'aria-label': 'Where in the treemap' }),
				told: R.el(
					'p',
					{ class: 'told-area', 'aria-live': 'polite' },
					'Point at an area, or tab to it.'
				),
			},
			spec
		);

		map.room.addEventListener('keydown', (event) => {
			if ((event.key === 'Escape' || event.key === 'Backspace') && map.trail.length) {
				map.trail.pop();
				draw(map);
			}
		});
		R.rove(map.room, '.deep0');
		R.resizes.push(() => draw(map));
		R.add(host, [map.crumbs, map.room, map.told]);
		draw(map);
	};

	/* --- the section ------------------------------------------------------------------ */

	/* Rows in the order of a tree walked from its top, each with its depth. */
	function grow(rows, path, field) {
		const top = [],
			open = [];

		rows.forEach((row, i) => {
			const node = {
				name: row.prefix === null ? '-' : row.prefix,
				size: row[field] || 0,
				path: path + '/' + i + '/' + field,
				kids: [],
			};
			const depth = Math.max(0, Math.trunc(row.depth) || 0);

			open.length = Math.min(open.length, depth);
			(open.length ? open[open.length - 1].kids : top).push(node);
			open.push(node);
		});
		return top;
	}

	function sources(doc, path) {
		const keyspace = doc.census || (['keys', 'rdb'].includes(R.kindOf(doc)) ? doc : null);
		const base = doc.census ? path + '/census' : path;
		const found = [];
		const add = (rows, at, field, label, kind) => {
			if (Array.isArray(rows) && rows.some((row) => row[field] > 0))
				found.push({
					id: String(found.length),
					label,
					rows,
					path: at,
					field,
					kind,
				});
		};

		if (keyspace) {
			const tree =
				keyspace.prefix_tree && keyspace.prefix_tree.length ? 'prefix_tree' : 'prefixes';

			add(keyspace[tree], base + '/' + tree, 'bytes', 'Bytes held', 'bytes');
			add(keyspace[tree], base + '/' + tree, 'keys_total', 'Keys', 'count');
			add(keyspace[tree], base + '/' + tree, 'no_ttl_total', 'Keys without TTL', 'count');
		}
		if (['doctor', 'alloc'].includes(R.kindOf(doc))) {
			add(doc.prefixes, path + '/prefixes', 'alloc_bytes', 'Allocated in the watch', 'bytes');
			add(doc.prefixes, path + '/prefixes', 'free_bytes', 'Freed in the watch', 'bytes');
			add(doc.prefixes, path + '/prefixes', 'cpu_seconds', 'CPU time', 'seconds');
			add(doc.prefixes, path + '/prefixes', 'major_faults_total', 'Major faults', 'count');
			add(doc.prefixes, path + '/prefixes', 'minor_faults_total', 'Minor faults', 'count');
		}
		return found;
	}

	(R.sections = R.sections || []).push({
		id: 'prefixes',
		order: 50,
		title: 'Prefixes',
		claims: [],
		wants: (doc) => sources(doc, '').length > 0,
		draw(body, context) {
			const all = sources(context.doc, context.path);
			const host = R.el('div');
			const show = (id) => {
				const source = all.find((one) => one.id === id);

				R.treemap(R.clear(host), {
					nodes: grow(source.rows, source.path, source.field),
					kind: source.kind,
					name: 'All prefixes',
				});
				R.add(host, [
					R.behind({
						rows: source.rows,
						path: source.path,
						sort: source.rows[0].depth === undefined ? source.field : undefined,
					}),
				]);
			};

			R.add(body, [R.choice('Area', all, '0', show), host]);
			show('0');
		},
	});
})((window.redmem = window.redmem || {}));
