// SPDX-License-Identifier: BSD-3-Clause
// The live page, as a browser sees it: page.js URL FOLDER. Called by tests/smoke/page.sh, which acts
// on the daemon when this prints "want STEP", and then makes FOLDER/STEP.done.
'use strict';

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { chromium } = require('playwright-core');

const [url, folder] = process.argv.slice(2);
const SHOTS = process.env.MT_PAGE_SHOTS || folder;
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
	'--disable-background-networking', '--disable-component-update', '--disable-sync'];
const DESKTOP = { width: 1280, height: 900 }, PHONE = { width: 360, height: 740 };
const MALFORMED = 100; // frames that page.sh sends with the I bit cleared

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const number = (text) => Number(text.replaceAll(',', ''));

async function until(what, seconds, condition) {
	const end = Date.now() + seconds * 1000;
	let last;
	for (;;) {
		last = await condition();
		if (last) return last;
		if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
		await sleep(100);
	}
}
async function want(step) {
	console.log(`want ${step}`);
	await until(`${step} done by page.sh`, 60, () => fs.existsSync(path.join(folder, `${step}.done`)));
}

// What the browser complains of. Answers that a step brings about are not complaints about the page:
// a 503 of /healthz, a daemon that was stopped.
const complaints = [], requests = new Set();
let stopped = false;
function listen(page) {
	page.on('pageerror', (error) => complaints.push(`exception: ${error}`));
	page.on('console', (message) => {
		if (!['error', 'warning'].includes(message.type())) return;
		const from = message.location().url;
		if (/^Failed to load resource/.test(message.text())
			&& (stopped || /\/healthz$/.test(from))) return;
		complaints.push(`console: ${message.text()} (${from})`);
	});
	page.on('request', (request) => requests.add(request.url()));
}

const text = (page, selector) => page.locator(selector).first().textContent();
const pill = (page, word) => until(`the page says ${word}`, 15, async () => (await text(page, '#pill')) === word);
// The words of the notices under the heading.
const notices = (page) => text(page, '#health');
// A table as rows of {label: text}.
const table = (page, section) => page.locator(`#${section} table`).first().evaluate((t) =>
	[...t.tBodies[0].rows].map((row) => Object.fromEntries([...row.cells].map((cell, i) =>
		[t.tHead.rows[0].cells[i].textContent, cell.textContent]))));
const received = async (page) => number(await text(page, '#ledger .sum dd'));

async function renders(page) {
	await page.goto(url);
	await pill(page, 'Healthy');
	await until('frames arrive', 15, async () => await received(page) > 0);
	await until('curves are drawn', 15, async () => await page.locator('#packets path.curve').count() >= 2
		&& await page.locator('#bits path.curve').count() >= 2);
	assert.equal(await text(page, '#balance'), 'balanced');
	assert.match(await text(page, '#drops'), /Nothing was dropped/);
	const [tools] = await table(page, 'outputs');
	assert.equal(tools.Output, 'tools');
	assert.equal(tools.State, 'up');
	assert.equal((await table(page, 'queues')).length, 2);
	assert.equal((await table(page, 'ports'))[0].Link, 'up');
	assert.equal((await table(page, 'workers')).length, 2);
	// page.sh sends 60 of them.
	const sessions = await until('all sessions are shown or summed up', 15, async () => {
		const rows = await table(page, 'sessions');
		return rows.at(-1)?.Session === '40 others' && rows;
	});
	assert.equal(sessions.length, 21);
	assert.ok(sessions.slice(0, 20).every((v) => v.VNI >= 4321 && v.VNI < 4321 + 60 && number(v.Packets) > 0));
	assert.ok(number(sessions[20].Packets) > 0 && number(sessions[20].Dropped) === 0);
	assert.match(await text(page, '#sessions'), /the 20 with the most packets of 60/);
}

async function updates(page) {
	const before = await received(page);
	const rate = await until('a rate', 5, async () => parseFloat(await text(page, '#tiles .big')));
	assert.ok(rate > 0, `rate ${rate}`);
	await until('the ledger goes on', 5, async () => await received(page) > before);
	const shares = await until('shares of the queues', 5, async () => {
		const list = (await table(page, 'queues')).map((q) => parseFloat(q.Share));
		return list.every((n) => n > 0) && list;
	});
	const session = async () => (await table(page, 'sessions'))[0];
	const packets = number((await session()).Packets);
	await until('the session has a rate', 5, async () => parseFloat((await session())['Packets/s']) > 0);
	await until('the session goes on', 5, async () => number((await session()).Packets) > packets);
	assert.match((await session())['Last seen'], /^[0-2] s ago$/);
	assert.ok(Math.abs(shares[0] + shares[1] - 100) < .2, `shares ${shares}`);
}

async function shows_drops(page) {
	await want('drop');
	const row = await until('the drop is in the table', 10, async () =>
		(await table(page, 'drops')).find((r) => r.Reason === 'vxlan_no_vni' && number(r['Since the start']) === MALFORMED));
	assert.match(row['Meaning and remedy'], /I bit .* Look for a sender/);
	assert.match(await text(page, '#drops .legend'), /vxlan_no_vni/);
	assert.ok(await page.locator('#drops svg path').count() > 0, 'an area in the plot of drops');
}

