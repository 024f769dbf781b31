/* What a person has beside the terminal, frames in other sites' pages, and what axe-core says of all of it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { barriers, launch, openPage, pasteText, screenText, shoot, waitForText } from './browser.mjs';
import { FakeSite } from './fake_site.mjs';

const browser = await launch();
const site = new FakeSite();
const panel = new FakeSite();   /* another site */
const WIDE = { width: 1100, height: 700 };
const PHONE = { width: 390, height: 760 };
let context;
let page;

before(() => Promise.all([site.start(), panel.start()]));
after(async () => {
	await browser.close();
	await site.stop();
	await panel.stop();
});
beforeEach(() => {
	site.reset();
	return fresh({ viewport: WIDE });
});
afterEach(async () => {
	assert.deepEqual(page.faults, []);
	await context.close();
});

async function fresh(options) {
	await context?.close();
	context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'], ...options });
	page = await openPage(context);
}

async function openLive(query = 'console=web1') {
	await page.goto(`${site.url}console.html?${query}`);
	await page.waitForFunction(() => window.xenterm?.connection === 'live');
}

const until = async (condition, what) => {
	for (let i = 0; i < 1500; i++) {
		if (await condition())
			return;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	assert.fail(`${what} did not happen`);
};

const typedIs = (text) => until(() => site.typed === text, `typing ${JSON.stringify(text)} (got ${JSON.stringify(site.typed)})`);

const menu = async () => {
	if (await page.isHidden('#panel'))
		await page.click('#menu');
};

/* ---- pasting ---- */

test('one harmless line is pasted at once; several are shown first, with what cannot be seen', async () => {
	await openLive();
	await pasteText(page, 'uname -a');
	await typedIs('uname -a');
	site.typed = '';
	await pasteText(page, 'cd /\n\x1b[31mrm\u202e -rf x\t\x07\n');
	await page.waitForSelector('#pastedialog[open]');
	assert.equal(await page.textContent('#pastepreview'), 'cd /\n‹ESC›[31mrm‹U+202E› -rf x→\t‹BEL›\n');
	assert.match(await page.textContent('#pastefacts'), /^2 lines, 24 bytes\..*the guest acts on it at once/);
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'paste');
	await page.keyboard.press('Escape');
	await page.waitForSelector('#pastedialog', { state: 'hidden' });
	assert.equal(site.typed, '');
	await pasteText(page, 'a\r\nb');
	await page.click('#pastedialog button[value=paste]');
	await typedIs('a\rb');
});

test('one line that would hide something is shown, too', async () => {
	await openLive();
	await pasteText(page, 'ls \x1b[2K');
	await page.waitForSelector('#pastedialog[open]');
	await page.click('#pastedialog button[value=paste]');
	await typedIs('ls [2K');
});

test('64 KiB arrive whole and once, in brackets where the guest asked for them', async () => {
	site.print('\x1b[?2004hready');
	await openLive();
	await waitForText(page, /ready/);
	const text = Array.from({ length: 2048 }, (_, i) => `line ${String(i).padStart(6, '0')} ${'x'.repeat(18)}\n`).join('')
		.slice(0, 65536);
	await pasteText(page, text);
	assert.match(await page.textContent('#pastefacts'), /told that it is pasted/);
	await page.click('#pastedialog button[value=paste]');
	await typedIs(`\x1b[200~${text.replaceAll('\n', '\r')}\x1b[201~`);
	await page.waitForSelector('#sending', { state: 'hidden' });
});

test('a slow paste has a bar, and stops where it is; the bracket is closed', async () => {
	site.print('\x1b[?2004hready');
	await openLive();
	await waitForText(page, /ready/);
	await pasteText(page, 'x'.repeat(5000));
	await page.selectOption('#pace', '120');
	await page.click('#pastedialog button[value=paste]');
	await page.waitForSelector('#sending:not([hidden])');
	await until(() => site.typed.length > 20, 'the beginning');
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'sending');
	await page.click('#stop');
	await page.waitForSelector('#sending', { state: 'hidden' });
	await until(() => site.typed.endsWith('\x1b[201~'), 'the end of the bracket');
	assert.match(site.typed, /^\x1b\[200~x{1,1000}\x1b\[201~$/);
	await notice(/^Stopped: the guest has [0-9]+ of 5006 bytes\.$/);
	/* The button is gone; the terminal has the focus again, and so it does when the message is closed. */
	site.typed = '';
	await page.keyboard.type('y');
	await typedIs('y');
	await page.click('#notice button');
	await page.keyboard.type('z');
	await typedIs('yz');
});

test('a paste that is stopped: what the guest has not got yet is taken back, and how much it has is said', async () => {
	await openLive();
	/* What the page alone has not sent is no part of it. */
	for (const [takenBack, pattern, least] of [[[9, 1], /^Stopped: the guest has ([0-9]+) of 5000 bytes\.$/, -10],
		[null, /^Stopped: the guest has ([0-9]+) of 5000 bytes or less\.$/, 0]]) {
		site.typed = '';
		site.takenBack = takenBack;
		await pasteText(page, 'x'.repeat(5000));
		await page.selectOption('#pace', '960');
		await page.click('#pastedialog button[value=paste]');
		await until(() => site.typed.length > 200, 'the beginning');
		await page.click('#stop');
		await page.waitForSelector('#sending', { state: 'hidden' });
		await notice(pattern);
		const has = Number(pattern.exec(await page.textContent('#notice span'))[1]) - site.typed.length;
		assert.ok(has === least || (takenBack === null && has > 0), `${has}`);
	}
	assert.deepEqual(site.calls.filter((call) => call === 'DELETE input').length, 3);
});

test('what is too long for a console cannot be pasted', async () => {
	await openLive();
	await page.evaluate(() => {
		const data = new DataTransfer();
		data.setData('text/plain', 'x'.repeat((16 << 20) + 1));
		document.querySelector('#terminal').shadowRoot.querySelector('textarea').dispatchEvent(
			new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true, composed: true }));
	});
	await page.waitForSelector('#pastedialog[open]');
	assert.match(await page.textContent('#pastefacts'), /^1 line, 16777217 bytes\..*16777216 characters at most\.$/);
	assert.equal(await page.isDisabled('#pastedialog button[value=paste]'), true);
	assert.deepEqual(await barriers(page), []);
	await page.keyboard.press('Escape');
	await pasteText(page, 'a\nb');
	await page.click('#pastedialog button[value=paste]');
	await typedIs('a\rb');
});

