// SPDX-License-Identifier: BSD-2-Clause
//
// What is on the page: its numbers held against the document, and what should not be there.
'use strict';

const UNIT = {
	B: 1,
	KiB: 1024,
	MiB: 1024 ** 2,
	GiB: 1024 ** 3,
	TiB: 1024 ** 4,
	PiB: 1024 ** 5,
	ns: 1e-9,
	us: 1e-6,
	ms: 1e-3,
	s: 1,
	min: 60,
	h: 3600,
	d: 86400,
	'%': 0.01,
};

function at(document, pointer) {
	return pointer
		.split('/')
		.slice(1)
		.reduce(
			(value, step) =>
				value === null || value === undefined
					? undefined
					: value[step.replace(/~1/g, '/').replace(/~0/g, '~')],
			document
		);
}

const HOW = {
	ratio: ([a, b]) => a / b,
	difference: ([a, b]) => a - b,
	rate: ([a, b, c, d]) => (a - b) / (c - d),
	'per second': ([a, b]) => a / b,
	sum: (all) => all.reduce((a, b) => a + b, 0),
};

// What a shown text says, and by how much rounding may have moved it: read back without
// knowing how the page writes numbers.
function readBack(text, kind) {
	const words = text.replace(/^\+/, '').replace(/\/s$/, '').replace(/,/g, '').split(' ');
	let value = 0,
		unit = 1,
		places = 0;

	if (text === 'none' || text === '-') return null;
	for (let i = 0; i < words.length; i += 2) {
		unit = kind === 'percent' ? 1 : words[i + 1] ? UNIT[words[i + 1]] : 1;
		value += Number(words[i].replace(/^-/, '')) * unit;
		places = (words[i].split('.')[1] || '').length;
		if (/e/.test(words[i])) return [Number(words[i]), Math.abs(Number(words[i])) * 0.01];
	}
	return [
		/^-/.test(text) ? -value : value,
		(0.501 * unit) / 10 ** places + 1e-12 + Math.abs(value) * 1e-12,
	];
}

function wrongWith(found, document) {
	const value = Number(found.value);
	const wanted =
		found.path !== null
			? at(document, found.path)
			: HOW[found.how](found.from.split(' ').map((pointer) => at(document, pointer)));
	const said = readBack(found.text, found.kind);

	if (wanted !== value)
		return `${found.path || found.how + ' of ' + found.from} is ${wanted} and not ${found.value}`;
	if (said && (!Number.isFinite(said[0]) || Math.abs(said[0] - value) > said[1]))
		return `${found.path || found.from}: "${found.text}" is not ${found.value}`;
	return null;
}

// Every number with its path, and whatever looks like one without.
async function look(page, document) {
	const found = await page.evaluate(() =>
		Array.from(document.querySelectorAll('[data-value]'), (node) => ({
			value: node.dataset.value,
			path: node.getAttribute('data-path'),
			how: node.dataset.how,
			from: node.dataset.from,
			kind: node.dataset.kind,
			text: node.textContent,
		}))
	);

	return {
		numbers: found.length,
		wrong: found.map((one) => wrongWith(one, document)).filter(Boolean),
	};
}

// Opens what can be opened and shows what can be shown, some pages of each table too.
async function explore(page) {
	await page.evaluate(async () => {
		const wait = () =>
			new Promise((done) => {
				setTimeout(done, 0);
			});

		for (let round = 0; round < 3; round++) {
			for (const summary of document.querySelectorAll('details:not([open]) > summary'))
				summary.click();
			await wait();
		}
		for (const button of document.querySelectorAll('.choice button, .more')) button.click();
		await wait();
		for (const button of document.querySelectorAll(
			'.twist[aria-expanded="false"], thead button'
		))
			button.click();
		for (const summary of document.querySelectorAll('details:not([open]) > summary'))
			summary.click();
		await wait();
		for (const pager of document.querySelectorAll('.pager'))
			for (let i = 0; i < 12 && pager.lastChild && !pager.lastChild.disabled; i++)
				pager.lastChild.click();
	});
}

// Elements and attributes the page's own script never makes, and invisible characters in text.
async function strange(page) {
	return page.evaluate(() => {
		const tags = new Set(
			(
				'html head meta title style body noscript main script header nav section h1 h2 h3 h4 p a span b i ul ol li ' +
				'dl dt dd div code pre strong bdi details summary button select option input label table thead tbody tr th td figure ' +
				'figcaption svg g rect text canvas footer'
			).split(' ')
		);
		const unseen =
			/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/;
		const elements = [],
			invisible = [];

		for (const node of document.querySelectorAll('*')) {
			if (!tags.has(node.tagName.toLowerCase())) elements.push(node.tagName);
			for (const attribute of node.attributes) {
				if (
					/^on|^src$|^srcdoc$/i.test(attribute.name) ||
					(attribute.name === 'href' && !/^#[a-z]+$/.test(attribute.value))
				)
					elements.push(`${node.tagName} ${attribute.name}=${attribute.value}`);
				if (unseen.test(attribute.value))
					invisible.push(`${node.tagName} ${attribute.name}`);
			}
		}
		const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);

		for (let node = walker.nextNode(); node; node = walker.nextNode())
			if (!/^(SCRIPT|STYLE)$/.test(node.parentNode.tagName) && unseen.test(node.data))
				invisible.push(JSON.stringify(node.data.slice(0, 40)));
		return {
			elements,
			invisible,
			ran: Boolean(window.ran),
			text: document.body.innerText,
		};
	});
}

module.exports = { look, explore, strange };
