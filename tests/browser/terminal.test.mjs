/* The pages in a real Chromium, under the shipped content security policy, against a scripted API. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { launch, openPage, pasteText, screenText, shoot, waitForText } from './browser.mjs';
import { FakeSite } from './fake_site.mjs';

const browser = await launch();
const site = new FakeSite();
let context;
let page;

before(() => site.start());
after(async () => {
	await browser.close();
	await site.stop();
});
beforeEach(async () => {
	site.reset();
	context = await browser.newContext({ viewport: { width: 1100, height: 700 },
		permissions: ['clipboard-read', 'clipboard-write'] });
	page = await openPage(context);
});
afterEach(async () => {
	assert.deepEqual(page.faults, []);
	await context.close();
});

const openConsole = (query = 'console=web1') => page.goto(`${site.url}console.html?${query}`);

const ESC = '\x1b';

async function openLive(query) {
	await openConsole(query);
	await page.waitForFunction(() => window.xenterm?.connection === 'live');
}

const raw = () => page.evaluate(() => window.rawData);

/* Everything that xterm.js itself would send, by whatever way. */
const watchRaw = () => page.evaluate(() => {
	window.rawData = [];
	window.xenterm.terminal.onData((data) => window.rawData.push(data));
	window.xenterm.terminal.onBinary((data) => window.rawData.push(data));
});

