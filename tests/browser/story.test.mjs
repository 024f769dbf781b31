/*
 * The whole thing, from the browser to a guest: Chromium does what a person does, at a site that ./demo brings up.
 *
 *   GUEST_USER   what to answer at `login:`, root unless set; GUEST_PASSWORD where the guest asks for one
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { launch, openPage, pasteText, screenText, shoot, waitForText } from './browser.mjs';
import { alive, startDemo, stopDemo, until } from './demo.mjs';
import { Proxy } from './proxy.mjs';

const guestUser = process.env.GUEST_USER ?? 'root';
const browser = await launch();
let demo;
let context;
let page;

before(async () => {
	demo = await startDemo({ guests: 10 });
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

const sessionOf = (which) => which.evaluate(() => document.querySelector('#terminal').session.session);

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
	const session = await sessionOf(page);
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
	assert.equal(await sessionOf(page), session);
	await calculate(page, 41, 43);
});

test('the worker is killed again and again under typing: each line arrives once, and nobody is alarmed', async () => {
	await typeLine(page, 'clear; stty -echo; echo READY; cat >typed; stty echo');
	await waitForText(page, /^READY/m);
	const session = await sessionOf(page);
	await page.evaluate(() => {
		window.notices = [];
		new MutationObserver(() => window.notices.push(document.querySelector('#notice span').textContent))
			.observe(document.querySelector('#notice span'), { childList: true });
	});
	for (let i = 0; i < 60; i++) {
		await page.focus('#terminal textarea');
		await page.keyboard.type(`line ${i}`);
		await page.keyboard.press('Enter');
		if (i % 10 === 5) {
			const pid = Number((await readFile(`${demo.dir}/worker.pid`, 'utf8')).trim());
			process.kill(pid, 'SIGKILL');
			await until(async () => ![pid, 0].includes(Number(await readFile(`${demo.dir}/worker.pid`, 'utf8'))), 'another worker');
		}
	}
	await page.waitForFunction(() => document.querySelector('#terminal').pending === 0, null, { timeout: 60000 });
	await live(page);
	await page.keyboard.press('Control+D');
	await typeLine(page, 'clear; seq -f "line %g" 0 59 | cmp - typed && echo "<$((17*19))>"');
	await waitForText(page, /^<323>$/m);
	assert.deepEqual(await page.evaluate(() => window.notices), []);
	assert.equal(await sessionOf(page), session);
});

test('64 KiB pasted arrive whole', async () => {
	const text = Array.from({ length: 2048 }, (_, i) => `line ${String(i).padStart(6, '0')} ${'x'.repeat(19)}\n`).join('');
	assert.equal(text.length, 65536);
	const sum = createHash('md5').update(text.replaceAll('\n', '\r')).digest('hex');
	await typeLine(page, 'stty raw -echo; echo READY; head -c 65536 | md5sum; stty sane');
	await waitForText(page, /^READY/m);
	await pasteText(page, text);
	await page.click('#pastedialog button[value=paste]');
	await waitForText(page, new RegExp(sum), 60000);
	await typeLine(page, '');
	await calculate(page, 5, 31);
});

test('a paste into a guest that does not read is stopped: it gets what the page says, and no more', async () => {
	await typeLine(page, 'stty raw -echo; echo READY; sleep 8; timeout --foreground 4 cat | wc -c; stty sane');
	await waitForText(page, /^READY/m);
	await pasteText(page, 'x'.repeat(250000));
	await page.click('#pastedialog button[value=paste]');
	/* The worker's queue is full, and the page waits. */
	await page.waitForFunction(() => document.querySelector('#sent').value > 60000);
	assert.equal(await page.textContent('#connection'), 'connected');
	await page.click('#stop');
	await page.waitForFunction(() => /^Stopped/.test(document.querySelector('#notice span').textContent));
	const [, has] = /^Stopped: the guest has ([0-9]+) of 250000 bytes\.$/.exec(await page.textContent('#notice span'));
	assert.ok(Number(has) < 60000, has);
	await waitForText(page, new RegExp(`^ *${has}$`, 'm'), 40000);
	await calculate(page, 5, 37);
});

