/*
 * The transport: one session on one console, over plain HTTP requests (docs/protocol.md, section 1).
 * It knows nothing of the DOM or of terminals, and runs in node too. It never interprets the guest's bytes.
 *
 * Two loops share a session. The poll loop (reader.js) has the session made, fetches a snapshot and then has the output
 * streamed; where something on the way gathers answers, so that the stream's beginning does not come, or cuts
 * them again and again, it long-polls. The input loop (typist.js) sends what was typed, one request at a time. An input's
 * answer may carry the guest's echo, so beside polls output comes by two ways: Delivery (output.js) puts it in order by
 * offset. Events come from polls only, because an echo that was overtaken by a poll would report a state that is over.
 *
 * Here are what pages call, the session and its mode; the loops ask for both.
 */
import { RequestError, problemOf } from './answers.js';
import { Delivery } from './output.js';
import { Reader } from './reader.js';
import { Connection, Requests, realTimers } from './requests.js';
import { Typist, waitedWords } from './typist.js';

/*
 * Events (CustomEvent, what is named here is `detail`):
 *   session     {name, console, mode, size, …}: a session was made, or its mode has changed
 *   connection  {state: connecting | live | retrying {seconds, detail} | offline {seconds, detail} |
 *               ended {reason: login | refused | session, detail, status, code}}
 *   transport   {name: stream | poll | turns}: how output comes from now on
 *   taken       {by, session}: another user has taken over; this one only watches from now on
 *   snapshot    {data, offset}: reset the terminal, then write data
 *   output      {data, offset}: the guest's bytes, each once and in order
 *   state, viewers, size       the worker's events, as they came
 *   notice      {code, detail}: something a person should know, in a sentence
 *   lost        some of what was typed does not reach the guest (a notice said why): what follows it must not, either
 */
export class ConsoleClient extends EventTarget {
	#console; #wantedMode;
	#requests; #connection; #typist; #reader;
	#ticket;                        /* for the next session; null: the user is known by name, or it is used up */
	#byTicket;

	#started = false;
	#session = null;
	#unsent = new Uint8Array();

