/*
 * What all requests of one client share: a deadline, the waiting before another try, and what is said of the connection
 * meanwhile. What is asked for, and what an answer means, is not known here; how an answer is read is in answers.js. Calls that
 * need no session go without all this (calls.js).
 */
import { FRAMES, RequestError, problemOf, readReply, unlessAborted } from './answers.js';
import { withoutCredentials } from './calls.js';

const MAX_RETRY_AFTER = 300;
const MAX_LOST = 600;             /* seconds: a host that starts anew, or a guest on its way to another, is back by then */

/* Seconds a request may take beyond the wait that it asked for. */
export const SLACK = 15;

/* The requests and the waiting of one client: stop() ends all that is under way. */
export class Requests {
	#base; #fetch; #timers;
	#closed = false;                /* no event, timer or request any more */
	#aborts = new Set();            /* of the requests under way */
	#sleeps = new Set();

	constructor({ base, fetch, timers }) {
		this.#base = withoutCredentials(base);
		this.#fetch = (...args) => fetch(...args);
		this.#timers = timers;
	}

	get closed() {
		return this.#closed;
	}

	/*
	 * One request with a deadline. Resolves for 2xx: {status, headers, frames | json | nothing, broken};
	 * anything else throws a RequestError. `broken`: the status came, the body did not (input only: a
	 * status is all that an acknowledgement needs).
	 */
	async exchange({ method = 'GET', path, session, type, body, seconds = SLACK, abort = new AbortController() }) {
		const headers = { Accept: `${FRAMES}, application/problem+json` };
		if (method === 'POST')
			headers['Content-Type'] = type;
		if (session)
			headers['Xenterm-Token'] = session.token;
		const deadline = this.#timers.setTimeout(() => abort.abort('deadline'), seconds * 1000);
		this.#aborts.add(abort);
		try {
			return await unlessAborted(abort.signal, this.#ask(path, { method, headers, body, signal: abort.signal }));
		} catch (error) {
			throw error instanceof RequestError ? error : new RequestError('The server cannot be reached.');
		} finally {
			this.#timers.clearTimeout(deadline);
			this.#aborts.delete(abort);
		}
	}

	async #ask(path, options) {
		const response = await this.fetch(path, options);
		if (response.status < 200 || response.status > 299)
			throw await problemOf(response);
		return readReply(response, options.method === 'POST');
	}

	/* A Response as it comes, without a deadline. stop() does not end it, unless its abort is kept here. */
	fetch(path, options) {
		return this.#fetch(new URL(path, this.#base), { ...options, cache: 'no-store', redirect: 'manual' });
	}

	keep(abort) {
		this.#aborts.add(abort);
	}

	release(abort) {
		this.#aborts.delete(abort);
	}

	/* `firm`: wake() does not end it. `turn`: endTurn() does. */
	sleep(seconds, { firm = false, turn = false } = {}) {
		return new Promise((resolve) => {
			if (this.#closed)
				return resolve();
			const sleep = { firm, turn, end: () => {
				this.#timers.clearTimeout(timer);
				this.#sleeps.delete(sleep);
				resolve();
			} };
			const timer = this.#timers.setTimeout(sleep.end, seconds * 1000);
			this.#sleeps.add(sleep);
		});
	}

	wake() {
		this.#endSleeps((sleep) => !sleep.firm);
	}

	endTurn() {
		this.#endSleeps((sleep) => sleep.turn);
	}

	stop() {
		this.#closed = true;
		for (const abort of [...this.#aborts])
			abort.abort('closed');
		this.#endSleeps(() => true);
	}

	#endSleeps(which) {
		for (const sleep of [...this.#sleeps])
			if (which(sleep))
				sleep.end();
	}
}

/* How the connection is, from the failures of the two loops, `poll` and `input`. */
export class Connection {
	#requests; #timers; #online; #emit;
	#state = 'connecting';
	#trouble = { poll: null, input: null };
	#everLive = false;
	#lostSince = null;              /* since then there is no console of this name */

	/* emit(type, detail): an event `connection`, see client.js. online(): whether the browser has a network at all. */
	constructor({ requests, timers, online, emit }) {
		this.#requests = requests;
		this.#timers = timers;
		this.#online = online;
		this.#emit = emit;
	}

	get state() {
		return this.#state;
	}

	start() {
		this.#emit('connection', { state: 'connecting' });
	}

	/* The last try of this loop has failed. */
	fails(which) {
		return this.#trouble[which] !== null;
	}

	/* Says that this loop fails, and waits. */
	async retryLater(which, backoff, error) {
		const seconds = backoff.after(error);
		this.#trouble[which] = { until: this.#timers.now() + seconds * 1000, detail: error.message };
		this.report();
		await this.#requests.sleep(seconds, { firm: error.retryAfter != null });
	}

	/* It does not fail any more; report() says so. */
	clear(which) {
		this.#trouble[which] = null;
	}

	/* A poll or a stream has brought something: all is well but for the input, as far as report() knows. */
	answered() {
		this.clear('poll');
		this.#everLive = true;
		this.#lostSince = null;
	}

	/* A console that was there. */
	mayComeBack() {
		const now = this.#timers.now();
		if (!this.#everLive)
			return false;
		this.#lostSince ??= now;
		return now - this.#lostSince < MAX_LOST * 1000;
	}

	/* Says how the connection is, if that has changed or the waiting has begun anew. */
	report() {
		const trouble = [this.#trouble.poll, this.#trouble.input].filter(Boolean)
			.sort((a, b) => a.until - b.until)[0];
		if (trouble) {
			const seconds = Math.max(0, Math.ceil((trouble.until - this.#timers.now()) / 1000));
			this.#state = this.#online() ? 'retrying' : 'offline';
			this.#emit('connection', { state: this.#state, seconds, detail: trouble.detail });
			return;
		}
		const now = this.#everLive ? 'live' : 'connecting';
		if (now !== this.#state) {
			this.#state = now;
			this.#emit('connection', { state: now });
		}
	}

	/* The last that is said: no try follows. */
	end(reason, error) {
		const detail = reason === 'login' ? 'Log in again: the server does not know who you are.' : error.message;
		this.#state = 'ended';
		this.#emit('connection', { state: 'ended', reason, detail, status: error.status, code: error.code });
	}
}

/* 0.5 s, doubled up to 30 s; a quarter more or less, so that many pages do not come back in step. */
export class Backoff {
	#random; #failures = 0;

	constructor(random) {
		this.#random = random;
	}

	next() {
		const base = Math.min(30, 0.5 * 2 ** Math.min(this.#failures++, 10));
		return Math.min(30, Math.max(0.5, base * (0.75 + this.#random() / 2)));
	}

	/* … but not before the server has said. */
	after({ retryAfter }) {
		return Math.max(this.next(), Math.min(retryAfter ?? 0, MAX_RETRY_AFTER));
	}

	reset() {
		this.#failures = 0;
	}
}

export const realTimers = {
	setTimeout: (...args) => globalThis.setTimeout(...args),
	clearTimeout: (id) => globalThis.clearTimeout(id),
	now: () => performance.now(),
	random: Math.random,
};
