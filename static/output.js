/*
 * The guest's output on its way to the terminal: what of it has been delivered, and the answer that streams it. When to ask for
 * it, and whether by a stream or by a poll, is known in reader.js; the events that come between the bytes are not looked at here.
 */
import { FRAMES, FrameParser, RequestError, checkFrame, offsetOf, problemOf, unlessAborted } from './answers.js';

const SILENCE = 35;               /* seconds without a byte on a stream: the worker speaks every 15 */
const STALE = 18;                 /* … and when a person has just come back to the page */

/* Abort reasons. */
const GATHERED = 'gathered';      /* the stream's beginning has not come */
const SILENT = 'silent';          /* nor has anything else */

/*
 * Delivers the guest's bytes, each once and in order by offset: beside polls they come in the answers to inputs, too, and either
 * may overtake the other.
 */
export class Delivery {
	#emit;
	#from = null;                   /* where the next poll goes on */
	#position = null;               /* the newest position whose bytes were all delivered */
	#offset = null;                 /* the offset behind the last delivered byte */
	#generation = 0;                /* counts snapshots: offsets compare only within one */

	/* emit(type, detail): the events `snapshot` and `output`, see client.js. */
	constructor({ emit }) {
		this.#emit = emit;
	}

	/* What the next poll or stream is to ask for; null: the screen. */
	get from() {
		return this.#from;
	}

	/* What an input is to have its echo from; null: there is no screen yet that it could be put into. */
	get position() {
		return this.#position;
	}

	/* For takeEcho(): as it was when the input was sent. */
	get generation() {
		return this.#generation;
	}

	askForScreen() {
		this.#from = null;
	}

	/* One frame of a poll or a stream that is no event. */
	take({ type, payload }) {
		if (type === 'p') {
			this.#from = this.#position = new TextDecoder().decode(payload);
		} else if (type === 's') {
			this.#offset = offsetOf(payload);
			this.#generation++;
			this.#position = null;      /* of another history: the answer's own is taken */
			this.#emit('snapshot', { data: payload.subarray(8), offset: this.#offset });
		} else if (type === 'o' && !this.#deliver(payload)) {
			this.#from = null;
			throw new RequestError('Output is missing; the screen is fetched again.');
		}
	}

	/* A poll's frames have been taken; `next` is its Xenterm-Next. */
	advance(next, frames) {
		const last = frames?.filter((f) => f.type === 'o' || f.type === 's').at(-1);
		this.#from = next;
		/* An echo may have gone further than this poll; then its position is the newer one. */
		if (this.#position === null || (last && offsetOf(last.payload) === this.#offset))
			this.#position = next;
	}

	/* False when the answer holds output that could not be used here, so that a poll has to bring it. */
	takeEcho(reply, generation) {
		if (generation !== this.#generation || reply.frames.some((f) => f.type === 's'))
			return false;
		const output = reply.frames.filter((f) => f.type === 'o');
		try {
			if (!output.every((frame) => this.#deliver(frame.payload)))
				return false;
		} catch {
			return false;
		}
		const next = reply.headers.get('Xenterm-Next');
		if (next !== null && output.length && offsetOf(output.at(-1).payload) === this.#offset)
			this.#position = next;
		return true;
	}

	/* Delivers what is new of an output frame. False: bytes before it are missing, nothing was delivered. */
	#deliver(payload) {
		const end = offsetOf(payload);
		const start = end - (payload.length - 8);
		if (start < 0)
			throw new RequestError('The server sent an impossible offset.');
		if (this.#offset === null || start > this.#offset)
			return false;
		if (end <= this.#offset)
			return true;
		const data = payload.subarray(8 + this.#offset - start);
		this.#offset = end;
		this.#emit('output', { data, offset: end });
		return true;
	}
}

/* One answer that goes on: ask(), then read(), and end() whatever became of them. */
export class Stream {
	#requests; #timers; #abort; #resumed; #onFrame;
	#timer = null;
	#came = false;
	#heard = null;                  /* when its last bytes came */

	/*
	 * `abort` ends it, and is aborted when the stream's beginning or its next bytes are overdue. resumed(): a promise while the
	 * terminal has enough to draw, else null. onFrame(frame): each that has come whole; what it throws ends the stream.
	 */
	constructor({ requests, timers, abort, resumed, onFrame }) {
		this.#requests = requests;
		this.#timers = timers;
		this.#abort = abort;
		this.#resumed = resumed;
		this.#onFrame = onFrame;
	}

	/* Its beginning has. */
	get came() {
		return this.#came;
	}

	/* Something on the way keeps its beginning back. */
	get gathered() {
		return !this.#came && this.#abort.signal.reason === GATHERED;
	}

	/* It looks open, but has said nothing for longer than it may. */
	get stale() {
		return this.#heard !== null && this.#timers.now() - this.#heard > STALE * 1000;
	}

	/* Resolves with the Response; `seconds` until its beginning, which read() finds, is overdue. Throws a RequestError. */
	async ask({ session, from, seconds }) {
		const { signal } = this.#abort;
		this.#requests.keep(this.#abort);
		this.#expect(seconds, GATHERED);
		const response = await unlessAborted(signal, this.#requests.fetch(`api/v1/stream?${new URLSearchParams({ from })}`, {
			headers: { Accept: `${FRAMES}, application/problem+json`, 'Xenterm-Token': session.token }, signal,
		}));
		if (response.status !== 200)
			throw await problemOf(response);
		if (!(response.headers.get('Content-Type') ?? '').startsWith(FRAMES) || !response.body)
			throw new RequestError('The server\'s answer is not console output.');
		return response;
	}

	/* Returns when it has ended; throws when it was cut, or said what it should not. */
	async read(response) {
		const reader = response.body.getReader();
		const parser = new FrameParser();
		try {
			for (;;) {
				if (this.#resumed()) {
					this.#timers.clearTimeout(this.#timer);
					await this.#resumed();
				}
				if (this.#came)
					this.#expect(SILENCE, SILENT);
				const { done, value } = await unlessAborted(this.#abort.signal, reader.read());
				if (done || this.#requests.closed)
					return;
				this.#heard = this.#timers.now();
				for (const frame of parser.push(value)) {
					checkFrame(frame);
					if (frame.type === 'p')
						this.#came = true;
					this.#onFrame(frame);
				}
			}
		} finally {
			reader.cancel().catch(() => {});
		}
	}

	end() {
		this.#timers.clearTimeout(this.#timer);
		this.#requests.release(this.#abort);
	}

	#expect(seconds, reason) {
		this.#timers.clearTimeout(this.#timer);
		this.#timer = this.#timers.setTimeout(() => this.#abort.abort(reason), seconds * 1000);
	}
}
