/* SPDX-License-Identifier: BSD-2-Clause */
/* What was watched, the verdict, the figures that matter, the findings: what, why, what to do. */
(function (R) {
	'use strict';

	const WORDS = { critical: 'Critical', warning: 'Warning', info: 'Note' };
	const UNITS = { bytes: 'bytes', seconds: 'seconds', ratio: 'ratio', 'bytes/s': 'bytes/s' };

	function where(target) {
		if (!target) return null;
		return [
			target.server,
			target.version,
			target.port ? 'port ' + target.port : null,
			target.socket ? 'socket ' + target.socket : null,
			target.pid ? 'pid ' + target.pid : null,
			target.allocator,
			target.role,
		]
			.filter((word) => word !== null && word !== undefined && word !== '')
			.join(', ');
	}

	const TITLES = {
		doctor: 'Diagnosis',
		alloc: 'Allocations',
		memory: 'Memory',
		keys: 'Keys',
		key: 'Key',
		stalls: 'Stalls',
		rdb: 'Dump',
		diff: 'Two dumps compared',
		changes: 'Two times compared',
		death: 'The last death',
		doctor_all: 'All servers of the host',
		lab: 'Lab',
		lab_diff: 'Two labs compared',
	};

	R.kindOf = function (doc) {
		const parts = /^redmem\.([a-z_]+)\//.exec(doc.schema || '');

		return parts ? parts[1] : '';
	};

	R.titleOf = function (doc) {
		const title = R.pick(TITLES, R.kindOf(doc)) || R.kindOf(doc) || 'Report';

		if (R.kindOf(doc) === 'key') return title + ' ' + R.cut(doc.key || '', 80);
		if (Array.isArray(doc.files) && doc.files.length)
			return title + ' ' + doc.files.map((file) => file.name).join(', ');
		if (doc.server && typeof doc.server === 'string') return title + ': ' + doc.server;
		if (doc.scenario) return title + ': ' + R.cut(doc.scenario, 80);
		return (
			title +
			(doc.target && doc.target.server
				? ' of ' +
					doc.target.server +
					(doc.target.port ? ' on port ' + doc.target.port : '')
				: '')
		);
	};

	/* --- the head ------------------------------------------------------------------- */

	/* The cells between which a column of the timeline went on, with their times. */
	function span(timeline, name, path) {
		const c = timeline.columns.indexOf(name);
		const known = timeline.rows
			.map((row, i) => i)
			.filter((i) => typeof timeline.rows[i][c] === 'number');
		const ends = [known[known.length - 1], known[0]];

		return known.length < 2
			? null
			: ends
					.map((i) => path + '/rows/' + i + '/' + c)
					.concat(ends.map((i) => path + '/rows/' + i + '/0'));
	}

	function rates(timeline, path) {
		return [
			['commands', 'commands_total', 'per second'],
			['major faults', 'major_faults_total', 'per second'],
			['of a core', 'cpu_seconds_total', 'ratio'],
		]
			.map(([label, name, kind]) => {
				const from = span(timeline, name, path);

				return from && [label, R.derived('rate', from, kind)];
			})
			.filter(Boolean);
	}

	function longestStall(stalls) {
		return stalls.reduce(
			(best, stall, i) => (stall.duration_seconds > stalls[best].duration_seconds ? i : best),
			0
		);
	}

	const LINES = ['rss', 'allocated', 'slab_holes', 'swap'];
	/* Members that are told at once: [path, label, kind]; of a watch, and of a pass over keys. */
	const TOLD = [
		['/stalls_total', 'stalls', 'count'],
		['/stalls_seconds', 'in stalls', 'seconds'],
		['/totals/alloc_bytes', 'allocated', 'bytes'],
		['/totals/free_bytes', 'freed', 'bytes'],
	];
	const PASS = [
		['/scanned_total', 'keys', 'count'],
		['/bytes', 'in keys', 'bytes'],
		['/no_ttl_total', 'without TTL', 'count'],
	];

	function figures(doc, path) {
		const found = [];
		const take = (label, pointer, kind) => {
			const value = R.at(pointer);

			if (typeof value === 'number') found.push([label, R.num(value, pointer, kind)]);
		};

		(doc.ledger || []).forEach((row, i) => {
			if (LINES.includes(row.id) && (row.bytes || row.id === 'rss'))
				take(row.title || row.id, path + '/ledger/' + i + '/bytes', 'bytes');
		});
		if (doc.timeline && doc.timeline.columns)
			found.push(...rates(doc.timeline, path + '/timeline'));
		if (Array.isArray(doc.stalls) && doc.stalls.length)
			take(
				'longest stall',
				path + '/stalls/' + longestStall(doc.stalls) + '/duration_seconds',
				'seconds'
			);
		for (const [pointer, label, kind] of ['keys', 'rdb'].includes(R.kindOf(doc)) ? PASS : TOLD)
			take(label, path + pointer, kind);
		return found;
	}

	function worst(doc) {
		const all = (doc.findings || []).map((finding) => finding.severity);

		return ['critical', 'warning'].find((severity) => all.includes(severity)) || 'info';
	}

	/* Of a death: when, of what, how much it held. */
	function death(doc, path) {
		return R.kindOf(doc) !== 'death'
			? null
			: R.el(
					'p',
					{ class: 'verdict critical' },
					[doc.time, doc.cause, doc.detail].filter(Boolean).join(', '),
					typeof doc.held_bytes === 'number'
						? ['; it held ', R.num(doc.held_bytes, path + '/held_bytes', 'bytes')]
						: null
				);
	}

	/* Of a comparison: which two. */
	function which(doc, path) {
		return ['before', 'after']
			.filter((name) => doc[name] && typeof doc[name] === 'object')
			.map((name, i) => {
				const one = doc[name];

				return [
					i ? ' \u00b7 ' : '',
					name + ' ',
					one.name ? R.name(one.name) : one.start,
					typeof one.duration_seconds === 'number'
						? [
								' (',
								R.num(
									one.duration_seconds,
									path + '/' + name + '/duration_seconds',
									'seconds'
								),
								')',
							]
						: null,
				];
			});
	}

	R.head = function (doc, path) {
		const place = where(doc.target);
		const start = doc.window && doc.window.start;

		return R.el(
			'header',
			{ class: 'head' },
			R.el('h1', null, R.titleOf(doc)),
			R.el(
				'p',
				{ class: 'place' },
				place,
				which(doc, path),
				doc.window && typeof doc.window.duration_seconds === 'number'
					? [
							place ? ' \u00b7 ' : '',
							'watched ',
							R.num(
								doc.window.duration_seconds,
								path + '/window/duration_seconds',
								'seconds'
							),
							start ? ' from ' + start : '',
						]
					: null
			),
			death(doc, path),
			doc.verdict ? R.el('p', { class: 'verdict ' + worst(doc) }, doc.verdict) : null,
			R.el(
				'dl',
				{ class: 'figures' },
				figures(doc, path).map(([label, value]) =>
					R.el('div', null, R.el('dt', null, label), R.el('dd', null, value))
				)
			)
		);
	};

	/* --- findings ------------------------------------------------------------------- */

	function evidence(list, path) {
		return R.el(
			'dl',
			{ class: 'evidence' },
			list.map((item, i) =>
				R.el(
					'div',
					null,
					R.el('dt', null, R.el('code', null, item.name)),
					R.el(
						'dd',
						null,
						typeof item.value === 'number'
							? [
									R.num(
										item.value,
										path + '/' + i + '/value',
										R.pick(UNITS, item.unit) || 'count'
									),
									R.pick(UNITS, item.unit) || !item.unit || item.unit === 'count'
										? ''
										: ' ' + item.unit,
								]
							: R.name(item.text === undefined ? null : item.text),
						item.basis && item.basis !== 'exact'
							? R.el('span', { class: 'basis' }, ' ' + item.basis)
							: null
					)
				)
			)
		);
	}

	function action(item, path) {
		return R.el(
			'li',
			null,
			item.text,
			typeof item.expected_gain_bytes === 'number'
				? [
						' Expected gain: ',
						R.num(item.expected_gain_bytes, path + '/expected_gain_bytes', 'bytes'),
						'.',
					]
				: null,
			item.command ? R.el('pre', { tabindex: '0' }, R.el('code', null, item.command)) : null
		);
	}

	R.evidence = evidence;

	R.finding = function (finding, path) {
		const severity = R.pick(WORDS, finding.severity) ? finding.severity : 'info';

		return R.el(
			'details',
			{ class: 'finding ' + severity, open: severity !== 'info' },
			R.el(
				'summary',
				null,
				R.el('span', { class: 'severity' }, WORDS[severity]),
				R.el('strong', null, finding.title),
				R.el('code', null, finding.id),
				finding.weak ? R.el('span', { class: 'basis' }, 'thin evidence') : null
			),
			R.el(
				'div',
				{ class: 'finding-body' },
				finding.cause ? R.el('p', null, finding.cause) : null,
				finding.action && finding.action.length
					? [
							R.el('h4', null, 'What to do'),
							R.el(
								'ol',
								null,
								finding.action.map((item, i) => action(item, path + '/action/' + i))
							),
						]
					: null,
				finding.evidence && finding.evidence.length
					? [
							R.el('h4', null, 'What was seen'),
							evidence(finding.evidence, path + '/evidence'),
						]
					: null
			)
		);
	};

	(R.sections = R.sections || []).push({
		id: 'findings',
		order: 10,
		title: 'Findings',
		claims: ['findings', 'verdict', 'schema'],
		wants: (doc) => Array.isArray(doc.findings),
		draw(body, context) {
			const findings = context.doc.findings;

			R.add(
				body,
				findings.length
					? findings.map((finding, i) =>
							R.finding(finding, context.path + '/findings/' + i)
						)
					: [R.el('p', { class: 'note' }, 'Nothing was found.')]
			);
		},
	});
})((window.redmem = window.redmem || {}));