const until = async (condition, what) => {
	for (let i = 0; i < 1500; i++) {
		if (await condition())
			return;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	assert.fail(`${what} did not happen`);
};

const typedIs = (text) => until(() => site.typed === text, `typing ${JSON.stringify(text)} (got ${JSON.stringify(site.typed)})`);

/* ---- the list ---- */

const GUESTS = [
	{ id: 'u2/pv0', name: 'web10', kind: 'pv', domid: 9, state: 'busy', holder: 'xenconsole (pid 4711)', viewers: 0,
		rights: ['list', 'watch'] },
	{ id: 'u1/pv0', name: 'web2', kind: 'pv', domid: 7, state: 'up', viewers: 2, rights: ['list', 'watch', 'type'] },
	{ id: 'u3/serial0', name: '<img src=x onerror=alert(1)>', kind: 'serial', domid: 8, state: 'gone', viewers: 1,
		rights: ['list'] },
];

test('the list names the guests, their state in words, viewers and rights, as text', async () => {
	site.consoles = GUESTS;
	await page.goto(site.url);
	await page.waitForSelector('tbody tr');
	const rows = await page.$$eval('tbody tr', (all) => all.map((row) => [...row.cells].map((c) => c.textContent)));
	assert.deepEqual(rows, [
		['<img src=x onerror=alert(1)>', 'serial port 0', 'guest has ended', '', '1 viewer', 'see it listed'],
		['web2', 'PV console 0', 'running', '', '2 viewers', 'watch and type'],
		['web10', 'PV console 0', 'in use elsewhere', '', 'nobody watching', 'watch only'],
	]);
	const links = await page.$$eval('tbody a', (all) => all.map((a) => a.getAttribute('href')));
	assert.deepEqual(links, [null, 'console.html?console=u1%2Fpv0', 'console.html?console=u2%2Fpv0&mode=watch']);
	assert.equal(await page.textContent('#status'), '3 consoles');
});

test('the list is refreshed without taking the focus away', async () => {
	site.consoles = GUESTS;
	await page.goto(site.url);
	await page.focus('tbody tr:nth-child(2) a');
	site.consoles = [{ ...GUESTS[1], viewers: 5 }, { ...GUESTS[1], id: 'u0/pv0', name: 'aaa' }];
	await page.waitForFunction(() => document.querySelector('tbody').textContent.includes('5 viewers'));
	assert.equal(await page.evaluate(() => document.activeElement.textContent), 'web2');
	await page.keyboard.press('Enter');
	await page.waitForURL(/console\.html\?console=u1%2Fpv0$/);
});

test('an empty list says what can be done', async () => {
	site.consoles = [];
	await page.goto(site.url);
	await page.waitForSelector('#empty:not([hidden])');
	assert.match(await page.textContent('#empty'), /xl list/);
	assert.equal(await page.isVisible('table'), false);
});

test('what was printed shows in the list; a glance at one screen, and only at the one pointed at', async () => {
	const some = ['web1', 'web2', 'db1'].map((name, i) => ({ ...GUESTS[1], id: `u${i}/pv0`, name, end: 100 }));
	site.consoles = some;
	site.previews = { 'u0/pv0': 'Debian GNU/Linux\n<b>web1</b> login: \n\n', 'u1/pv0': 'another' };
	await page.goto(site.url);
	await page.waitForSelector('tbody tr');
	const printed = () => page.$$eval('tbody tr', (all) => all.map((row) => row.cells[3].textContent));
	assert.deepEqual(await printed(), ['quiet', 'quiet', 'quiet']);
	site.consoles = [{ ...some[0], end: 101 }, some[1], some[2]];
	await until(async () => (await printed())[1] === 'just now', 'the activity');
	assert.deepEqual(await printed(), ['quiet', 'just now', 'quiet']);
	const asked = () => site.calls.filter((call) => call === 'GET preview').length;
	assert.equal(asked(), 0);
	await page.hover('tbody tr:nth-child(2)');
	await page.waitForSelector('#glance:not([hidden])');
	assert.equal(await page.textContent('#glance h2'), 'web1');
	assert.equal(await page.textContent('#glance pre'), 'Debian GNU/Linux\n<b>web1</b> login:');
	await shoot(page, 'list-glance');
	site.previews['u0/pv0'] = 'root@web1:~#';
	await until(async () => await page.textContent('#glance pre') === 'root@web1:~#', 'the new screen');
	await page.mouse.move(5, 5);
	await page.waitForSelector('#glance', { state: 'hidden' });
	/* By keyboard; the first has no screen. */
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('ArrowDown');
	await until(async () => await page.textContent('#glance pre') === 'another', 'the glance by keyboard');
	assert.ok(asked() <= 6, `${asked()} glances`);
	assert.equal(site.calls.includes('POST sessions'), false);
});

test('300 rows: a refresh touches only what has changed', async () => {
	const many = Array.from({ length: 300 }, (_, i) => ({ ...GUESTS[i % 2], id: `u${i}/pv0`, name: `web${i}`, end: 100 }));
	site.consoles = many;
	await page.goto(site.url);
	await until(async () => await page.textContent('#status') === '300 consoles', 'all rows');
	await page.evaluate(() => {
		window.changes = [];
		new MutationObserver((list) => window.changes.push(...list.map(({ type, target }) => `${type} ${target.nodeName}`)))
			.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
	});
	/* Until the second has been asked for: then the first has been shown. */
	const start = site.calls.length;
	await until(async () => {
		await page.evaluate(() => dispatchEvent(new Event('online')));
		return site.calls.slice(start).filter((call) => call === 'GET consoles').length > 1;
	}, 'refreshes');
	assert.deepEqual(await page.evaluate(() => window.changes), []);
	site.consoles = many.map((entry, i) => (i === 150 ? { ...entry, viewers: 7, end: 200 } : entry));
	await until(() => page.evaluate(() => window.changes.length > 0), 'the change');
	assert.deepEqual(await page.evaluate(() => window.changes), ['childList TD', 'childList TD']);
	/* One more guest is one more row; the others stay where they are. */
	site.consoles = [...site.consoles, { ...GUESTS[1], id: 'new/pv0', name: 'web123b' }];
	await page.evaluate(() => { window.changes = []; });
	await until(async () => await page.textContent('#status') === '301 consoles', 'one more');
	const changes = await page.evaluate(() => window.changes);
	assert.ok(changes.length < 10, changes.join());
	/* Typing into the filter hides each row once. */
	await page.evaluate(() => { window.changes = []; });
	await page.fill('#filter', 'web29');
	assert.equal(await page.textContent('#status'), '11 of 301 consoles');
	assert.equal(await page.textContent('#together'), 'Open these 11 in one window');
	assert.ok((await page.evaluate(() => window.changes)).length < 310);
	await page.click('#together');
	await page.waitForURL(/consoles\.html\?console=/);
	assert.equal(new URL(page.url()).searchParams.getAll('console').length, 11);
});

test('errors of the list are said in words, and end by themselves or by the button', async () => {
	site.consoles = GUESTS;
	site.refuse = () => [502, 'no-worker', 'The xenterm worker is not running.'];
	await page.goto(site.url);
	await page.waitForSelector('#error:not([hidden])');
	assert.match(await page.textContent('#error'), /The xenterm worker is not running\./);
	site.refuse = () => [401, 'no-identity', 'Who?'];
	await page.click('#error button');
	await page.waitForFunction(() => /Log in again/.test(document.querySelector('#error').textContent));
	site.refuse = () => null;
	await page.click('#error button');
	await page.waitForSelector('tbody tr');
	assert.equal(await page.isVisible('#error'), false);
});

test('many consoles can be filtered', async () => {
	site.consoles = Array.from({ length: 20 }, (_, i) => ({ ...GUESTS[1], id: `u${i}/pv0`, name: `web${i}` }));
	await page.goto(site.url);
	await page.fill('#filter', 'web1');
	assert.equal(await page.textContent('#status'), '11 of 20 consoles');
	assert.equal(await page.locator('tbody tr:visible').count(), 11);
});

test('the list by keyboard: typing filters, arrows move, Enter opens, and a refresh disturbs none of it', async () => {
	const list = ['web1', 'web2', 'db1', 'db2'].map((name, i) => ({ ...GUESTS[1], id: `u${i}/pv0`, name }));
	site.consoles = [...list, { ...GUESTS[1], id: 'u9/pv0', name: 'aa', rights: ['list'] }];
	await page.goto(site.url);
	await page.waitForSelector('tbody tr');
	assert.equal(await page.isHidden('#filter'), true);
	const focused = () => page.evaluate(() => document.activeElement.textContent || document.activeElement.id);
	await page.keyboard.press('ArrowDown');
	assert.equal(await focused(), 'db1');
	await page.keyboard.press('ArrowDown');
	assert.equal(await focused(), 'db2');
	await page.keyboard.press('End');
	assert.equal(await focused(), 'web2');
	await page.keyboard.press('ArrowDown');
	assert.equal(await focused(), 'web2');
	await page.keyboard.press('Home');
	await page.keyboard.press('ArrowUp');
	await page.keyboard.type('we');
	assert.equal(await page.inputValue('#filter'), 'we');
	assert.equal(await page.textContent('#status'), '2 of 5 consoles');
	site.consoles = [...site.consoles, { ...GUESTS[1], id: 'u8/pv0', name: 'web3' }];
	await page.waitForFunction(() => document.querySelector('#status').textContent === '3 of 6 consoles');
	assert.equal(await page.inputValue('#filter'), 'we');
	await page.keyboard.press('Escape');
	assert.equal(await page.textContent('#status'), '6 consoles');
	await page.keyboard.type('b2');
	await page.keyboard.press('Enter');
	await page.waitForURL(/console\.html\?console=u3%2Fpv0$/);
});

test('hundreds of consoles are shown and filtered without lag', async () => {
	site.consoles = Array.from({ length: 800 }, (_, i) => ({ ...GUESTS[1], id: `u${i}/pv0`, name: `guest${i}` }));
	await page.goto(site.url);
	await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 800);
	const took = await page.evaluate(() => {
		const filter = document.querySelector('#filter');
		const began = performance.now();
		filter.value = 'guest79';
		filter.dispatchEvent(new Event('input'));
		document.body.getBoundingClientRect();
		return performance.now() - began;
	});
	assert.equal(await page.textContent('#status'), '11 of 800 consoles');
	assert.ok(took < 500, `${took} ms`);
});

