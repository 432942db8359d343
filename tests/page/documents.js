// SPDX-License-Identifier: BSD-2-Clause
//
// Documents as redmem writes them, with names and numbers of prefixes that hurt.
'use strict';

const SEEDS = [
	'<script>window.ran = true</script>',
	'"><img src=x onerror="window.ran = true">',
	'<svg onload=window.ran=true>',
	'</script><script>window.ran = true</script>',
	'</title></style><iframe src="https://example.invalid/">',
	'&lt;script&gt;window.ran = true&lt;/script&gt;',
	'&#x3c;b&#x3e;',
	'<!--',
	']]>',
	'${window.ran = true}',
	'javascript:window.ran=true',
	'\u202eevil\u202c',
	'\u2066a\u2069',
	'\u200b\u200d\ufeff',
	'a\u0000b',
	'\u001b[31mred\u001b[0m',
	'\u2028line\u2029',
	'\ud800',
	'__proto__',
	'constructor',
	'toString',
	'\ufff9\u{e0041}\u{e007f}',
	'@import url(//example.invalid)',
	'" style="position:fixed;inset:0',
	"' onmouseover='window.ran=true",
	'=HYPERLINK("//example.invalid")',
	'%3Cscript%3E',
	'\u05d0\u05d1\u05d2',
	'\u00a0\u3000\u2003',
	'\u0301\u0301\u0301',
	'<a href="javascript:window.ran=true">x</a>',
	'\\x3cscript\\x3e',
];

function hostileNames(count) {
	const names = SEEDS.slice();

	for (let i = names.length; i < count - 1; i++)
		names.push(`${SEEDS[i % SEEDS.length]}:${i}:${SEEDS[(i * 7) % SEEDS.length]}`);
	names.push('<b>'.repeat(21845) + 'x'); // 64 KiB
	return names;
}

// @count prefixes in @document, each with numbers of its own.
function withPrefixes(document, count) {
	const [like] = document.prefixes;

	document.prefixes = Array.from({ length: count }, (_, i) => ({
		...like,
		prefix: `service${i % 40}:entity${i}:*`,
		example: `service${i % 40}:entity${i}:1`,
		alloc_bytes: Math.floor(5e9 / (i + 1)) + i,
		free_bytes: Math.floor(4e9 / (i + 2)),
		minor_faults_total: count - i,
	}));
	return document;
}

// Stalls, findings and keys as @like is, each named @one wherever it has a name.
function stallNamed(like, one, i, other) {
	return {
		...like,
		key: one,
		command: other,
		client: one,
		client_name: one,
		advice: one,
		t_seconds: i / 10,
		hog: one,
		wait_file: one,
		mix: [{ command: one, share_ratio: 0.5 }],
		blame: [{ cause: one, seconds: 0.01 }],
		key_now: {
			db: 0,
			key: one,
			type: one,
			encoding: one,
			bytes: 1,
			elements_total: null,
			ttl_seconds: -1,
		},
	};
}

function findingNamed(like, one, i) {
	return {
		...like,
		id: one,
		title: one,
		cause: one,
		severity: i % 2 ? 'critical' : one,
		evidence: [
			{ name: one, value: i, unit: one, basis: one },
			{ name: one, text: one, unit: '', basis: 'exact' },
		],
		action: [{ text: one, command: one, expected_gain_bytes: i }],
	};
}

function keyNamed(one, i) {
	return {
		db: 0,
		key: one,
		type: 'string',
		encoding: one,
		bytes: i,
		elements_total: null,
		ttl_seconds: -1,
	};
}

// Every name that a server's clients choose is one of @names, wherever a report has one.
function withNames(document, names) {
	const [prefix] = document.prefixes,
		[stall] = document.stalls,
		[finding] = document.findings;
	const name = (i) => names[i % names.length];

	document.prefixes = names.map((one, i) => ({
		...prefix,
		prefix: one,
		example: one,
		top_command: name(i + 3),
		alloc_bytes: 1e6 + i,
		free_bytes: 1e5 + i,
	}));
	document.commands.forEach((row, i) => {
		row.command = name(i);
	});
	document.threads.forEach((row, i) => {
		row.thread = name(i);
	});
	document.stalls = names.slice(0, 60).map((one, i) => stallNamed(stall, one, i, name(i + 1)));
	document.findings = names.slice(0, 40).map((one, i) => findingNamed(finding, one, i));
	document.keys = names.map(keyNamed);
	document.hot_keys = names.map((one, i) => ({
		key: one,
		key_truncated: false,
		db: 0,
		command: name(i),
		cpu_seconds: 0.1,
		cpu_ratio: 0.1,
		cpu_samples_total: i,
	}));
	document.slowlog = names.slice(0, 30).map((one) => ({
		id: 1,
		time: one,
		command: one,
		key: one,
		client: one,
		client_name: one,
		duration_seconds: 1,
	}));
	document.ledger.forEach((row, i) => {
		row.title = name(i + 5);
	});
	document.sensors.forEach((row, i) => Object.assign(row, { reason: name(i), fix: name(i + 1) }));
	Object.assign(document.target, {
		server: name(1),
		version: name(2),
		socket: name(3),
		executable: name(4),
		allocator: name(5),
		role: name(0),
	});
	document.verdict = name(1);
	document[name(0)] = name(1);
	return document;
}

const NUMBERS = [null, 0, -1, 1e300, -1e300, 9007199254740991, 1e-300, 2, 100000];
const TEXTS = ['', 'x', 'constructor', '__proto__', '<b>', '\u202e', null];

// The same numbers at each run: Lehmer's generator.
function dice(seed) {
	let state = seed;

	return (below) => {
		state = (state * 48271) % 2147483647;
		return Math.floor((state / 2147483647) * below);
	};
}

// @value with one in @rare numbers and texts another, lists emptied and shortened; what the
// schema says of their types stays.
function hurt(value, rare, roll, name) {
	if (name === 'schema' || name === 'columns') return value;
	if (typeof value === 'number' && !roll(rare)) return NUMBERS[roll(NUMBERS.length)];
	if (typeof value === 'string' && !roll(rare)) return TEXTS[roll(TEXTS.length)];
	if (Array.isArray(value))
		return roll(3 * rare)
			? value
					.filter(() => name === 'rows' || roll(4 * rare))
					.map((one) => hurt(one, rare, roll, null))
			: [];
	if (value === null || typeof value !== 'object') return value;
	return Object.fromEntries(
		Object.keys(value).map((one) => [one, hurt(value[one], rare, roll, one)])
	);
}

module.exports = { dice, hostileNames, hurt, withPrefixes, withNames };
