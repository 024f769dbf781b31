/*
 * AjaxTerm's protocol in Chromium, from the page to a guest's shell: with the page of static/ajaxterm.*, and with a
 * client that does what the page of AjaxTerm 0.10 and 0.11 does. That page itself is not here: it is the work of
 * others, under another licence. The client below was written for this test; it sends the same requests and
 * takes in the answers the same way (the XML made text again, and that given to innerHTML).
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { barriers, launch, openPage, shoot } from './browser.mjs';
import { alive, startDemo, stopDemo, until } from './demo.mjs';

const browser = await launch();
let demo;
let guest;
let context;
let page;

before(async () => {
	demo = await startDemo();
	guest = demo.guests.split(' ')[0];
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
		httpCredentials: { username: demo.user, password: demo.password },
	});
}

const address = (rest = '') => `${demo.url}ajaxterm/${guest}/${rest}`;

const screenOf = (which) => which.$eval('pre.term', (element) => element.textContent.replace(/\u00a0/g, ' '));

async function waitForScreen(which, pattern) {
	await which.waitForSelector('pre.term');
	try {
		await until(async () => pattern.test(await screenOf(which)), String(pattern));
	} catch (error) {
		throw new Error(`${pattern} did not come; the page shows:\n${await screenOf(which)}`, { cause: error });
	}
}

const state = () => page.textContent('[role=status]');

async function typeLine(which, text) {
	await which.keyboard.type(text);
	await which.keyboard.press('Enter');
}

async function calculate(which, a, b) {
	await typeLine(which, `echo "<$((${a}*${b}))>"`);
	await waitForScreen(which, new RegExp(`^<${a * b}> *$`, 'm'));
}

const clear = (which) => typeLine(which, 'clear');

test('the page of a console leads to the one for old browsers', async () => {
	await page.goto(`${demo.url}console.html?console=${guest}`);
	await page.click('#menu');
	await page.click('#plain');
	await page.waitForURL(address());
	await waitForScreen(page, /login:/);
	await until(async () => await state() === 'connected', 'the connection');
	assert.equal(await page.title(), `${guest} - xenterm`);
	assert.equal(await page.textContent('#name'), guest);
	assert.equal(new URL(await page.getAttribute('#back', 'href'), page.url()).href, demo.url);
	assert.deepEqual(await barriers(page), []);
	await shoot(page, 'look-ajaxterm');
});

test('log in and run a command; the terminal has the focus', async () => {
	await typeLine(page, 'root');
	await waitForScreen(page, /[#$] *$/m);
	await calculate(page, 6, 7);
	assert.equal(await page.$$eval('pre.term .b1', (all) => all.length), 1, 'one cursor');
});

test('colours, and without', async () => {
	await clear(page);
	await typeLine(page, "printf '\\033[1;31;44mcolou''red\\033[m\\n'");
	await waitForScreen(page, /^coloured *$/m);
	assert.equal(await page.textContent('.f9.b4'), 'coloured');
	assert.equal(await page.$eval('.f9.b4', (e) => getComputedStyle(e).color), 'rgb(255, 102, 102)');
	assert.equal(await page.$eval('.f9.b4', (e) => getComputedStyle(e).backgroundColor), 'rgb(0, 0, 187)');
	await page.click('text=Colours');
	await until(async () => await page.$('.f9.b4') === null, 'a screen without colours');
	await waitForScreen(page, /^coloured *$/m);
	await page.click('text=Colours');
	await page.waitForSelector('.f9.b4');
});

test('keys that are no characters', async () => {
	await clear(page);
	await typeLine(page, "echo wai''ting; cat -v");
	await waitForScreen(page, /^waiting *$/m);
	for (const key of ['ArrowUp', 'Home', 'PageDown', 'Delete', 'F1', 'F12', 'Alt+x', 'Alt+Shift+x', 'Control+x', '~'])
		await page.keyboard.press(key);
	await page.keyboard.press('Enter');
	/* The echo, and what cat says. */
	const line = String.raw`^\^\[\[A\^\[\[1~\^\[\[6~\^\[\[3~\^\[OP\^\[\[24~\^\[x\^\[X\^X~ *$`;
	await waitForScreen(page, new RegExp(`${line}\n${line}`, 'm'));
	await page.keyboard.press('Control+c');
	await waitForScreen(page, /\^C/);
	await calculate(page, 11, 13);
});

test('what is pasted arrives whole and in order', async () => {
	await clear(page);
	const word = Array.from({ length: 2500 }, (_, i) => String.fromCharCode(97 + (i * 7) % 26)).join('');
	const lines = word.match(/.{1,50}/g).map((part) => `w="$w"${part}`);
	await page.evaluate((text) => {
		const data = new DataTransfer();
		data.setData('text/plain', text);
		document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
	}, `w=\n${lines.join('\n')}\nclear; printf '<%s>\\n' "$(printf %s "$w" | md5sum | cut -c1-8)" 'žluť 日本 😀'\n`);
	await waitForScreen(page, /^<žluť 日本 😀> *$/m);
	const { createHash } = await import('node:crypto');
	const sum = createHash('md5').update(word).digest('hex').slice(0, 8);
	await waitForScreen(page, new RegExp(`^<${sum}> *$`, 'm'));
});

const MARKUP = '</pre><img src=x onerror="hit=1"><script>hit=1</script>&lt;b&gt;';

const SHOWN = new RegExp(`^${MARKUP.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\|end *\n`);

/* So that what is printed does not stand in what was typed. */
const printing = (text) => `clear; printf '${[...Buffer.from(text)].map((b) => `\\${b.toString(8).padStart(3, '0')}`)
	.join('')}|end\\n'`;