/* ---- one console ---- */

test('the screen as it is, then what comes; header and title say what this is', async () => {
	site.print('Debian GNU/Linux 12 web1 hvc0\r\n\r\nweb1 login: ');
	await openLive();
	await waitForText(page, /web1 login:/);
	assert.equal(await page.title(), 'web1 - xenterm');
	assert.equal(await page.textContent('#name'), 'web1');
	assert.equal(await page.textContent('#state'), 'running');
	assert.equal(await page.textContent('#connection'), 'connected');
	assert.equal(await page.textContent('#viewers'), '1 viewer');
	assert.equal(await page.textContent('#mode'), 'watch and type');
	site.onTyped = (text) => site.print(text.replaceAll('\r', '\r\nPassword: '));
	await page.keyboard.type('root');
	await page.keyboard.press('Enter');
	await waitForText(page, /login: root\nPassword:/);
	await typedIs('root\r');
	site.set('viewers', [{ session: '1', user: 'alice', mode: 'type' }, { session: '2', user: 'bob', mode: 'watch' }]);
	await page.waitForFunction(() => document.querySelector('#viewers').textContent === '2 viewers');
});

test('keys become what a terminal sends', async () => {
	await openLive();
	for (const key of ['ArrowUp', 'Control+c', 'Tab', 'Escape', 'F1', 'Backspace', 'Control+]'])
		await page.keyboard.press(key);
	await typedIs('\x1b[A\x03\t\x1b\x1bOP\x7f\x1d');
});

