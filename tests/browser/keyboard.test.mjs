/* Keyboards: layouts, dead keys, input methods, phones. Each key as the browser gets it, through the debugging protocol. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { launch, openPage, shoot } from './browser.mjs';
import { FakeSite } from './fake_site.mjs';

const browser = await launch();
const site = new FakeSite();
let context;
let page;
let cdp;

/* Modifiers of Input.dispatchKeyEvent. AltGr is Control and Alt on Windows, and a key of its own elsewhere. */
const ALT = 1, CTRL = 2, SHIFT = 8;

before(() => site.start());
after(async () => {
	await browser.close();
	await site.stop();
});
beforeEach(() => {
	site.reset();
	return open({ viewport: { width: 1100, height: 700 } });
});
afterEach(async () => {
	assert.deepEqual(page.faults, []);
	await context.close();
});

async function open(options) {
	await context?.close();
	context = await browser.newContext(options);
	page = await openPage(context);
	cdp = await context.newCDPSession(page);
	await page.goto(`${site.url}console.html?console=web1`);
	await page.waitForFunction(() => window.xenterm?.connection === 'live');
	await page.focus('#terminal textarea');
}

const until = async (condition, what) => {
	for (let i = 0; i < 500; i++) {
		if (await condition())
			return;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	assert.fail(what());
};

const utf8 = (text) => Buffer.from(text).toString('latin1');
const typedIs = (text) => until(() => site.typed === utf8(text),
	() => `typed was ${JSON.stringify(Buffer.from(site.typed, 'latin1').toString())}, not ${JSON.stringify(text)}`);

/* One key, down and up. `text` is what it writes; none: it writes nothing. */
async function press(key, code, keyCode, { text, modifiers = 0 } = {}) {
	const common = { key, code, windowsVirtualKeyCode: keyCode, nativeVirtualKeyCode: keyCode, modifiers };
	await cdp.send('Input.dispatchKeyEvent', { type: text === undefined ? 'rawKeyDown' : 'keyDown', text, unmodifiedText: text, ...common });
	await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', ...common });
}

/* What comes behind the keys of a test: when it is there, they are all there, and nothing more. */
async function typedExactly(text) {
	await press('~', 'Backquote', 192, { text: '~', modifiers: SHIFT });
	await typedIs(`${text}~`);
}

test('a US keyboard: letters, Shift, Ctrl, Alt, function and cursor keys', async () => {
	await press('a', 'KeyA', 65, { text: 'a' });
	await press('A', 'KeyA', 65, { text: 'A', modifiers: SHIFT });
	await press('|', 'Backslash', 220, { text: '|', modifiers: SHIFT });
	await press('{', 'BracketLeft', 219, { text: '{', modifiers: SHIFT });
	await press('c', 'KeyC', 67, { modifiers: CTRL });
	await press('[', 'BracketLeft', 219, { modifiers: CTRL });
	await press('\\', 'Backslash', 220, { modifiers: CTRL });
	await press('b', 'KeyB', 66, { modifiers: ALT });
	await press('Enter', 'Enter', 13, { text: '\r' });
	await press('Tab', 'Tab', 9);
	await press('Escape', 'Escape', 27);
	await press('ArrowUp', 'ArrowUp', 38);
	await press('F1', 'F1', 112);
	await press('F12', 'F12', 123);
	await press('Delete', 'Delete', 46);
	await press('ArrowLeft', 'ArrowLeft', 37, { modifiers: CTRL });
	await typedExactly('aA|{\x03\x1b\x1c\x1bb\r\t\x1b\x1b[A\x1bOP\x1b[24~\x1b[3~\x1b[1;5D');
});

test('a German keyboard: umlauts, and what AltGr writes', async () => {
	await press('ö', 'Semicolon', 192, { text: 'ö' });
	await press('Ä', 'Quote', 222, { text: 'Ä', modifiers: SHIFT });
	await press('ß', 'Minus', 219, { text: 'ß' });
	await press('z', 'KeyY', 90, { text: 'z' });
	const graph = async (key, code, keyCode, modifiers) => {
		await cdp.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'AltGraph', code: 'AltRight', windowsVirtualKeyCode: 18,
			modifiers, location: 2 });
		await press(key, code, keyCode, { text: key, modifiers });
		await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', key: 'AltGraph', code: 'AltRight', windowsVirtualKeyCode: 18,
			location: 2 });
	};
	/* Elsewhere AltGr is no modifier that a page sees. */
	for (const [key, code, keyCode] of [['@', 'KeyQ', 81], ['€', 'KeyE', 69], ['{', 'Digit7', 55], ['[', 'Digit8', 56],
		[']', 'Digit9', 57], ['}', 'Digit0', 48], ['\\', 'Minus', 219], ['|', 'IntlBackslash', 226], ['~', 'BracketRight', 187]])
		await graph(key, code, keyCode, 0);
	/* Ctrl+Z is where Z is written, not where a US keyboard has it. */
	await press('z', 'KeyY', 90, { modifiers: CTRL });
	await typedExactly('öÄßz@€{[]}\\|~\x1a');
});

