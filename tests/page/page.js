// SPDX-License-Identifier: BSD-2-Clause
//
// Opens each page that tests/page/run has made in Chromium and looks at it; see there.
//
//	node page.js CHROMIUM PAGES OUT
'use strict';

const fs = require('fs');
const path = require('path');
const { chromium } = require('playwright-core');
const { dice, hostileNames, hurt, withPrefixes, withNames } = require('./documents.js');
const { look, explore, strange } = require('./look.js');
const { serve } = require('./serve.js');

const [program, pages, out] = process.argv.slice(2);
const READY_MS = 1000;
const MARGINS = { top: '12mm', bottom: '12mm', left: '12mm', right: '12mm' };
let failures = 0;
let browser;

function check(name, good, why) {
	console.log(good ? `ok page-${name}` : `not ok page-${name}: ${why}`);
	failures += !good;
}

function read(name) {
	return fs.readFileSync(path.join(pages, name), 'utf8');
}

// The page @html with another document in its data block, which no hash covers.
function withDocument(html, text) {
	const [, before, after] =
		/^([\s\S]*<script type="application\/json" id="report">)[\s\S]*?(<\/script>[\s\S]*)$/.exec(
			html
		);

	return (
		before +
		text
			.replace(/</g, '\\u003c')
			.replace(/\u2028/g, '\\u2028')
			.replace(/\u2029/g, '\\u2029') +
		after
	);
}

