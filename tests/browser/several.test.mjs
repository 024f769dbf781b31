/* Several consoles: in one window, and several people at one. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { barriers, launch, openPage, pasteText, shoot } from './browser.mjs';
import { FakeSite } from './fake_site.mjs';

const browser = await launch();
const site = new FakeSite();
const TEN = Array.from({ length: 10 }, (_, i) => `web${i + 1}`);
let context;
let page;

before(() => site.start());
after(async () => {
	await browser.close();
	await site.stop();
});
beforeEach(async () => {
	site.reset();
	context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
	page = await openPage(context);
});
afterEach(async () => {
	assert.deepEqual(page.faults, []);
	await context.close();
});

const until = async (condition, what) => {
	for (let i = 0; i < 1000; i++) {
		if (await condition())
			return;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	assert.fail(`${what} did not happen`);
};

const address = (names, more = '') => `${site.url}consoles.html?${names.map((name) => `console=${name}`).join('&')}${more}`;
const all = (what) => page.evaluate((code) => window.xenterm.tiles.map(new Function('t', `return ${code}`)), what);
const texts = () => all('t.view.snapshot().text');
const live = (count) => until(async () => {
	const states = await all('t.view.connection');
	return states.length === count && states.every((state) => state === 'live');
}, `${count} consoles that are live`);

/* ---- ten in one window ---- */

test('ten consoles over the six connections of HTTP/1.1: all live, keys go where the focus is', async () => {
	for (const name of TEN)
		site.console(name).print(`this is ${name}\r\n`);
	await page.goto(address(TEN));
	await live(10);
	await until(async () => (await texts()).every((text, i) => text === `this is ${TEN[i]}`), 'ten screens');
	await until(async () => (await all('t.view.transport')).filter((name) => name === 'stream').length === 3, 'three streams');
	assert.equal((await all('t.view.transport')).filter((name) => name === 'turns').length, 7);
	/* What each prints comes, on a stream or by turns. */
	for (const name of TEN)
		site.console(name).print('and more');
	await until(async () => (await texts()).every((text, i) => text === `this is ${TEN[i]}\nand more`), 'ten more lines');
	/* Typed into one after the other; nothing goes elsewhere. */
	for (const [i, name] of TEN.entries()) {
		await page.click(`#strip button:nth-child(${i + 1})`);
		await page.keyboard.type(`k${i}`);
		await until(() => site.console(name).typed === `k${i}`, `typing at ${name}`);
		await until(async () => (await all('t.view.transport'))[i] === 'stream', 'a stream for who has the focus');
	}
	assert.deepEqual(TEN.map((name) => site.console(name).typed), TEN.map((_, i) => `k${i}`));
	assert.ok(site.mostHeld <= 4, `${site.mostHeld} connections were held`);
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'tiles');
});

test('two windows share the connections; one that nobody sees holds none', async () => {
	await page.goto(address(TEN.slice(0, 4)));
	await live(4);
	const other = await openPage(context);
	await other.goto(`${site.url}console.html?console=web9`);
	await other.waitForFunction(() => window.xenterm?.connection === 'live');
	await until(() => other.evaluate(() => window.xenterm.transport === 'stream'), 'a stream for the other window');
	await other.focus('#terminal textarea');
	await other.keyboard.type('x');
	await until(() => site.console('web9').typed === 'x', 'typing there');
	assert.ok(site.mostHeld <= 4);
	assert.deepEqual(other.faults, []);
});

test('one at a time: those that are not seen stay live, and say that something came', async () => {
	await page.goto(address(TEN.slice(0, 5), '&view=tabs'));
	await live(5);
	assert.equal(await page.locator('article:visible').count(), 1);
	await page.click('#strip button:nth-child(2)');
	await until(async () => (await all('t.view.transport'))[1] === 'stream', 'a stream for the one that is seen');
	site.console('web4').print('news');
	await until(async () => await page.textContent('#strip button:nth-child(4)') === 'web4 · new output', 'the mark');
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'tabs');
	await page.click('#strip button:nth-child(4)');
	assert.equal(await page.textContent('#strip button:nth-child(4)'), 'web4');
	assert.equal((await texts())[3], 'news');
	await page.keyboard.type('q');
	await until(() => site.console('web4').typed === 'q', 'typing');
	/* By keyboard alone. */
	await page.keyboard.press('Control+Shift+F6');
	await page.keyboard.press('ArrowRight');
	await page.keyboard.press('Enter');
	await page.keyboard.type('r');
	await until(() => site.console('web5').typed === 'r', 'typing at the next');
});