test('markup is text', async () => {
	await typeLine(page, printing(MARKUP));
	await waitForScreen(page, SHOWN);
	assert.equal(await page.$$eval('#term :not(p, button, span, pre)', (all) => all.length), 0);
	assert.equal(await page.evaluate(() => window.hit), undefined);
});

test('the keyboard leaves the terminal', async () => {
	await page.keyboard.press('Control+Shift+F6');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'back');
	await page.focus('pre.term');
	await calculate(page, 17, 19);
});

test('the worker is killed: the page says so, and goes on by itself', async () => {
	const pid = Number(demo['worker-pid']);
	process.kill(pid, 'SIGKILL');
	const seen = new Set();
	await until(async () => seen.add(await state()) && !alive(pid), 'the end of the worker');
	await until(async () => seen.add(await state()) && seen.size > 1 && await state() === 'connected', 'the connection');
	assert.ok([...seen].some((text) => /worker|server/.test(text)), [...seen].join(' / '));
	await calculate(page, 23, 29);
});

test('no fault in the page, no violation of its policy', () => {
	assert.deepEqual(page.faults, []);
});

/* ---- AjaxTerm's own page ---- */

const OLD_PAGE = `<!DOCTYPE html><html><head><title>old</title></head><body><div id="t"></div><script>
var head = 's=' + Math.round(Math.random() * 1e9) + '&w=80&h=25', colour = '&c=1', get = false;
var waiting = [], busy = false, timer, pause = 1, statuses = [], idle = 0;
function ask() {
	if (busy)
		return;
	busy = true;
	var query = head + colour + '&k=' + waiting.splice(0).join('');
	var r = new XMLHttpRequest();
	r.open(get ? 'GET' : 'POST', get ? 'u?' + query : 'u', true);
	r.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
	r.onreadystatechange = function () {
		if (r.readyState != 4)
			return;
		statuses.push(r.status);
		if (r.status != 200)
			return;         /* for good, as the old page does */
		var root = r.responseXML.documentElement;
		if (root.tagName == 'pre') {
			document.getElementById('t').innerHTML = new XMLSerializer().serializeToString(root);
			pause = 100;
		} else {
			idle++;
			pause = Math.min(2000, pause * 2);
		}
		busy = false;
		timer = setTimeout(ask, pause);
	};
	r.send(get ? null : query);
}
function key(text) {
	waiting.push(text == '+' ? '%2B' : escape(text));
	if (!busy) {
		clearTimeout(timer);
		timer = setTimeout(ask, 1);
	}
}
document.onkeypress = function (ev) { key(String.fromCharCode(ev.which)); return false; };
timer = setTimeout(ask, 100);
</script></body></html>`;

test('a client like AjaxTerm\'s page: POST, GET, special keys, grey', async () => {
	const old = await (await newContext()).newPage();
	await old.route(address('old.html'), (route) => route.fulfill({ contentType: 'text/html', body: OLD_PAGE }));
	await old.goto(address('old.html'));
	await waitForScreen(old, /^<667> *$/m);
	await calculate(old, 31, 37);
	await old.evaluate(() => { get = true; });
	await calculate(old, 41, 43);
	await old.keyboard.type("echo 1+1=2 '<a&b>' 100%");
	await old.evaluate(() => key('\r'));
	await waitForScreen(old, /^1\+1=2 <a&b> 100% *$/m);
	await typeLine(old, "echo wai''ting; cat");
	await waitForScreen(old, /^waiting *$/m);
	await old.evaluate(() => { key('\u20ac'); key('\x1b[A'); key('\x7f'); });
	await waitForScreen(old, /^€\^\[\[ *$/m);
	await old.evaluate(() => key('\x03'));
	await waitForScreen(old, /^€\^\[\[\^C *$/m);
	await typeLine(old, printing(MARKUP));
	await waitForScreen(old, SHOWN);
	assert.equal(await old.evaluate(() => window.hit), undefined);
	assert.equal(await old.$$eval('#t img, #t script, #t b', (all) => all.length), 0);
	await until(() => old.evaluate(() => idle > 2), 'a screen that does not change');
	await old.evaluate(() => { colour = ''; });
	await typeLine(old, "printf '\\033[32mgr''ey\\033[m\\n'");
	await waitForScreen(old, /^grey *$/m);
	assert.deepEqual(await old.$$eval('#t span', (all) => [...new Set(all.map((e) => e.className))].sort()),
		['f7 b0', 'f7 b1']);
	assert.deepEqual(await old.evaluate(() => [...new Set(statuses)]), [200]);
	/* The page of this site has seen the same all along. */
	await waitForScreen(page, /^grey *$/m);
	await old.context().close();
});

test('a page of another site types nothing', async () => {
	await clear(page);
	const other = await (await newContext()).newPage();
	await other.route('https://other.example/**', (route) => route.fulfill({ contentType: 'text/html',
		body: ['get', 'post'].map((method) => `<form method="${method}" action="${address('u')}"><input name="s" value="1">`
			+ `<input name="k" value="by-${method}"><button id="${method}">go</button></form>`).join('') }));
	for (const method of ['get', 'post']) {
		await other.goto('https://other.example/');
		const answer = other.waitForResponse((response) => response.url().startsWith(address('u')));
		await other.click(`#${method}`);
		assert.equal((await answer).status(), 403);
	}
	await calculate(page, 47, 53);
	assert.doesNotMatch(await screenOf(page), /by-/);
	await other.context().close();
});