test('a paste of which a part is lost ends: the rest is not for the guest that comes then', async () => {
	site.print('\x1b[?2004hready');
	await openLive();
	await waitForText(page, /ready/);
	const begin = async () => {
		site.typed = '';
		await pasteText(page, 'x'.repeat(5000));
		await page.selectOption('#pace', '960');
		await page.click('#pastedialog button[value=paste]');
		await until(() => site.typed.length > 100, 'the beginning');
	};
	const ended = async () => {
		await page.waitForSelector('#sending', { state: 'hidden' });
		await notice(/^Stopped: the guest has [0-9]+ of 5006 bytes or less\.$/);
		await page.keyboard.type('q');
		await until(() => site.typed.endsWith('q'), 'the key');
		assert.match(site.typed, /^\x1b\[200~x+q$/);
		assert.ok(site.typed.length < 5000);
	};
	await begin();
	site.refuse = (method, path) => method === 'POST' && path.startsWith('input') ? [409, 'not-up', 'The console is waiting.'] : null;
	await page.waitForSelector('#sending', { state: 'hidden' });
	site.refuse = () => null;
	await ended();
	/* And where nothing of it was under way just then. */
	await begin();
	site.set('state', { state: 'waiting', domid: 0, name: 'web1' });
	await page.waitForSelector('#sending', { state: 'hidden' });
	site.set('state', { state: 'up', domid: 8, name: 'web1' });
	await ended();
});

test('compose and send: with the line ends that were chosen', async () => {
	await openLive();
	await page.click('#compose');
	await page.fill('#composed', 'one\ntwo');
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'compose');
	await page.click('#composedialog button[value=send]');
	await typedIs('one\rtwo\r');
	site.typed = '';
	await page.click('#compose');
	await page.fill('#composed', 'three\nfour');
	await page.selectOption('#lineend', 'crlf');
	await page.uncheck('#endline');
	await page.click('#composedialog button[value=send]');
	await typedIs('three\r\nfour');
});

test('what was composed and cannot be sent is kept', async () => {
	await openLive();
	await page.click('#compose');
	await page.fill('#composed', 'one\ntwo\n');
	site.refuse = () => [403, 'wrong-user', 'You are somebody else.'];
	site.cut();
	await page.waitForSelector('#overlay:has-text("You are somebody else.")');
	await page.click('#composedialog button[value=send]');
	await notice(/^Nothing was sent: you cannot type here at the moment\./);
	site.refuse = () => null;
	await page.click('#overlay button');
	await page.waitForFunction(() => window.xenterm.connection === 'live');
	await page.click('#compose');
	assert.equal(await page.inputValue('#composed'), 'one\ntwo\n');
});

/* ---- finding, copying, saving ---- */

test('text in the history is found, from the end on', async () => {
	site.print(`needle one\r\n${'hay\r\n'.repeat(200)}needle two\r\n${'hay\r\n'.repeat(100)}`);
	await openLive();
	await waitForText(page, /needle two/);
	await page.click('#find');
	await page.keyboard.type('needle');
	await page.keyboard.press('Enter');
	const row = () => page.evaluate(() => window.xenterm.terminal.getSelectionPosition()?.start.y);
	await until(async () => await row() === 201, 'the second needle');
	assert.equal(await page.textContent('#found'), 'found');
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'find');
	await page.keyboard.press('Enter');
	await until(async () => await row() === 0, 'the first needle');
	await page.click('#next');
	await until(async () => await row() === 201, 'the second needle again');
	await page.fill('#wanted', 'no such thing');
	await page.keyboard.press('Enter');
	assert.equal(await page.textContent('#found'), 'not found');
	await page.keyboard.press('Escape');
	assert.equal(await page.isHidden('#findbar'), true);
	assert.equal(site.typed, '');
	await page.keyboard.type('z');
	await typedIs('z');
});

test('copy, and the history as a file', async () => {
	site.print('to be copied');
	await openLive();
	await waitForText(page, /copied/);
	await menu();
	await page.click('#copy');
	await until(async () => await page.evaluate(() => navigator.clipboard.readText()) === 'to be copied', 'the copy');
	const [download] = await Promise.all([page.waitForEvent('download'), page.click('#savetext')]);
	assert.match(download.suggestedFilename(), /^web1-.*\.txt$/);
	assert.equal(await readFile(await download.path(), 'utf8'), 'to be copied');
	site.refuse = (method, path) => (path === 'history' ? [503, 'no-screen', 'The screen is not there.'] : null);
	await page.click('#saveraw');
	await until(async () => /The screen is not there/.test(await page.textContent('#notice')), 'the reason');
});

/* ---- looks and keys ---- */

test('colours, text size, Backspace: chosen, and kept', async () => {
	site.print('some text');
	await openLive();
	await menu();
	await page.selectOption('#theme', 'contrast');
	await page.selectOption('#fontsize', '20');
	await page.selectOption('#backspace', '^H');
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'menu-contrast');
	const looks = () => page.evaluate(() => ({
		size: window.xenterm.terminal.options.fontSize, back: window.xenterm.terminal.options.theme.background,
		page: getComputedStyle(document.body).backgroundColor }));
	const chosen = { size: 20, back: '#000000', page: 'rgb(0, 0, 0)' };
	assert.deepEqual(await looks(), chosen);
	await openLive();
	assert.deepEqual(await looks(), chosen);
	await page.keyboard.press('Backspace');
	await typedIs('\b');
	await menu();
	await page.selectOption('#backspace', '^?');
	await page.focus('#terminal textarea');
	await page.keyboard.press('Backspace');
	await typedIs('\b\x7f');
});