test('adding, closing, a window of its own; a reload shows the same', async () => {
	site.consoles = [{ id: 'u7/pv0', name: 'web7', kind: 'pv', state: 'up', viewers: 0, rights: ['list', 'watch'] }];
	await page.goto(address(['web1', 'web2']));
	await live(2);
	await page.fill('#wanted', 'web7');
	await until(() => page.evaluate(() => document.querySelectorAll('#names option').length === 1), 'the names');
	await page.keyboard.press('Enter');
	await live(3);
	assert.equal(await page.textContent('#strip [aria-pressed=true]'), 'web7');
	await page.reload();
	await live(3);
	await page.click('article:nth-child(1) button:text-is("×")');
	const [popup] = await Promise.all([context.waitForEvent('page'), page.click('article:nth-child(1) button:text-is("↗")')]);
	await popup.waitForFunction(() => window.xenterm?.connection === 'live');
	assert.match(popup.url(), /console\.html\?console=web2$/);
	await live(1);
	assert.match(page.url(), /consoles\.html\?console=web7$/);
	await page.click('article button:text-is("×")');
	await page.waitForSelector('#none:not([hidden])');
	assert.ok((await page.locator('#none').boundingBox()).y < 300);
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'tiles-none');
});

test('a paste into a tile is shown first, with the name of where it goes; one that is refused says so in its tile', async () => {
	site.refuse = (method, path, body) => (path === 'sessions' && /web2/.test(body) ? [404, 'no-such-console', 'No.'] : null);
	await page.goto(address(['web1', 'web2']));
	await until(async () => (await all('t.view.connection')).join() === 'live,ended', 'one of each');
	assert.equal(await page.textContent('article:nth-child(2) h4'), 'No such console');
	assert.match(await page.textContent('#strip button:nth-child(2)'), /not connected/);
	assert.deepEqual(await barriers(page), []);
	await page.evaluate(() => {
		const data = new DataTransfer();
		data.setData('text/plain', 'a\nb');
		window.xenterm.tiles[0].view.shadowRoot.querySelector('textarea').dispatchEvent(
			new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true, composed: true }));
	});
	await page.waitForSelector('#pastedialog[open]');
	assert.equal(await page.textContent('#pastedialog h2'), 'Paste into web1?');
	await page.click('#pastedialog button[value=paste]');
	await until(() => site.console('web1').typed === 'a\rb', 'the paste');
	site.refuse = () => null;
	await page.click('article:nth-child(2) button:text-is("Connect again")');
	await live(2);
});

/* ---- several people at one ---- */

const live1 = (which) => which.waitForFunction(() => window.xenterm?.connection === 'live');

/* Two browsers, of alice and bob; the site tells them by their language. */
async function aliceAndBob() {
	site.presence = true;
	site.user = (request) => request.headers['accept-language'].startsWith('de') ? 'bob' : 'alice';
	const bobs = await browser.newContext({ locale: 'de-DE', viewport: { width: 1100, height: 700 } });
	const bob = await openPage(bobs);
	for (const which of [page, bob]) {
		await which.goto(`${site.url}console.html?console=web1`);
		await live1(which);
	}
	await page.waitForSelector('#viewers:text-is("2 viewers")');
	return { bob, done: async () => {
		assert.deepEqual(bob.faults, []);
		await bobs.close();
	} };
}

async function takeOver(which) {
	await which.click('#menu');
	await which.click('#takeover');
	await which.waitForSelector('#question[open]');
	assert.deepEqual(await barriers(which), []);
	await shoot(which, 'take-over');
	await which.click('#question button[value=yes]');
}

const notice = (which, words) => until(async () => await which.textContent('#notice span') === words, words);

