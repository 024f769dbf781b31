/*
 * One terminal on the page: xterm.js with what a hostile guest could make of it taken out.
 *
 * A guest's output may ask the terminal questions (who are you, where is the cursor, which colour is 4),
 * and xterm.js answers through the same event that carries the keys. Answered here, every open page would
 * type the answer into the guest, watchers too, and a file shown with `cat` could type. So: (1) no question
 * reaches xterm.js' own handlers, and (2) only data that it marks as the user's leaves this module. Nor does what
 * would change the page beside the screen: colours, links, the clipboard.
 */
import { Terminal } from './vendor/xterm.mjs';
import { FitAddon } from './vendor/addon-fit.mjs';
import { SearchAddon } from './vendor/addon-search.mjs';
import { Composing } from './composing.js';
import { clean } from './paste.js';

const MIN_FONT = 6;
const MAX_FONT = 40;
const MAX_ROWS = 200;           /* of the worker */
const MAX_COLS = 400;

const MAX_TITLE = 200;

const THEMES = {
	dark: {
		background: '#101418', foreground: '#d8dee4', cursor: '#d8dee4', cursorAccent: '#101418',
		selectionBackground: '#3d5a80',
		black: '#22282e', red: '#f0716b', green: '#7ccf83', yellow: '#e0c15f',
		blue: '#6fa8f0', magenta: '#d08be0', cyan: '#60c8cc', white: '#d8dee4',
		brightBlack: '#7b8794', brightRed: '#ff938d', brightGreen: '#9be3a1', brightYellow: '#f2d98a',
		brightBlue: '#94c1ff', brightMagenta: '#e4aef0', brightCyan: '#8ce0e3', brightWhite: '#ffffff',
	},
	light: {
		background: '#fdfdfb', foreground: '#1d232a', cursor: '#1d232a', cursorAccent: '#fdfdfb',
		selectionBackground: '#b6d0f2',
		black: '#1d232a', red: '#b3261e', green: '#1c6b28', yellow: '#7a5900',
		blue: '#1a56b0', magenta: '#8a2d9c', cyan: '#0a6670', white: '#5b6570',
		brightBlack: '#4b545e', brightRed: '#c7372f', brightGreen: '#2a7d36', brightYellow: '#8a6600',
		brightBlue: '#2767c8', brightMagenta: '#9c40ae', brightCyan: '#14757f', brightWhite: '#3a434c',
	},
	contrast: {
		background: '#000000', foreground: '#ffffff', cursor: '#ffff00', cursorAccent: '#000000',
		selectionBackground: '#ffffff', selectionForeground: '#000000',
		black: '#000000', red: '#ff8080', green: '#80ff80', yellow: '#ffff80',
		blue: '#99ccff', magenta: '#ff99ff', cyan: '#80ffff', white: '#ffffff',
		brightBlack: '#c0c0c0', brightRed: '#ffa0a0', brightGreen: '#a0ffa0', brightYellow: '#ffffa0',
		brightBlue: '#b8dcff', brightMagenta: '#ffb8ff', brightCyan: '#a0ffff', brightWhite: '#ffffff',
	},
};

/* CSI sequences that ask something (or, `t`, ask the window something). */
const QUERIES = [
	{ final: 'c' }, { prefix: '>', final: 'c' }, { prefix: '=', final: 'c' },   /* DA1, DA2, DA3 */
	{ final: 'n' }, { prefix: '?', final: 'n' },                                /* DSR, CPR */
	{ intermediates: '$', final: 'p' }, { prefix: '?', intermediates: '$', final: 'p' },   /* DECRQM */
	{ final: 't' }, { prefix: '>', final: 'q' }, { prefix: '?', final: 'u' },   /* window, XTVERSION, kitty */
	{ final: 'x' }, { intermediates: '*', final: 'y' },                         /* DECREQTPARM, DECRQCRA */
	{ prefix: '?', final: 'S' },                                                /* XTSMGRAPHICS */
	{ intermediates: '&', final: 'u' }, { intermediates: '$', final: 'w' },     /* DECRQUPSS, DECRQPSR */
];

/*
 * Operating system commands that set a colour, ask for it with a `?`, or set it back. Colours are the page's: text in
 * the colour of its ground would be unreadable, and a viewer who comes later is not told of them.
 */
const COLOURS = [4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 104, 105, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119];

function joined(a, b) {
	if (a.length === 0)
		return b;
	const all = new Uint8Array(a.length + b.length);
	all.set(a);
	all.set(b, a.length);
	return all;
}

/*
 * How many bytes at the end begin a UTF-8 character whose rest is to come. xterm.js 6.0.0 mistakes some characters
 * that come in two writes for others.
 */
function cutLength(bytes) {
	for (let back = 1; back <= 3 && back <= bytes.length; back++) {
		const byte = bytes[bytes.length - back];
		if ((byte & 0xc0) === 0x80)
			continue;
		const length = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
		return byte < 0xf8 && length > back ? back : 0;
	}
	return 0;
}