test('the size: of the list, of the window, told to the shell where that is wanted', async () => {
	await openLive();
	const grid = () => page.evaluate(() => [window.xenterm.terminal.rows, window.xenterm.terminal.cols]);
	const gridIs = (rows, cols) => until(async () => (await grid()).join() === `${rows},${cols}`, `${rows} x ${cols}`);
	await menu();
	await gridIs(24, 80);
	assert.equal(await page.textContent('#gridnow'), '24 rows, 80 columns, as it is');
	await page.selectOption('#grid', '43x132');
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'size');
	await page.click('#setgrid');
	await gridIs(43, 132);
	await notice(/^The console has 43 rows and 132 columns now/);
	assert.equal(site.typed, '');
	await until(async () => await page.inputValue('#grid') === '', 'the choice, as it is');
	await page.check('#tellguest');
	await page.click('#setgrid');
	await typedIs('stty rows 43 cols 132\r');

	await page.uncheck('#tellguest');
	await page.selectOption('#grid', 'window');
	await page.click('#setgrid');
	await until(async () => (await grid()).join() !== '43,132', 'another size');
	const [rows, cols] = await grid();
	assert.ok(rows >= 30 && rows <= 50 && cols >= 100 && cols <= 160, `${rows} x ${cols}`);
	assert.equal(await page.evaluate(() => Math.round(window.xenterm.terminal.options.fontSize)), 14);

	site.refuse = (method, path) => path === 'size' ? [409, 'not-up', 'The console is waiting.'] : null;
	await page.click('#setgrid');
	await notice(/^The console is waiting\.$/);
});

test('what stands over the terminal is reached by keyboard alone', async () => {
	await openLive();
	const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.closest('section').id);
	const tab = async () => {
		await page.keyboard.press('Tab');
		return focused();
	};
	await page.focus('#terminal textarea');
	await page.keyboard.press('Tab');
	await typedIs('\t');
	await page.waitForSelector('#hint:not([hidden])');
	await page.keyboard.press('Control+Shift+F6');
	assert.equal(await focused(), 'back');
	assert.deepEqual([await tab(), await tab(), await tab(), await tab(), await tab()],
		['find', 'compose', 'menu', 'hint', 'terminal']);
	await page.focus('#menu');
	await page.keyboard.press('Enter');
	assert.equal(await tab(), 'copy');
	await page.keyboard.press('Escape');
	assert.equal(await focused(), 'menu');
	assert.equal(await page.isHidden('#panel'), true);
});

test('on the page for old browsers each colour can be read', async () => {
	await page.goto(`${site.url}ajaxterm.html`);
	const contrasts = await page.evaluate(() => {
		const screen = document.querySelector('pre.term');
		const light = (text) => {
			const [r, g, b] = text.match(/\d+/g).map((n) => n / 255)
				.map((n) => n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
			return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
		};
		const ground = light(getComputedStyle(screen).backgroundColor);
		return Array.from({ length: 15 }, (_, i) => {
			const span = document.createElement('span');
			span.className = `f${i + 1} b0`;
			screen.append(span);
			return light(getComputedStyle(span).color) / ground;
		});
	});
	assert.ok(contrasts.every((contrast) => contrast >= 4.5), String(contrasts));
});

test('the bell is shown', async () => {
	await openLive();
	site.print('\x07');
	await page.waitForSelector('#bell:not([hidden])');
	await page.waitForSelector('#bell', { state: 'hidden' });
});

test('a phone has a bar of keys; Ctrl holds for the next one', async () => {
	await fresh({ viewport: PHONE, hasTouch: true, isMobile: true });
	site.print('web1 login: ');
	await openLive();
	await waitForText(page, /login/);
	await page.waitForSelector('#keybar:not([hidden])');
	const tap = (label) => page.tap(`#keybar button:text-is("${label}")`);
	for (const label of ['Esc', 'Tab', '↑', 'F5', '^O'])
		await tap(label);
	await typedIs('\x1b\t\x1b[A\x1b[15~\x0f');
	site.typed = '';
	await tap('Ctrl');
	assert.equal(await page.getAttribute('#keybar button:text-is("Ctrl")', 'aria-pressed'), 'true');
	await page.focus('#terminal textarea');
	await page.keyboard.type('cd');
	await typedIs('\x03d');
	assert.equal(await page.getAttribute('#keybar button:text-is("Ctrl")', 'aria-pressed'), 'false');
	site.typed = '';
	site.print('\x1b[?1h');
	await until(() => page.evaluate(() => window.xenterm.terminal.modes.applicationCursorKeysMode), 'the mode');
	await tap('↑');
	await typedIs('\x1bOA');
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'phone');
	await page.setViewportSize({ width: PHONE.height, height: PHONE.width });
	await until(() => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'a page that fits');
	await shoot(page, 'phone-turned');
});

test('text composed by an input method arrives once', async () => {
	await openLive();
	const keys = await page.context().newCDPSession(page);
	await page.focus('#terminal textarea');
	await keys.send('Input.imeSetComposition', { text: 'に', selectionStart: 1, selectionEnd: 1 });
	await keys.send('Input.imeSetComposition', { text: 'にほん', selectionStart: 3, selectionEnd: 3 });
	await keys.send('Input.insertText', { text: '日本' });
	await typedIs(Buffer.from('日本').toString('latin1'));
	await page.keyboard.type('a');
	await typedIs(Buffer.from('日本a').toString('latin1'));
});

test('the page names all modules that it loads, and one call each brings session and screen', async () => {
	site.print('ready');
	await openLive();
	await waitForText(page, /ready/);
	assert.deepEqual(site.calls.slice(0, 2), ['POST sessions', 'GET output']);
	const { named, loaded } = await page.evaluate(() => ({
		named: [...document.querySelectorAll('link[rel=modulepreload], script')].map((e) => e.href || e.src).sort(),
		loaded: performance.getEntriesByType('resource').map((e) => e.name).filter((name) => /\.m?js$/.test(name)).sort(),
	}));
	assert.deepEqual(named, [...new Set(loaded)]);
});

/* ---- recordings ---- */

const CAST = [{ version: 2, width: 40, height: 10, title: 'web1 boots' }, [0.1, 'o', 'one\r\n'], [0.2, 'i', 'not shown'],
	[0.3, 'r', '60x12'], [100, 'o', '\x1b[6n\x1b]52;c;eA==\x07two\r\n'], [100.1, 'o', 'three']].map((line) => JSON.stringify(line));

