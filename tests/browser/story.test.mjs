/*
 * The whole thing, from the browser to a guest: Chromium does what a person does, at a site that ./demo brings up.
 *
 *   GUEST_USER   what to answer at `login:`, root unless set; GUEST_PASSWORD where the guest asks for one
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, openPage, screenText, waitForText } from './browser.mjs';
import { alive, startDemo, stopDemo, until } from './demo.mjs';

const guestUser = process.env.GUEST_USER ?? 'root';
const browser = await launch();
let demo;
let context;
let page;

before(async () => {
	demo = await startDemo();
	context = await newContext();
	page = await openPage(context);
});

after(async () => {
	await browser.close();
	if (demo)
		await stopDemo(demo);
});

function newContext() {
	return browser.newContext({
		ignoreHTTPSErrors: true, viewport: { width: 1100, height: 700 },
	});
}

/*
 * Opens a page as somebody who knows the password; the browser keeps it for what comes after. Not by the
 * driver's httpCredentials: with these it holds every request until it has looked at it, and then what a page
 * sends as its last (the end of its session) is lost now and then, which it is not without a driver.
 */
function visit(which, address) {
	const url = new URL(address);
	url.username = demo.user;
	url.password = demo.password;
	return which.goto(url.href);
}

const live = (which) => which.waitForFunction(() => window.xenterm?.connection === 'live', null, { timeout: 20000 });

async function typeLine(which, text) {
	await which.focus('#terminal textarea');
	await which.keyboard.type(text);
	await which.keyboard.press('Enter');
}

/* Types a command and waits for what it prints, which does not stand in the command. */
async function calculate(which, a, b) {
	await typeLine(which, `echo "<$((${a}*${b}))>"`);
	await waitForText(which, new RegExp(`^<${a * b}>$`, 'm'));
}

test('without a password there is nothing to see', async () => {
	const stranger = await browser.newContext({ ignoreHTTPSErrors: true });
	const pages = await stranger.request.get(demo.url);
	assert.equal(pages.status(), 401);
	const api = await stranger.request.get(new URL('api/v1/consoles', demo.url).href);
	assert.equal(api.status(), 401);
	assert.match(api.headers()['content-type'], /^application\/problem\+json/);
	assert.match((await api.json()).detail, /Log in/);
	await stranger.close();
});

test('the list shows the guests; a choice opens the console as it is now', async () => {
	const guests = demo.guests.split(' ');
	await visit(page, demo.url);
	for (const guest of guests)
		await page.waitForSelector(`tbody a:text-is("${guest}")`);
	await page.click(`tbody a:text-is("${guests[0]}")`);
	await live(page);
	await waitForText(page, /login:/);
	assert.equal(await page.title(), `${guests[0]} - xenterm`);
	assert.equal(await page.textContent('#state'), 'running');
});

test('log in, run a command, read what it prints', async () => {
	await typeLine(page, guestUser);
	await waitForText(page, new RegExp(`login: ${guestUser}`));
	if (process.env.GUEST_PASSWORD) {
		await waitForText(page, /Password:/);
		await typeLine(page, process.env.GUEST_PASSWORD);
	}
	await waitForText(page, /[#$] *$/);
	await calculate(page, 6, 7);
});

test('a reload shows what was there, and what comes later', async () => {
	await page.reload();
	await live(page);
	await waitForText(page, /^<42>$/m);
	await calculate(page, 11, 13);
	assert.match(await screenText(page), /^<42>$[^]*^<143>$/m);
});

test('a second viewer sees the same, and both see what either types', async () => {
	const other = await openPage(await newContext());
	await visit(other, page.url());
	await live(other);
	await waitForText(other, /^<143>$/m);
	await page.waitForSelector('#viewers:text-is("2 viewers")');
	await calculate(other, 17, 19);
	await waitForText(page, /^<323>$/m);
	await calculate(page, 23, 29);
	await waitForText(other, /^<667>$/m);
	await until(async () => await screenText(other) === await screenText(page), 'the same text in both');
	assert.deepEqual(other.faults, []);
	await other.goto('about:blank');
	await page.waitForSelector('#viewers:text-is("1 viewer")', { timeout: 5000 });
	await other.context().close();
});

test('keys held back by nothing: a long line arrives whole, once and in order', async () => {
	const word = Array.from({ length: 150 }, (_, i) => String.fromCharCode(97 + (i * 7) % 26)).join('');
	await typeLine(page, `printf '%s:%s\\n' "$(printf %s ${word} | wc -c)" ${word}`);
	await waitForText(page, new RegExp(`^150:${word}$`, 'm'));
});

test('the worker is killed: the page recovers by itself, nothing is missing, typing works', async () => {
	const pid = Number(demo['worker-pid']);
	assert.ok(pid > 1, 'the demo names the worker');
	const before = await screenText(page);
	process.kill(pid, 'SIGKILL');
	await until(() => !alive(pid), 'the end of the worker');
	/* typed while nobody may be there to take it */
	await typeLine(page, 'echo "<$((31*37))>"');
	await waitForText(page, /^<1147>$/m, 40000);
	await live(page);
	const after = await screenText(page);
	assert.equal(after.slice(0, before.length), before);
	assert.equal(after.match(/^<1147>$/mg).length, 1);
	assert.equal(await page.isVisible('#notice'), false);
	await calculate(page, 41, 43);
});

test('a flood arrives in order and without a hole', async () => {
	await typeLine(page, 'seq 100001 130000');
	await waitForText(page, /^130000$/m, 60000);
	const lines = (await screenText(page)).match(/^1[0-9]{5}$/mg).map(Number);
	assert.ok(lines.length > 1500);
	lines.forEach((line, i) => assert.equal(line, 130000 - lines.length + 1 + i));
	await calculate(page, 2, 61);
});

test('no fault in the page, no violation of its policy', () => {
	assert.deepEqual(page.faults, []);
});
