/*
 * What is typed, on its way to the guest: bytes and keys wait in a queue and go one request at a time, each with its number, so that
 * the guest gets them once and in order, or a person is told that it may not have got them. Whether one may type at all, and what
 * follows when the session is gone, is the client's affair (client.js); a paste is cut, paced and followed in paste.js.
 */
import { RequestError, join } from './answers.js';
import { Backoff } from './requests.js';

const MAX_INPUT = 16384;          /* bytes in one input request: the worker's limit */
const MAX_QUEUE = 262144;         /* bytes typed and not yet sent, so that a paste cannot eat the memory */
const MAX_INPUT_AGE = 120;        /* seconds: a key that waited longer would surprise who typed it */

export class Typist {
	#requests; #connection; #delivery; #timers; #maxQueue; #emit;
	#session; #echo; #pollAgain; #watchOnly; #end;
	#backoff;

	#queue = []; #queued = 0;       /* arrays of bytes; one with a member `key` stands for that key */
	#queuedSince = 0;               /* when the first of them was typed */
	#inflight = null;               /* the input under way, see #nextInput() */
	#inputAt = -Infinity;
	#seq = 0;
	#pumping = false;

	/*
	 * session(): the one to type in, or null. echo(): for how many ms an answer is to wait for the guest's echo, which it then
	 * brings; 0: for none. emit(type, detail): the events `notice` and `lost`, see client.js.
	 *
	 * What an answer may ask of the client: pollAgain(), since output may be missing that it should have told; watchOnly(), since
	 * this session may not type any more; end(error), since it is refused all.
	 */
	constructor({ requests, connection, delivery, timers, maxQueue = MAX_QUEUE, emit, session, echo, pollAgain,
		watchOnly, end }) {
		this.#requests = requests;
		this.#connection = connection;
		this.#delivery = delivery;
		this.#timers = timers;
		this.#maxQueue = maxQueue;
		this.#emit = emit;
		this.#session = session;
		this.#echo = echo;
		this.#pollAgain = pollAgain;
		this.#watchOnly = watchOnly;
		this.#end = end;
		this.#backoff = new Backoff(timers.random);
	}

	/* Bytes typed and not yet acknowledged. */
	get pending() {
		return this.#queued + (this.#inflight?.bytes.length ?? 0);
	}

	/* An input is under way. */
	get busy() {
		return this.#inflight !== null;
	}

	/* When something was typed last. */
	get inputAt() {
		return this.#inputAt;
	}

