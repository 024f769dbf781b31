/*
 * Our emulator beside xterm.js: every record through both, the first difference of each kind of difference shown.
 * README.md says how it is called. Exit status: 0 all equal but for listed deviations, 1 differences, 2 usage.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { corrections, deviations } from './deviations.mjs';
import { generate } from './generate.mjs';
import { corpus } from './corpus.mjs';
import { minimize } from './minimize.mjs';
import { oracle } from './oracle.mjs';
import { RENDER, RESIZE, SNAPSHOT, bytes, decodeAll, encode, escape, parse, render, show } from './record.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../../..');
const BATCH = 64;               /* records in flight: the driver works while the oracle does */
const SILENCE = 60000;          /* ms without an answer: the driver hangs, which is a finding, not a measure */

/* Our driver, kept running; it answers in order. A record that kills it is answered with { error }. */
class Driver {
	#path;
	#child = null;
	#waiting = [];
	#text = '';
	#complaint = '';

	constructor(path) {
		this.#path = path;
	}

	ask(record) {
		if (!this.#child)
			this.#start();
		return new Promise((resolve) => {
			this.#waiting.push({ record, resolve, timer: null });
			if (this.#waiting.length === 1)
				this.#watch();
			this.#child.stdin.write(encode(record));
		});
	}

	close() {
		this.#child?.stdin.end();
	}

	#start() {
		this.#text = '';
		this.#complaint = '';
		this.#child = spawn(this.#path, [], { stdio: ['pipe', 'pipe', 'pipe'] });
		this.#child.stdin.on('error', () => {});
		this.#child.stdout.setEncoding('utf8').on('data', (text) => this.#take(text));
		this.#child.stderr.setEncoding('utf8').on('data', (text) => { this.#complaint += text; });
		this.#child.on('error', (error) => { throw error; });
		this.#child.on('close', (status, signal) => this.#ended(status, signal));
	}

	#watch() {
		const first = this.#waiting[0];
		if (first)
			first.timer = setTimeout(() => this.#child?.kill('SIGKILL'), SILENCE);
	}

	#take(text) {
		const lines = (this.#text + text).split('\n');
		this.#text = lines.pop();
		for (const line of lines) {
			const { resolve, timer } = this.#waiting.shift();
			clearTimeout(timer);
			resolve(line);
		}
		if (lines.length)
			this.#watch();
	}

	/* The first unanswered record is to blame; the others are asked again. */
	#ended(status, signal) {
		this.#child = null;
		const [first, ...others] = this.#waiting.splice(0);
		if (!first)
			return;
		clearTimeout(first.timer);
		const why = /^.*(?:ERROR:|runtime error|Assertion).*$/m.exec(this.#complaint)?.[0]
			?? this.#complaint.split('\n')[0];
		first.resolve(JSON.stringify({ error: `driver ended: ${signal ?? `status ${status}`} ${why}`.trim() }));
		for (const { record, resolve } of others)
			this.ask(record).then(resolve);
	}
}

/* Where two values differ first: { path, ours, theirs }; null when nowhere. */
export function difference(ours, theirs, path = []) {
	if (Object.is(ours, theirs))
		return null;
	const trees = [ours, theirs].every((v) => typeof v === 'object' && v !== null)
		&& Array.isArray(ours) === Array.isArray(theirs);
	if (!trees)
		return { path, ours, theirs };
	const keys = Array.isArray(theirs)
		? [...Array(Math.max(ours.length, theirs.length)).keys()]
		: [...new Set([...Object.keys(theirs), ...Object.keys(ours)])];
	for (const key of keys) {
		const found = difference(ours[key], theirs[key], [...path, key]);
		if (found)
			return found;
	}
	return null;
}

/* The cells tell more than the cursor, and the cursor more than what nobody sees. */
const ORDER = ['error', 'rows', 'cols', 'alt', 'normal.lines', 'alternate.lines', 'normal.scrollback', 'cursor', 'title',
	'modes', 'pen', 'charsets', 'join', 'normal', 'alternate', 'replies'];

const CELL = ['chars', 'width', 'fgmode', 'fg', 'bgmode', 'bg', 'flags', 'ulstyle', 'ulcolor'];

function pick(state, path) {
	return path.split('.').reduce((value, key) => value?.[key], state);
}

export function firstDifference(ours, theirs) {
	for (const part of ORDER) {
		const found = difference(pick(ours, part), pick(theirs, part), part.split('.'));
		if (found)
			return found;
	}
	return difference(ours, theirs);
}

/* The kind of a difference: its path without row and column. */
function causeOf({ path, ours }) {
	if (path[0] === 'error')
		return typeof ours === 'string' ? `error: ${ours.replace(/==\d+==|0x[0-9a-f]+/g, '').slice(0, 100)}` : 'error in xterm.js';
	return path.map((key, i) => typeof key !== 'number' ? key
		: path[i - 2] === 'c' ? CELL[key]
			: path[i - 1] === 'pen' ? CELL[key + 2]
				: '#').join('.');
}

/*
 * What is left of the difference of two lines when the listed deviations are taken out:
 * { equal, used: [names] } or { equal: false, found, cause }.
 */
export function judge(record, ourLine, theirLine) {
	if (ourLine === theirLine)
		return { equal: true, used: [] };
	let ours;
	try {
		ours = JSON.parse(ourLine);
	} catch (error) {
		ours = { error: `not JSON: ${error.message}` };
	}
	const theirs = JSON.parse(theirLine);
	if (isDeepStrictEqual(ours, theirs))
		return { equal: true, used: [] };
	const used = [];
	for (const deviation of deviations) {
		if (!deviation.applies(record, ours, theirs))
			continue;
		const before = JSON.stringify([ours, theirs]);
		deviation.forgive(ours, theirs, record);
		if (JSON.stringify([ours, theirs]) !== before)
			used.push(deviation.name);
		if (isDeepStrictEqual(ours, theirs))
			return { equal: true, used };
	}
	const found = firstDifference(ours, theirs);
	return { equal: false, found, cause: causeOf(found), ours, theirs };
}

/* What the page writes before a snapshot. */
const RESET = Buffer.from('\x18\x1bc');

/*
 * A viewer who comes in the middle: for each snapshot of our driver an xterm.js that starts with it. The first that ends
 * unlike the one that got everything is the verdict; replies are left out, since the early ones went to somebody else.
 */
function judgeClients(record, ourLine, theirLine) {
	const { snapshots } = JSON.parse(ourLine);
	if (!snapshots)
		return { equal: true, used: [] };
	const forgetful = (line) => line.replace(/,"replies":\[[^\]]*\]/, '');
	let verdict = { equal: true, used: [] };
	let taken = 0;
	let size = { rows: record.rows, cols: record.cols };
	for (const [i, op] of record.ops.entries()) {
		if (op.kind === RESIZE)
			size = { rows: op.rows, cols: op.cols };
		if (op.kind !== RENDER)
			continue;
		const first = bytes(Buffer.concat([RESET, Buffer.from(snapshots[taken++], 'base64')]));
		const late = { ...size, scrollback: record.scrollback, ops: [first, ...record.ops.slice(i + 1)] };
		verdict = judge(record, forgetful(oracle(late)), forgetful(theirLine));
		if (!verdict.equal)
			return { ...verdict, cause: `client: ${verdict.cause}`, snapshot: Buffer.from(snapshots[taken - 1], 'base64') };
	}
	return verdict;
}