// A file of that content, opened; what it complained of, and what it asked the network for.
async function open(name, html, options = {}) {
	const file = path.join(out, name + '.html');
	const context = await browser.newContext({
		viewport: { width: 1280, height: 900 },
		colorScheme: 'light',
		...options,
	});
	const page = await context.newPage();
	const wrong = [];

	fs.writeFileSync(file, html);
	await context.addInitScript(() => {
		window.violations = [];
		window.addEventListener('securitypolicyviolation', (event) =>
			window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`)
		);
	});
	page.on('console', (message) => wrong.push(`console: ${message.text()}`));
	page.on('pageerror', (error) => wrong.push(`error: ${error.stack}`));
	page.on('dialog', (dialog) => {
		wrong.push(`dialog: ${dialog.message()}`);
		dialog.dismiss();
	});
	page.on('request', (request) => {
		if (request.url() !== 'file://' + path.resolve(file))
			wrong.push(`request: ${request.url()}`);
	});
	await page.goto('file://' + path.resolve(file));
	await page
		.waitForFunction(() => document.documentElement.dataset.ready === 'all', null, {
			timeout: 20000,
		})
		.catch(() => wrong.push('never ready'));
	return {
		page,
		context,
		wrong,
		complaints: async () => wrong.concat(await page.evaluate(() => window.violations)),
	};
}

// Everything that can be opened is, and then every number held against the document.
async function judge(name, html, document) {
	const view = await open(name, html);
	const first = await look(view.page, document);

	await explore(view.page);
	const second = await look(view.page, document);
	const complaints = await view.complaints();

	check(`${name}-quiet`, complaints.length === 0, complaints.slice(0, 3).join('; '));
	check(
		`${name}-numbers`,
		second.numbers > 0 && first.wrong.length + second.wrong.length === 0,
		`${second.numbers} numbers; ${first.wrong.concat(second.wrong).slice(0, 5).join('; ')}`
	);
	console.log(
		`# ${name}: ${first.numbers} numbers at first, ${second.numbers} with all opened, each the report's`
	);
	await view.context.close();
}

async function judgeHostile(html) {
	const names = hostileNames(500);
	const document = withNames(JSON.parse(read('doctor-stalling.json')), names);
	const view = await open('hostile', withDocument(html, JSON.stringify(document)));

	await explore(view.page);
	const said = await strange(view.page);
	const numbers = await look(view.page, document);
	const complaints = await view.complaints();

	check('hostile-quiet', complaints.length === 0, complaints.slice(0, 3).join('; '));
	check(
		'hostile-only-text',
		said.elements.length === 0 && !said.ran,
		said.elements.slice(0, 5).join(' ') + said.ran
	);
	check(
		'hostile-nothing-invisible',
		said.invisible.length === 0,
		said.invisible.slice(0, 5).join(' ')
	);
	check(
		'hostile-there',
		said.text.includes('<img src=x onerror=') &&
			said.text.includes('&lt;script&gt;') &&
			said.text.includes('\\u202e'),
		'the names are not all shown'
	);
	check('hostile-numbers', numbers.wrong.length === 0, numbers.wrong.slice(0, 3).join('; '));
	await view.page.screenshot({ path: path.join(out, 'hostile.png') });
	await view.context.close();
}

// Numbers and texts that no server ever had: what cannot be drawn is said, and nothing breaks.
async function judgeHurt(html, names) {
	const roll = dice(815);
	const complaints = [];

	for (let i = 0; i < 2 * names.length; i++) {
		const name = names[i % names.length];
		const document = hurt(JSON.parse(read(name + '.json')), [100, 20, 5][i % 3], roll, null);
		const view = await open('hurt', withDocument(html, JSON.stringify(document)));

		await explore(view.page);
		complaints.push(...(await view.complaints()).map((line) => `${name}: ${line}`));
		await view.context.close();
	}
	check('hurt-quiet', complaints.length === 0, complaints.slice(0, 3).join('; '));
}

async function judgeMany(html) {
	const document = withPrefixes(JSON.parse(read('doctor-stalling.json')), 10000);
	const text = JSON.stringify(document);
	const times = [];

	for (let i = 0; i < 5; i++) {
		const view = await open('many', withDocument(html, text));

		times.push(
			await view.page.evaluate(() => Number(document.documentElement.dataset.readyMs))
		);
		if (i === 4) {
			const said = await look(view.page, document);
			const complaints = await view.complaints();

			check('many-quiet', complaints.length === 0, complaints.slice(0, 3).join('; '));
			check('many-numbers', said.wrong.length === 0, said.wrong.slice(0, 3).join('; '));
			await view.page.locator('#prefixes').scrollIntoViewIfNeeded();
			await view.page.screenshot({ path: path.join(out, 'many.png') });
		}
		await view.context.close();
	}
	times.sort((a, b) => a - b);
	check('many-ready', times[2] <= READY_MS, `all is there after ${times[2]} ms`);
	console.log(
		`# 10,000 prefixes, ${(text.length / 1024).toFixed(0)} KiB of data: all drawn after ${times[2].toFixed(0)} ms ` +
			`(${times[0].toFixed(0)} to ${times[4].toFixed(0)} in 5)`
	);
}

async function takePictures(name, html) {
	for (const [picture, options] of [
		['light', {}],
		['dark', { colorScheme: 'dark' }],
		['390', { viewport: { width: 390, height: 844 } }],
	]) {
		const view = await open(name, html, options);
		const width = await view.page.evaluate(
			() => document.documentElement.scrollWidth - window.innerWidth
		);

		check(
			`${name}-${picture}-fits`,
			width <= 0,
			`the page is ${width} pixels wider than the window`
		);
		await view.page.screenshot({
			path: path.join(out, `${name}-${picture}.png`),
			fullPage: true,
		});
		await view.context.close();
	}
}

// Paper is light and as wide as paper, whatever the screen is.
async function printOut(name, html) {
	const view = await open(name, html, { colorScheme: 'dark' });

	await view.page.evaluate(() => {
		window.addEventListener('beforeprint', () => {
			window.printed = document.documentElement.dataset.theme;
		});
	});
	await view.page.pdf({ path: path.join(out, `${name}.pdf`), format: 'A4', margin: MARGINS });
	const theme = await view.page.evaluate(() => window.printed);
	const charts = await view.page.locator('.graph').count();
	const pictures = fs
		.readFileSync(path.join(out, `${name}.pdf`), 'latin1')
		.split('/Subtype /Image').length;

	check(
		`${name}-paper-charts`,
		pictures > charts,
		`${pictures - 1} pictures are on paper, of ${charts} charts`
	);
	check(`${name}-paper-light`, theme === 'light', `it was printed ${theme}`);
	await view.page.setViewportSize({ width: 703, height: 1000 });
	await view.page.emulateMedia({ media: 'print' });
	await view.page.evaluate(() => window.dispatchEvent(new Event('beforeprint')));
	const width = await view.page.evaluate(() => document.documentElement.scrollWidth);

	check(`${name}-paper-fits`, width <= 703, `${width} pixels are wider than the paper`);
	await view.page.screenshot({ path: path.join(out, `${name}-printed.png`), fullPage: true });
	await view.context.close();
}

// The keyboard alone: a line of the ledger opens and closes, the cursor of the timeline goes.
async function judgeKeyboard(html) {
	const { page, context } = await open('keyboard', html);
	const rows = () => page.locator('#memory tbody tr').count();
	const moment = () => page.locator('#timeline .moment').textContent();

	await page.locator('#memory .piece[aria-expanded]').first().focus();
	const before = await rows();
	await page.keyboard.press('Enter');
	const after = await rows();

	check('keyboard-ledger', before !== after, `${before} lines before and after Enter`);
	await page.locator('.timeline').focus();
	await page.keyboard.press('Home');
	await page.keyboard.press('ArrowRight');
	check('keyboard-timeline', /at \+1\.00 s/.test(await moment()), await moment());
	await page.keyboard.press('+');
	check(
		'keyboard-zoom',
		await page.locator('#timeline .tools button').isVisible(),
		'plus did not zoom'
	);
	await page.locator('#prefixes .area[tabindex="0"]').focus();
	await page.keyboard.press('ArrowRight');
	const at = await page.evaluate(() =>
		Array.from(document.querySelectorAll('#prefixes .deep0')).indexOf(document.activeElement)
	);

	check('keyboard-treemap', at === 1, `area ${at} has the focus after an arrow`);
	check(
		'keyboard-stops',
		(await page.locator('#prefixes [tabindex="0"].area').count()) === 1,
		'each area is a stop'
	);
	await context.close();
}

// A click sorts by a column, another the other way; what is not known comes last in both. The
// filter leaves what has its word, pages reach the last row.
async function judgeTable(html) {
	const document = withPrefixes(JSON.parse(read('doctor-stalling.json')), 120);

	document.prefixes[7].alloc_bytes = null;
	const { page, context } = await open('table', withDocument(html, JSON.stringify(document)));
	const table = page.locator('#prefixes .behind');
	const column = (n) => table.locator(`tbody td:nth-child(${n})`).allTextContents();
	const head = table.locator('thead button');

	await table.locator('summary').click();
	const names = await head.allTextContents();
	const at = names.indexOf('allocated');

	await head.nth(0).click();
	const sorted = await column(1);

	check('table-text', sorted.join() === sorted.slice().sort().join(), sorted.slice(0, 3).join());
	await head.nth(at).click();
	check('table-large', (await column(at + 1))[0] === '4.7 GiB', (await column(at + 1))[0]);
	await head.nth(at).click();
	const small = await column(at + 1);

	check('table-small', small[0] !== '-' && small[0] !== '4.7 GiB', small[0]);
	for (let i = 0; i < 2; i++) await table.getByRole('button', { name: 'Next' }).click();
	const last = await column(at + 1);

	check(
		'table-unknown-last',
		last.length === 20 && last[19] === '-',
		`${last.length} rows, ${last[19]}`
	);
	await table.locator('input').fill('entity119');
	check(
		'table-filter',
		(await column(1)).join() === 'service39:entity119:*',
		(await column(1)).join()
	);
	await context.close();
}

async function judgeLive(html) {
	const live = await serve(
		withDocument(html, 'null').replace(
			"form-action 'none'",
			"form-action 'none'; connect-src 'self'"
		),
		JSON.parse(read('doctor-swapping.json'))
	);
	const page = await browser.newPage();
	const wrong = [];

	page.on('console', (message) => wrong.push(message.text()));
	page.on('pageerror', (error) => wrong.push(error.stack));
	await page.goto(live.url);
	await page.waitForSelector('#findings');
	check(
		'live',
		(await page.locator('.verdict').textContent()).includes('swap-ins'),
		'no verdict'
	);
	await page.getByRole('button', { name: 'redis-b' }).click();
	await page.waitForFunction(() =>
		document.querySelector('.said').textContent.startsWith('Read at')
	);
	check(
		'live-choice',
		live.asked.some((line) => line.includes('server=redis-b')),
		live.asked.join(' ')
	);
	live.fail = true;
	await page.getByRole('button', { name: 'Read now' }).click();
	await page.waitForFunction(() =>
		document.querySelector('.said').textContent.includes('the history is busy')
	);
	check('live-error', (await page.locator('#findings').count()) === 1, 'what was there is gone');
	check(
		'live-get',
		live.asked.every((line) => line.startsWith('GET ')),
		live.asked.join(' ')
	);
	check(
		'live-quiet',
		wrong.every((line) => line.includes('503')),
		wrong.join('; ')
	);
	await page.screenshot({ path: path.join(out, 'live.png') });
	await page.close();
	live.close();
}

async function main() {
	browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox'] });
	const names = fs
		.readdirSync(pages)
		.filter((name) => name.endsWith('.html'))
		.map((name) => name.slice(0, -5));
	const sample = read('doctor-stalling.html');

	for (const name of names)
		await judge(name, read(name + '.html'), JSON.parse(read(name + '.json')));
	await judgeHostile(sample);
	await judgeHurt(sample, names);
	await judgeMany(sample);
	await judgeKeyboard(read('doctor-swapping.html'));
	await judgeTable(sample);
	await judgeLive(sample);
	for (const name of ['doctor-stalling', 'doctor-swapping', 'memory', 'alloc', 'rdb', 'lab'])
		await takePictures(name, read(name + '.html'));
	for (const name of ['doctor-stalling', 'rdb']) await printOut(name, read(name + '.html'));
	const constant = Buffer.byteLength(withDocument(sample, 'null'));

	check('size', constant <= 400 * 1024, `${constant} bytes without the data`);
	console.log(`# the page without its data: ${(constant / 1024).toFixed(0)} KiB`);
	await browser.close();
	process.exit(failures ? 1 : 0);
}

main().catch((error) => {
	console.log(`not ok page: ${error.stack}`);
	process.exit(1);
});
