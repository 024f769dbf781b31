/*
 * How the pages look where the other tests have no picture of it: each state is brought about, axe-core looks for barriers, and a
 * picture goes to tests/browser/shots/ for a person to look at.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { barriers, launch, openPage, pasteText, shoot } from './browser.mjs';
import { FakeSite } from './fake_site.mjs';

const browser = await launch();
const site = new FakeSite();
const panel = new FakeSite();   /* another site */
const WIDE = { viewport: { width: 1100, height: 700 } };
const UPRIGHT = { viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true };
const TURNED = { viewport: { width: 760, height: 390 }, hasTouch: true, isMobile: true };
const SCREEN = '\x1b[1mDebian GNU/Linux 12 web1 hvc0\x1b[m\r\n\r\nweb1 login: root\r\nLast login: Mon Nov 23 10:12:41 UTC 2026\r\n'
	+ 'root@web1:~# systemctl --failed\r\n\x1b[31m●\x1b[m cron.service loaded \x1b[1;31mfailed\x1b[m failed Regular jobs\r\n\r\n'
	+ '1 loaded units listed.\r\nroot@web1:~# ';
const mtime = 'Mon, 23 Nov 2026 10:50:35 GMT';
const LOGS = [{ name: 'console.log', type: 'file', mtime, size: 48211 }, { name: 'console.log.1', type: 'file', mtime, size: 8388608 },
	{ name: '2026-11-23T10-12-41.123Z.cast', type: 'file', mtime, size: 22118 }];
const GUESTS = [
	{ id: 'u1/pv0', name: 'web1', kind: 'pv', domid: 7, state: 'up', viewers: 2, end: 900,
		rights: ['list', 'watch', 'type', 'join', 'force', 'log', 'power'] },
	{ id: 'u2/pv0', name: 'web2-with-a-name-that-is-rather-long', kind: 'pv', domid: 9, state: 'busy', holder: 'xenconsole (pid 4711)',
		viewers: 0, end: 20, rights: ['list', 'watch'] },
	{ id: 'u3/serial0', name: 'db1', kind: 'serial', domid: 11, state: 'gone', viewers: 0, rights: ['list'] },
];
let page;

