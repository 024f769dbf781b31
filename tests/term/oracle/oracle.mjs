/*
 * The state of xterm.js after a record, as one line of JSON (FORMAT.md).
 * As a program: records on stdin, lines on stdout. --cut: write the bytes as they are cut, instead of joined.
 */
import { pathToFileURL } from 'node:url';
import headless from '@xterm/headless';
import { corrections } from './deviations.mjs';
import { BYTES, RESIZE, decodeAll } from './record.mjs';

const COLOUR_MODE = 0x3000000;
const HAS_EXTENDED = 0x10000000;
const BLANK = '["",1,0,0,0,0,0,0,0]';

/* Bits of xterm.js' foreground and background words, and the flag each is for us. */
const FG_FLAGS = [[0x8000000, 1], [0x10000000, 8], [0x20000000, 16], [0x4000000, 32], [0x40000000, 64], [0x80000000, 128]];
const BG_FLAGS = [[0x8000000, 2], [0x4000000, 4], [0x40000000, 256], [0x20000000, 512]];

/* Sequences that xterm.js does as often as they say, however often that is. */
const LOOPING = 'ILMSTZb';
const MAX_COUNT = 65535;

/* Links, the clipboard and colours: the page swallows them (static/terminal.js). */
const SWALLOWED = [8, 52, 4, 10, 11, 12, 104, 110, 111, 112];

