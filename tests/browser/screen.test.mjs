/*
 * Who opens a console sees what everybody sees. One page is open all along; others are opened in the middle of what a
 * guest draws, and must show the same, cell by cell with colours, lines above the screen, cursor and modes, at once and
 * from then on.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { launch, openPage, waitForText } from './browser.mjs';
import { startDemo, stopDemo, until } from './demo.mjs';

const browser = await launch();
let demo;
let context;
let early;

before(async () => {
	demo = await startDemo();
	context = await browser.newContext({
		ignoreHTTPSErrors: true, viewport: { width: 1100, height: 700 },
		httpCredentials: { username: demo.user, password: demo.password },
	});
	early = await openConsole();
	await waitForText(early, /login: *$/);
	await typeLine(early, 'root');
	await waitForText(early, /[#$] *$/);
	await typeLine(early, 'stty rows 24 cols 80; export TERM=xterm-256color');
});

after(async () => {
	await browser.close();
	if (demo)
		await stopDemo(demo);
});

async function openConsole() {
	const page = await openPage(context);
	await page.goto(`${demo.url}console.html?console=${demo.guests.split(' ')[0]}`);
	await page.waitForFunction(() => window.xenterm?.connection === 'live', null, { timeout: 20000 });
	return page;
}

async function typeLine(page, text) {
	await page.focus('#terminal textarea');
	await page.keyboard.type(text);
	await page.keyboard.press('Enter');
}

/* All that can be seen, and what decides on what comes next. */
const stateOf = (page) => page.evaluate(() => {
	const term = window.xenterm.terminal;
	const cells = (line) => Array.from({ length: term.cols }, (_, x) => {
		const cell = line.getCell(x);
		return [cell.getChars(), cell.getWidth(), cell.getFgColorMode(), cell.getFgColor(), cell.getBgColorMode(),
			cell.getBgColor(), cell.isBold(), cell.isDim(), cell.isItalic(), cell.isUnderline(), cell.isInverse(),
			cell.isInvisible(), cell.isStrikethrough()].join();
	});
	const buffer = (which) => ({
		cursor: [which.cursorX, which.cursorY, which.baseY],
		lines: Array.from({ length: which.length }, (_, y) => {
			const line = which.getLine(y);
			return { wrapped: line.isWrapped, text: line.translateToString(true), cells: cells(line) };
		}),
	});
	return {
		size: [term.rows, term.cols], on: term.buffer.active.type, modes: { ...term.modes },
		normal: buffer(term.buffer.normal), alternate: buffer(term.buffer.alternate),
	};
});

function difference(a, b) {
	for (const name of ['size', 'on', 'modes'])
		if (!isDeepStrictEqual(a[name], b[name]))
			return `${name}: ${JSON.stringify(a[name])} and ${JSON.stringify(b[name])}`;
	for (const name of ['normal', 'alternate']) {
		for (const part of ['cursor', 'lines']) {
			const [one, other] = [a[name][part], b[name][part]];
			const at = one.findIndex((value, i) => !isDeepStrictEqual(value, other[i]));
			if (at >= 0 || one.length !== other.length)
				return `${name} ${part} ${at}: ${JSON.stringify(one[at])} and ${JSON.stringify(other[at])}`;
		}
	}
	return null;
}

/* Both are told the same things, but not at the same moment. */
async function assertSame(page) {
	let found;
	try {
		await until(async () => {
			const [a, b] = await Promise.all([stateOf(early), stateOf(page)]);
			found = difference(a, b);
			return found === null;
		}, 'the same state on both pages');
	} catch (error) {
		throw new Error(`the page that was there and the page that came differ: ${found}`, { cause: error });
	}
}

/* Opens a page now, compares, lets something happen, and compares again. */
async function compare(shows, happens) {
	await waitForText(early, shows);
	const late = await openConsole();
	await waitForText(late, shows);
	await assertSame(late);
	await happens(late);
	await assertSame(late);
	assert.deepEqual(late.faults, []);
	await late.close();
}

const prompt = () => waitForText(early, /[#$] *$/);

test('in the middle of an editor', async () => {
	await typeLine(early, 'vi /etc/passwd');
	await compare(/root:x:0/, async (late) => {
		await early.keyboard.type('Oa line from the one who was there');
		await waitForText(late, /a line from the one/);
		await late.focus('#terminal textarea');
		await late.keyboard.press('Escape');
		await late.keyboard.type('Gdd/x:1:\n');
		await assertSame(late);
	});
	await typeLine(early, ':q!');
	await prompt();
});

test('in the middle of a screen that changes by itself', async () => {
	await typeLine(early, 'htop -d 5');
	await compare(/PID +USER/, async (late) => {
		await late.focus('#terminal textarea');
		await late.keyboard.press('F6');
		await waitForText(early, /Sort by/);
	});
	await early.focus('#terminal textarea');
	await early.keyboard.press('Escape');
	await early.keyboard.press('F10');
	await prompt();
});

test('in the middle of a menu', async () => {
	await typeLine(early, 'dialog --colors --menu "\\Z1Choose\\Zn" 12 40 4 a one b two c three');
	await compare(/three/, async (late) => {
		await late.focus('#terminal textarea');
		await late.keyboard.press('ArrowDown');
		await late.keyboard.press('ArrowDown');
	});
	await typeLine(early, '');
	await prompt();
	await typeLine(early, 'clear');
});

test('between two halves of a sequence, and of a character', async () => {
	await typeLine(early, String.raw`printf 'sto\033[1;31mred\033[4'; sleep 3; printf '4mblue\033[0m.\n'`);
	await compare(/stored$/m, () => waitForText(early, /redblue\./));
	await typeLine(early, String.raw`printf 'sto\346\274'; sleep 3; printf '\242z\n'`);
	await compare(/sto$/m, () => waitForText(early, /sto漢z/));
	await prompt();
});

test('with text that has long scrolled away, and wrapped', async () => {
	await typeLine(early, 'i=0; while [ $i -lt 150 ]; do i=$((i+1)); ' +
		String.raw`printf '\033[3%dm%d: %90d\033[0m\n' $((i%8)) $i $i; done`);
	await compare(/ 150\n/, () => typeLine(early, 'echo more'));
	await prompt();
});

test('in the middle of a flood', async () => {
	await typeLine(early, 'n=0; while :; do n=$((n+1)); echo "$n in a flood"; done');
	await waitForText(early, /[0-9]{4} in a flood/);
	const late = await openConsole();
	await waitForText(late, /[0-9]{4} in a flood/);
	await early.focus('#terminal textarea');
	await early.keyboard.press('Control+c');
	await waitForText(late, /\^C/);
	await prompt();
	await assertSame(late);
	await late.close();
});

test('after the guest asked its terminal, who was told once', async () => {
	const late = await openConsole();
	await typeLine(early, String.raw`clear; stty -echo -icanon min 0 time 20; printf '\033[6n'; ` +
		'r=$(dd bs=1 count=40 2>/dev/null | od -An -c | tr -d " \\n"); stty sane; echo "<$r>"');
	await waitForText(early, /<.*>$/m);
	await waitForText(early, /^<033\[1;1R>$/m);
	await assertSame(late);
	await late.close();
});