test('a recording is played, forwards and backwards, by keyboard too', async () => {
	site.pages['a.cast'] = CAST.join('\n');
	await page.goto(`${site.url}play.html?cast=a.cast`);
	await waitForText(page, /^one\ntwo\nthree$/);
	assert.equal(await page.textContent('#name'), 'web1 boots');
	await until(async () => await page.textContent('#time') === '0:02 of 0:02', 'the time of the end');
	assert.equal(await page.evaluate(() => window.xenterm.terminal.cols), 60);
	await until(async () => await page.textContent('#play') === 'Play', 'the end');
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'recording');
	await page.focus('#at');
	await page.keyboard.press('Home');
	await until(async () => await page.evaluate(() => window.xenterm.text()) === '', 'the beginning');
	await page.keyboard.press('ArrowRight');
	await page.keyboard.press('ArrowRight');
	await waitForText(page, /^one$/);
	await page.uncheck('#pauses');
	await until(async () => await page.textContent('#time') === '0:00 of 1:40', 'the time without short pauses');
	/* Tab goes round, through the terminal too. */
	const seen = [];
	await page.focus('#file');
	for (let i = 0; i < 3; i++) {
		await page.keyboard.press('Tab');
		seen.push(await page.evaluate(() => (document.activeElement.shadowRoot ?? document).activeElement.localName));
	}
	assert.deepEqual(seen, ['textarea', 'button', 'input']);
	assert.equal(site.calls.length, 0);
});

test('a long recording is written as the terminal takes it', async () => {
	const line = JSON.stringify([0.1, 'o', `${'x'.repeat((1 << 20) - 2)}\r\n`]);
	const cast = [CAST[0], ...Array.from({ length: 12 }, () => line), JSON.stringify([9, 'o', 'end'])].join('\n');
	await page.goto(`${site.url}play.html`);
	await page.evaluate(() => {
		const { terminal } = window.xenterm;
		const write = terminal.write.bind(terminal);
		let behind = 0;
		window.most = 0;
		terminal.write = (data, done) => {
			behind += data.length;
			window.most = Math.max(window.most, behind);
			write(data, () => { behind -= data.length; done?.(); });
		};
	});
	await page.setInputFiles('#file', { name: 'long.cast', mimeType: 'text/plain', buffer: Buffer.from(cast) });
	await waitForText(page, /end$/, 60000);
	assert.ok(await page.evaluate(() => window.most) < 6 << 20, 'what waits to be drawn');
});

test('what is no recording, or is elsewhere, is not played; one that was cut is', async () => {
	site.pages['bad.cast'] = '{"version": 3}';
	for (const [address, words] of [['bad.cast', /not a recording/], ['none.cast', /answered 404/],
		['https://other.example/a.cast', /on another site/], [encodeURIComponent('data:,x'), /on another site/]]) {
		await page.goto(`${site.url}play.html?cast=${address}`);
		await until(async () => words.test(await page.textContent('#overlay')), String(words));
	}
	assert.deepEqual(await barriers(page), []);
	await page.setInputFiles('#file', { name: 'cut.cast', mimeType: 'text/plain',
		buffer: Buffer.from(`${CAST.slice(0, 2).join('\n')}\n[0.2, "o", "cu`) });
	await waitForText(page, /^one$/);
	assert.equal(await page.isHidden('#overlay'), true);
});

/* ---- shutting down, logs ---- */

const GUESTS = [
	{ id: 'u1/pv0', name: 'web1', kind: 'pv', domid: 7, state: 'up', viewers: 1, rights: ['list', 'watch', 'type', 'power', 'log'] },
	{ id: 'u2/pv0', name: 'web2', kind: 'pv', domid: 9, state: 'up', viewers: 0, rights: ['list', 'watch'] },
];
const notice = (pattern) => until(async () => !await page.isHidden('#notice') && pattern.test(await page.textContent('#notice span')),
	`the message ${pattern}`);

test('a guest is shut down or rebooted by who may, after a question, and for the domain that was shown', async () => {
	const asked = [];
	site.power = (what) => asked.push(what);
	await openLive();
	await menu();
	assert.equal(await page.isHidden('#power'), true);
	site.rights = ['list', 'watch', 'type', 'power'];
	await openLive();
	await menu();
	/* By keyboard alone, and with the way back first. */
	await page.focus('#power');
	await page.keyboard.press('Enter');
	await page.waitForSelector('#powerdialog[open]');
	assert.match(await page.textContent('#powerdialog h2'), /^Shut down or reboot web1\?$/);
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'power');
	await page.keyboard.press('Escape');
	await page.waitForSelector('#powerdialog', { state: 'hidden' });
	await page.focus('#power');
	await page.keyboard.press('Enter');
	await page.waitForSelector('#powerdialog[open]');
	await page.keyboard.press('Enter');
	await page.waitForSelector('#powerdialog', { state: 'hidden' });
	assert.deepEqual(asked, []);
	await page.focus('#power');
	await page.keyboard.press('Enter');
	await page.waitForSelector('#powerdialog[open]');
	await page.focus('#powerdialog button[value=reboot]');
	await page.keyboard.press('Enter');
	await notice(/^web1 has taken it, and reboots\.$/);
	assert.deepEqual(asked, [{ console: 'web1', action: 'reboot', domid: 7 }]);
	assert.equal(site.typed, '');
	/* What the guest says, or that it says nothing, in the server's words; asked once. */
	site.power = (what) => {
		asked.push(what);
		throw [409, 'no-answer', 'The guest does not answer; it is not asked any more.'];
	};
	await page.click('#power');
	await page.click('#powerdialog button[value=shutdown]');
	await notice(/^The guest does not answer/);
	site.power = () => { throw [503, 'power-unknown', 'Whether the guest was asked is not known.']; };
	await page.click('#power');
	await page.click('#powerdialog button[value=shutdown]');
	await notice(/not known/);
	assert.equal(asked.length, 2);
});

