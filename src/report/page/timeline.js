/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The timeline: one chart below the other over the same seconds, with stalls and saves marked,
 * one cursor over all. Drawn by dygraphs without what it writes as markup (its legend and its
 * titles): the numbers at the cursor are ours, as text.
 */
(function (R) {
	'use strict';

	/* What is drawn of the columns: counters as what they rose by in a second. */
	const GROUPS = [
		{
			title: 'Memory',
			kind: 'bytes',
			columns: [
				['rss_bytes', 'k1'],
				['used_memory_bytes', 'k2'],
				['swap_bytes', 'k3'],
			],
			tall: true,
		},
		{
			title: 'Commands',
			kind: 'per second',
			rate: true,
			columns: [['commands_total', 'k1']],
		},
		{
			title: 'Minor faults',
			kind: 'per second',
			rate: true,
			columns: [['minor_faults_total', 'k5']],
		},
		{
			title: 'Major faults',
			kind: 'per second',
			rate: true,
			columns: [['major_faults_total', 'k3']],
		},
		{
			title: 'Evicted and expired keys',
			kind: 'per second',
			rate: true,
			columns: [
				['evicted_keys_total', 'k3'],
				['expired_keys_total', 'k6'],
			],
		},
		{
			title: 'CPU, of a core',
			kind: 'ratio',
			rate: true,
			columns: [['cpu_seconds_total', 'k2']],
		},
		{ title: 'Reply to redmem', kind: 'seconds', columns: [['reply_seconds', 'k4']] },
		{ title: 'Clients', kind: 'count', columns: [['connected_clients', 'k6']] },
	];
	/* Drawn also where all of it is zero: that nothing was swapped or read is an answer. */
	const ALWAYS = ['Memory', 'Commands', 'Minor faults', 'Major faults'];

	let prepared = false;

	function prepare() {
		if (prepared || !window.Dygraph) return;
		prepared = true;
		window.Dygraph.PLUGINS = window.Dygraph.PLUGINS.filter(
			(plugin) =>
				plugin !== window.Dygraph.Plugins.Legend &&
				plugin !== window.Dygraph.Plugins.ChartLabels
		);
	}

	function colour(name) {
		return getComputedStyle(document.documentElement)
			.getPropertyValue('--' + name)
			.trim();
	}

	/* --- numbers -------------------------------------------------------------------- */

	/*
	 * For each row, from which cells its rate is reckoned: the next that is known, itself or after
	 * it, and the one known before.
	 */
	function ratePaths(timeline, c, path) {
		const from = timeline.rows.map(() => null);
		let last = -1;

		timeline.rows.forEach((row, i) => {
			if (typeof row[c] !== 'number') return;
			for (let j = last + 1; last >= 0 && j <= i; j++)
				from[j] = [i, last, i, last].map(
					(r, n) => path + '/rows/' + r + '/' + (n < 2 ? c : 0)
				);
			last = i;
		});
		return from;
	}

	/* A rate holds from the row before to its own. */
	function plotted(series, i) {
		const value = series.values[series.from ? Math.min(i + 1, series.values.length - 1) : i];

		return typeof value === 'number' ? value : null;
	}

	function seriesOf(timeline, path) {
		return GROUPS.map((group) =>
			Object.assign({}, group, {
				series: group.columns
					.map(([name, paint]) => ({
						name,
						paint,
						c: timeline.columns.indexOf(name),
					}))
					.filter((series) => series.c >= 0)
					.map((series) => {
						const from = group.rate ? ratePaths(timeline, series.c, path) : null;

						series.from = from;
						series.values = timeline.rows.map((row, i) =>
							from ? from[i] && R.reckon('rate', from[i]) : row[series.c]
						);
						series.known = series.values.filter((value) => typeof value === 'number');
						return series;
					})
					.filter((series) => series.known.length),
			})
		).filter(
			(group) =>
				group.series.length &&
				(ALWAYS.includes(group.title) ||
					group.series.some((series) => series.known.some((value) => value !== 0)))
		);
	}

	/* --- marks ---------------------------------------------------------------------- */

	function marksOf(doc) {
		const stalls = (doc.stalls || [])
			.filter((s) => typeof s.t_seconds === 'number')
			.map((s) => ({
				kind: 'stall',
				from: s.t_seconds,
				to: s.t_seconds + (s.duration_seconds || 0),
			}));
		const saves = (doc.children || [])
			.filter((c) => typeof c.t_start_seconds === 'number')
			.map((c) => ({
				kind: 'save',
				from: c.t_start_seconds,
				to: typeof c.t_end_seconds === 'number' ? c.t_end_seconds : Infinity,
			}));

		return saves.concat(stalls);
	}

	function paintMarks(canvas, area, graph, marks) {
		for (const mark of marks) {
			const left = graph.toDomXCoord(mark.from);
			const right = Math.min(
				graph.toDomXCoord(Math.min(mark.to, graph.xAxisRange()[1])),
				area.x + area.w
			);
			const from = Math.max(left, area.x);

			if (right < area.x || left > area.x + area.w) continue;
			canvas.fillStyle = colour(mark.kind === 'stall' ? 'mark-stall' : 'mark-save');
			canvas.fillRect(from, area.y, Math.max(2, right - from), area.h);
		}
	}

	/* --- time ----------------------------------------------------------------------- */

	const NICE = [
		0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300,
		600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400,
	];
	const CLOCK_SECONDS = 120; /* a window of so much is told in times of day */

	/* Seconds since 1970 of t = 0; null where nobody knows. */
	function beginOf(doc) {
		const window = doc.window || {},
			start = Date.parse(window.start || '');

		return Number.isNaN(start) ? null : start / 1000 - (window.start_seconds || 0);
	}

	function clock(begin, t, fine) {
		const date = new Date(Math.round((begin + t) * 1000));

		return Number.isNaN(date.getTime()) ? '' : date.toISOString().slice(11, fine ? 19 : 16);
	}

	/* Round times, as seconds of the watch or, of a long one, as times of day (UTC). */
	function ticks(charts, group, from, to, pixels) {
		const clocked =
			charts.begin !== null &&
			charts.times[charts.times.length - 1] - charts.times[0] >= CLOCK_SECONDS;
		const least = (to - from) / Math.max(1, pixels / 90);
		const step = NICE.find((one) => one >= least) || least;
		const shift = clocked ? charts.begin : 0;
		const found = [];

		for (
			let n = Math.ceil((from + shift) / step);
			n * step - shift <= to && found.length < 100;
			n++
		) {
			const v = n * step - shift;

			found.push({
				v,
				label: !group.last
					? ''
					: clocked
						? clock(charts.begin, v, step < 60)
						: '+' + Number(v.toFixed(3)) + ' s',
			});
		}
		return found;
	}

	/* --- charts --------------------------------------------------------------------- */

	function options(charts, group) {
		const format = (value) => R.show(value, group.kind);

		return {
			labels: ['t'].concat(group.series.map((series) => series.name)),
			colors: group.series.map((series) => colour(series.paint)),
			legend: 'never',
			showLabelsOnHighlight: false,
			connectSeparatedPoints: true,
			strokeWidth: 1.5,
			drawPoints: charts.times.length <= 60 && !group.rate,
			pointSize: 2,
			highlightCircleSize: 3,
			animatedZooms: false,
			stepPlot: Boolean(group.rate),
			valueRange: [
				0,
				1.08 * Math.max(...group.series.map((series) => Math.max(...series.known))) || 1,
			],
			gridLineColor: colour('rule'),
			axisLineColor: colour('line'),
			gridLineWidth: 0.5,
			axisLabelFontSize: 11,
			rightGap: 8,
			xRangePad: 4,
			axes: {
				x: {
					axisLabelFormatter: String,
					valueFormatter: String,
					ticker: (from, to, pixels) => ticks(charts, group, from, to, pixels),
				},
				y: {
					labelsKMG2: group.kind === 'bytes',
					axisLabelFormatter: format,
					valueFormatter: format,
					axisLabelWidth: 62,
					pixelsPerLabel: 24,
				},
			},
			xAxisHeight: group.last ? 18 : 4,
		};
	}

	/* The numbers of a chart at a row; its last known ones without. */
	function tell(group, at, path) {
		R.clear(group.told);
		group.series.forEach((series) => {
			let i = at;

			if (i === null)
				for (i = series.values.length - 1; i > 0 && typeof series.values[i] !== 'number';)
					i--;
			const value = series.values[i];

			R.add(group.told, [
				R.el(
					'span',
					{ class: 'series' },
					R.el('i', { class: 'chip ' + series.paint }),
					group.series.length > 1 ? R.label(series.name) + ' ' : '',
					typeof value !== 'number'
						? '-'
						: series.from
							? R.derived('rate', series.from[i], group.kind)
							: R.num(value, path + '/rows/' + i + '/' + series.c, group.kind)
				),
			]);
		});
	}

	/* --- one cursor and one range over all charts ----------------------------------- */

	/* Put the cursor on a row of the timeline; null takes it away. */
	function point(charts, row) {
		charts.cursor = row;
		R.add(
			R.clear(charts.moment),
			row === null
				? ['at the end']
				: [
						'at ',
						R.num(charts.times[row], charts.path + '/rows/' + row + '/0', 'moment'),
						charts.begin === null
							? ''
							: ', ' + clock(charts.begin, charts.times[row], true) + ' UTC',
					]
		);
		for (const group of charts.groups) {
			tell(group, row, charts.path);
			group.line.hidden = row === null;
			if (row === null) group.graph.clearSelection();
			else {
				group.graph.setSelection(row);
				group.line.style.left = group.graph.toDomXCoord(charts.times[row]) + 'px';
			}
		}
	}

	/* Show from one second to another; null is the whole window. */
	function zoom(charts, range) {
		if (charts.busy) return;
		charts.busy = true;
		for (const group of charts.groups) group.graph.updateOptions({ dateWindow: range });
		charts.busy = false;
		charts.reset.hidden = !range;
		if (charts.cursor !== null) point(charts, charts.cursor);
	}

	const STEPS = {
		ArrowRight: 1,
		ArrowLeft: -1,
		PageDown: 10,
		PageUp: -10,
		Home: -Infinity,
		End: Infinity,
	};

	function move(charts, step) {
		const last = charts.times.length - 1;
		const from = charts.cursor !== null ? charts.cursor : step > 0 ? -1 : last + 1;

		point(charts, Math.max(0, Math.min(last, from + step)));
	}

	function keys(charts, event) {
		const first = charts.times[0],
			last = charts.times[charts.times.length - 1];
		const [from, to] = charts.groups[0].graph.xAxisRange();
		const middle = charts.cursor === null ? (from + to) / 2 : charts.times[charts.cursor];

		if (STEPS[event.key]) move(charts, STEPS[event.key]);
		else if (event.key === '+' || event.key === '=')
			zoom(charts, [middle - (to - from) / 4, middle + (to - from) / 4]);
		else if (event.key === '-')
			zoom(charts, [
				Math.max(first, middle - (to - from)),
				Math.min(last, middle + (to - from)),
			]);
		else if (event.key === '0' || event.key === 'Escape') {
			zoom(charts, null);
			point(charts, null);
		} else return;
		event.preventDefault();
	}

	function makeGraph(charts, group) {
		const place = R.el('div', { class: 'graph' });
		const { times, marks } = charts;

		group.told = R.el('span', { class: 'told' });
		group.line = R.el('i', { class: 'cursor', hidden: true });
		group.last = group === charts.groups[charts.groups.length - 1];
		R.add(charts.room, [
			R.el('div', { class: 'graph-head' }, R.el('h3', null, group.title), group.told),
			R.el(
				'div',
				{ class: 'graph-box' + (group.tall ? ' tall' : '') + (group.last ? ' last' : '') },
				place,
				group.line
			),
		]);
		group.graph = new window.Dygraph(
			place,
			times.map((t, i) => [t].concat(group.series.map((series) => plotted(series, i)))),
			Object.assign(options(charts, group), {
				underlayCallback: (canvas, area, graph) => paintMarks(canvas, area, graph, marks),
				highlightCallback: (event, x, points, row) => {
					if (row !== charts.cursor) point(charts, row);
				},
				unhighlightCallback: () => {
					if (charts.cursor !== null) point(charts, null);
				},
				zoomCallback: (from, to) =>
					zoom(
						charts,
						from <= times[0] && to >= times[times.length - 1] ? null : [from, to]
					),
			})
		);
	}

	function makeCharts(host, groups, doc, path) {
		const marks = marksOf(doc);
		const charts = {
			groups,
			path,
			marks,
			times: doc.timeline.rows.map((row) => row[0]),
			begin: beginOf(doc),
			cursor: null,
			busy: false,
			moment: R.el('span', { class: 'moment' }),
			reset: R.button('Whole window', () => zoom(charts, null), { hidden: true }),
			room: R.el('div', {
				class: 'timeline',
				tabindex: '0',
				role: 'group',
				on: { keydown: (event) => keys(charts, event) },
				'aria-label':
					'Timeline: arrows move the cursor, plus and minus zoom, 0 shows all of it',
			}),
		};
		const kinds = [
			['mark-stall', 'stall'],
			['mark-save', 'save (a child writes)'],
		];

		R.add(host, [
			R.el(
				'div',
				{ class: 'tools' },
				charts.moment,
				charts.reset,
				R.legend(
					kinds.filter(([kind]) => marks.some((mark) => 'mark-' + mark.kind === kind))
				)
			),
			charts.room,
		]);
		for (const group of groups) makeGraph(charts, group);
		point(charts, null);
		R.redraws.push(() =>
			groups.forEach((group) => group.graph.updateOptions(options(charts, group)))
		);
		R.resizes.push(() => groups.forEach((group) => group.graph.resize()));
	}

	function draw(body, context) {
		const timeline = context.doc.timeline,
			path = context.path + '/timeline';
		const timed = timeline.rows.every((row) => typeof row[0] === 'number');
		const groups = timed && timeline.rows.length > 1 ? seriesOf(timeline, path) : [];
		const host = R.el('div');

		prepare();
		body.appendChild(host);
		if (!window.Dygraph || !groups.length)
			host.appendChild(
				R.el(
					'p',
					{ class: 'note' },
					groups.length
						? 'The chart library is not in this page.'
						: 'The watch was too short to draw.'
				)
			);
		else makeCharts(host, groups, context.doc, path);
		body.appendChild(
			R.behind({
				rows: timeline.rows,
				path: path + '/rows',
				columns: timeline.columns.map((name, i) => ({
					steps: [i],
					label: R.label(name),
					kind: R.kind(name),
				})),
			})
		);
	}

	(R.sections = R.sections || []).push({
		id: 'timeline',
		order: 30,
		title: 'Timeline',
		claims: ['timeline'],
		wants: (doc) =>
			doc.timeline && Array.isArray(doc.timeline.rows) && doc.timeline.rows.length > 0,
		draw,
	});
})((window.redmem = window.redmem || {}));