test('a German keyboard on Windows, where AltGr is Ctrl and Alt', async () => {
	await context.close();
	context = await browser.newContext({ viewport: { width: 1100, height: 700 } });
	page = await openPage(context);
	await page.addInitScript(() => Object.defineProperty(navigator, 'platform', { get: () => 'Win32' }));
	cdp = await context.newCDPSession(page);
	await page.goto(`${site.url}console.html?console=web1`);
	await page.waitForFunction(() => window.xenterm?.connection === 'live');
	await page.focus('#terminal textarea');
	for (const [key, code, keyCode] of [['@', 'KeyQ', 81], ['€', 'KeyE', 69], ['{', 'Digit7', 55], ['\\', 'Minus', 219]])
		await press(key, code, keyCode, { text: key, modifiers: CTRL | ALT });
	await typedExactly('@€{\\');
});

/* A dead key is a composition of the browser: nothing but its result is to be sent. */
test('dead keys', async () => {
	for (const [dead, code, base, letter] of [['´', 'Equal', 'KeyE', 'é'], ['^', 'Backquote', 'KeyA', 'â'], ['~', 'BracketRight', 'KeyN', 'ñ']]) {
		await press('Dead', code, 229);
		await cdp.send('Input.imeSetComposition', { text: dead, selectionStart: 1, selectionEnd: 1 });
		await press('Process', base, 229);
		await cdp.send('Input.insertText', { text: letter });
	}
	await typedExactly('éâñ');
});

/* As Mozc and the like do it: each key is 229, the text under composition changes, Enter commits. */
async function compose(stages, result) {
	for (const text of stages) {
		await press('Process', 'KeyA', 229);
		await cdp.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
	}
	await press('Process', 'Enter', 229);
	await cdp.send('Input.insertText', { text: result });
}

test('Japanese: what is composed arrives once, when it is chosen; Enter that chooses is not sent', async () => {
	await compose(['ｎ', 'に', 'にｈ', 'にほ', 'にほｎ', 'にほん', '日本'], '日本');
	await typedIs('日本');
	await compose(['ｇ', 'ご', '語'], '語');
	await press('Enter', 'Enter', 13, { text: '\r' });
	await press('a', 'KeyA', 65, { text: 'a' });
	await typedExactly('日本語\ra');
});

test('Japanese: what is given up is not sent', async () => {
	await press('Process', 'KeyK', 229);
	await cdp.send('Input.imeSetComposition', { text: 'か', selectionStart: 1, selectionEnd: 1 });
	await cdp.send('Input.imeSetComposition', { text: '', selectionStart: 0, selectionEnd: 0 });
	await press('x', 'KeyX', 88, { text: 'x' });
	await typedExactly('x');
});

const PHONE = { viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true };