test('who is there; one takes over and hands back, and both are told in words', async () => {
	const { bob, done } = await aliceAndBob();
	await page.click('#menu');
	await until(async () => await page.textContent('#who') === 'alice (you) typesbob types', 'the list');
	await page.keyboard.press('Escape');
	await takeOver(bob);
	await notice(bob, 'You have taken over from alice, who can only watch now.');
	await page.waitForSelector('#taken:not([hidden])');
	assert.equal(await page.textContent('#taken span'), 'bob has taken over; you are watching.');
	assert.match(await page.textContent('#notice span'), /bob has taken over this console; you are watching now/);
	assert.equal(await page.textContent('#mode'), 'read only');
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'taken');
	await page.focus('#terminal textarea');
	await page.keyboard.type('a');
	await notice(page, 'Read only: you are watching this console, typing is off.');
	await bob.focus('#terminal textarea');
	await bob.keyboard.type('b');
	await until(() => site.typed === 'b', 'what bob types');
	await bob.click('#watchonly:text-is("Hand back")');
	await notice(bob, 'You have handed the console back to alice; you are watching now.');
	await notice(page, 'bob has handed the console back; you type again.');
	assert.equal(await page.isHidden('#taken'), true);
	await page.focus('#terminal textarea');
	await page.keyboard.type('c');
	await until(() => site.typed === 'bc', 'what alice types');
	assert.equal(await bob.evaluate(() => document.activeElement.id), 'menu');
	await bob.click('#typehere');
	await notice(bob, 'You type here now.');
	await bob.keyboard.type('d');
	await until(() => site.typed === 'bcd', 'what bob types without a click');
	await done();
});

test('who took over leaves: it is as before', async () => {
	const { bob, done } = await aliceAndBob();
	await takeOver(bob);
	await page.waitForSelector('#taken:not([hidden])');
	await done();
	await notice(page, 'bob has handed the console back; you type again.');
});

test('where it may not be there is no button; what may not be joined is said', async () => {
	site.rights = ['list', 'watch', 'type'];
	site.presence = true;
	site.user = (request) => request.headers['accept-language'].startsWith('de') ? 'bob' : 'alice';
	await page.goto(`${site.url}console.html?console=web1`);
	await live1(page);
	const bobs = await browser.newContext({ locale: 'de-DE' });
	const bob = await openPage(bobs);
	await bob.goto(`${site.url}console.html?console=web1`);
	await live1(bob);
	assert.equal(await bob.textContent('#mode'), 'read only');
	await bob.click('#menu');
	assert.equal(await bob.isHidden('#takeover'), true);
	await bob.click('#typehere');
	await notice(bob, 'alice types at this console.');
	await bobs.close();
});

/* ---- SysRq ---- */

test('SysRq: what harms is asked about first; it goes as a key, in order', async () => {
	await page.goto(`${site.url}console.html?console=web1`);
	await live1(page);
	await page.click('#menu');
	await page.selectOption('#sysrq', 's');
	await page.click('#sysrqsend');
	await until(() => site.console('web1').keys.length === 1, 'the first key');
	await page.click('#menu');
	await page.click('#menu');
	await page.selectOption('#sysrq', 'b');
	await page.click('#sysrqsend');
	await page.waitForSelector('#question[open]');
	assert.match(await page.textContent('#questiontext'), /restarts at once/);
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'sysrq');
	await page.keyboard.press('Escape');
	await page.waitForSelector('#question', { state: 'hidden' });
	await page.click('#sysrqsend');
	await page.click('#question button[value=yes]');
	await until(() => site.console('web1').keys.length === 2, 'the second');
	assert.deepEqual(site.console('web1').keys, [{ key: 'sysrq', arg: 's' }, { key: 'sysrq', arg: 'b' }]);
	assert.equal(site.typed, '');
});

test('one who may only watch has no keys to press', async () => {
	site.mode = 'watch';
	await page.goto(`${site.url}console.html?console=web1`);
	await live1(page);
	await page.click('#menu');
	assert.equal(await page.isHidden('#sysrqline'), true);
});