test('a reload in the middle of vim: the same screen, and vim goes on', async () => {
	await typeLine(page, 'TERM=xterm vi -u NONE -i NONE written');
	await waitForText(page, /^~ *$/m);
	await page.keyboard.type('ione two');
	await page.keyboard.press('Enter');
	await page.keyboard.type('three');
	await waitForText(page, /^one two *\nthree *$/m);
	const before = await screenText(page);
	await page.reload();
	await live(page);
	await waitForText(page, /^one two *\nthree *$/m);
	await until(async () => await screenText(page) === before, 'the same screen');
	assert.equal(await page.evaluate(() => window.xenterm.terminal.buffer.active.type), 'alternate');
	await page.focus('#terminal textarea');
	await page.keyboard.type(' four');
	await page.keyboard.press('Escape');
	await typeLine(page, ':wq');
	await until(() => page.evaluate(() => window.xenterm.terminal.buffer.active.type === 'normal'), 'the end of vim');
	await typeLine(page, 'tr "\\n" , <written');
	await waitForText(page, /^one two,three four,/m);
});

test('take-over between two browsers: who lost it watches, and has it again when it is handed back', async () => {
	const other = await openPage(await newContext());
	await visit(other, page.url());
	await live(other);
	await page.waitForSelector('#viewers:text-is("2 viewers")');
	await other.click('#menu');
	await other.click('#takeover');
	await other.click('#question button[value=yes]');
	await page.waitForSelector('#taken:not([hidden])');
	assert.equal(await page.textContent('#mode'), 'read only');
	await calculate(other, 79, 83);
	await waitForText(page, /^<6557>$/m);
	await page.focus('#terminal textarea');
	await page.keyboard.type('lost');
	await page.waitForSelector('#notice:has-text("typing is off")');
	await other.click('#watchonly:text-is("Hand back")');
	await page.waitForSelector('#notice:has-text("has handed the console back; you type again")');
	await calculate(page, 89, 97);
	await waitForText(other, /^<8633>$/m);
	assert.doesNotMatch(await screenText(page), /lost/);
	assert.deepEqual(other.faults, []);
	await other.context().close();
});

/* What all tiles show; the condition is about one's text. */
const everyTile = (which, condition) => which.waitForFunction((code) => {
	const { tiles } = window.xenterm;
	return tiles.length === 10 && tiles.every((t) => new RegExp(code, 'm').test(t.view.snapshot().text));
}, condition.source, { timeout: 60000 });

/* What is typed in each is echoed there and nowhere else; it is taken back. */
async function tenConsoles(which, streams) {
	await everyTile(which, /web[0-9]+/);
	for (let i = 0; i < 10; i++) {
		await which.click(`#strip button:nth-child(${i + 1})`);
		await which.keyboard.type(`key${i}.`);
	}
	await everyTile(which, /key[0-9]\.$/);
	const texts = await which.evaluate(() => window.xenterm.tiles.map((t) => t.view.snapshot().text));
	texts.forEach((text, i) => assert.deepEqual(text.match(/key[0-9]\./g), [`key${i}.`]));
	await until(() => which.evaluate((count) => window.xenterm.tiles.filter((t) => t.view.transport === 'stream').length === count,
		streams), `${streams} streams`);
	await shoot(which, `tiles-${streams}-streams`);
	for (let i = 0; i < 10; i++) {
		await which.click(`#strip button:nth-child(${i + 1})`);
		await which.keyboard.press('Control+U');
	}
	await which.waitForFunction(() => window.xenterm.tiles.every((t) => t.view.pending === 0));
}

const tenIn = (address) => `${address}consoles.html?${demo.guests.split(' ').map((name) => `console=${name}`).join('&')}`;

test('a guest is rebooted from its page, and the page goes on with the next domain', async () => {
	const which = demo.guests.split(' ')[2];
	const other = await openPage(await newContext());
	await visit(other, new URL(`console.html?console=${which}`, demo.url).href);
	await live(other);
	await waitForText(other, /login:/);
	await other.click('#menu');
	await other.click('#power');
	await other.click('#powerdialog button[value=reboot]');
	await other.waitForFunction((name) => document.querySelector('#notice span').textContent === `${name} has taken it, and reboots.`, which);
	await waitForText(other, /reboot: Restarting system[^]*login:/, 30000);
	assert.equal(await other.textContent('#state'), 'running');
	assert.deepEqual(other.faults, []);
	await other.context().close();
});