test('a phone\'s keyboard: keys without a name, words at once, composed words, Backspace', async () => {
	await open(PHONE);
	/* Keys of most phones say nothing but 229 and insert a text. */
	for (const letter of 'ls') {
		await press('Unidentified', '', 229);
		await cdp.send('Input.insertText', { text: letter });
	}
	await typedIs('ls');
	/* A suggestion: a word and a blank at once. */
	await cdp.send('Input.insertText', { text: ' directory ' });
	await typedIs('ls directory ');
	/* A word under composition, taken as it is. */
	for (const text of ['e', 'ec', 'ech', 'echo']) {
		await press('Unidentified', '', 229);
		await cdp.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
	}
	await cdp.send('Input.insertText', { text: 'echo' });
	await typedIs('ls directory echo');
	await press('Backspace', 'Backspace', 8);
	await press('Enter', 'Enter', 13, { text: '\r' });
	await typedExactly('ls directory echo\x7f\r');
});

/* Does all of it while the page can do nothing, so that it finds it in one of its turns. */
async function whileBusy(events) {
	const busy = page.evaluate(() => {
		for (const end = performance.now() + 500; performance.now() < end;)
			;
	});
	await Promise.all([busy, ...events.map(([method, params]) => cdp.send(method, params))]);
}

const unnamed = { key: 'Unidentified', code: '', windowsVirtualKeyCode: 229, nativeVirtualKeyCode: 229 };
const down = ['Input.dispatchKeyEvent', { type: 'rawKeyDown', ...unnamed }];
const up = ['Input.dispatchKeyEvent', { type: 'keyUp', ...unnamed }];
const insert = (text) => ['Input.insertText', { text }];

test('a phone\'s keyboard in a busy page: each key once', async () => {
	await open(PHONE);
	await whileBusy([...'ls -l'].flatMap((letter) => [down, insert(letter), up]));
	await typedExactly('ls -l');
	await whileBusy([...'abc'].flatMap((letter) => [down, up, insert(letter)]));
	await typedExactly('ls -l~abc');
});

test('what is dropped behind a key without a name is not typed', async () => {
	await cdp.send(...down);
	await cdp.send(...up);
	await page.evaluate(() => document.querySelector('#terminal').shadowRoot.querySelector('textarea').dispatchEvent(
		new InputEvent('input', { inputType: 'insertFromDrop', data: 'reboot\n', bubbles: true, composed: true })));
	await typedExactly('');
});

test('dead keys in a busy page', async () => {
	await whileBusy([['´', 'é'], ['^', 'â'], ['~', 'ñ']].flatMap(([dead, letter]) => [
		down, ['Input.imeSetComposition', { text: dead, selectionStart: 1, selectionEnd: 1 }], up, down, insert(letter), up]));
	await typedExactly('éâñ');
});

/* The textarea's text is what there is to take back. */
test('Backspace of a phone\'s keyboard without a name, as the menu has it', async () => {
	const erase = async () => {
		await cdp.send(...down);
		await page.evaluate(() => document.execCommand('delete'));
		await cdp.send(...up);
	};
	await open(PHONE);
	for (const letter of 'ab')
		for (const event of [down, insert(letter), up])
			await cdp.send(...event);
	await erase();
	await typedIs('ab\x7f');
	await page.evaluate(() => { document.querySelector('xen-console').backspace = '^H'; });
	await erase();
	await typedExactly('ab\x7f\b');
});

test('a phone that is turned: the terminal fits, the focus and what is typed stay', async () => {
	await open(PHONE);
	site.print('web1 login: ');
	const fits = () => page.evaluate(() => {
		const screen = document.querySelector('#terminal').shadowRoot.querySelector('.xterm-screen').getBoundingClientRect();
		return document.documentElement.scrollWidth <= innerWidth && screen.right <= innerWidth && screen.bottom <= innerHeight;
	});
	await until(fits, () => 'upright it does not fit');
	await page.keyboard.type('a');
	await shoot(page, 'phone-upright');
	await page.setViewportSize({ width: 760, height: 390 });
	await until(fits, () => 'turned it does not fit');
	await page.keyboard.type('b');
	await shoot(page, 'phone-turned');
	/* The keyboard on the screen takes half of it. */
	await page.setViewportSize({ width: 390, height: 400 });
	await until(fits, () => 'above the keyboard it does not fit');
	await page.keyboard.type('c');
	await typedExactly('abc');
	await shoot(page, 'phone-keyboard');
});