// All text against what is behind it, as WCAG 2 computes it: 4.5, or 3 where it is large.
const poor_contrast = (page) => page.evaluate(() => {
	const parse = (c) => c.match(/[\d.]+/g).map(Number);
	const light = (c) => parse(c).slice(0, 3).map((v) => v / 255)
		.map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor;
			if ((parse(c)[3] ?? 1) > 0) return c;
		}
		return 'rgb(255, 255, 255)';
	};
	const poor = new Set();
	for (const e of document.querySelectorAll('body *:not(script):not(noscript)')) {
		const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
		if (!own || !e.checkVisibility()) continue;
		const style = getComputedStyle(e);
		const a = light(e instanceof SVGElement ? style.fill : style.color), b = light(behind(e));
		const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
		if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) poor.add(`${e.textContent}: ${ratio.toFixed(2)}`);
	}
	return [...poor];
});
const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

async function looks(page) {
	const shots = {};
	const look = async (name, colorScheme, size) => {
		await page.emulateMedia({ colorScheme });
		await page.setViewportSize(size);
		await sleep(300);
		assert.equal(await overflow(page), 0, `${name}: wider than the window`);
		assert.deepEqual(await poor_contrast(page), [], `${name}: text that is hard to read`);
		shots[name] = await page.screenshot({ path: path.join(SHOTS, `${name}.png`), fullPage: true });
		return page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	};
	const light = await look('light', 'light', DESKTOP), dark = await look('dark', 'dark', DESKTOP);
	assert.notEqual(light, dark);
	assert.ok(!shots.light.equals(shots.dark), 'dark and light look the same');
	await look('phone-light', 'light', PHONE);
	await look('phone-dark', 'dark', PHONE);
	await look('tablet', 'light', { width: 768, height: 900 });
	await page.emulateMedia({ colorScheme: 'light' });
	await page.setViewportSize(DESKTOP);
}

// What a screen reader needs.
async function is_accessible(page) {
	assert.equal(await page.locator('#health[aria-live=polite]').count(), 1);
	assert.equal(await page.locator('table:not([aria-labelledby])').count(), 0);
	assert.equal(await page.locator('thead th:not([scope=col])').count(), 0);
	assert.equal(await page.locator('tbody tr:not(:has(th[scope=row]))').count(), 0);
	assert.equal(await page.locator('svg[role=img]:not([aria-label])').count(), 0);
}

async function shows_draining(page) {
	await want('drain');
	await pill(page, 'Draining');
	assert.match(await notices(page), /Load balancers/);
	await page.screenshot({ path: path.join(SHOTS, 'draining.png') });
	await want('undrain');
	await pill(page, 'Healthy');
}

async function shows_loss(page) {
	stopped = true;
	await want('stop');
	await pill(page, 'No connection');
	assert.match(await notices(page), /No connection to mirrortapd since \d\d:\d\d:\d\d/);
	assert.match(await page.title(), /^No connection/);
	assert.ok(await page.locator('body.stale').count(), 'old numbers are marked as such');
	assert.deepEqual(await poor_contrast(page), []);
	await page.screenshot({ path: path.join(SHOTS, 'lost.png') });
	await want('start');
	await pill(page, 'Healthy');
	stopped = false;
	assert.match(await notices(page), /was restarted/);
	assert.equal(await page.locator('body.stale').count(), 0);
	await until('frames arrive again', 15, async () => await received(page) > 0);
}

// The second daemon has a ring that no one reads.
async function shows_full_output(page) {
	const row = await until('the ring is full', 30, async () =>
		(await table(page, 'drops')).find((r) => r.Reason === 'ids: full'));
	assert.match(row['Meaning and remedy'], /reader is too slow/);
	await until('its lag says so', 10, async () =>
		(await table(page, 'outputs')).find((o) => o.Output === 'ids').Lag === 'not read');
	await page.screenshot({ path: path.join(SHOTS, 'full.png'), fullPage: true });
}

async function main() {
	const context = await chromium.launchPersistentContext(path.join(folder, 'chromium'), {
		executablePath: process.env.CHROMIUM || '/usr/bin/chromium', headless: true, args: FLAGS,
		viewport: DESKTOP, colorScheme: 'light',
	});
	try {
		const page = context.pages()[0] || await context.newPage();
		listen(page);
		for (const step of [renders, updates, shows_drops, looks, is_accessible, shows_draining, shows_loss, shows_full_output]) {
			await step(page).catch((error) => {
				return page.screenshot({ path: path.join(SHOTS, 'failed.png') }).then(() => { throw error; });
			});
			console.log(`ok ${step.name}`);
		}
		const foreign = [...requests].filter((r) => !r.startsWith('data:')
			&& !(r.startsWith(url) && /^(|healthz|api\/v1\/\w+)$/.test(r.slice(url.length))));
		assert.deepEqual(foreign, [], 'requests to elsewhere');
		assert.deepEqual(complaints, [], 'complaints of the browser');
	} finally {
		await context.close();
	}
}

main().then(() => console.log('passed'), (error) => {
	console.log(`failed: ${error.message}`);
	for (const complaint of complaints) console.log(complaint);
	process.exitCode = 1;
});