test('no question of a guest is answered', async () => {
	await openLive();
	await watchRaw();
	const ST = `${ESC}\\`;
	const queries = [];
	for (const body of ['c', '0c', '>c', '>0c', '=c', '5n', '6n', '?6n', '?15n', '?25n', '?26n', '?53n', '?996n', '$p', '4$p', '?1$p',
		'?25$p', '?1004$p', '?1049$p', '?2004$p', '?2026$p', '11t', '13t', '14t', '14;2t', '15t', '16t', '18t',
		'19t', '20t', '21t', '22t', '23t', 'x', '1x', '>q', '>0q', '?u', '?1;1;0S', '1;1;1;1;1;1*y', '&u', '1$w', '2$w'])
		queries.push(`${ESC}[${body}`, `\x9b${body}`);
	for (const body of ['m', 'r', 's', ' q', '"p', '"q', '$|', '*x'])
		queries.push(`${ESC}P$q${body}${ST}`, `\x90$q${body}\x9c`);
	queries.push(`${ESC}P+q544e${ST}`, `${ESC}Z`, `${ESC}[c${ESC}[c`, '\x05');
	for (const number of [4, 5, 10, 11, 12, 13, 14, 17, 19, 52])
		for (const body of ['?', '1;?', '0;?;1;?', '#ffffff;?', 'c;?', '?;?;?'])
			queries.push(`${ESC}]${number};${body}\x07`, `${ESC}]${number};${body}${ST}`);
	queries.push(`${ESC}]50;?\x07`, `${ESC}]60\x07`, `${ESC}]l${ST}`, `${ESC}_Gi=1,a=q;AAAA${ST}`);
	/* a title that looks like a command, then "report the title" */
	queries.push(`${ESC}]2;\rreboot\r\x07${ESC}[21t`);
	for (const query of queries)
		site.print(query);
	site.print('all-asked');
	await waitForText(page, /all-asked/);
	assert.deepEqual(await raw(), [], 'xterm.js generated a reply');
	await page.keyboard.press('x');
	await typedIs('x');
});

test('focus reports are not sent, even when the guest asked for them', async () => {
	await openLive();
	site.print('\x1b[?1004hready');
	await waitForText(page, /ready/);
	await page.focus('#reader');
	await page.focus('#terminal textarea');
	await page.keyboard.press('x');
	await typedIs('x');
});

test('mouse reports are sent only when the guest asked for the mouse', async () => {
	await openLive();
	const screen = await page.locator('#terminal .xterm-screen').boundingBox();
	const click = () => page.mouse.click(screen.x + 2, screen.y + 2);
	await click();
	site.print('\x1b[?1000h\x1b[?1006hready');
	await waitForText(page, /ready/);
	await click();
	await typedIs('\x1b[<0;1;1M\x1b[<0;1;1m');
	site.typed = '';
	site.print('\x1b[?1006l');
	site.print('old');
	await waitForText(page, /readyold/);
	await click();
	await typedIs('\x1b[M !!\x1b[M#!!');
});