function textOf(row) {
	if (!row)
		return String(row);
	return `${row.w ? '…' : ' '}|${row.c.map(([chars, width]) => width === 0 && chars === '' ? '' : chars || '·').join('')}|`;
}

/* Both screens beside each other when cells differ, else only the values. */
function explain({ found, ours, theirs }) {
	const { path } = found;
	const out = [`  at ${path.join('.')}`, `  ours     ${JSON.stringify(found.ours)}`, `  xterm.js ${JSON.stringify(found.theirs)}`];
	const at = path.findIndex((key) => key === 'lines' || key === 'scrollback');
	if (at < 0 || !ours?.cursor || !theirs?.cursor)
		return out.join('\n');
	const mine = pick(ours, path.slice(0, at + 1).join('.')) ?? [];
	const other = pick(theirs, path.slice(0, at + 1).join('.')) ?? [];
	const n = Math.max(mine.length, other.length);
	const from = Math.max(0, Math.min(path[at + 1] - 4, n - 10));
	const pad = Math.max(8, ...mine.map((row) => textOf(row).length));
	out.push(`  row  ${'ours'.padEnd(pad)} xterm.js`);
	for (let y = from; y < Math.min(n, from + 10); y++)
		out.push(`  ${y === path[at + 1] ? '>' : ' '}${String(y).padStart(3)} ${textOf(mine[y]).padEnd(pad)} ${textOf(other[y])}`);
	out.push(`  cursor ${ours.cursor.x},${ours.cursor.y} and ${theirs.cursor.x},${theirs.cursor.y}`);
	return out.join('\n');
}