test('the same in the list, where each row has what its user may do', async () => {
	const asked = [];
	site.consoles = GUESTS;
	site.power = (what) => asked.push(what);
	await page.goto(site.url);
	await page.waitForSelector('tbody tr');
	assert.deepEqual(await page.$$eval('tbody button:not([hidden])', (all) => all.map((button) => button.getAttribute('aria-label'))),
		['Shut down or reboot web1', 'Logs and recordings of web1']);
	await shoot(page, 'list-actions');
	assert.deepEqual(await barriers(page), []);
	await page.click('button[aria-label="Shut down or reboot web1"]');
	await page.waitForSelector('#powerdialog[open]');
	assert.deepEqual(await barriers(page), []);
	await page.keyboard.press('x');         /* not into the filter behind it */
	assert.equal(await page.isHidden('.filter'), true);
	await page.click('#powerdialog button[value=shutdown]');
	await notice(/^web1 has taken it, and shuts down\.$/);
	assert.deepEqual(asked, [{ console: 'u1/pv0', action: 'shutdown', domid: 7 }]);
	await shoot(page, 'list-notice');
	assert.deepEqual(await barriers(page), []);
	/* The guest has rebooted while somebody looked at the question: it is the one of the question that is asked for. */
	await page.click('button[aria-label="Shut down or reboot web1"]');
	site.consoles = [{ ...GUESTS[0], domid: 8 }];
	await until(async () => await page.locator('tbody tr').count() === 1, 'the next list');
	await page.click('#powerdialog button[value=reboot]');
	await until(() => asked.length === 2, 'the second');
	assert.equal(asked[1].domid, 7);
});

test('logs and recordings: listed, played, saved; none, and not to be had, is said', async () => {
	site.rights = ['list', 'watch', 'type', 'log'];
	const mtime = 'Mon, 23 Nov 2026 10:50:35 GMT';
	site.logs.web1 = [
		{ name: 'state', type: 'file', mtime, size: 9 },
		{ name: '2026-11-22T10-50-35.123Z.cast', type: 'file', mtime, size: 2048, text: CAST.join('\n') },
		{ name: '2026-11-23T10-50-35.123Z.cast', type: 'file', mtime, size: 3 << 20, text: CAST.join('\n') },
		{ name: 'console.log.1', type: 'file', mtime, size: 700, text: 'older\n' },
		{ name: 'console.log', type: 'file', mtime, size: 20, text: 'a line\n' },
		{ name: '<img src=x>.cast', type: 'file', mtime, size: 1 },
	];
	await openLive();
	await menu();
	assert.equal(await page.isHidden('#power'), true);
	await page.click('#logs');
	await page.waitForSelector('#logsdialog tbody tr');
	assert.deepEqual(await page.$$eval('#logsdialog tbody tr', (rows) => rows.map((row) => row.dataset.file)),
		['console.log', 'console.log.1', '2026-11-23T10-50-35.123Z.cast', '2026-11-22T10-50-35.123Z.cast']);
	assert.deepEqual(await page.$$eval('#logsdialog td:nth-child(3)', (cells) => cells.map((cell) => cell.textContent)),
		['20 bytes', '700 bytes', '3.0 MiB', '2 KiB']);
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'logs');
	const [saved] = await Promise.all([page.waitForEvent('download'), page.click('[data-file="console.log"] a[download]')]);
	assert.equal(saved.suggestedFilename(), 'web1-console.log.txt');
	assert.equal(await readFile(await saved.path(), 'utf8'), 'a line\n');
	const [player] = await Promise.all([context.waitForEvent('page'), page.click('[data-file^="2026-11-23"] a:text("Play")')]);
	await waitForText(player, /^one$/m);
	assert.equal(await player.textContent('#name'), 'web1 boots');
	await player.close();
	await page.keyboard.press('Escape');
	await page.waitForSelector('#logsdialog', { state: 'hidden' });
	/* Nothing there, or not served. */
	site.logs = {};
	await page.click('#logs');
	await until(async () => /^Nothing has been kept/.test(await page.textContent('#logsdialog [role=status]')), 'no file');
	assert.equal(await page.isHidden('#logsdialog table'), true);
	await page.click('#logsdialog button[value=cancel]');
	site.refuse = (method, path) => path.startsWith('logs') ? [404, 'no-such-path', 'Logs are not served here.'] : null;
	await page.click('#logs');
	await until(async () => await page.textContent('#logsdialog [role=status]') === 'Logs are not served here.', 'the reason');
	assert.deepEqual(await barriers(page), []);
});

/* ---- what axe-core says ---- */

test('no barrier on the pages, in each of the colours', async () => {
	site.print('\x1b[1mDebian GNU/Linux 12 web1 hvc0\x1b[m\r\n\r\nweb1 login: ');
	site.consoles = [
		{ id: 'u1/pv0', name: 'web1', kind: 'pv', domid: 7, state: 'up', viewers: 1, rights: ['list', 'watch', 'type'] },
		{ id: 'u2/pv0', name: 'web2', kind: 'pv', domid: 9, state: 'busy', holder: 'xenconsole (pid 4711)', viewers: 0,
			rights: ['list', 'watch'] },
		{ id: 'u3/serial0', name: 'db1', kind: 'serial', domid: 0, state: 'gone', viewers: 0, rights: ['list'] },
	];
	for (const theme of ['dark', 'light', 'contrast']) {
		await page.goto(site.url);
		await page.evaluate((chosen) => localStorage.setItem('xenterm-theme', chosen), theme);
		await page.reload();
		await page.waitForSelector('tbody tr');
		assert.deepEqual(await barriers(page), [], `list, ${theme}`);
		await shoot(page, `list-${theme}`);
		await openLive();
		await waitForText(page, /login/);
		assert.deepEqual(await barriers(page), [], `console, ${theme}`);
		await shoot(page, `console-${theme}`);
		await menu();
		assert.deepEqual(await barriers(page), [], `menu, ${theme}`);
		await shoot(page, `menu-${theme}`);
	}
});