	/* The bytes of `pending`, without keys. */
	unacknowledged() {
		return join([...(this.#inflight ? [this.#inflight.bytes] : []), ...this.#queue].filter((bytes) => !bytes.key));
	}

	/* Takes all of it or, with a notice, nothing. */
	add(bytes) {
		if (this.pending + bytes.length > this.#maxQueue) {
			this.#notice('queue-full', `Too much at once: ${bytes.length} bytes were not sent. `
				+ 'Wait until the guest has taken what is under way, or send it in smaller parts.');
			return false;
		}
		this.#enqueue(bytes);
		return true;
	}

	addKey(key, arg) {
		const bytes = new Uint8Array(1);
		bytes.key = { key, arg };
		this.#enqueue(bytes);
		return true;
	}

	#enqueue(bytes) {
		if (!this.#queued)
			this.#queuedSince = this.#timers.now();
		this.#queue.push(bytes);
		this.#queued += bytes.length;
		this.pump();
	}

	/* Drops what waits; returns how many bytes that were. What is under way has an answer of its own. */
	empty() {
		const waited = this.#queued;
		this.#queue = [];
		this.#queued = 0;
		return waited;
	}

	/* Resolves with how many bytes were taken back, here and at the worker; null: not known. */
	async takeBack() {
		const session = this.#session();
		if (!session)
			return null;
		const waited = this.empty();
		try {
			let bytes = waited + await this.#cancel(session);
			/* What was on its way meanwhile. */
			for (let i = 0; i < 50 && this.#inflight && !this.#requests.closed; i++)
				await this.#requests.sleep(0.1);
			bytes += await this.#cancel(session);
			return this.#inflight || this.#requests.closed ? null : bytes;
		} catch {
			return null;
		}
	}

	async #cancel(session) {
		const { json } = await this.#requests.exchange({ method: 'DELETE', path: 'api/v1/input', session });
		if (!Number.isSafeInteger(json?.cancelled))
			throw new RequestError('The server\'s answer does not say how much was taken back.');
		return json.cancelled;
	}

	/* Another session: its numbers begin anew. */
	countAnew() {
		this.#seq = 0;
	}

	/* What was typed while there was no session for long is not typed into what is there now. */
	forgetOld() {
		if (!this.#queued || this.#timers.now() - this.#queuedSince <= MAX_INPUT_AGE * 1000)
			return;
		this.#notice('too-old', `Nothing could be sent for too long. ${count(this.#queued)} that waited were not sent.`);
		this.empty();
	}

	/* The worker knows the session: what stopped because that seemed to be gone goes on, at the next pump(). */
	revive() {
		if (this.#inflight)
			this.#inflight.dead = false;
	}

	stop() {
		this.empty();
		this.#inflight = null;
	}

	/* ---- the input loop ---- */

	/* Sends what waits, unless that is being done. */
	async pump() {
		if (this.#pumping)
			return;
		this.#pumping = true;
		while (this.#maySend()) {
			const input = this.#inflight ??= this.#nextInput();
			try {
				this.#acknowledge(input, await this.#send(input));
			} catch (error) {
				if (!this.#requests.closed)
					await this.#typingFailed(input, error);
			}
		}
		this.#pumping = false;
	}

	#maySend() {
		/* Without a position an echo could not be put into its place. */
		if (this.#requests.closed || !this.#session() || this.#delivery.position === null)
			return false;
		if (this.#inflight && this.#inflight.session !== this.#session())
			this.#afterRenewal(this.#inflight);
		return this.#inflight ? !this.#inflight.dead : this.#queued > 0;
	}

	#nextInput() {
		const bytes = this.#queue[0].key ? this.#queue.shift() : this.#nextBytes();
		this.#queued -= bytes.length;
		this.#inputAt = this.#timers.now();
		return {
			session: this.#session(), seq: ++this.#seq, bytes, since: this.#timers.now(), gaps: 0,
			/* ms; 0 when the stream brings it, or when it is sent again: the answer is then about typing only */
			echo: bytes.key ? 0 : this.#echo(),
			uncertain: false,       /* it may have been typed although no answer says so */
			dead: false,            /* its session is gone */
		};
	}

	/* What waits before the next key that is none, as far as one request can have it. */
	#nextBytes() {
		const parts = [];
		let room = MAX_INPUT;
		while (this.#queue.length && room > 0 && !this.#queue[0].key) {
			const part = this.#queue[0];
			if (part.length > room) {
				parts.push(part.subarray(0, room));
				this.#queue[0] = part.subarray(room);
				room = 0;
			} else {
				parts.push(this.#queue.shift());
				room -= part.length;
			}
		}
		return join(parts);
	}

	async #send(input) {
		const query = new URLSearchParams({ seq: input.seq });
		if (input.echo) {
			query.set('echo', input.echo);
			query.set('from', this.#delivery.position);
		}
		const { generation } = this.#delivery;
		const { key } = input.bytes;
		const reply = await this.#requests.exchange({
			method: 'POST', session: input.session,
			...(key ? { path: `api/v1/keys?${query}`, type: 'application/json', body: JSON.stringify(key) }
				: { path: `api/v1/input?${query}`, type: 'application/octet-stream', body: input.bytes }),
		});
		const seq = reply.headers.get('Xenterm-Seq') ?? reply.json?.seq;
		if (seq === undefined || Number(seq) !== input.seq)
			throw new RequestError('The server\'s answer does not acknowledge the input.');
		return { reply, generation };
	}

	#acknowledge(input, { reply, generation }) {
		if (this.#inflight === input)
			this.#inflight = null;
		this.#connection.clear('input');
		this.#backoff.reset();
		this.#connection.report();
		if (input.uncertain || reply.broken || (reply.frames && !this.#delivery.takeEcho(reply, generation)))
			this.#pollAgain();
	}

	async #typingFailed(input, error) {
		const { status, code } = error;
		if (!surelyNotTyped(error, input.echo))
			input.uncertain = true;
		input.echo = 0;
		if (input.session !== this.#session())
			return;                     /* what is said of a session that is over is not of the next, see #afterRenewal() */
		if (status === 401 || code === 'unknown-token') {
			input.dead = true;          /* the poll loop meets the same and decides */
			this.#pollAgain();
		} else if (status === 409 && code === 'seq-gap') {
			this.#closeGap(input, error);
		} else if (status === 403 && code === 'read-only') {
			this.#watchOnly();
			this.#dropAll('read-only', error.message);
		} else if (status === 403) {
			this.#end(error);
		} else if (status === 409) {
			this.#dropAll(code || 'refused', error.message);
		} else if ([400, 404, 413, 415].includes(status)) {
			this.#drop(code || 'refused', error.message);
		} else if (this.#timers.now() - input.since > MAX_INPUT_AGE * 1000) {
			this.#dropAll('too-old', 'Nothing could be sent for too long.');
		} else if (code === 'queue-full') {
			/* The connection is well; it is the guest that does not read. */
			await this.#requests.sleep(this.#backoff.after(error));
		} else {
			/* What a lost answer carried counts as told: the parked poll would keep it back. */
			if (input.uncertain)
				this.#pollAgain();
			await this.#connection.retryLater('input', this.#backoff, error);
		}
	}

	/* The worker counts otherwise. Bytes that were surely not typed go again under the number it expects. */
	#closeGap(input, error) {
		this.#seq = Number.isSafeInteger(error.expected) ? error.expected : input.seq;
		if (input.uncertain || ++input.gaps > 3 || !Number.isSafeInteger(error.expected)) {
			this.#seq--;
			this.#dropAll('seq-gap', error.message);
		} else {
			input.seq = this.#seq;
		}
	}

	/* A new session has taken the place of the one these bytes were sent in. */
	#afterRenewal(input) {
		this.#connection.clear('input');
		if (input.uncertain) {
			this.#dropAll('input-lost', 'The session ended while something was being sent.');
			return;
		}
		this.#inflight = null;
		this.#queue.unshift(input.bytes);
		this.#queued += input.bytes.length;
	}

	/* Gives up the input under way, and says so. */
	#drop(code, reason) {
		const input = this.#inflight;
		this.#inflight = null;
		this.#connection.clear('input');
		this.#connection.report();
		if (!input)
			return;
		const what = input.bytes.key ? 'The key' : count(input.bytes.length);
		this.#notice(code, input.uncertain
			? `${reason} ${what} may not have been typed: look at the screen before you type again.`
			: `${reason} ${what} ${what === 'The key' || input.bytes.length === 1 ? 'was' : 'were'} not typed.`);
		this.#emit('lost');
	}

	/* … and what waits behind it: the rest of a line alone could be another command. */
	#dropAll(code, reason) {
		this.#drop(code, reason + waitedWords(this.empty()));
	}

	#notice(code, detail) {
		this.#emit('notice', { code, detail });
	}
}

/*
 * Whether a failed input has certainly not reached the guest. With an echo the worker answers after typing, so
 * that then a session's end (unknown-token) or a lack of room to wait (429, 503) says nothing about the typing.
 */
function surelyNotTyped({ status, code }, echo) {
	if (status === 401 || code === 'unknown-token')
		return !echo;
	return [400, 403, 404, 409, 413, 415].includes(status) || code === 'queue-full' || code === 'no-worker';
}

function count(bytes) {
	return bytes === 1 ? '1 byte' : `${bytes} bytes`;
}

/* … that they are not sent any more, behind another sentence. */
export function waitedWords(bytes) {
	return bytes === 0 ? '' : ` ${count(bytes)} that waited ${bytes === 1 ? 'was' : 'were'} not sent.`;
}
