/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stalls: a strip of the window with each where it was and as high as it was long, then one by
 * one with its time split by cause, and what is known of it behind a click.
 */
(function (R) {
	'use strict';

	/* As include/redmem/tables.h has them; tests/lint/page.sh holds the words against it. */
	const CAUSES = {
		command: ['own computing', 'k1'],
		allocator: ['allocator', 'k2'],
		fault_minor: ['first touch of memory', 'k5'],
		fault_cow: ['copy on write', 'k6'],
		fault_swap: ['swap-in', 'k3'],
		fault_file: ['file pages', 'k3'],
		reclaim: ['memory reclaim', 'k3'],
		compaction: ['memory compaction', 'k5'],
		cpu_wait: ['waiting for a CPU', 'k4'],
		stolen: ['a CPU that stood still', 'k4'],
		io_wait: ['waiting for I/O', 'k7'],
		fork: ['fork', 'k6'],
		expiry: ['expiring keys', 'k7'],
		eviction: ['evicting keys', 'k7'],
		defrag: ['active defrag', 'k6'],
		rehash: ['rehashing', 'k5'],
		other: ['other', 'k8'],
	};
	const PAGE = 20,
		STRIP_MOST = 2000,
		STRIP_HIGH = 64,
		SHORTEST = 1e-6;

	const words = (cause) => (R.pick(CAUSES, cause) || [cause])[0];
	const paint = (cause) => (R.pick(CAUSES, cause) || [cause, 'k8'])[1];

	R.causeWords = words;

	/* "DEL leaderboard:global", "1,000 commands in one turn of the loop" */
	function what(stall, path) {
		const upper = (command) => command.toUpperCase();

		if (typeof stall.commands_total === 'number')
			return [
				R.num(stall.commands_total, path + '/commands_total', 'count'),
				' commands in one turn of the loop',
			];
		return [
			stall.command === null || stall.command === undefined
				? 'not known'
				: stall.command === ''
					? 'the event loop itself'
					: R.el('code', null, upper(stall.command)),
			stall.inner ? [' \u203a ', R.el('code', null, upper(stall.inner))] : null,
			stall.key
				? [' ', R.name(stall.key), stall.key_truncated ? ' (its first bytes)' : '']
				: null,
		];
	}

	function mainCause(stall) {
		return (stall.blame || []).reduce(
			(best, one) => (!best || one.seconds > best.seconds ? one : best),
			null
		);
	}

	/* --- the strip -------------------------------------------------------------------- */

	function spanOf(doc, stalls) {
		const from =
			doc.window && typeof doc.window.start_seconds === 'number'
				? doc.window.start_seconds
				: 0;
		const length = (doc.window && doc.window.duration_seconds) || 0;

		return [
			Math.min(from, ...stalls.map((s) => s.t_seconds)),
			Math.max(from + length, ...stalls.map((s) => s.t_seconds + (s.duration_seconds || 0))),
		];
	}

	function tellOf(stall) {
		const cause = mainCause(stall);

		return (
			R.show(stall.t_seconds, 'moment') +
			': ' +
			R.seconds(stall.duration_seconds || 0) +
			', ' +
			R.cut(
				String(stall.command || 'loop').toUpperCase() + (stall.key ? ' ' + stall.key : ''),
				120
			) +
			(cause ? ', mostly ' + words(cause.cause) : '')
		);
	}

	/* A bar of the strip: by the logarithm, so that a stall of 5 ms is seen beside one of 5 s. */
	function stripBar(stall, scale) {
		const length = Math.max(stall.duration_seconds || 0, SHORTEST),
			cause = mainCause(stall);
		const high =
			STRIP_HIGH *
			(scale.longest > scale.shortest
				? 0.2 +
					(0.8 * Math.log(length / scale.shortest)) /
						Math.log(scale.longest / scale.shortest)
				: 1);
		const across = (seconds) => (1000 * seconds) / (scale.to - scale.from || 1);

		return R.svg(
			'rect',
			{
				class: cause ? paint(cause.cause) : 'k8',
				x: across(stall.t_seconds - scale.from).toFixed(2),
				y: (STRIP_HIGH - high).toFixed(1),
				height: high.toFixed(1),
				width: Math.max(2.5, across(length)).toFixed(2),
			},
			R.svg('title', null, tellOf(stall))
		);
	}

	function strip(doc, stalls) {
		const placed = stalls
			.filter((stall) => typeof stall.t_seconds === 'number')
			.slice(0, STRIP_MOST);
		const lengths = placed.map((stall) => Math.max(stall.duration_seconds || 0, SHORTEST));

		if (!placed.length) return null;
		const [from, to] = spanOf(doc, placed);
		const scale = { from, to, longest: Math.max(...lengths), shortest: Math.min(...lengths) };

		return R.el(
			'figure',
			{ class: 'strip' },
			R.svg(
				'svg',
				{
					viewBox: '0 0 1000 ' + STRIP_HIGH,
					preserveAspectRatio: 'none',
					role: 'img',
					'aria-label': 'When the stalls were',
				},
				placed.map((stall) => stripBar(stall, scale))
			),
			R.el(
				'figcaption',
				null,
				R.el('span', null, R.show(from, 'moment')),
				R.el('span', null, R.show(to, 'moment'))
			),
			R.el(
				'p',
				{ class: 'note' },
				'Higher is longer (logarithmic); the colour is the main cause.'
			)
		);
	}

	/* --- one by one ------------------------------------------------------------------- */

	function split(stall, path, longest) {
		const bar = R.el('div', { class: 'split' });

		(stall.blame || []).forEach((one) => {
			const piece = R.el('i', {
				class: paint(one.cause),
				title: words(one.cause) + ' ' + R.show(one.seconds, 'seconds'),
			});

			piece.style.width = (100 * Math.max(0, one.seconds || 0)) / (longest || 1) + '%';
			bar.appendChild(piece);
		});
		return R.el(
			'div',
			null,
			bar,
			R.el(
				'p',
				{ class: 'causes' },
				stall.blame && stall.blame.length
					? stall.blame.map((one, i) => [
							i ? ', ' : '',
							R.el('i', {
								class: 'chip ' + paint(one.cause),
							}),
							words(one.cause),
							' ',
							R.num(one.seconds, path + '/blame/' + i + '/seconds', 'seconds'),
						])
					: 'cause not known'
			)
		);
	}

	const TOLD = [
		'duration_seconds',
		't_seconds',
		'command',
		'key',
		'key_truncated',
		'blame',
		'advice',
		'inner',
	];

	function row(stall, path, longest) {
		const rest = Object.keys(stall).filter(
			(name) =>
				!TOLD.includes(name) &&
				stall[name] !== null &&
				stall[name] !== '' &&
				!/_base64$/.test(name) &&
				!(Array.isArray(stall[name]) && !stall[name].length)
		);

		return R.el(
			'li',
			{ class: 'stall' },
			R.el(
				'div',
				{ class: 'stall-head' },
				R.num(stall.t_seconds, path + '/t_seconds', 'moment'),
				R.el(
					'b',
					null,
					R.num(stall.duration_seconds, path + '/duration_seconds', 'seconds'),
					stall.running ? ' so far' : ''
				),
				R.el('span', null, what(stall, path))
			),
			split(stall, path, longest),
			stall.advice ? R.el('p', { class: 'advice' }, stall.advice) : null,
			rest.length ? R.later('More', () => R.facts(stall, path, rest)) : null
		);
	}

	function list(stalls, path) {
		const order = stalls
			.map((stall, i) => ({ stall, i }))
			.sort((a, b) => (b.stall.duration_seconds || 0) - (a.stall.duration_seconds || 0));
		const longest = order.length ? order[0].stall.duration_seconds : 0;
		const host = R.el('ol', { class: 'stalls' });
		let shown = 0;
		const more = R.button('', () => grow());

		function grow() {
			for (const entry of order.slice(shown, shown + PAGE))
				host.appendChild(row(entry.stall, path + '/' + entry.i, longest));
			shown = Math.min(shown + PAGE, order.length);
			more.hidden = shown >= order.length;
			more.textContent =
				'Show ' +
				R.count(Math.min(PAGE, order.length - shown)) +
				' more of ' +
				R.count(order.length);
		}
		grow();
		return [host, more];
	}

	function usedCauses(stalls) {
		const seen = new Set();

		for (const stall of stalls) for (const one of stall.blame || []) seen.add(one.cause);
		return Array.from(seen).map((cause) => [paint(cause), words(cause)]);
	}

	/* The sums that `redmem stalls` ends with. */
	function drawSums(body, context) {
		const doc = context.doc,
			path = context.path;
		const bars = (name, field, show, colour) =>
			doc[name] && doc[name].length
				? [
						R.bars({
							rows: R.top(doc[name], path + '/' + name, (row) => row.seconds, 12),
							kind: 'seconds',
							right: { field: 'seconds', colour, label: 'seconds' },
							name: (row) => show(row[field]),
						}),
						R.behind({ rows: doc[name], path: path + '/' + name }),
					]
				: null;

		R.add(body, [
			R.facts(doc, path, ['longest', 'other_prefixes']),
			R.el('h3', null, 'By cause'),
			bars('causes', 'cause', words, 'k3'),
			R.el('h3', null, 'By prefix'),
			bars('prefixes', 'prefix', R.name, 'k1'),
		]);
	}

	(R.sections = R.sections || []).push({
		id: 'sums',
		order: 34,
		title: 'Stalls in all',
		claims: [
			'causes',
			'prefixes',
			'longest',
			'other_prefixes',
			'stalls_total',
			'stalls_seconds',
		],
		wants: (doc) => R.kindOf(doc) === 'stalls',
		draw: drawSums,
	});

	(R.sections = R.sections || []).push({
		id: 'stalls',
		order: 35,
		title: 'Stalls',
		claims: ['stalls', 'stalls_left_out_total'],
		wants: (doc) =>
			(Array.isArray(doc.stalls) && (doc.stalls.length || R.kindOf(doc) === 'doctor')) ||
			R.kindOf(doc) === 'stalls',
		draw(body, context) {
			const doc = context.doc,
				stalls = doc.stalls || [],
				path = context.path + '/stalls';
			const off = (doc.sensors || []).find((sensor) => sensor.id === 'loop');

			if (!stalls.length) {
				R.add(body, [
					R.el(
						'p',
						{ class: 'note' },
						R.kindOf(doc) === 'doctor' && (!off || off.state !== 'on')
							? 'Not known: the loop sensor was off.'
							: 'None in this watch.'
					),
				]);
				return;
			}
			R.add(body, [
				strip(doc, stalls),
				R.legend(usedCauses(stalls)),
				list(stalls, path),
				doc.stalls_left_out_total
					? R.el(
							'p',
							{ class: 'note' },
							'Left out, shorter: ',
							R.num(
								doc.stalls_left_out_total,
								context.path + '/stalls_left_out_total',
								'count'
							)
						)
					: null,
				R.behind({ rows: stalls, path }),
			]);
		},
	});
})((window.redmem = window.redmem || {}));