test('nor where something is the matter', async () => {
	await openLive();
	await page.waitForSelector('#hint:not([hidden])');
	assert.deepEqual(await barriers(page), [], 'silent');
	await shoot(page, 'silent');
	site.set('state', { state: 'waiting', domid: 0, name: 'web1' });
	await page.waitForSelector('#overlay:not([hidden])');
	assert.deepEqual(await barriers(page), [], 'waiting');
	await shoot(page, 'waiting');
	site.refuse = () => [502, 'no-worker', 'The worker is away.'];
	site.cut();
	await until(async () => /connection lost/.test(await page.textContent('#connection')), 'the loss');
	assert.deepEqual(await barriers(page), [], 'lost');
	await shoot(page, 'lost');
	site.refuse = () => null;
	await page.goto(`${site.url}console.html`);
	await page.waitForSelector('#overlay:not([hidden])');
	assert.deepEqual(await barriers(page), [], 'no name');
	site.consoles = [];
	await page.goto(site.url);
	await page.waitForSelector('#empty:not([hidden])');
	assert.deepEqual(await barriers(page), [], 'empty list');
});

/* ---- in other pages ---- */

test('<xen-console> in a page of the site, with one script tag', async () => {
	site.pages['element.html'] = `<!DOCTYPE html><html lang="en"><title>x</title>
		<script type="module" src="xen-console.js"></script>
		<xen-console id="terminal" console="web1" theme="light" font-size="12" style="width: 700px; height: 400px"></xen-console>
		<script>
			window.told = [];
			const view = document.querySelector('xen-console');
			for (const type of ['ready', 'state', 'title', 'bell', 'closed'])
				view.addEventListener(type, (e) => told.push([type, e.detail]));
		</script>`;
	site.print('hello');
	await page.goto(`${site.url}element.html`);
	const told = (type) => page.evaluate((t) => window.told.filter(([name]) => name === t).map(([, d]) => d), type);
	await until(async () => (await told('ready')).length === 1, 'ready');
	assert.equal((await told('state'))[0].state, 'up');
	const view = (code) => page.evaluate(`(() => { const view = document.querySelector('xen-console'); return ${code}; })()`);
	assert.deepEqual(await view('view.snapshot()'), { text: 'hello', rows: 24, cols: 80 });
	assert.equal(await view('view.terminal.options.fontSize'), 12);
	assert.equal(await view('view.terminal.options.theme.background'), '#fdfdfb');
	site.print('\x07\x1b]2;guest   title\x07');
	await until(async () => (await told('bell')).length === 1 && (await told('title')).length === 1, 'bell and title');
	assert.deepEqual(await told('title'), [{ title: 'guest title' }]);
	assert.equal(await view('view.send("ls\\r")'), true);
	await typedIs('ls\r');
	await view('view.paste("a\\nb")');
	await typedIs('ls\ra\rb');
	await view('view.focus()');
	await page.keyboard.type('x');
	await typedIs('ls\ra\rbx');
	site.refuse = () => [403, 'not-allowed', 'You may not.'];
	await view('view.console = "web2"');
	await until(async () => (await told('closed')).length === 1, 'closed');
	assert.equal((await told('closed'))[0].detail, 'You may not.');
	assert.equal(await view('view.connection'), 'ended');
	await view('view.remove()');
});

const frameIn = (query) => `<!DOCTYPE html><html lang="en"><title>panel</title>
	<iframe src="${site.url}frame.html?${query}" style="width: 800px; height: 500px"
		sandbox="allow-scripts allow-same-origin"></iframe>
	<script>
		window.told = [];
		addEventListener('message', (e) => told.push({ from: e.origin, ...e.data }));
		window.call = (message) => frames[0].postMessage({ xenterm: 1, ...message }, '${new URL(site.url).origin}');
	</script>`;

const messages = (condition) => page.evaluate((code) => window.told.filter(new Function('m', `return ${code}`)), condition);

test('in a sandboxed frame of another site that may have it: both speak by messages, to exact origins', async () => {
	const origin = new URL(panel.url).origin.replace('127.0.0.1', 'localhost');
	site.ancestors = origin;
	panel.pages['panel.html'] = frameIn(`console=web1&parent=${encodeURIComponent(origin)}`);
	site.print('framed');
	await page.goto(`${origin}/xenterm/panel.html`);
	await until(async () => (await messages('m.event === "ready"')).length === 1, 'ready');
	assert.ok((await messages('true')).every((m) => m.from === new URL(site.url).origin && m.xenterm === 1));
	await page.evaluate(() => {
		window.call({ call: 'snapshot', id: 1 });
		window.call({ call: 'send', id: 2, text: 'ls\r' });
		window.call({ call: 'constructor', id: 3 });
		window.call({ call: 'send', id: 4, text: { no: 'text' } });
	});
	await until(async () => (await messages('m.answer === 4')).length === 1, 'the answers');
	assert.equal((await messages('m.answer === 1'))[0].result.text, 'framed');
	assert.equal((await messages('m.answer === 2'))[0].result, true);
	assert.match((await messages('m.answer === 3'))[0].error, /no such call/);
	assert.equal((await messages('m.answer === 4'))[0].result, false);
	await typedIs('ls\r');
	await shoot(page, 'frame');
	const looks = () => page.frames()[1].evaluate(() => [document.documentElement.dataset.theme,
		document.querySelector('xen-console').terminal.options.theme.background].join(' '));
	for (const [theme, background] of [['contrast', '#000000'], ['light', '#fdfdfb'], ['dark', '#101418']]) {
		await page.evaluate((text) => window.call({ call: 'theme', id: text, text }), theme);
		await until(async () => await looks() === `${theme} ${background}`, theme);
	}
});