export class ConsoleTerminal {
	#host; #term; #composing; #fit; #search; #queued = 0;
	#fontSize = null;               /* null: what fits the window */
	#backspace = '\x7f';
	#cut = new Uint8Array();
	#grid = { rows: 24, cols: 80 };
	#byUser = false;

	/*
	 * onInput(string | Uint8Array): what the user typed, or did with the mouse. onPaste(string): what is to be pasted.
	 * onLeave(): the exit key. onBell(). onTitle(string): the guest's words, without control characters.
	 * `typing`: false where nothing is ever typed; Tab then goes on to the next of the page's elements.
	 */
	constructor(host, { onInput, onPaste, onLeave, onBell, onTitle, typing = true }) {
		this.#host = host;
		this.#term = new Terminal({
			rows: 24, cols: 80, scrollback: 2000, cursorBlink: false, fontSize: 14, theme: THEMES.dark,
			fontFamily: '"DejaVu Sans Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace',
			altClickMovesCursor: false, minimumContrastRatio: 4.5, drawBoldTextInBrightColors: false, disableStdin: !typing,
		});
		this.#fit = new FitAddon();
		this.#search = new SearchAddon();
		this.#term.loadAddon(this.#fit);
		this.#term.loadAddon(this.#search);
		this.#swallowQueries();
		this.#guardErase();
		this.#passInput(onInput);
		this.#bindKeys(onLeave, onInput, typing);
		this.#term.onBell(onBell);
		this.#term.onTitleChange((title) => onTitle(clean(title).replace(/\s+/g, ' ').slice(0, MAX_TITLE)));
		this.#term.open(host);
		this.#term.textarea.setAttribute('aria-label',
			typing ? 'Terminal. Control Shift F6 leaves the terminal.' : 'Terminal, as it was recorded.');
		host.addEventListener('paste', (event) => {
			event.preventDefault();
			event.stopPropagation();
			onPaste(event.clipboardData?.getData('text/plain') ?? '');
		}, true);
		this.#composing = new Composing(this.#term, host, () => this.#backspace);
		new ResizeObserver(() => this.fit()).observe(host);
	}

	/* Bytes given to write() and not drawn yet. */
	get backlog() {
		return this.#queued;
	}

	get raw() {
		return this.#term;
	}

	/* Calls done() when the bytes are on the screen; a character that is cut at their end waits for its rest. */
	write(bytes, done) {
		const all = joined(this.#cut, bytes);
		const whole = all.subarray(0, all.length - cutLength(all));
		this.#cut = all.slice(whole.length);
		this.#queued += whole.length;
		this.#term.write(whole, () => {
			this.#queued -= whole.length;
			done?.();
		});
	}

	/*
	 * Starts from a reset terminal. The reset goes through the stream, so that what was written before is not
	 * drawn after it; CAN ends a sequence that the former bytes left open.
	 */
	redraw(bytes, done) {
		this.#cut = new Uint8Array();
		const reset = new Uint8Array([0x18, 0x1b, 0x63]);
		this.write(reset);
		this.write(bytes, done);
	}

	/* The grid is the console's; the font is what fits it into the window. */
	setGrid({ rows, cols }) {
		const fine = (n, min, max) => Number.isInteger(n) && n >= min && n <= max;
		if (!fine(rows, 1, MAX_ROWS) || !fine(cols, 2, MAX_COLS))
			return;
		/* After the output that came before it: how that wraps depends on the size. */
		this.#term.write('', () => {
			this.#grid = { rows, cols };
			this.#term.resize(cols, rows);
			this.fit();
		});
	}

	/* The font's size in pixels; null: what fits the window. */
	setFontSize(size) {
		this.#fontSize = size === null ? null : Math.min(MAX_FONT, Math.max(MIN_FONT, size));
		this.fit();
	}

	/* The largest font, in half pixels, with which the whole grid is visible, unless a size was chosen. */
	fit() {
		if (this.#fontSize !== null) {
			this.#term.options.fontSize = this.#fontSize;
			return;
		}
		let low = MIN_FONT * 2;
		let high = MAX_FONT * 2;
		while (low < high) {
			const middle = Math.ceil((low + high) / 2);
			if (this.#fits(middle / 2))
				low = middle;
			else
				high = middle - 1;
		}
		this.#term.options.fontSize = low / 2;
	}

	#fits(size) {
		this.#term.options.fontSize = size;
		const room = this.#fit.proposeDimensions();
		return room !== undefined && room.cols >= this.#grid.cols && room.rows >= this.#grid.rows;
	}

	/* {rows, cols}: the grid that fills the window with a font of so many pixels, or null while there is no window. */
	roomAt(size) {
		this.#term.options.fontSize = size;
		const room = this.#fit.proposeDimensions() ?? null;
		this.fit();
		return room && { rows: Math.min(MAX_ROWS, Math.max(1, room.rows)), cols: Math.min(MAX_COLS, Math.max(2, room.cols)) };
	}

	/* dark, light or contrast. */
	setTheme(name) {
		this.#term.options.theme = THEMES[name] ?? THEMES.dark;
		this.#term.options.minimumContrastRatio = name === 'contrast' ? 7 : 4.5;
	}

	/* What the Backspace key sends: `^?` or `^H`. */
	setBackspace(name) {
		this.#backspace = name === '^H' ? '\b' : '\x7f';
	}

	/* The guest wants to know what was pasted; arrows are to be sent as ESC O. */
	get bracketedPaste() {
		return this.#term.modes.bracketedPasteMode;
	}

	get applicationCursor() {
		return this.#term.modes.applicationCursorKeysMode;
	}

	get selection() {
		return this.#term.getSelection();
	}

	selectAll() {
		this.#term.selectAll();
	}

	/* Selects the next (or the previous) place with the text. False: there is none. */
	find(text, back = false) {
		if (text === '') {
			this.#term.clearSelection();
			return false;
		}
		return back ? this.#search.findPrevious(text) : this.#search.findNext(text);
	}

	focus() {
		this.#term.focus();
	}

	setScreenReader(on) {
		this.#term.options.screenReaderMode = on;
	}

	/* All text with the lines above the screen, without trailing blanks. */
	text() {
		const buffer = this.#term.buffer.active;
		const lines = [];
		for (let y = 0; y < buffer.length; y++) {
			const line = buffer.getLine(y);
			const text = line.translateToString(true);
			if (line.isWrapped && lines.length)
				lines[lines.length - 1] += text;
			else
				lines.push(text);
		}
		return lines.join('\n').trimEnd();
	}

	/* Nothing but blanks, scrollback included. Looks from the end, where text is if there is any. */
	blank() {
		const buffer = this.#term.buffer.active;
		for (let y = buffer.length - 1; y >= 0; y--)
			if (buffer.getLine(y).translateToString(true) !== '')
				return false;
		return true;
	}

	#swallowQueries() {
		const parser = this.#term.parser;
		for (const id of QUERIES)
			parser.registerCsiHandler(id, () => true);
		parser.registerDcsHandler({ intermediates: '$', final: 'q' }, () => true);      /* DECRQSS */
		parser.registerDcsHandler({ intermediates: '+', final: 'q' }, () => true);      /* XTGETTCAP */
		for (const number of COLOURS)
			parser.registerOscHandler(number, () => true);
		parser.registerOscHandler(52, () => true);      /* the clipboard is not the guest's */
		parser.registerOscHandler(8, () => true);       /* nor are links: the text says where it leads */
		parser.registerEscHandler({ final: 'Z' }, () => true);                          /* DECID */
	}

	/*
	 * xterm.js 6.0.0 faults at "erase above" with the cursor in the last column of the buffer's last line, and draws
	 * nothing any more: a guest could stop the page. What is erased then is the whole screen, and there is a sequence
	 * for that, too.
	 */
	#guardErase() {
		const handler = this.#term._core?._inputHandler;
		if (typeof handler?.eraseInDisplay !== 'function')
			throw new Error('This version of xterm.js erases in another way.');
		const guard = (respectProtect) => (params) => {
			const buffer = this.#term.buffer.active;
			const atEnd = buffer.cursorX + 1 >= this.#term.cols && buffer.baseY + buffer.cursorY + 1 >= buffer.length;
			if (params[0] !== 1 || !atEnd)
				return false;
			handler.eraseInDisplay({ length: 1, params: [2] }, respectProtect);
			return true;
		};
		this.#term.parser.registerCsiHandler({ final: 'J' }, guard(false));
		this.#term.parser.registerCsiHandler({ prefix: '?', final: 'J' }, guard(true));
	}

	/* xterm.js says "this is the user's" just before the data; nothing else is marked so. */
	#passInput(onInput) {
		const core = this.#term._core?.coreService;
		if (typeof core?.onUserInput !== 'function')
			throw new Error('This version of xterm.js does not tell keys from its own replies.');
		core.onUserInput(() => { this.#byUser = true; });
		this.#term.onData((data) => {
			const byUser = this.#byUser;
			this.#byUser = false;
			if (byUser)
				onInput(data);
		});
		/* Old mouse reports, which are not text; the only source is the mouse. */
		this.#term.onBinary((data) => onInput(Uint8Array.from(data, (c) => c.charCodeAt(0))));
	}

	#bindKeys(onLeave, onInput, typing) {
		this.#term.attachCustomKeyEventHandler((event) => {
			if (event.key === 'Tab' && !typing)
				return false;
			if (!this.#composing.key(event))
				return false;
			if (event.key === 'Backspace' && this.#backspace !== '\x7f' && !event.isComposing
				&& !event.ctrlKey && !event.altKey && !event.metaKey) {
				event.preventDefault();
				if (event.type === 'keydown')
					onInput(this.#backspace);
				return false;
			}
			if (!event.ctrlKey || !event.shiftKey || event.altKey || event.metaKey)
				return true;
			if (event.key === 'F6') {
				event.preventDefault();
				if (event.type === 'keydown')
					onLeave();
				return false;
			}
			if (event.code === 'KeyC' && this.#term.hasSelection()) {
				event.preventDefault();
				if (event.type === 'keydown')
					navigator.clipboard?.writeText(this.#term.getSelection()).catch(() => {});
				return false;
			}
			return true;
		});
	}
}
