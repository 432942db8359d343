/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever no other section takes, so that the page leaves nothing of the report out. */
(function (R) {
	'use strict';

	const TITLES = {
		life: 'Events of its life',
		children: 'Children',
		keys: 'Keys that showed up',
		hot_keys: 'Hot keys',
		slowlog: 'SLOWLOG',
		latency: 'LATENCY',
		errors: 'Errors',
		refusals: 'Refused commands',
		rss_moves: 'Moves of resident memory',
		mappings: 'Mappings',
		host: 'The host',
		inside: 'Memory in no key',
		keys_check: 'Keys held against the ledger',
		totals: 'Totals',
		target: 'The server',
		window: 'The watch',
		replication: 'Replication',
		key_concentration: 'How few keys hold how much',
		allocator: 'The allocator',
		deletes: 'Deletes',
		copy_on_write: 'Copy on write',
		purge: 'MEMORY PURGE',
		not_watched: 'Not watched',
		files: 'Files',
		loaded: 'Once loaded',
		comparison: 'Compared',
		pass: 'The pass over the keys',
		parts: 'Parts',
		concentration: 'How few keys hold how much',
		key_bytes: 'Sizes of keys',
		reading: 'What reading took',
		asked: 'What asking took',
		longest: 'The longest',
		other_prefixes: 'Other prefixes',
	};

	function empty(value) {
		return (
			value === null ||
			value === undefined ||
			value === '' ||
			(Array.isArray(value) && !value.length) ||
			(typeof value === 'object' && !Array.isArray(value) && !Object.keys(value).length)
		);
	}

	function rowsOf(value) {
		return (
			Array.isArray(value) &&
			value.every((row) => row !== null && typeof row === 'object' && !Array.isArray(row))
		);
	}

	function part(body, name, value, path) {
		const title = R.pick(TITLES, name) || R.label(name);

		if (rowsOf(value))
			R.add(body, [
				R.later(
					title + ', ' + R.count(value.length),
					() => R.table({ rows: value, path }),
					{ class: 'behind' }
				),
			]);
		else
			R.add(body, [
				R.later(
					title,
					() =>
						typeof value === 'object' && !Array.isArray(value)
							? R.parts(value, path)
							: R.el('p', null, R.value(value, path, name)),
					{ class: 'behind' }
				),
			]);
	}

	/* An object's own values, and its lists as tables below. */
	R.parts = function (object, path) {
		const names = Object.keys(object).filter((name) => !/_base64$/.test(name));
		const tables = names.filter((name) => rowsOf(object[name]) && object[name].length);

		return R.el(
			'div',
			null,
			R.facts(
				object,
				path,
				names.filter((name) => !tables.includes(name))
			),
			tables.map((name) =>
				R.table({
					title: R.pick(TITLES, name) || R.label(name),
					rows: object[name],
					path: R.step(path, name),
				})
			)
		);
	};

	R.unclaimed = function (doc) {
		const claimed = new Set(['schema', 'verdict', 'servers']);

		for (const section of R.sections)
			if (section.id !== 'rest' && section.wants(doc))
				section.claims.forEach((name) => claimed.add(name));
		return Object.keys(doc).filter(
			(name) => !claimed.has(name) && !/_base64$/.test(name) && !empty(doc[name])
		);
	};

	/* The members @names of an object: what is one value first, then each of the others to open. */
	R.members = function (body, object, path, names) {
		const single = names.filter((name) => typeof object[name] !== 'object');

		if (single.length) R.add(body, [R.facts(object, path, single)]);
		for (const name of names)
			if (!single.includes(name)) part(body, name, object[name], R.step(path, name));
	};

	(R.sections = R.sections || []).push({
		id: 'rest',
		order: 90,
		title: 'Everything else',
		claims: [],
		wants: (doc) => R.unclaimed(doc).length > 0,
		draw(body, context) {
			R.members(body, context.doc, context.path, R.unclaimed(context.doc));
		},
	});
})((window.redmem = window.redmem || {}));
