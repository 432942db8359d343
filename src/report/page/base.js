/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Elements, names and numbers. What a report says enters the page here and nowhere else, and
 * only as text: names are chosen by the server's clients.
 *
 * A number's element carries the exact value (data-value) and where it stands in the report
 * (data-path, a JSON pointer). One that is reckoned from others says how (data-how: ratio,
 * rate, difference, sum) and from which (data-from: their paths). The tests hold both against
 * the report.
 */
(function (R) {
	'use strict';

	const SVG = 'http://www.w3.org/2000/svg';
	/* Attributes that people see or hear. */
	const SHOWN = ['title', 'aria-label', 'placeholder'];

	function fill(node, attributes, kids) {
		for (const name of Object.keys(attributes || {})) {
			const value = attributes[name];

			if (name === 'on')
				for (const event of Object.keys(value)) node.addEventListener(event, value[event]);
			else if (value !== null && value !== undefined && value !== false)
				node.setAttribute(
					name,
					value === true ? '' : SHOWN.includes(name) ? R.visible(value) : value
				);
		}
		R.add(node, kids);
		return node;
	}

	/* Append nodes, texts, and lists of them; null is nothing. */
	R.add = function (node, kids) {
		for (const kid of kids)
			if (Array.isArray(kid)) R.add(node, kid);
			else if (kid instanceof Node) node.appendChild(kid);
			else if (kid !== null && kid !== undefined && kid !== false)
				node.appendChild(document.createTextNode(R.visible(kid)));
		return node;
	};

	/* An element: el('p', { class: 'x', on: { click: f } }, 'text', node, ...). */
	R.el = function (tag, attributes, ...kids) {
		return fill(document.createElement(tag), attributes, kids);
	};

	R.svg = function (tag, attributes, ...kids) {
		return fill(document.createElementNS(SVG, tag), attributes, kids);
	};

	R.clear = function (node) {
		node.textContent = '';
		return node;
	};

	R.button = function (text, click, attributes) {
		return R.el('button', Object.assign({ type: 'button', on: { click } }, attributes), text);
	};

	/* What a table of ours has under a name of the report's; undefined. */
	R.pick = function (table, name) {
		return Object.prototype.hasOwnProperty.call(table, name) ? table[name] : undefined;
	};

	/* --- names ---------------------------------------------------------------------- */

	/*
	 * What cannot be seen, or turns around what can: controls, bidi marks and overrides, zero
	 * width, line separators, halves of pairs, tags, fillers, variation selectors.
	 */
	const UNSEEN = new RegExp(
		'[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160' +
			'\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164' +
			'\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\ud800-\\udfff\\u{1bca0}-\\u{1bca3}' +
			'\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]',
		'gu'
	);

	function escaped(character) {
		const code = character.codePointAt(0).toString(16);

		if (code.length <= 2) return '\\x' + code.padStart(2, '0');
		return code.length <= 4 ? '\\u' + code.padStart(4, '0') : '\\u{' + code + '}';
	}

	/* The text with all that is invisible in it shown escaped. */
	R.visible = function (text) {
		return String(text).replace(UNSEEN, escaped);
	};

	/* At most @most characters of it, and dots. */
	R.cut = function (text, most) {
		const shown = Array.from(R.visible(text).slice(0, 2 * most + 2));

		return shown.length > most ? shown.slice(0, most - 1).join('') + '\u2026' : shown.join('');
	};

	const NAME_MOST = 120;

	/*
	 * A name of a key, a prefix, a client: cut where it is long, and then a button shows it all.
	 * @word: it is a word of ours rather.
	 */
	R.name = function (text, word) {
		if (text === null || text === undefined) return R.el('span', { class: 'none' }, '-');
		if (text === '') return R.el('span', { class: 'none' }, '(empty)');

		const name = R.el('bdi', { class: word ? 'word' : 'name' }, R.cut(text, NAME_MOST));

		if (text.length <= NAME_MOST) return name;
		const more = R.button(
			R.count(text.length) + ' characters',
			() => {
				R.clear(name).appendChild(document.createTextNode(R.visible(text)));
				name.classList.add('whole');
				more.remove();
			},
			{ class: 'more', title: 'Show the whole name' }
		);
		return R.el('span', null, name, ' ', more);
	};

	/* A command as tables show it; the event loop itself has an empty one. */
	R.command = function (text) {
		return text === '' ? R.el('span', { class: 'none' }, '(event loop)') : R.name(text);
	};

	/* --- numbers -------------------------------------------------------------------- */

	R.count = function (n) {
		const whole = Math.abs(Math.trunc(n))
			.toString()
			.replace(/\B(?=(\d{3})+$)/g, ',');

		return (n < 0 ? '-' : '') + whole;
	};

	R.bytes = function (n) {
		const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
		let value = n / 1024,
			i = 0;

		if (Math.abs(n) < 1024) return (Number.isInteger(n) ? n : n.toFixed(1)) + ' B';
		while (Math.abs(value) >= 1023.95 && i < 5) {
			value /= 1024;
			i++;
		}
		return value.toFixed(1) + ' ' + units[i];
	};

	/* 4 min 10 s, 2 h 5 min, 3 d 4 h: the two largest units. */
	function longSeconds(seconds) {
		const scale = [
			[86400, 3600, 'd', 'h'],
			[3600, 60, 'h', 'min'],
			[60, 1, 'min', 's'],
		];

		for (let i = 0; i < scale.length; i++) {
			const [large, small, one, other] = scale[i];
			const n = Math.floor((Math.round(seconds) + Math.floor(small / 2)) / small);
			const per = large / small;

			if (n >= per || i === 2)
				return Math.floor(n / per) + ' ' + one + ' ' + (n % per) + ' ' + other;
		}
		return '';
	}

	R.seconds = function (seconds) {
		const units = ['ns', 'us', 'ms', 's'];
		let value = Math.abs(seconds) * 1e9,
			i = 0;
		const sign = seconds < 0 ? '-' : '';

		if (seconds === 0) return '0 s';
		if (Math.abs(seconds) >= 59.5) return sign + longSeconds(Math.abs(seconds));
		while (value >= 999.5 && i < 3) {
			value /= 1000;
			i++;
		}
		return sign + value.toFixed(value < 9.95 ? 1 : 0) + ' ' + units[i];
	};

	R.ratio = function (n) {
		return (n * 100).toFixed(1) + ' %';
	};

	R.real = function (n) {
		if (Number.isInteger(n)) return R.count(n);
		const size = Math.abs(n);

		return size >= 1000
			? R.count(Math.round(n))
			: size >= 0.01
				? n.toFixed(2)
				: n.toPrecision(3);
	};

	/* What is printed for a number of this kind; "-" where it is not known. */
	R.show = function (value, kind) {
		if (value === null || value === undefined || !Number.isFinite(value)) return '-';
		switch (kind) {
			case 'bytes':
				return R.bytes(value);
			case 'bytes/s':
				return R.bytes(value) + '/s';
			case 'seconds':
				return R.seconds(value);
			case 'moment':
				return '+' + value.toFixed(2) + ' s';
			case 'ttl':
				return value === -1 ? 'none' : R.seconds(value);
			case 'ratio':
				return R.ratio(value);
			case 'percent':
				return value.toFixed(1) + ' %';
			case 'per second':
				return (
					(value && Math.abs(value) < 9.95
						? value.toFixed(1)
						: R.count(Math.round(value))) + '/s'
				);
			case 'plain':
				return String(value);
			default:
				return R.real(value);
		}
	};

	function exact(value, kind) {
		const text = Number.isInteger(value) ? R.count(value) : String(value);

		return kind === 'bytes'
			? text + ' bytes'
			: kind === 'seconds' || kind === 'moment'
				? text + ' s'
				: text;
	}

	/* A number of the report, which stands there at @path. */
	R.num = function (value, path, kind) {
		if (typeof value !== 'number') return R.el('span', { class: 'none' }, '-');
		return R.el(
			'span',
			{
				class: 'num',
				'data-value': String(value),
				'data-path': path,
				'data-kind': kind,
				title: exact(value, kind),
			},
			R.show(value, kind)
		);
	};

	const HOW = {
		ratio: (v) => v[0] / v[1],
		difference: (v) => v[0] - v[1],
		rate: (v) => (v[0] - v[1]) / (v[2] - v[3]),
		'per second': (v) => v[0] / v[1],
		sum: (v) => v.reduce((a, b) => a + b, 0),
	};

	/* A number that is reckoned from those at @paths; nothing known where one of them is not. */
	R.reckon = function (how, paths) {
		const values = paths.map(R.at);

		return values.every((v) => typeof v === 'number') ? HOW[how](values) : null;
	};

	R.derived = function (how, paths, kind) {
		const value = R.reckon(how, paths);

		if (value === null || !Number.isFinite(value)) return R.el('span', { class: 'none' }, '-');
		return R.el(
			'span',
			{
				class: 'num',
				'data-value': String(value),
				'data-how': how,
				'data-from': paths.join(' '),
				'data-kind': kind,
				title: how + ': ' + String(value),
			},
			R.show(value, kind)
		);
	};

	/* What stands in the report at a JSON pointer. */
	R.at = function (path) {
		let value = R.report;

		for (const step of path.split('/').slice(1))
			value =
				value === null || value === undefined
					? undefined
					: value[step.replace(/~1/g, '/').replace(/~0/g, '~')];
		return value;
	};

	R.step = function (path, name) {
		return path + '/' + String(name).replace(/~/g, '~0').replace(/\//g, '~1');
	};

	/* --- fields --------------------------------------------------------------------- */

	const KINDS = [
		[/^ttl_seconds$/, 'ttl'],
		[/(^|_)t(_start|_end)?_seconds$|^start_seconds$/, 'moment'],
		[/(^|_)bytes_per_second$/, 'bytes/s'],
		[/_bytes(_mean|_avg|_max|_per_call)?$|^bytes(_|$)|^bytes_(avg|max)$/, 'bytes'],
		[/_seconds(_total)?$|^seconds$/, 'seconds'],
		[/_ratio$/, 'ratio'],
		[/_percent$/, 'percent'],
		[/_per_second$/, 'per second'],
		[
			/^(pid|child_pid|hog_pid|port|db|depth|slot|id|rdb_version|exit_code|exit_signal)$/,
			'plain',
		],
		[/_ms$/, 'milliseconds'],
	];

	R.kind = function (field) {
		for (const [pattern, kind] of KINDS)
			if (pattern.test(field) && !/^bytes_unknown_total$/.test(field)) return kind;
		return 'count';
	};

	const LABELS = {
		alloc_bytes: 'allocated',
		free_bytes: 'freed',
		net_bytes: 'net',
		net_low_bytes: 'net at least',
		net_high_bytes: 'net at most',
		cpu_seconds: 'CPU time',
		cpu_ratio: 'of a core',
		cow_faults_total: 'copy on write',
		swap_faults_total: 'swap-ins',
		swap_fault_seconds: 'in swap-ins',
		fault_seconds: 'in faults',
		allocator_seconds: 'in allocator',
		kernel_seconds: 'in kernel',
		cpu_wait_seconds: 'CPU wait',
		io_wait_seconds: 'I/O wait',
		reclaim_seconds: 'reclaim',
		cpu_samples_total: 'CPU samples',
		t_seconds: 'at',
		top_command: 'mostly by',
		db: 'db',
		calls_total: 'calls',
		flow_hits_total: 'hits',
		alloc_bytes_per_call: 'allocated a call',
		free_bytes_per_call: 'freed a call',
		commandstats_seconds: 'by commandstats',
		ttl_seconds: 'TTL',
		holes_bytes: 'holes',
		size_bytes: 'size',
		utilization_ratio: 'used',
		no_ttl_total: 'without TTL',
		largest_by_bytes: 'largest by bytes',
		used_memory_bytes: 'used',
		rss_bytes: 'rss',
		swap_bytes: 'swap',
		pid: 'pid',
	};

	/* A member's name as people read it: its unit is seen by the number. */
	R.label = function (field) {
		if (R.pick(LABELS, field)) return R.pick(LABELS, field);
		const words = field
			.replace(/_(bytes|seconds|total|ratio|percent)$/, '')
			.replace(/[_.]/g, ' ');

		return words === 'bytes' || words === '' ? 'bytes' : words;
	};
})((window.redmem = window.redmem || {}));