test('paste is bracketed only when the guest asked, and cannot end the bracket itself', async () => {
	await openLive();
	const paste = async (text) => {
		await pasteText(page, text);
		await page.click('#pastedialog button[value=paste]');
	};
	await paste('one\ntwo é\x1b[201~');
	await typedIs(Buffer.from('one\rtwo é[201~').toString('latin1'));
	site.typed = '';
	site.print('\x1b[?2004hready');
	await waitForText(page, /ready/);
	await paste('ls\x1b[201~\n');
	await typedIs('\x1b[200~ls[201~\r\x1b[201~');
});

test('the colours are the page\'s, whatever a guest sets', async () => {
	await openLive();
	site.print(`${ESC}[31mred${ESC}[m `);
	const RED = '#terminal .xterm-rows span[class*="xterm-fg-1"]';
	const colours = async () => ({
		theme: await page.evaluate(() => {
			const { ansi, foreground, background, cursor } = window.xenterm.terminal._core._themeService.colors;
			return [...ansi, foreground, background, cursor].map(({ css }) => css);
		}),
		text: await page.locator(RED).first().evaluate((element) => getComputedStyle(element).color),
	});
	const before = await colours();
	const set = ['104', '104;1', '110', '111', '112', ...Array.from({ length: 256 }, (_, n) => `4;${n};#123456`),
		'4;0;rgb:ff/ff/ff;1;rgb:00/00/00', '10;#fff;#fff;#fff', '10;#000001', '11;rgb:1111/2222/3333', '12;#040404', '17;#050505'];
	for (const body of set)
		site.print(`${ESC}]${body}\x07${ESC}]${body}${ESC}\\`);
	site.print('all-set');
	await waitForText(page, /red all-set/);
	await page.evaluate(() => new Promise(requestAnimationFrame));
	assert.deepEqual(await colours(), before);
});

test('neither links nor the title of a guest leave its screen', async () => {
	await openLive();
	site.print('\x1b]8;;https://evil.example/\x07click me\x1b]8;;\x07\x1b]2;owned\x07 done');
	await waitForText(page, /click me done/);
	assert.equal(await page.title(), 'web1 - xenterm');
	let dialogs = 0;
	page.on('dialog', (dialog) => { dialogs++; dialog.dismiss(); });
	const screen = await page.locator('#terminal .xterm-screen').boundingBox();
	await page.mouse.move(screen.x + 10, screen.y + 6);
	await page.mouse.click(screen.x + 12, screen.y + 6);
	assert.equal(dialogs, 0);
	assert.equal(context.pages().length, 1);
});

test('a snapshot replaces what was there, whatever state the former bytes left', async () => {
	site.print('first screen');
	await openLive();
	site.print('\x1b[31m\x1b[?25l half a sequence \x1b]2;');
	await waitForText(page, /half a sequence/);
	site.refuse = (method, path) => (['output', 'stream'].includes(path) ? [400, 'bad-parameter', 'What?'] : null);
	site.cut();
	await until(() => page.evaluate(() => window.xenterm.connection !== 'live'), 'the refusal');
	site.reset();
	site.print('second screen');
	await page.click('#overlay button');
	await waitForText(page, /^second screen$/);
});

test('the grid is the console\'s and fits the window', async () => {
	await openLive();
	const fits = () => page.evaluate(() => {
		const inner = document.querySelector('#terminal').shadowRoot.querySelector('.xterm-screen').getBoundingClientRect();
		const outer = document.querySelector('#terminal').getBoundingClientRect();
		return { rows: window.xenterm.terminal.rows, cols: window.xenterm.terminal.cols,
			inside: inner.right <= outer.right && inner.bottom <= outer.bottom,
			filled: Math.max(inner.width / outer.width, inner.height / outer.height) };
	});
	const check = async (rows, cols) => {
		await until(async () => {
			const now = await fits();
			return now.rows === rows && now.cols === cols && now.inside && now.filled > 0.85;
		}, `a grid of ${cols}x${rows}`);
	};
	await check(24, 80);
	site.set('size', { rows: 50, cols: 132 });
	await check(50, 132);
	await page.setViewportSize({ width: 1500, height: 900 });
	await check(50, 132);
	await page.setViewportSize({ width: 800, height: 700 });
	site.set('size', { rows: 24, cols: 80 });
	await check(24, 80);
});

