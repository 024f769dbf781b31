/*
 * Chromium for the tests, through playwright-core. Without one of them the test ends with status 77 (skipped).
 *   CHROMIUM               the browser, /usr/bin/chromium unless set
 *   XENTERM_NODE_MODULES   the folder that holds playwright-core, ./node_modules unless set
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const modules = process.env.XENTERM_NODE_MODULES ?? join(here, 'node_modules');
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const staticFolder = process.env.XENTERM_STATIC ?? join(here, '../../static');

function skip(why) {
	process.stdout.write(`skipped: ${why}\n`);
	process.exit(77);
}

export async function launch() {
	if (!existsSync(executablePath))
		skip(`no browser at ${executablePath}`);
	if (!existsSync(join(modules, 'playwright-core')))
		skip('playwright-core is not installed (npm ci in tests/browser)');
	if (!existsSync(join(staticFolder, 'vendor/xterm.mjs')))
		skip('static/vendor/ has not been filled by the build');
	const { chromium } = createRequire(join(modules, 'x.js'))('playwright-core');
	return chromium.launch({
		executablePath,
		args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync'],
	});
}

/* A page whose faults (CSP violations, exceptions, failed loads) are collected in page.faults. */
export async function openPage(context) {
	const page = await context.newPage();
	page.faults = [];
	page.on('pageerror', (error) => page.faults.push(String(error)));
	page.on('console', (message) => {
		if (/Content Security Policy|Refused to/i.test(message.text()))
			page.faults.push(message.text());
	});
	await page.addInitScript(() => {
		addEventListener('securitypolicyviolation', (event) => {
			globalThis.console.error(`Content Security Policy: ${event.violatedDirective} ${event.blockedURI}`);
		});
	});
	return page;
}

/* The terminal's text as it is now, scrollback included. */
export const screenText = (page) => page.evaluate(() => window.xenterm.text());

/* Waits until the terminal shows what the pattern describes. */
export async function waitForText(page, pattern, timeout = 15000) {
	try {
		await page.waitForFunction(([source, flags]) => new RegExp(source, flags).test(window.xenterm?.text() ?? ''),
			[pattern.source, pattern.flags], { timeout });
	} catch (error) {
		throw new Error(`${pattern} did not come; the terminal shows:\n${await screenText(page)}`, { cause: error });
	}
}

/* Pastes a text into the terminal, as the browser would. */
export const pasteText = (page, text) => page.evaluate((t) => {
	const data = new DataTransfer();
	data.setData('text/plain', t);
	document.querySelector('#terminal').shadowRoot.querySelector('textarea').dispatchEvent(
		new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true, composed: true }));
}, text);

/* What axe-core finds wrong with the page as it is now: [`rule: element`]. */
export async function barriers(page) {
	const axe = readFileSync(join(modules, 'axe-core/axe.min.js'), 'utf8');
	await page.evaluate(`${axe};0`);
	return page.evaluate(async () => {
		const { violations } = await window.axe.run(document, {
			runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
		});
		return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`));
	});
}

/* A picture of the page in tests/browser/shots/, for a person to look at. */
export async function shoot(page, name) {
	const folder = join(here, 'shots');
	mkdirSync(folder, { recursive: true });
	await page.screenshot({ path: join(folder, `${name}.png`) });
}
