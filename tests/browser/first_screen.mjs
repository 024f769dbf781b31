/*
 * From the click on a guest in the list to its screen: what is asked for, how many bytes come, how long it takes. At a site
 * that ./demo brings up, in Chromium, with an empty cache and with what the visit before has left there.
 *
 *   node tests/browser/first_screen.mjs [ROUNDS]
 */
import { launch, openPage } from './browser.mjs';
import { startDemo, stopDemo } from './demo.mjs';

const rounds = Number(process.argv[2] ?? 15);
const demo = await startDemo();
const browser = await launch();

/* One click: {ms, calls, requests, bytes}. */
async function click(page, cdp, guest) {
	const requests = new Map();
	const note = ({ requestId, request }) => requests.set(requestId, { url: request.url, method: request.method, bytes: 0 });
	const end = ({ requestId, encodedDataLength }) => {
		if (requests.has(requestId))
			requests.get(requestId).bytes = encodedDataLength;
	};
	cdp.on('Network.requestWillBeSent', note);
	cdp.on('Network.loadingFinished', end);
	const began = Date.now();
	await page.click(`tbody a:text-is("${guest}")`, { noWaitAfter: true });
	await page.waitForFunction(() => window.firstScreen);
	const at = await page.evaluate(() => performance.timeOrigin + window.firstScreen);
	cdp.off('Network.requestWillBeSent', note);
	cdp.off('Network.loadingFinished', end);
	const all = [...requests.values()];
	const api = all.filter(({ url }) => url.includes('/api/v1/')).map(({ method, url }) =>
		`${method} ${/api\/v1\/([^?]*)/.exec(url)[1]}`);
	/* What comes behind the screen is not what it waited for, nor does it wait for what the list may still have asked. */
	const own = api.filter((call) => call !== 'GET consoles' && call !== 'GET preview');
	const calls = own.slice(0, own.indexOf('GET output') + 1);
	return { ms: at - began, calls: calls.join(', '), requests: all.length - api.length + calls.length,
		bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) };
}

const results = { empty: [], filled: [] };
for (let i = 0; i < rounds; i++) {
	const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1100, height: 700 } });
	const page = await openPage(context);
	await page.addInitScript(() => addEventListener('DOMContentLoaded', () => document.querySelector('xen-console')
		?.addEventListener('ready', () => { window.firstScreen = performance.now(); })));
	const cdp = await context.newCDPSession(page);
	await cdp.send('Network.enable');
	const guest = demo.guests.split(' ')[0];
	const url = new URL(demo.url);
	url.username = demo.user;
	url.password = demo.password;
	for (const cache of ['empty', 'filled']) {
		await page.goto(url.href);
		await page.waitForSelector('tbody a');
		results[cache].push(await click(page, cdp, guest));
	}
	await context.close();
}
await browser.close();
await stopDemo(demo);

const sorted = (values) => [...values].sort((a, b) => a - b);
for (const [cache, all] of Object.entries(results)) {
	const ms = sorted(all.map((one) => one.ms));
	const middle = sorted(all.map((one) => one.bytes))[all.length >> 1];
	console.log(`cache ${cache}: p50 ${Math.round(ms[ms.length >> 1])} ms [${Math.round(ms[0])}..${Math.round(ms.at(-1))}], `
		+ `${(middle / 1024).toFixed(1)} KiB in ${all[0].requests} requests; ${all[0].calls}`);
	for (const { calls } of all.filter((one) => one.calls !== 'POST sessions, GET output')) {
		console.error(`One call for the session and one for the screen were to do, and not: ${calls}`);
		process.exitCode = 1;
	}
}