/* Those that are not written down where their reference says. */
function undocumented() {
	return [...corrections, ...deviations].filter(({ reason, see }) => {
		const [file, anchor] = see.split('#');
		const path = join(ROOT, file);
		const headings = existsSync(path) ? readFileSync(path, 'utf8').match(/^#+ .*$/gm) ?? [] : [];
		const anchors = headings.map((h) => h.replace(/^#+ /, '').toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-'));
		return !reason || !anchors.includes(anchor);
	});
}

const OPTIONS = {
	driver: { type: 'string', short: 'd' },
	generate: { type: 'string', short: 'g' },
	seed: { type: 'string', short: 's', default: '1' },
	from: { type: 'string', default: '0' },
	corpus: { type: 'string', short: 'c' },
	file: { type: 'string', short: 'f', multiple: true },
	record: { type: 'string', short: 'r', multiple: true },
	minimize: { type: 'boolean', short: 'm', default: false },
	show: { type: 'string', default: '12' },
	'no-snapshots': { type: 'boolean', default: false },
	'no-resizes': { type: 'boolean', default: false },
	client: { type: 'boolean', default: false },
	cut: { type: 'boolean', default: false },
	write: { type: 'string' },
	state: { type: 'boolean', default: false },
	help: { type: 'boolean', short: 'h', default: false },
};

const USAGE = `usage: node compare.mjs [-d DRIVER] SOURCE... [options]      (or DUMP=DRIVER)
sources
  -g, --generate N      N generated records; -s SEED (1), --from INDEX (0): one record again with -g 1 --from INDEX
  -c, --corpus N        every recording as it is, and N variants of each (cuts, snapshots, resizes); -s SEED
  -f, --file FILE       records as FORMAT.md has them, or one line each as this program shows them
  -r, --record TEXT     one record: '3x10+5 "ab\\e[m" resize 2x5 snapshot "c"'
options
  -m, --minimize        shrink one record of each kind of difference and show that
      --show N          how many kinds of difference are shown (12)
      --no-snapshots --no-resizes   leave those operations out
      --client          snapshots go to a fresh xterm.js, which is compared with the one that got all
      --cut             xterm.js too gets the bytes as they are cut
      --write FILE      write one (minimized, with -m) record line of each kind of difference to FILE
      --state           with -r: print both states
`;

function* sources(options) {
	const seed = Number(options.seed);
	for (const text of options.record ?? [])
		yield { name: 'record', record: parse(text) };
	for (const file of options.file ?? []) {
		const data = readFileSync(file);
		const lines = /^\s*(#|\d+x\d+)/.test(data.subarray(0, 20).toString('latin1'));
		const records = lines ? data.toString().split('\n').filter((l) => /^\s*\d+x/.test(l)).map(parse) : decodeAll(data);
		for (const [i, record] of records.entries())
			yield { name: `${file}:${i + 1}`, record };
	}
	for (let i = Number(options.from), n = Number(options.generate ?? 0); n > 0; n--, i++)
		yield { name: `generated -s ${seed} --from ${i}`, record: generate(seed, i) };
	if (options.corpus !== undefined)
		yield* corpus(seed, Number(options.corpus));
}

function without(record, options) {
	const ops = record.ops.map((op) => op.kind === SNAPSHOT && options.client ? render() : op).filter(({ kind }) => !(kind === SNAPSHOT && options['no-snapshots']) && !(kind === RESIZE && options['no-resizes']));
	return { ...record, ops };
}

async function main() {
	let options;
	try {
		options = parseArgs({ options: OPTIONS }).values;
		options.driver ??= process.env.DUMP ?? [join(ROOT, 'build/tests/term/dump'), join(ROOT, 'tests/term/dump')].find(existsSync);
		if (!options.driver)
			throw new Error('where is the driver?');
	} catch (error) {
		console.error(`${error.message}\n${USAGE}`);
		return 2;
	}
	const named = ['generate', 'corpus', 'file', 'record'].some((source) => options[source] !== undefined);
	if (options.help || !named) {
		console.log(USAGE);
		return options.help ? 0 : 2;
	}

	const driver = new Driver(options.driver);
	const causes = new Map();
	const usedDeviations = new Map();
	let count = 0;
	let equal = 0;
	let snapshots = 0;

	/* A correction counts for a record when without it xterm.js would have ended otherwise. */
	const askOracle = (record) => {
		const made = new Set();
		const line = oracle(record, { cut: options.cut, tell: (name) => made.add(name) });
		return { line, corrected: [...made].filter((without) => oracle(record, { cut: options.cut, without }) !== line) };
	};

	const compareLines = (record, ourLine, theirLine) => {
		const plain = ourLine.replace(/,"snapshots":\[[^\]]*\]/, '');
		const verdict = judge(record, plain, theirLine);
		return verdict.equal && options.client && plain !== ourLine && !theirLine.startsWith('{"error"')
			? judgeClients(record, ourLine, theirLine) : verdict;
	};

	const settle = async ({ name, record }, { line: theirLine, corrected }, answer) => {
		const verdict = compareLines(record, await answer, theirLine);
		count++;
		snapshots += record.ops.some(({ kind }) => kind === SNAPSHOT || kind === RENDER);
		if (options.state)
			console.log(`ours     ${await answer}\nxterm.js ${theirLine}`);
		if (verdict.equal) {
			equal++;
			for (const used of [...verdict.used, ...corrected])
				usedDeviations.set(used, (usedDeviations.get(used) ?? 0) + 1);
			return;
		}
		const size = encode(record).length;
		const known = causes.get(verdict.cause);
		if (!known)
			causes.set(verdict.cause, { count: 1, name, record, verdict, size });
		else if (++known.count && size < known.size)
			Object.assign(known, { name, record, verdict, size });
	};

	let batch = [];
	for (const source of sources(options)) {
		const record = without(source.record, options);
		const answer = driver.ask(record);
		batch.push({ source: { ...source, record }, answer, line: null });
		if (batch.length < BATCH)
			continue;
		for (const item of batch)
			item.line = askOracle(item.source.record);
		for (const item of batch)
			await settle(item.source, item.line, item.answer);
		batch = [];
	}
	for (const item of batch)
		await settle(item.source, askOracle(item.source.record), item.answer);

	const ranked = [...causes].sort(([, a], [, b]) => b.count - a.count).slice(0, Number(options.show));
	const lines = [];
	for (const [cause, found] of ranked) {
		if (options.minimize) {
			const same = async (record) => {
				const verdict = compareLines(record, await driver.ask(record), oracle(record, { cut: options.cut }));
				return verdict.cause === cause ? verdict : null;
			};
			const small = await minimize(found.record, same);
			Object.assign(found, { record: small, verdict: await same(small) ?? found.verdict });
		}
		console.log(`\n${found.count} × ${cause}   (${found.name})`);
		if (options.minimize || found.size < 2000)
			console.log(`  ${show(found.record)}`);
		console.log(explain(found.verdict));
		if (found.verdict.snapshot?.length < 2000)
			console.log(`  the snapshot: "${escape(found.verdict.snapshot)}"`);
		lines.push(`# ${found.count} × ${cause}\n${show(found.record)}\n`);
	}
	driver.close();
	if (options.write)
		writeFileSync(options.write, lines.join(''));

	const missing = undocumented();
	for (const { name, see } of missing)
		console.log(`\n"${name}" has no heading in ${see}`);
	const listed = [...usedDeviations].map(([name, n]) => `, ${n} of them but for ${name}`).join('');
	console.log(`\n${count} records (${snapshots} with snapshots): ${equal} equal${listed}, ${count - equal} different`
		+ `${causes.size ? ` in ${causes.size} ways` : ''}`);
	return count === equal && count > 0 && !missing.length ? 0 : 1;
}

process.exitCode = await main();
/* Timers of xterm.js that only tidy memory would keep the process for a while. */
process.stdout.write('', () => process.exit());
