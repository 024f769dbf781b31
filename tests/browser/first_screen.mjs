/*
 * From the click on a guest in the list to its screen: what is asked for, how many bytes come, how long it takes. At a site
 * that ./demo brings up, or at the one that SITE_URL, SITE_USER, SITE_PASSWORD and SITE_GUEST in the environment name, in
 * Chromium, with an empty cache and with what the visit before has left there.
 *
 *   node tests/browser/first_screen.mjs [--json] [ROUNDS]
 */
import { launch, openPage } from './browser.mjs';
import { startDemo, stopDemo } from './demo.mjs';

const json = process.argv.includes('--json');
const rounds = Number(process.argv.slice(2).find((word) => word !== '--json') ?? 15);
const { SITE_URL, SITE_USER, SITE_PASSWORD, SITE_GUEST } = process.env;
const browser = await launch();
const demo = SITE_URL ? null : await startDemo();
const site = demo ? { ...demo, guest: demo.guests.split(' ')[0] }
	: { url: SITE_URL, user: SITE_USER, password: SITE_PASSWORD, guest: SITE_GUEST };

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
	const url = new URL(site.url);
	url.username = site.user;
	url.password = site.password;
	for (const cache of ['empty', 'filled']) {
		await page.goto(url.href);
		await page.waitForSelector('tbody a');
		results[cache].push(await click(page, cdp, site.guest));
	}
	await context.close();
}
await browser.close();
if (demo)
	await stopDemo(demo);

const sorted = (values) => [...values].sort((a, b) => a - b);
if (json)
	console.log(JSON.stringify(results));
for (const [cache, all] of Object.entries(results)) {
	const ms = sorted(all.map((one) => one.ms));
	const middle = sorted(all.map((one) => one.bytes))[all.length >> 1];
	if (!json)
		console.log(`cache ${cache}: p50 ${Math.round(ms[ms.length >> 1])} ms [${Math.round(ms[0])}..${Math.round(ms.at(-1))}], `
			+ `${(middle / 1024).toFixed(1)} KiB in ${all[0].requests} requests; ${all[0].calls}`);
	for (const { calls } of json ? [] : all.filter((one) => one.calls !== 'POST sessions, GET output')) {
		console.error(`One call for the session and one for the screen were to do, and not: ${calls}`);
		process.exitCode = 1;
	}
}
