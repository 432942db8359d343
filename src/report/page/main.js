/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page: reads the report that lies in it, draws what is seen first at once and the rest when
 * the browser has time, or when somebody goes there. `<html data-ready>` says how far it is:
 * "first" when the first screen is there, "all" when everything is.
 */
(function (R) {
	'use strict';

	R.redraws = []; /* what takes colours from the theme */
	R.resizes = []; /* what is laid out by the width it has */
	const SLICE_MS = 120;
	let waiting = [];

	function ready(state) {
		document.documentElement.dataset.ready = state;
		document.documentElement.dataset.readyMs = performance.now().toFixed(1);
	}

	/* Do what draws into @host; what fails is said there, and the rest of the page goes on. */
	function guarded(host, draw) {
		try {
			draw();
		} catch (error) {
			R.add(host, [
				R.el('p', { class: 'said failed' }, 'This could not be drawn: ' + error.message),
			]);
			window.console.error(error);
		}
	}

	function drawSection(entry) {
		if (entry.drawn) return;
		entry.drawn = true;
		guarded(entry.body, () => entry.section.draw(entry.body, entry.context));
		entry.node.classList.remove('waiting');
	}

	R.drawAll = function () {
		const rest = waiting;

		waiting = [];
		rest.forEach(drawSection);
		ready('all');
	};

	/* What goes into a few frames at a time, so that the page answers meanwhile. */
	function drawNext(generation) {
		const begun = performance.now();

		while (generation === R.generation && waiting.length) {
			drawSection(waiting.shift());
			if (performance.now() - begun > SLICE_MS) {
				setTimeout(drawNext, 0, generation);
				return;
			}
		}
		if (generation === R.generation) ready('all');
	}

	function makeSection(section, context, prefix) {
		const body = R.el('div', { class: 'body' });
		const id = prefix + section.id;
		const node = R.el(
			'section',
			{ id, class: 'waiting', 'aria-labelledby': id + '-title' },
			R.el('h2', { id: id + '-title' }, section.title),
			body
		);

		return { section, context, body, node, id, drawn: false };
	}

	/*
	 * The documents in a document, each with its path and what its ids begin with: a death has what
	 * grew before it, and the report of its last minutes.
	 */
	function documentsIn(doc, path) {
		if (R.kindOf(doc) !== 'death' || !doc.report) return [[doc, path, '']];
		return [
			[
				Object.assign({}, doc.changes, { schema: 'redmem.changes/1', server: null }),
				path + '/changes',
				'before-',
			],
			[Object.assign({}, doc.report, { schema: 'redmem.doctor/1' }), path + '/report', ''],
		];
	}

	/* The sections of a document into @host. */
	function layOut(doc, path, host) {
		const documents = documentsIn(doc, path),
			all = [];

		if (documents.length > 1) guarded(host, () => R.add(host, [R.head(doc, path)]));
		for (const [one, where, prefix] of documents) {
			const context = { doc: one, path: where };
			const entries = R.sections
				.filter((section) => section.wants(one))
				.sort((a, b) => a.order - b.order)
				.map((section) => makeSection(section, context, prefix));

			guarded(host, () => R.add(host, [R.head(one, where)]));
			R.add(
				host,
				entries.map((entry) => entry.node)
			);
			all.push(...entries);
		}
		return all;
	}

	function links(entries) {
		return entries.map((entry) =>
			R.el(
				'a',
				{
					href: '#' + entry.id,
					on: { click: () => R.drawAll() },
				},
				entry.section.title
			)
		);
	}

	/* The report of several servers: which one. */
	function chooser(doc, show) {
		const select = R.el(
			'select',
			{
				'aria-label': 'Server',
				on: { change: () => show(Number(select.value)) },
			},
			doc.servers.map((one, i) =>
				R.el(
					'option',
					{ value: String(i) },
					R.cut(R.titleOf(one) + ': ' + (one.verdict || ''), 100)
				)
			)
		);

		return select;
	}

	function draw(doc, path, parts) {
		R.generation = (R.generation || 0) + 1;
		R.redraws.length = 0;
		R.resizes.length = 0;
		R.clear(parts.main);
		R.clear(parts.links);
		const entries = layOut(doc, path, parts.main);

		R.add(parts.links, links(entries));
		document.title = R.cut(R.titleOf(doc), 100) + ' \u2013 redmem';
		waiting = entries;
		for (let i = 0; i < 2 && waiting.length; i++) drawSection(waiting.shift());
		ready('first');
		setTimeout(drawNext, 0, R.generation);
	}

	/* Draw a report: of one server, or of several with a choice. */
	R.showReport = function (report, parts) {
		const several = Array.isArray(report.servers) && report.servers.length > 0;
		const show = (i) => {
			draw(report.servers[i], '/servers/' + i, parts);
			if (report.not_watched && report.not_watched.length)
				R.add(parts.main, [
					R.table({
						title: 'Not watched',
						rows: report.not_watched,
						path: '/not_watched',
					}),
				]);
		};

		R.report = report;
		R.add(R.clear(parts.choice), several ? [chooser(report, show)] : []);
		if (several) show(0);
		else draw(report, '', parts);
	};

	function bar(parts) {
		return R.el(
			'header',
			{ class: 'top' },
			R.el('span', { class: 'product' }, 'redmem'),
			parts.choice,
			parts.links,
			R.themeButton()
		);
	}

	let late = 0;

	window.addEventListener('resize', () => {
		clearTimeout(late);
		late = setTimeout(() => R.resizes.forEach((draw1) => draw1()), 100);
	});

	document.addEventListener('DOMContentLoaded', () => {
		const parts = {
			choice: R.el('span', { class: 'choices' }),
			links: R.el('nav', { 'aria-label': 'Sections' }),
			main: document.getElementById('page'),
		};
		const text = document.getElementById('report').textContent;
		let report;

		R.startTheme();
		document.body.insertBefore(bar(parts), parts.main);
		try {
			report = JSON.parse(text);
		} catch (broken) {
			R.add(parts.main, [
				R.el(
					'p',
					{ class: 'verdict critical' },
					'The report in this page is damaged: ' + broken.message
				),
			]);
			return;
		}
		if (report === null) R.live(parts);
		else R.showReport(report, parts);
	});
})((window.redmem = window.redmem || {}));