const REPLIES = [
	/^\x1b\[\?[0-9;]*c$/,           /* DA1 */
	/^\x1b\[>[0-9;]*c$/,            /* DA2 */
	/^\x1b\[0n$/,                   /* DSR 5 */
	/^\x1b\[[0-9]+;[0-9]+R$/,       /* CPR */
];

const CHARSET_NAMES = '0A4CRQKYEZH=';

/* What corrections (deviations.mjs) work with. */
class Core {
	#terminal;
	#before = [];
	#after = [];
	#undo = [];

	constructor(terminal) {
		this.#terminal = terminal;
	}

	get rows() {
		return this.#terminal.rows;
	}

	get cols() {
		return this.#terminal.cols;
	}

	get buffer() {
		return this.#terminal._core.buffer;
	}

	get charsets() {
		return this.#terminal._core._charsetService;
	}

	get modes() {
		return this.#terminal._core.coreService.decPrivateModes;
	}

	get _inputHandler() {
		return this.#terminal._core._inputHandler;
	}

	registerCsiHandler(id, handler) {
		this.#terminal.parser.registerCsiHandler(id, handler);
	}

	/* RIS makes new buffers. */
	afterReset(change) {
		const { buffers } = this.#terminal._core;
		change(buffers.normal);
		buffers.onBufferActivate(({ activeBuffer }) => {
			if (activeBuffer === buffers.normal && !Object.hasOwn(buffers.normal.lines, 'set'))
				change(buffers.normal);
		});
	}

	/* A method of one of the terminal's objects, for this terminal alone: wrap(original) takes its place. */
	wrapMethod(object, name, wrap) {
		object[name] = wrap(object[name].bind(object));
	}

	/* Lines are made in many places: the method of all of them, until close(). */
	wrapLineMethod(name, wrap) {
		const line = Object.getPrototypeOf(this.buffer.lines.get(0));
		const original = line[name];
		line[name] = wrap(original);
		this.#undo.push(() => { line[name] = original; });
	}

	close() {
		for (const undo of this.#undo)
			undo();
		this.#terminal.dispose();
	}

	/* change(buffer) for both buffers; the inactive alternate one has no lines. */
	beforeResize(change) {
		this.#before.push(change);
	}

	afterResize(change) {
		this.#after.push(change);
	}

	resize(rows, cols) {
		if (rows === this.rows && cols === this.cols)
			return;
		const { normal, alt } = this.#terminal._core.buffers;
		for (const change of this.#before)
			[normal, alt].forEach(change);
		this.#terminal.resize(cols, rows);
		for (const change of this.#after)
			[normal, alt].forEach(change);
	}
}

function open({ rows, cols, scrollback }) {
	const term = new headless.Terminal({ rows, cols, scrollback, allowProposedApi: true, logLevel: 'off' });
	for (const number of SWALLOWED)
		term.parser.registerOscHandler(number, () => true);
	for (const final of LOOPING)
		term.parser.registerCsiHandler({ final }, ([count]) => {
			if (count > MAX_COUNT)
				throw new Error(`CSI ${count} ${final} would keep xterm.js busy for too long`);
			return false;
		});
	return term;
}

/* The translation tables have no name in xterm.js: each is what its designation sets. */
function findCharsets() {
	const names = new Map([[undefined, 'B']]);
	const term = open({ rows: 2, cols: 2, scrollback: 0 });
	for (const name of CHARSET_NAMES) {
		term._core.writeSync(`\x1b(${name}`);
		names.set(term._core._charsetService.charset, name);
	}
	term.dispose();
	return names;
}

const charsets = findCharsets();

function colour(word) {
	const mode = (word & COLOUR_MODE) >>> 24;
	return [mode, mode === 0 ? 0 : mode === 3 ? word & 0xffffff : word & 0xff];
}

function flagsOf(fg, bg) {
	let flags = 0;
	for (const [bit, flag] of FG_FLAGS)
		if (fg & bit)
			flags |= flag;
	for (const [bit, flag] of BG_FLAGS)
		if (bg & bit)
			flags |= flag;
	return flags;
}

/* The seven numbers; `stored` for the pen, whose underline colour counts before it is underlined. */
function attributes(fg, bg, extended, stored) {
	const has = (bg & HAS_EXTENDED) !== 0;
	const style = has ? extended.underlineStyle : 0;
	let flags = flagsOf(fg, bg);
	if (style)
		flags |= 8;
	const underlined = (flags & 8) !== 0;
	let line = (has && underlined) || stored ? extended.underlineColor : 0;
	if (line & COLOUR_MODE) {
		const [mode, value] = colour(line);
		line = mode * 0x1000000 + value;
	} else {
		line = 0;
	}
	return [...colour(fg), ...colour(bg), flags, underlined ? style || 1 : 0, line];
}

/* Most cells of a screen look like another one: their text is kept. */
const texts = new Map();

function attributeText(fg, bg, extended) {
	const key = bg & HAS_EXTENDED ? `${fg},${bg},${extended.underlineStyle},${extended.underlineColor}` : `${fg},${bg}`;
	let text = texts.get(key);
	if (text === undefined) {
		if (texts.size > 20000)
			texts.clear();
		text = attributes(fg, bg, extended, false).join();
		texts.set(key, text);
	}
	return text;
}

function row(line) {
	const cells = [];
	let used = 0;
	for (let x = 0; x < line.length; x++) {
		const text = attributeText(line.getFg(x), line.getBg(x), line._extendedAttrs[x]);
		const cell = `[${JSON.stringify(line.getString(x))},${line.getWidth(x)},${text}]`;
		if (cell !== BLANK)
			used = x + 1;
		cells.push(cell);
	}
	cells.length = used;
	return `{"w":${line.isWrapped},"c":[${cells.join()}]}`;
}

/* What is designated and shifted, of a charset service or of what a saved cursor has of it. */
function charsetNames({ _charsets, glevel } = { _charsets: [], glevel: 0 }) {
	return { g: [0, 1, 2, 3].map((n) => charsets.get(_charsets[n])), gl: glevel };
}

function bufferText(buffer, { rows, cols }, active, alternate) {
	const tabs = [];
	for (let x = 0; x < cols; x++)
		if (buffer.tabs[x])
			tabs.push(x);
	const pen = buffer.savedCurAttrData;
	const saved = {
		x: Math.min(buffer.savedX, cols),
		y: Math.min(Math.max(buffer.savedY - buffer.ybase, 0), rows - 1),
		pen: attributes(pen.fg, pen.bg, pen.extended, true),
		charsets: charsetNames(buffer.savedCharsets),
	};
	const above = [];
	const lines = [];
	if (active || !alternate) {
		for (let y = 0; y < buffer.ybase; y++)
			above.push(row(buffer.lines.get(y)));
		for (let y = 0; y < rows; y++)
			lines.push(row(buffer.lines.get(buffer.ybase + y)));
	}
	const [x, y] = active || !alternate ? [buffer.x, buffer.y] : [0, 0];
	return `{"x":${x},"y":${y},"top":${buffer.scrollTop},"bottom":${buffer.scrollBottom},"tabs":[${tabs}],`
		+ `"saved":${JSON.stringify(saved)},"scrollback":[${above.join()}],"lines":[${lines.join()}]}`;
}

function state(term, replies) {
	const core = term._core;
	const input = core._inputHandler;
	const { coreService, buffers } = core;
	const dec = coreService.decPrivateModes;
	const active = buffers.active;
	const alt = active === buffers.alt;
	const modes = term.modes;
	const pen = input._curAttrData;
	const gsets = core._charsetService;
	const cursor = {
		x: active.x, y: active.y, hidden: coreService.isCursorHidden,
		style: dec.cursorStyle ?? null, blink: dec.cursorBlink ?? null, blinkOption: term.options.cursorBlink,
	};
	const all = {
		applicationCursorKeysMode: modes.applicationCursorKeysMode,
		applicationKeypadMode: modes.applicationKeypadMode,
		bracketedPasteMode: modes.bracketedPasteMode,
		insertMode: modes.insertMode,
		mouseTrackingMode: modes.mouseTrackingMode,
		mouseEncoding: core.coreMouseService.activeEncoding,
		originMode: modes.originMode,
		reverseWraparoundMode: modes.reverseWraparoundMode,
		sendFocusMode: modes.sendFocusMode,
		synchronizedOutputMode: dec.synchronizedOutput,
		wraparoundMode: modes.wraparoundMode,
		newlineMode: term.options.convertEol,
	};
	const join = (input._parser.precedingJoinState >> 1) & 3;
	return `{"rows":${term.rows},"cols":${term.cols},"cursor":${JSON.stringify(cursor)},"alt":${alt},`
		+ `"modes":${JSON.stringify(all)},"title":${JSON.stringify(input._windowTitle)},`
		+ `"pen":[${attributes(pen.fg, pen.bg, pen.extended, true)}],"join":${join},`
		+ `"charsets":${JSON.stringify({ ...charsetNames(gsets), now: charsets.get(gsets.charset) })},`
		+ `"normal":${bufferText(buffers.normal, term, !alt, false)},`
		+ `"alternate":${bufferText(buffers.alt, term, alt, true)},`
		+ `"replies":${JSON.stringify(replies)}}`;
}

/* Where an unfinished character at the end of the bytes begins; their length when there is none. */
function unfinished(data) {
	for (let at = data.length - 1; at >= 0 && at >= data.length - 3; at--)
		if ((data[at] & 0xc0) !== 0x80) {
			const needed = data[at] >= 0xf8 ? 1 : data[at] >= 0xf0 ? 4 : data[at] >= 0xe0 ? 3 : data[at] >= 0xc0 ? 2 : 1;
			return needed > data.length - at ? at : data.length;
		}
	return data.length;
}

/*
 * What is written at once: bytes up to the next resize, before which a character is not cut either. A resize to the
 * size that is there is none.
 */
function* writes({ rows, cols, ops }, cut) {
	let waiting = Buffer.alloc(0);
	for (const op of ops) {
		if (op.kind === RESIZE && op.rows === rows && op.cols === cols)
			continue;
		if (op.kind === RESIZE)
			({ rows, cols } = op);
		if (op.kind === BYTES)
			waiting = Buffer.concat([waiting, op.data]);
		const end = cut ? waiting.length : op.kind === RESIZE ? unfinished(waiting) : 0;
		if (end > 0)
			yield { kind: BYTES, data: waiting.subarray(0, end) };
		waiting = waiting.subarray(end);
		if (op.kind === RESIZE)
			yield op;
	}
	if (waiting.length)
		yield { kind: BYTES, data: waiting };
}

/* Some reflows of a full buffer leave xterm.js with fewer lines than the screen has rows; what it does then means nothing. */
function checkRows({ rows, _core: { buffers } }) {
	for (const { lines, ybase } of [buffers.normal, buffers.active])
		if (lines.length !== ybase + rows)
			throw new Error(`${lines.length - ybase} lines in ${rows} rows`);
}

/* The line for one record, without the newline. writeSync is write() without waiting for its turn. */
/* tell(name) is called for each correction that is made; `without` names one that is not. */
export function oracle(record, { cut = false, tell = () => {}, without = null } = {}) {
	const term = open(record);
	const core = new Core(term);
	for (const { name, install } of corrections)
		if (name !== without)
			install(core, () => tell(name));
	const replies = [];
	term.onData((data) => {
		if (REPLIES.some((allowed) => allowed.test(data)))
			replies.push(Buffer.from(data).toString('base64'));
	});
	try {
		for (const op of writes(record, cut)) {
			if (op.kind === BYTES)
				term._core.writeSync(op.data);
			else
				core.resize(op.rows, op.cols);
			checkRows(term);
		}
		return state(term, replies);
	} catch (error) {
		return JSON.stringify({ error: error.message });
	} finally {
		core.close();
	}
}

async function main() {
	const chunks = [];
	for await (const chunk of process.stdin)
		chunks.push(chunk);
	const cut = process.argv.includes('--cut');
	let out = '';
	for (const record of decodeAll(Buffer.concat(chunks))) {
		out += `${oracle(record, { cut })}\n`;
		if (out.length > 1 << 20) {
			process.stdout.write(out);
			out = '';
		}
	}
	/* Timers of xterm.js that only tidy memory would keep the process for a while. */
	process.stdout.write(out, () => process.exit(0));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
	await main();