	/*
	 * `line` (lines.js) says whether this client may hold a connection now: {holds, pause}. It calls regroup() when
	 * that has changed; without one it always may. `ticket`: of a panel, for the first session.
	 */
	constructor({ base, console, mode = 'type', fetch = globalThis.fetch,
		timers = realTimers, online = () => globalThis.navigator?.onLine !== false,
		echo = 20, wait = 25, maxQueue, stream = true, line = null, ticket = null }) {
		super();
		this.#console = console;
		this.#wantedMode = mode;
		const emit = (type, detail) => this.#emit(type, detail);
		this.#requests = new Requests({ base, fetch, timers });
		this.#connection = new Connection({ requests: this.#requests, timers, online, emit });
		const shared = {
			requests: this.#requests, connection: this.#connection, delivery: new Delivery({ emit }), timers, emit,
			session: () => this.#session,
		};
		this.#typist = new Typist({
			...shared, maxQueue,
			echo: () => this.#reader.transport === 'stream' ? 0 : echo,
			pollAgain: () => this.#reader.pollAgain(),
			watchOnly: () => this.#watchOnly(),
			end: (error) => this.#end('refused', error),
		});
		this.#reader = new Reader({
			...shared, typist: this.#typist, wait, stream, line,
			open: () => this.#open(),
			lose: () => { this.#session = null; },
			onEvent: (event) => this.#takeEvent(event),
			end: (reason, error) => this.#end(reason, error),
		});
		this.#ticket = ticket;
		this.#byTicket = ticket !== null;
	}

	get mode() {
		return this.#session?.mode ?? this.#wantedMode;
	}

	get connection() {
		return this.#connection.state;
	}

	/* By a ticket: no other session can follow it. */
	get byTicket() {
		return this.#byTicket;
	}

	/* How output comes: `stream`, `poll`, or `turns`: asked for now and then, because others hold the connections. */
	get transport() {
		return this.#reader.transport;
	}

	/* Bytes typed and not yet acknowledged. */
	get pending() {
		return this.#typist.pending;
	}

	/* Once the server has ended it: the bytes that were typed and never acknowledged. */
	get unsent() {
		return this.#unsent;
	}

	start() {
		if (this.#started)
			return;
		this.#started = true;
		this.#connection.start();
		this.#reader.run();
	}

	/* Ends the session and everything under way; no event comes after this. */
	close() {
		if (this.#requests.closed)
			return;
		const session = this.#session;
		this.#stop();
		if (session)
			this.#closeSession(session);
	}

	#closeSession({ token }) {
		this.#requests.fetch('api/v1/sessions/current', {
			method: 'DELETE', keepalive: true, headers: { 'Xenterm-Token': token },
		}).catch(() => {});        /* the idle time ends it too */
	}

	/* The network is back, or a person looks again: do not wait for the back-off. */
	wake() {
		this.#reader.wake();
	}

	/* It may hold a connection now, or may not any more. */
	regroup() {
		this.#reader.regroup();
	}

	/*
	 * Goes on in another mode, at the same place: `watch`, or `type`, with `take` as the protocol has it. The promise
	 * throws a RequestError, and then all is as before.
	 */
	async changeMode(mode, take) {
		const before = this.#session;
		if (!before)
			throw new RequestError('Not connected.');
		const session = await this.#askForSession({ console: before.console, mode, take });
		if (this.#session !== before) {
			this.#closeSession(session);
			throw new RequestError('The session has changed meanwhile; try again.');
		}
		/* What was typed for the former session goes to its end there. */
		for (let i = 0; i < 50 && this.#typist.busy && !this.#requests.closed; i++)
			await this.#requests.sleep(0.1);
		this.#closeSession(before);
		if (this.#requests.closed)
			return this.#closeSession(session);
		this.#wantedMode = mode;
		this.#begin(session);
		this.#reader.pollAgain();
	}

	/* The terminal has enough to draw: no poll until resume(). */
	pause() {
		this.#reader.pause();
	}

	resume() {
		this.#reader.resume();
	}

	/* Types a string (as UTF-8) or bytes: all of it or, with a notice, nothing. */
	send(data) {
		const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data.slice();
		return !this.#requests.closed && bytes.length > 0 && this.#mayType() && this.#typist.add(bytes);
	}

	/* Presses a key that is more than bytes: `sysrq` with a letter or digit, `ctrl-o`. */
	press(key, arg) {
		return !this.#requests.closed && this.#mayType() && this.#typist.addKey(key, arg);
	}

	#mayType() {
		if (this.mode === 'type')
			return true;
		this.#notice('read-only', 'Read only: you are watching this console, typing is off.');
		return false;
	}

	/*
	 * Takes back what was typed and has not reached the guest yet. Resolves with how many bytes that were; null: not known.
	 */
	takeBack() {
		return this.#typist.takeBack();
	}

	/* Sets the console's grid, which all viewers share; `tellGuest`: and types the `stty` that says so. Throws a RequestError. */
	async setSize({ rows, cols, tellGuest = false }) {
		if (!this.#session)
			throw new RequestError('Not connected.');
		await this.#requests.exchange({ method: 'POST', path: 'api/v1/size', session: this.#session, type: 'application/json',
			body: JSON.stringify({ rows, cols, tell_guest: tellGuest }) });
	}

	/* What the worker still holds, as a Blob: `text` or `raw`. Throws a RequestError. */
	async history(format) {
		if (!this.#session)
			throw new RequestError('Not connected.');
		const abort = new AbortController();
		this.#requests.keep(abort);
		try {
			const response = await this.#requests.fetch(`api/v1/history?format=${format}`, {
				headers: { 'Xenterm-Token': this.#session.token }, signal: abort.signal,
			});
			if (response.status !== 200)
				throw await problemOf(response);
			return await response.blob();
		} catch (error) {
			throw error instanceof RequestError ? error : new RequestError('The server cannot be reached.');
		} finally {
			this.#requests.release(abort);
		}
	}

	/* ---- the session ---- */

	async #open() {
		if (this.#byTicket && this.#ticket === null)
			throw new RequestError('The session has ended, and its ticket was for one only.',
				{ status: 403, code: 'bad-ticket' });
		const session = await this.#askForSession({
			console: this.#console, mode: this.#wantedMode, ticket: this.#ticket ?? undefined });
		if (this.#requests.closed)
			return this.#closeSession(session);
		this.#ticket = null;
		this.#begin(session);
	}

	async #askForSession(wanted) {
		const reply = await this.#requests.exchange({
			method: 'POST', path: 'api/v1/sessions', type: 'application/json', body: JSON.stringify(wanted),
		});
		if (reply.status !== 201 || typeof reply.json?.token !== 'string')
			throw new RequestError('The server\'s answer is not a session.');
		return reply.json;
	}

	#begin(session) {
		this.#session = session;
		this.#typist.countAnew();
		this.#emitSession();
		this.#typist.forgetOld();
	}

	#emitSession() {
		const { token, ...rest } = this.#session;       /* the token stays in here */
		this.#emit('session', rest);
	}

	#takeEvent(event) {
		if (event?.type === 'mode')
			this.#takenOver(event);
		else if (['state', 'viewers', 'size', 'notice'].includes(event?.type))
			this.#emit(event.type, event);
		if (event?.type === 'notice' && event.code === 'input-lost')
			this.#emit('lost');
	}

	/* Somebody types alone from now on; who it is has a session of that number. Or we may not type any more. */
	#takenOver({ by, session, why }) {
		if (session === this.#session.session || this.mode !== 'type')
			return;
		/* What is under way has an answer of its own. */
		const waiting = this.#typist.empty();
		const unsent = waitedWords(waiting);
		this.#watchOnly();
		if (waiting)
			this.#emit('lost');
		if (why) {
			this.#notice('read-only', `You may not type here any more; you are watching now.${unsent}`);
			return;
		}
		this.#emit('taken', { by: String(by), session: String(session) });
		this.#notice('taken', `${by} has taken over this console; you are watching now.${unsent}`);
	}

	#watchOnly() {
		this.#session.mode = 'watch';
		this.#emitSession();
	}

	/* ---- the end, and what is said ---- */

	#end(reason, error) {
		this.#unsent = this.#typist.unacknowledged();
		this.#connection.end(reason, error);
		this.#stop();
	}

	#stop() {
		this.#session = null;
		this.#typist.stop();
		this.#requests.stop();
		this.#reader.resume();
	}

	#notice(code, detail) {
		this.#emit('notice', { code, detail });
	}

	#emit(type, detail) {
		if (!this.#requests.closed)
			this.dispatchEvent(new CustomEvent(type, { detail }));
	}
}