test('states of the console stand over the last screen, and go away by themselves', async () => {
	site.print('the last words');
	await openLive();
	const expected = [
		[{ state: 'waiting' }, /Waiting for the guest.*web1 has no console at the moment/],
		[{ state: 'busy', holder: 'xenconsole (pid 4711) <b>' }, /xenconsole \(pid 4711\) <b> holds this console/],
		[{ state: 'released' }, /Handed to xl console/],
		[{ state: 'refused' }, /failed xenterm's checks/],
		[{ state: 'gone' }, /The guest has ended/],
	];
	for (const [state, words] of expected) {
		site.set('state', { domid: 7, name: 'web1', ...state });
		await until(async () => words.test((await page.textContent('#overlay')).replace(/\s+/g, ' ')), state.state);
		assert.equal(await page.isVisible('#overlay'), true);
		assert.match(await screenText(page), /the last words/);
	}
	site.set('state', { state: 'up', domid: 8, name: 'web1' });
	await page.waitForSelector('#overlay', { state: 'hidden' });
	site.set('state', { state: 'up', domid: 8, name: 'renamed' });
	await page.waitForFunction(() => document.title === 'renamed - xenterm');
});

test('a silent console is offered Enter', async () => {
	site.onTyped = (text) => site.print(`${text}\nweb1 login: `);
	await openLive();
	await page.waitForSelector('#hint:not([hidden])');
	await page.click('#hint button');
	await waitForText(page, /web1 login:/);
	await typedIs('\r');
	assert.equal(await page.isVisible('#hint'), false);
});

test('who only watches is told so, and types nothing', async () => {
	site.mode = 'watch';
	site.print('login: ');
	await openLive();
	assert.equal(await page.textContent('#mode'), 'read only');
	await page.keyboard.press('x');
	await page.waitForSelector('#notice:not([hidden])');
	assert.match(await page.textContent('#notice'), /Read only/);
	assert.equal(site.typed, '');
});

test('who may not type gets to watch', async () => {
	let asked = 0;
	site.refuse = (method, path) => (path === 'sessions' && asked++ === 0
		? [403, 'not-allowed', 'You may not type here.'] : null);
	site.mode = 'watch';
	await openLive();
	assert.equal(await page.textContent('#mode'), 'read only');
	assert.equal(asked, 2);
});

test('who may not type beside others gets to watch, and is told', async () => {
	let asked = 0;
	site.refuse = (method, path) => (path === 'sessions' && asked++ === 0
		? [409, 'taken', 'Another user types at this console.'] : null);
	site.mode = 'watch';
	await openLive();
	assert.equal(await page.textContent('#mode'), 'read only');
	assert.match(await page.textContent('#notice'), /Another user types/);
});

test('a console that does not exist, no login, no name: said with a remedy', async () => {
	site.refuse = (method, path) => (path === 'sessions' ? [403, 'not-allowed', 'There is no <i>web9</i>.'] : null);
	await openConsole('console=web9');
	await page.waitForSelector('#overlay:not([hidden])');
	assert.match(await page.textContent('#overlay'), /Not connected\s+There is no <i>web9<\/i>\./);
	site.refuse = (method, path) => (path === 'sessions' ? [404, 'no-such-console', 'See GET api/v1/consoles.'] : null);
	await page.click('#overlay button');
	await page.waitForFunction(() => /No such console/.test(document.querySelector('#overlay').textContent));
	assert.match(await page.textContent('#overlay'), /There is no console of this name, or you may not see it\./);
	site.refuse = () => [401, 'no-identity', 'Who?'];
	await page.click('#overlay button');
	await page.waitForFunction(() => /Reload and log in/.test(document.querySelector('#overlay').textContent));
	await page.goto(`${site.url}console.html`);
	await page.waitForSelector('#overlay:not([hidden])');
	assert.match(await page.textContent('#overlay'), /Choose one from the list/);
	assert.equal(await page.textContent('#connection'), 'not connected');
	await page.click('#overlay button');
	await page.waitForURL(site.url);
});

test('a connection that is lost is said, counted down and taken up again; nothing is missing or twice', async () => {
	site.print('before ');
	await openLive();
	site.refuse = () => [502, 'no-worker', 'The worker is away.'];
	site.cut();
	site.print('meanwhile ');
	await page.waitForFunction(() => /connection lost/.test(document.querySelector('#connection').textContent));
	assert.equal(await page.textContent('#announcement'), 'connection lost');
	await page.keyboard.type('ab');
	site.onTyped = (text) => site.print(text);
	site.refuse = () => null;
	await waitForText(page, /^before meanwhile ab$/);
	await page.waitForFunction(() => document.querySelector('#connection').textContent === 'connected');
	await typedIs('ab');
});

test('a flood arrives whole', async () => {
	await openLive();
	let text = '';
	for (let i = 0; i < 40000; i++)
		text += `line ${i}\r\n`;
	for (let at = 0; at < text.length; at += 30000)
		site.print(text.slice(at, at + 30000));
	await waitForText(page, /line 39999$/);
	const lines = (await screenText(page)).split('\n');
	assert.ok(lines.length >= 2000);
	lines.forEach((line, i) => assert.equal(line, `line ${40000 - lines.length + i}`));
});

test('UTF-8 that is cut between two answers comes out whole', async () => {
	await openLive();
	const bytes = Buffer.from('grüße € 。か 😀.');
	for (const byte of bytes) {
		site.printBytes(Buffer.of(byte));
		await new Promise((resolve) => setImmediate(resolve));
	}
	await waitForText(page, /grüße € 。か 😀\./);
});

test('a guest cannot stop the page by erasing above the last corner', async () => {
	await openLive();
	for (const screen of ['', `${ESC}[?1049h`])
		for (const erase of ['[1J', '[?1J'])
			site.print(`${screen}${ESC}[99;999HX${ESC}${erase}${ESC}[Hgone on ${erase}\r\n`);
	await waitForText(page, /gone on \[\?1J/);
	assert.doesNotMatch(await screenText(page), /X/);
});

test('the keyboard can leave the terminal, and a screen reader has its mode', async () => {
	await openLive();
	await page.focus('#terminal textarea');
	await page.keyboard.press('Control+Shift+F6');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'back');
	for (const next of ['find', 'compose', 'menu']) {
		await page.keyboard.press('Tab');
		assert.equal(await page.evaluate(() => document.activeElement.id), next);
	}
	await page.keyboard.press('Enter');
	await page.focus('#reader');
	await page.keyboard.press('Enter');
	assert.equal(await page.getAttribute('#reader', 'aria-pressed'), 'true');
	await page.waitForSelector('.xterm-accessibility');
	await page.keyboard.press('Escape');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'menu');
	await page.keyboard.press('Tab');
	await page.keyboard.press('z');
	await typedIs('z');
	await page.reload();
	await page.waitForSelector('.xterm-accessibility');
});

test('both themes', async () => {
	for (const colorScheme of ['dark', 'light']) {
		await page.emulateMedia({ colorScheme });
		await openLive();
		const dark = await page.evaluate(() => {
			const [r, g, b] = getComputedStyle(document.querySelector('main')).backgroundColor.match(/\d+/g).map(Number);
			return r + g + b < 384;
		});
		assert.equal(dark, colorScheme === 'dark');
	}
});

test('leaving the page ends the session', async () => {
	let ended = false;
	site.refuse = (method, path) => { ended ||= method === 'DELETE' && path === 'sessions/current'; return null; };
	site.consoles = GUESTS;
	await openLive();
	await page.click('#back');
	await page.waitForSelector('tbody tr');
	await until(() => ended, 'DELETE');
});