test('logs and recordings: listed in the menu, read, saved and played', async () => {
	const which = demo.guests.split(' ')[3];
	const other = await openPage(await newContext());
	const consolePage = new URL(`console.html?console=${which}`, demo.url).href;
	await visit(other, consolePage);
	await live(other);
	await waitForText(other, /login:/);
	await typeLine(other, guestUser);
	await waitForText(other, /[#$] *$/);
	await calculate(other, 47, 53);
	await other.click('#menu');
	const files = () => other.$$eval('#logsdialog tbody tr', (rows) => rows.map((row) => row.dataset.file));
	let log, recording;
	/* The logger writes a moment later. (What is shown may still be of the look before: it is asked for anew.) */
	await until(async () => {
		await other.click('#logs');
		await other.waitForFunction(() => document.querySelector('#logsdialog [role=status]')?.textContent !== 'Asking the server…');
		[log, recording] = await files();
		if (recording)
			return true;
		await other.click('#logsdialog button[value=cancel]');
		return false;
	}, 'a log and a recording');
	assert.equal(log, 'console.log');
	assert.match(recording, /\.cast$/);
	const [saved] = await Promise.all([other.waitForEvent('download'), other.click(`[data-file="${log}"] a[download]`)]);
	assert.match(await readFile(await saved.path(), 'utf8'), /login:/);
	const [player] = await Promise.all([other.context().waitForEvent('page'),
		other.click(`[data-file="${recording}"] a:text("Play")`)]);
	await waitForText(player, /^<2491>$/m, 30000);
	await player.close();
	assert.deepEqual(other.faults, []);
	await other.context().close();
});

test('ten consoles in one window over HTTP/2: all live, each with its stream', async () => {
	const other = await openPage(await newContext());
	await visit(other, tenIn(demo.url));
	await tenConsoles(other, 10);
	assert.deepEqual(other.faults, []);
	await other.context().close();
});

test('ten consoles in one window over HTTP/1.1: all live, with three streams', async () => {
	const proxy = new Proxy(demo.url);
	await proxy.start();
	const other = await openPage(await newContext());
	await visit(other, tenIn(proxy.url));
	await tenConsoles(other, 3);
	assert.deepEqual(other.faults, []);
	await other.context().close();
	await proxy.stop();
});

test('a flood arrives in order and without a hole', async () => {
	await typeLine(page, 'seq 100001 130000');
	await waitForText(page, /^130000$/m, 60000);
	const lines = (await screenText(page)).match(/^1[0-9]{5}$/mg).map(Number);
	assert.ok(lines.length > 1500);
	lines.forEach((line, i) => assert.equal(line, 130000 - lines.length + 1 + i));
	await calculate(page, 2, 61);
});

/* The console through a proxy; done(page) with it. */
async function through(proxy, done) {
	await proxy.start();
	const context = await newContext();
	const which = await openPage(context);
	try {
		await visit(which, new URL(new URL(page.url()).search, `${proxy.url}console.html`));
		await live(which);
		await done(which);
		assert.deepEqual(which.faults, []);
	} finally {
		await context.close();
		await proxy.stop();
	}
}

const transport = (which, name) => which.waitForFunction((wanted) => window.xenterm.transport === wanted, name,
	{ timeout: 10000 });

test('the output is streamed', async () => {
	await transport(page, 'stream');
});

test('a proxy that gathers answers: the output is polled for', async () => {
	const proxy = new Proxy(demo.url, { gather: true });
	await through(proxy, async (which) => {
		await calculate(which, 43, 47);
		await transport(which, 'poll');
		await until(() => proxy.polls > 0, 'a poll that waits');
		assert.equal(proxy.streams, 1);
		await calculate(which, 53, 59);
		await calculate(page, 61, 67);
		await waitForText(which, /^<4087>$/m);
	});
});

test('a proxy that cuts at 10 s: nothing is missing or twice, and the page stays calm', async () => {
	const proxy = new Proxy(demo.url, { cut: 10000 });
	await through(proxy, async (which) => {
		await transport(which, 'stream');
		await which.evaluate(() => {
			window.words = new Set();
			const note = () => window.words.add(document.querySelector('#connection').textContent);
			new MutationObserver(note).observe(document.querySelector('#connection'),
				{ childList: true, characterData: true, subtree: true });
		});
		await typeLine(which, 'for i in $(seq 1 60); do echo "tick $i."; sleep 0.2; done');
		await waitForText(which, /^tick 60\.$/m, 30000);
		assert.ok(proxy.cuts >= 1 && proxy.streams >= 2);
		const ticks = (await screenText(which)).match(/^tick [0-9]+\.$/mg);
		assert.deepEqual(ticks, Array.from({ length: 60 }, (_, i) => `tick ${i + 1}.`));
		assert.deepEqual(await which.evaluate(() => [...window.words]), []);
		await calculate(which, 71, 73);
	});
});

test('no fault in the page, no violation of its policy', () => {
	assert.deepEqual(page.faults, []);
});