test('a frame connects anew at a press, and when the browser comes back to it', async () => {
	const origin = new URL(panel.url).origin;
	site.ancestors = origin;
	const go = async (more) => {
		panel.pages['panel.html'] = frameIn(`console=web1&parent=${encodeURIComponent(origin)}${more}`);
		await page.goto(`${origin}/xenterm/panel.html`);
		await until(async () => (await messages('m.event === "loaded"')).length === 1, 'the frame');
		return page.frames()[1];
	};
	const live = (inside) => inside.waitForFunction(() => document.querySelector('xen-console').connection === 'live');
	const back = async (inside) => {
		await inside.evaluate(() => {
			dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
			dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
		});
		await until(async () => (await messages('m.event === "loaded"')).length === 2, 'another "loaded"');
	};
	const before = site.sessions;
	site.refuse = (method, path) => path === 'sessions' ? [403, 'not-allowed', 'You may not.'] : null;
	let inside = await go('&mode=type');
	await inside.waitForSelector('#overlay:has-text("You may not.")');
	assert.deepEqual(await barriers(inside), []);
	await shoot(page, 'frame-ended');
	site.refuse = () => null;
	await inside.click('#overlay button');
	await live(inside);
	await page.keyboard.type('x');
	await typedIs('x');
	await back(inside);
	await live(inside);
	assert.equal(site.sessions, before + 2);

	/* With a ticket the page around it has to bring another. */
	inside = await go('&manual');
	assert.match(await inside.textContent('#overlay'), /has not connected it yet/);
	await page.evaluate(() => window.call({ call: 'connect', id: 1, ticket: 'one' }));
	await live(inside);
	await back(inside);
	assert.match(await inside.textContent('#overlay'), /has not connected it yet/);
	site.refuse = (method, path) => path === 'sessions' ? [403, 'bad-ticket', 'This ticket has been used.'] : null;
	await page.evaluate(() => window.call({ call: 'connect', id: 2, ticket: 'one' }));
	await inside.waitForSelector('#overlay:has-text("This ticket has been used.")');
	assert.equal(await inside.isHidden('#overlay button'), true);
	assert.equal((await messages('m.event === "closed"')).at(-1).detail.code, 'bad-ticket');
});

test('the examples of docs/embedding.md work', async () => {
	const text = await readFile(new URL('../../docs/embedding.md', import.meta.url), 'utf8');
	const [element, frame] = [...text.matchAll(/```html\n([^]*?)```/g)].map(([, html]) => html);
	site.print('as in the manual');
	site.pages['element.html'] = element.replaceAll('/xenterm/', new URL(site.url).pathname);
	await page.goto(`${site.url}element.html`);
	await until(async () => /as in the manual/.test(await page.evaluate(
		() => document.querySelector('xen-console').snapshot?.().text ?? '')), 'the element');
	await until(async () => await page.textContent('#words') === 'up', 'its state');

	const origin = new URL(panel.url).origin;
	site.ancestors = origin;
	panel.pages['panel.html'] = frame.replaceAll('https://dom0.example.org/xenterm/', site.url)
		.replaceAll('https://dom0.example.org', new URL(site.url).origin)
		.replaceAll('https://panel.example.org', origin);
	await page.goto(`${origin}/xenterm/panel.html`);
	await until(async () => await page.textContent('#words') === 'up', 'the state in the frame');
	await page.click('button');
	await typedIs('\r');
	site.set('state', { state: 'waiting', domid: 0, name: 'web1' });
	await until(async () => await page.textContent('#words') === 'waiting', 'the new state');
});

test('a ticket comes to a frame by a message, to the element as an attribute, to the page behind the #, and is not kept', async () => {
	const text = await readFile(new URL('../../docs/embedding.md', import.meta.url), 'utf8');
	const [, , frame] = [...text.matchAll(/```html\n([^]*?)```/g)].map(([, html]) => html);
	const origin = new URL(panel.url).origin;
	site.ancestors = origin;
	panel.pages['panel.html'] = frame.replaceAll('https://dom0.example.org/xenterm/', site.url)
		.replaceAll('https://dom0.example.org', new URL(site.url).origin)
		.replaceAll('https://panel.example.org', origin).replace('TICKET', 'framed-ticket');
	await page.goto(`${origin}/xenterm/panel.html`);
	await until(() => site.tickets.join() === 'framed-ticket', 'the ticket in the frame');
	/* Several lines pasted in the frame are shown there first; it is sandboxed, without forms. */
	const inside = page.frames()[1];
	await inside.waitForFunction(() => document.querySelector('xen-console').connection === 'live');
	await inside.evaluate(() => {
		const data = new DataTransfer();
		data.setData('text/plain', 'a\nb');
		document.querySelector('#terminal').shadowRoot.querySelector('textarea').dispatchEvent(
			new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true, composed: true }));
	});
	await inside.waitForSelector('#pastedialog[open]');
	await shoot(page, 'frame-paste');
	assert.equal(site.typed, '');
	await inside.click('#pastedialog button[value=paste]');
	await typedIs('a\rb');

	site.pages['element.html'] = `<!DOCTYPE html><html lang="en"><title>x</title><script type="module" src="xen-console.js"></script>
		<xen-console id="terminal" console="web1" ticket="element-ticket"></xen-console>`;
	await page.goto(`${site.url}element.html`);
	await until(() => site.tickets.length === 2, 'the ticket of the element');
	assert.equal(site.tickets[1], 'element-ticket');
	await until(() => page.evaluate(() => !document.querySelector('xen-console').hasAttribute('ticket')), 'its end');

	await page.goto(`${site.url}console.html?console=web1#ticket=page-ticket`);
	await page.waitForFunction(() => window.xenterm?.connection === 'live');
	assert.equal(site.tickets[2], 'page-ticket');
	assert.equal(page.url(), `${site.url}console.html?console=web1`);
	/* It is for one session: when that has gone, a person is told. */
	site.forget();
	await until(async () => /ticket was for one only/.test(await page.textContent('#overlay')), 'the words');
	assert.deepEqual(await barriers(page), []);
	assert.equal(site.tickets.length, 3);
	assert.equal(await page.isHidden('#overlay button'), true);
});