before(() => Promise.all([site.start(), panel.start()]));
after(async () => {
	await browser.close();
	await site.stop();
	await panel.stop();
});
beforeEach(() => {
	site.reset();
	site.rights = GUESTS[0].rights;
	site.logs = { web1: LOGS, 'u1/pv0': LOGS };
	site.consoles = GUESTS;
	site.previews = { 'u1/pv0': SCREEN.replace(/\x1b\[[0-9;]*m|\r/g, '') };
});
afterEach(async () => {
	assert.deepEqual(page.faults, []);
	await page.context().close();
});

async function fresh(options) {
	page = await openPage(await browser.newContext({ colorScheme: 'dark', ...options }));
}

async function openLive(options) {
	await fresh(options);
	site.print(SCREEN);
	await page.goto(`${site.url}console.html?console=web1`);
	await page.waitForFunction(() => window.xenterm?.connection === 'live' && /listed/.test(window.xenterm.text()));
}

async function openList(options) {
	await fresh(options);
	await page.goto(site.url);
	await page.waitForSelector('tbody tr, #empty:not([hidden]), #error:not([hidden])');
}

/* No barrier; nothing that a person would have to scroll sideways for (WCAG 1.4.10); a picture. */
async function look(name, which = page) {
	assert.deepEqual(await barriers(which), [], name);
	const width = await page.evaluate(() => document.documentElement.scrollWidth);
	assert.ok(width <= page.viewportSize().width, `${name} is ${width} wide`);
	await shoot(page, `look-${name}`);
}

const menu = () => page.click('#menu');
const closeMenu = () => page.keyboard.press('Escape');
const shapes = [['wide', WIDE], ['upright', UPRIGHT], ['turned', TURNED]];

for (const [shape, options] of shapes) {
	test(`the list, ${shape}: a glance, nothing there, something the matter`, async () => {
		await openList(options);
		await look(`list-${shape}`);
		await page.focus('tbody a[href]');
		await page.waitForSelector('#glance:not([hidden])');
		await look(`glance-${shape}`);
		await page.click('button[data-does=offerPower]');
		await page.waitForSelector('#powerdialog[open]');
		await look(`list-power-${shape}`);
		await page.keyboard.press('Escape');
		site.consoles = [];
		await page.reload();
		await page.waitForSelector('#empty:not([hidden])');
		await look(`list-empty-${shape}`);
		site.refuse = () => [500, 'web-server', 'The web server failed; its error log says why.'];
		await page.reload();
		await page.waitForSelector('#error:not([hidden])');
		await look(`list-error-${shape}`);
	});

	test(`a console, ${shape}: its menu and dialogs`, async () => {
		await openLive(options);
		await look(`console-${shape}`);
		await menu();
		await look(`menu-${shape}`);
		for (const [button, box] of [['power', 'powerdialog'], ['logs', 'logsdialog']]) {
			await page.click(`#${button}`);
			await page.waitForSelector(`#${box}[open]`);
			await page.waitForFunction(() => document.querySelector('#logsdialog [role=status]')?.textContent !== 'Asking the server…');
			await look(`${button}-${shape}`);
			await page.keyboard.press('Escape');
			await page.waitForSelector(`#${box}`, { state: 'hidden' });
		}
		await page.selectOption('#sysrq', 'b');
		await page.click('#sysrqsend');
		await page.waitForSelector('#question[open]');
		await look(`question-${shape}`);
		await page.keyboard.press('Escape');
		await page.waitForSelector('#question', { state: 'hidden' });
		await page.focus('#menu');
		await page.click('#menu');
		await page.click('#compose');
		await page.fill('#composed', 'apt update\napt full-upgrade');
		await look(`compose-${shape}`);
		await page.keyboard.press('Escape');
		await page.waitForSelector('#composedialog', { state: 'hidden' });
		await pasteText(page, 'cd /srv\n\x1b[31mrm -rf x\n');
		await page.waitForSelector('#pastedialog[open]');
		await look(`paste-${shape}`);
		await page.keyboard.press('Escape');
		await page.waitForSelector('#pastedialog', { state: 'hidden' });
		await page.click('#find');
		await page.fill('#wanted', 'failed');
		await page.click('#previous');
		await look(`find-${shape}`);
	});

	test(`a console, ${shape}: what stands over the last screen`, async () => {
		await openLive(options);
		for (const state of [{ state: 'busy', holder: 'xenconsole (pid 4711)' }, { state: 'refused' }, { state: 'gone' }]) {
			site.set('state', { domid: 7, name: 'web1', ...state });
			await page.waitForFunction((words) => document.querySelector('#state').textContent === words,
				{ busy: 'in use elsewhere', refused: 'refused', gone: 'guest has ended' }[state.state]);
			await look(`${state.state}-${shape}`);
		}
		site.refuse = (method, path) => path === 'sessions' ? [404, 'no-such-console', 'There is no such console, or you may not see it.'] : null;
		await page.reload();
		await page.waitForSelector('#overlay:not([hidden]) button:not([hidden])');
		await look(`no-console-${shape}`);
	});

	test(`several consoles, ${shape}, one of which is away; a recording`, async () => {
		await fresh(options);
		site.print(SCREEN);
		await page.goto(`${site.url}consoles.html?console=web1&console=web2&console=web3`);
		await page.waitForFunction(() => window.xenterm.tiles.every(({ view }) => view.connection === 'live'));
		site.console('web2').state = { state: 'waiting', name: 'web2' };
		site.console('web2').changed();
		await page.waitForSelector('.over:not([hidden])');
		await look(`several-${shape}`);
		await page.goto(`${site.url}play.html`);
		await look(`no-recording-${shape}`);
		const cast = [{ version: 2, width: 80, height: 24, title: 'web1 boots' }, [0.1, 'o', SCREEN], [9, 'o', 'exit\r\n']];
		await page.setInputFiles('#file', { name: 'a.cast', mimeType: 'text/plain',
			buffer: Buffer.from(cast.map((line) => JSON.stringify(line)).join('\n')) });
		await page.waitForFunction(() => /listed/.test(window.xenterm.text()));
		await page.click('#play');
		await look(`recording-${shape}`);
	});
}

test('a frame in another site\'s page', async () => {
	await fresh(WIDE);
	site.print(SCREEN);
	const origin = new URL(panel.url).origin.replace('127.0.0.1', 'localhost');
	site.ancestors = origin;
	panel.pages['panel.html'] = `<!DOCTYPE html><html lang="en"><title>panel</title><h1>A panel</h1>
		<iframe title="Console" src="${site.url}frame.html?console=web1&parent=${encodeURIComponent(origin)}" width="900" height="560"></iframe>`;
	await page.goto(`${origin}/xenterm/panel.html`);
	const frame = () => page.frames().find((one) => one.url().includes('frame.html'));
	await frame().waitForFunction(() => /listed/.test(document.querySelector('xen-console')?.snapshot().text ?? ''));
	await look('frame', frame());
	site.set('state', { state: 'waiting', domid: 7, name: 'web1' });
	await frame().waitForFunction(() => /Waiting/.test(document.body.innerText));
	await look('frame-waiting', frame());
});
