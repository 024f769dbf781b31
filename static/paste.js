/*
 * Pasting: what is sent of a text, how it is shown before, and its way to the guest in pieces, so that it can be
 * followed and stopped. No DOM.
 */

const PIECE = 1024;             /* bytes; a stop takes effect behind what is under way */
const AHEAD = 2048;             /* bytes that may be under way */
const LOOK = 50;                /* ms between looks at how far it is */
const LONG = 4096;              /* characters: what takes a console a while */

/* Without control characters but Tab and line ends: one of them could end a bracketed paste early. */
export function clean(text) {
	return text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g, '');
}

const C0 = ['NUL', 'SOH', 'STX', 'ETX', 'EOT', 'ENQ', 'ACK', 'BEL', 'BS', 'HT', 'LF', 'VT', 'FF', 'CR', 'SO', 'SI', 'DLE',
	'DC1', 'DC2', 'DC3', 'DC4', 'NAK', 'SYN', 'ETB', 'CAN', 'EM', 'SUB', 'ESC', 'FS', 'GS', 'RS', 'US'];

/* Control characters by their names: what is to be looked at must not hide anything. */
export function visible(text) {
	return text.replace(/\r\n?/g, '\n')
		.replace(/[\x00-\x08\x0b-\x1f]/g, (c) => `‹${C0[c.charCodeAt(0)]}›`)
		.replace(/\t/g, '→\t').replace(/\x7f/g, '‹DEL›')
		.replace(/[\x80-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
			(c) => `‹U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}›`);
}

/* Long, more than one line, or something in it that is left out or cannot be seen. */
export function needsLook(text) {
	return text.length > LONG || /[\r\n]/.test(text) || visible(text).replace(/→\t/g, '\t') !== text;
}

/* As a terminal sends it: Enter for a line's end. */
export function asTyped(text, { bracketed = false, lineEnd = '\r' } = {}) {
	const typed = clean(text).replace(/\r\n?|\n/g, lineEnd);
	return bracketed ? `\x1b[200~${typed}\x1b[201~` : typed;
}

/*
 * Sends bytes through send(bytes), which returns whether it has taken them, as the guest takes them, or slower:
 * `pace` bytes a second, 0 for as fast as it can. pending() says how much is under way.
 * onProgress({sent, total, done, stopped, exact}) follows it; not `exact`: it may be less.
 */
export class Sending {
	#bytes; #send; #pending; #pace; #onProgress; #timers;
	#at = 0; #timer = null; #began; #over = false; #halted = false;
	#tail; #takeBack;

	/*
	 * `tail`: what has to follow even when it is stopped, such as the end of a bracket. takeBack(): resolves with how many of the
	 * bytes that were sent the guest does not get, null where that is not known.
	 */
	constructor({ text, tail = '', send, pending, pace = 0, onProgress, takeBack = async () => null, timers = globalThis }) {
		const encoder = new TextEncoder();
		this.#bytes = encoder.encode(text);
		this.#tail = encoder.encode(tail);
		this.#send = send;
		this.#pending = pending;
		this.#pace = pace;
		this.#onProgress = onProgress;
		this.#takeBack = takeBack;
		this.#timers = timers;
	}

	start() {
		this.#began = Date.now();
		this.#step();
	}

	/* Nothing follows, and what has not reached the guest yet does not. */
	async stop() {
		if (this.#over)
			return;
		this.#over = true;
		this.#timers.clearTimeout(this.#timer);
		const back = await this.#takeBack();
		this.#end(true, Math.max(0, this.#at - (back ?? 0)), back !== null);
	}

	/* Nothing follows; it is over when what is under way has been answered. */
	halt() {
		this.#halted = true;
	}

	/* The connection is no more, or some of it was lost: nothing follows, not even the tail. */
	abandon() {
		this.#tail = new Uint8Array();
		this.#finish(true);
	}

	#allowed() {
		if (this.#halted)
			return 0;
		if (!(this.#pace > 0))
			return PIECE;
		const due = Math.floor((Date.now() - this.#began) * this.#pace / 1000) + 1;
		return Math.min(PIECE, due - this.#at);
	}

	#step() {
		let room = this.#allowed();
		while (!this.#over && room > 0 && this.#at < this.#bytes.length && this.#pending() < AHEAD) {
			const piece = this.#bytes.subarray(this.#at, this.#at + room);
			if (!this.#send(piece))
				return this.#finish(true);
			this.#at += piece.length;
			room = this.#allowed();
		}
		if (this.#over)
			return;
		if (this.#halted && this.#pending() === 0)
			return this.abandon();
		if (this.#at === this.#bytes.length && this.#pending() === 0)
			return this.#finish(false);
		this.#tell();
		this.#timer = this.#timers.setTimeout(() => this.#step(), LOOK);
	}

	#finish(stopped) {
		if (this.#over)
			return;
		this.#over = true;
		this.#timers.clearTimeout(this.#timer);
		this.#end(stopped, this.#at, !stopped);
	}

	#end(stopped, sent, exact) {
		if (this.#tail.length && sent > 0)
			this.#send(this.#tail);
		this.#onProgress({ sent, total: this.#bytes.length, done: true, stopped, exact });
	}

	#tell() {
		const sent = this.#at - Math.min(this.#pending(), this.#at);
		this.#onProgress({ sent, total: this.#bytes.length, done: false, stopped: false, exact: true });
	}
}