test('who came by a ticket is offered nothing that needs a login, and is told where to go for another', async () => {
	const refused = [401, 'no-identity', 'Who?'];
	site.refuse = (method, path, body) => path === 'sessions' && !JSON.parse(body).ticket ? refused : null;
	const address = (ticket) => `${site.url}console.html?console=web1#ticket=${ticket}`;
	await page.goto(address('first'));
	await page.waitForFunction(() => window.xenterm?.connection === 'live');
	await menu();
	for (const id of ['back', 'popout', 'beside', 'plain', 'typehere', 'watchonly', 'takeover'])
		assert.equal(await page.isHidden(`#${id}`), true, id);
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'menu-ticket');
	await page.focus('#terminal textarea');
	await page.keyboard.press('Control+Shift+F6');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'menu');

	await page.reload();
	await page.waitForSelector('#overlay:has-text("Open the console anew from the page that led here.")');
	assert.match(await page.textContent('#overlay'), /This link has been used/);
	assert.equal(await page.isHidden('#overlay button'), true);
	await shoot(page, 'ticket-used');

	/* The same address with a new one, in the same window. */
	await page.evaluate((url) => location.assign(url), address('second'));
	await page.waitForFunction(() => window.xenterm?.connection === 'live');
	assert.deepEqual(site.tickets, ['first', 'second']);
	assert.equal(page.url(), `${site.url}console.html?console=web1`);

	/* Who took over hands back: a ticket is no way to type again. */
	const [type, self] = await page.evaluate(() => ['mode', document.querySelector('#terminal').session.session]);
	const console = site.console('web1');
	console.viewers = [{ session: self, user: 'alice', mode: 'watch' }, { session: '99', user: 'bob', mode: 'type' }];
	console.told.push([console.event + 1, { type, mode: 'watch', by: 'bob', session: '99' }]);
	console.changed();
	await page.waitForSelector('#taken:not([hidden])');
	assert.equal(await page.isHidden('#taken button'), true);
	site.set('viewers', [{ session: self, user: 'alice', mode: 'watch' }]);
	await notice(/^bob has handed the console back\. To type again, open it anew/);
	assert.equal(await page.isHidden('#taken'), true);
});

test('a ticket that is refused for another cause is kept for the next try, in its own mode', async () => {
	site.refuse = (method, path) => path === 'sessions' ? [409, 'taken', 'Another user types.'] : null;
	await page.goto(`${site.url}console.html?console=web1#ticket=early`);
	await page.waitForSelector('#overlay:has-text("Another user types.")');
	assert.equal(site.calls.filter((call) => call === 'POST sessions').length, 1);
	site.refuse = () => null;
	await page.click('#overlay button');
	await page.waitForFunction(() => window.xenterm?.connection === 'live');
	assert.deepEqual(site.tickets, ['early']);
	site.refuse = (method, path) => path === 'sessions' ? [403, 'bad-ticket', 'This ticket is for the other mode.'] : null;
	await page.evaluate(() => { location.hash = '#ticket=late'; });
	await page.waitForSelector('#overlay:has-text("This ticket is for the other mode.")');
	assert.match(await page.textContent('#overlay'), /^\s*Not connected\s+This ticket is for the other mode\. Open the console anew/);
});

test('the session is gone: another is made, and nobody has to do anything', async () => {
	site.print('before');
	await openLive();
	await waitForText(page, /before/);
	const sessions = site.sessions;
	site.forget();
	await until(() => site.sessions === sessions + 1, 'another session');
	await page.waitForFunction(() => window.xenterm.connection === 'live');
	await page.focus('#terminal textarea');
	await page.keyboard.type('x');
	await typedIs('x');
});

test('the login is over: words say so, and what was typed is kept for sending, over the reload too', async () => {
	await openLive();
	site.refuse = () => [503, 'overload', 'Busy.'];
	site.cut();
	await until(async () => /connection lost/.test(await page.textContent('#connection')), 'the loss');
	await page.focus('#terminal textarea');
	await page.keyboard.type('a');
	await page.keyboard.type('bc');
	site.refuse = () => [401, 'no-identity', 'Who?'];
	await page.waitForSelector('#overlay:has-text("Log in again")', { timeout: 30000 });
	assert.match(await page.textContent('#notice span'), /is kept under “Compose”/);
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'login');
	site.refuse = () => null;
	assert.equal(site.typed, '');
	await page.click('#overlay button');
	await page.waitForFunction(() => window.xenterm?.connection === 'live');
	await page.click('#compose');
	assert.equal(await page.inputValue('#composed'), 'abc');
	await page.uncheck('#endline');
	await page.click('#composedialog button[value=send]');
	await typedIs('abc');
	await page.click('#compose');
	assert.equal(await page.inputValue('#composed'), '');
});

test('the worker restarts: 502, then 503, and what was typed meanwhile arrives once', async () => {
	await openLive();
	const { sessions } = site;
	site.refuse = () => [502, 'no-worker', 'The worker is away.'];
	site.cut();
	await until(async () => /connection lost/.test(await page.textContent('#connection')), 'the loss');
	await page.focus('#terminal textarea');
	await page.keyboard.type('while ');
	site.refuse = () => [503, 'overload', 'Not yet.'];
	await page.keyboard.type('away');
	site.refuse = () => null;
	await typedIs('while away');
	await page.waitForFunction(() => window.xenterm.connection === 'live');
	assert.equal(await page.isHidden('#overlay'), true);
	assert.equal(await page.isHidden('#notice'), true);
	assert.equal(site.sessions, sessions);
});

test('a frame that names another parent says and does nothing', async () => {
	const origin = new URL(panel.url).origin;
	site.ancestors = origin;
	for (const parent of ['https://other.example', '*', 'null', `${origin}/`, '']) {
		panel.pages['panel.html'] = frameIn(`console=web1&parent=${encodeURIComponent(parent)}`);
		await page.goto(`${origin}/xenterm/panel.html`);
		const frame = page.frames()[1];
		await frame.waitForFunction(() => /origin of the page|^$/.test(document.querySelector('#overlay p').textContent)
			|| document.querySelector('#overlay').hidden);
		await page.evaluate(() => window.call({ call: 'send', id: 1, text: 'rm' }));
		await frame.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
		assert.deepEqual(await messages('true'), [], parent);
	}
	assert.equal(site.typed, '');
});

test('who may not frame it gets nothing', async () => {
	const origin = new URL(panel.url).origin;
	site.ancestors = "'none'";
	const before = site.sessions;
	panel.pages['panel.html'] = frameIn(`console=web1&parent=${encodeURIComponent(origin)}`);
	await page.goto(`${origin}/xenterm/panel.html`);
	await until(() => page.faults.length > 0, 'the refusal');
	page.faults = page.faults.filter((fault) => !/frame-ancestors|frame/.test(fault));
	assert.equal(site.sessions, before);
	/* Nor do the other pages, ever. */
	panel.pages['panel.html'] = frameIn('').replace('frame.html', 'console.html');
	site.ancestors = origin;
	await page.goto(`${origin}/xenterm/panel.html`);
	await until(() => page.faults.length > 0, 'the refusal');
	page.faults = page.faults.filter((fault) => !/frame-ancestors|frame/.test(fault));
	assert.equal(site.sessions, before);
});
