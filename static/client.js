/*
 * The transport: one session on one console, over plain HTTP requests (docs/protocol.md, section 1).
 * It knows nothing of the DOM or of terminals, and runs in node too. It never interprets the guest's bytes.
 *
 * Two loops share a session. The poll loop makes the session, fetches a snapshot and then has the output
 * streamed; where something on the way gathers answers, so that the stream's beginning does not come, or cuts
 * them again and again, it long-polls. The input loop sends what was typed, one request at a time. An input's answer may carry the guest's echo, so
 * beside polls output comes by two ways: Delivery (output.js) puts it in order by offset. Events come from polls only, because an
 * echo that was overtaken by a poll would report a state that is over.
 */
import { RequestError, parseJson, problemOf } from './answers.js';
import { Delivery, Stream } from './output.js';
import { Backoff, Connection, Requests, SLACK, realTimers } from './requests.js';
import { Typist, waitedWords } from './typist.js';

const PROBE = 3;                  /* seconds for a stream's beginning, until one has come */
const BUSY = 3;                   /* seconds after an input in which more is expected … */
const BUSY_PAUSE = 0.25;          /* … and polls that take turns come more often */
const BRIEF = 2;                  /* seconds: a stream that ends earlier is of no use … */
const MAX_BRIEF = 3;              /* … and so many in a row are enough */

/* An abort's reason: a poll is to be asked anew at once, or in another way. */
const AGAIN = 'again';

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
	#console; #wantedMode; #timers;
	#requests; #connection; #delivery; #typist;
	#wait; #line;
	#ticket;                        /* for the next session; null: the user is known by name, or it is used up */
	#byTicket;

	#started = false;
	#away = false;                  /* the guest is not here, as the worker last said */

	#session = null;
	#fresh = true;                  /* this session has not answered a poll yet */
	#hurry = false;                 /* the next poll is to be answered at once */
	#pollAbort = null;
	#pollBackoff;
	#streams;                       /* it is worth trying */
	#streamed = false;              /* one has come through */
	#briefs = 0;                    /* streams in a row that ended at once */
	#transport = 'poll';
	#streaming = null;              /* the stream under way */
	#resumed = null; #resume = null;

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
		this.#timers = timers;
		const emit = (type, detail) => this.#emit(type, detail);
		this.#requests = new Requests({ base, fetch, timers });
		this.#connection = new Connection({ requests: this.#requests, timers, online, emit });
		this.#delivery = new Delivery({ emit });
		this.#typist = new Typist({
			requests: this.#requests, connection: this.#connection, delivery: this.#delivery, timers, maxQueue, emit,
			session: () => this.#session,
			echo: () => this.#transport === 'stream' ? 0 : echo,
			pollAgain: () => this.#pollAgain(),
			watchOnly: () => this.#watchOnly(),
			end: (error) => this.#end('refused', error),
		});
		this.#wait = wait;
		this.#streams = stream;
		this.#line = line;
		this.#ticket = ticket;
		this.#byTicket = ticket !== null;
		this.#pollBackoff = new Backoff(timers.random);
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
		return this.#transport;
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
		this.#run();
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
		/* A machine that has slept has streams that look open and are not. */
		if (this.#streaming?.stale)
			this.#pollAgain();
		this.#requests.wake();
	}

	/* It may hold a connection now, or may not any more. */
	regroup() {
		if (this.#holds())
			this.#requests.endTurn();
		else if (this.#pollAbort && !this.#fresh)
			this.#pollAbort.abort(AGAIN);
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
		this.#pollAgain();
	}

	/* The terminal has enough to draw: no poll until resume(). */
	pause() {
		this.#resumed ??= new Promise((resolve) => { this.#resume = resolve; });
	}

	resume() {
		this.#resume?.();
		this.#resumed = this.#resume = null;
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

	/* ---- the poll loop ---- */

	async #run() {
		while (!this.#requests.closed) {
			try {
				if (!this.#session)
					await this.#open();
				await this.#resumed;
				if (this.#requests.closed)
					return;
				if (!this.#mayStream())
					await this.#turn();
				if (this.#requests.closed)
					return;
				if (this.#mayStream())
					await this.#stream();
				else
					await this.#poll();
			} catch (error) {
				await this.#recover(error);
			}
		}
	}

	async #open() {
		if (this.#byTicket && this.#ticket === null)
			throw new RequestError('The session has ended, and its ticket was for one only.',
				{ status: 403, code: 'bad-ticket' });
		const session = await this.#askForSession({
			console: this.#console, mode: this.#wantedMode, ticket: this.#ticket ?? undefined });
		if (this.#requests.closed)
			return this.#closeSession(session);
		this.#ticket = null;
		this.#fresh = true;
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

	#holds() {
		return this.#line?.holds ?? true;
	}

	/* Who may hold no connection asks now and then. */
	async #turn() {
		if (!this.#holds() && !this.#fresh && !this.#connection.fails('poll')) {
			const busy = this.#timers.now() - this.#typist.inputAt < BUSY * 1000;
			this.#setTransport('turns');
			if (!this.#hurry)
				await this.#requests.sleep(busy ? BUSY_PAUSE : this.#line.pause, { turn: true });
		}
		if (this.#holds() && this.#transport === 'turns')
			this.#setTransport('poll');
	}

	async #poll() {
		const abort = this.#pollAbort = new AbortController();
		/* At first, and when polls fail, the answer has to come at once: it is what says "live". */
		const wait = this.#fresh || this.#hurry || this.#connection.fails('poll') || !this.#holds() ? 0 : this.#wait;
		this.#hurry = false;
		const query = new URLSearchParams({ wait });
		if (this.#delivery.from !== null)
			query.set('from', this.#delivery.from);
		const began = this.#timers.now();
		let reply;
		try {
			reply = await this.#requests.exchange({
				path: `api/v1/output?${query}`, session: this.#session, seconds: wait + SLACK, abort,
			});
		} catch (error) {
			if (abort.signal.reason === AGAIN)
				return;
			throw error;
		} finally {
			this.#pollAbort = null;
		}
		if (this.#requests.closed)
			return;
		const next = reply.headers.get('Xenterm-Next');
		if (reply.status !== 204 && (!reply.frames || next === null))
			throw new RequestError('The server\'s answer is not console output.');
		for (const frame of reply.frames ?? [])
			this.#take(frame);
		const still = reply.status === 204 || next === this.#delivery.from;
		if (next !== null)
			this.#delivery.advance(next, reply.frames);
		this.#fresh = false;
		this.#answered();
		/* Something in between that answers "nothing" at once must not make us ask in a tight loop. */
		if (still && wait > 0 && this.#timers.now() - began < 1000)
			await this.#requests.sleep(this.#pollBackoff.next());
		else
			this.#pollBackoff.reset();
	}

	/* The worker has told us something: the session is good. */
	#answered() {
		this.#connection.answered();
		this.#typist.revive();
		this.#connection.report();
		this.#typist.pump();
	}

	/*
	 * At first, and when something fails, a poll says whether all is well, and quickly. A guest that is away may be on another
	 * host by now, where a gateway sends the next request; a stream would make none.
	 */
	#mayStream() {
		return this.#streams && this.#holds() && this.#delivery.from !== null && !this.#fresh && !this.#hurry
			&& !this.#connection.fails('poll') && !this.#away;
	}

	/* One answer that goes on. Returns when it has ended and another, or a poll, is to be asked for. */
	async #stream() {
		const abort = this.#pollAbort = new AbortController();
		const began = this.#timers.now();
		const stream = this.#streaming = new Stream({
			requests: this.#requests, timers: this.#timers, abort, resumed: () => this.#resumed,
			onFrame: (frame) => this.#takeStreamed(frame),
		});
		try {
			await stream.read(await stream.ask({
				session: this.#session, from: this.#delivery.from, seconds: this.#streamed ? SLACK : PROBE,
			}));
		} catch (error) {
			this.#streamFailed(error, abort.signal.reason, stream);
		} finally {
			stream.end();
			this.#pollAbort = this.#streaming = null;
		}
		if (!this.#requests.closed && stream.came && abort.signal.reason !== AGAIN)
			await this.#afterStream((this.#timers.now() - began) / 1000);
	}

	#takeStreamed(frame) {
		this.#take(frame);
		if (frame.type !== 'p')
			return;
		this.#streamed = true;
		this.#setTransport('stream');
		this.#answered();
		if (this.#away)
			this.#pollAgain();
	}

	/* What is no reason to ask again at once is thrown. */
	#streamFailed(error, reason, stream) {
		if (this.#requests.closed || reason === AGAIN)
			return;
		if (stream.gathered || (!stream.came && error.status === 404)) {
			this.#stopStreaming();
			return;
		}
		if (error instanceof RequestError)
			throw error;
		if (!stream.came)
			throw new RequestError('The server cannot be reached.');
	}

	/* Proxies have limits of their own for how long an answer may take: that is not a failure. */
	async #afterStream(seconds) {
		if (seconds >= BRIEF) {
			this.#briefs = 0;
			this.#pollBackoff.reset();
		} else if (++this.#briefs >= MAX_BRIEF) {
			this.#stopStreaming();
		} else if (!this.#hurry) {
			await this.#requests.sleep(this.#pollBackoff.next());
		}
	}

	#stopStreaming() {
		this.#streams = false;
		this.#setTransport('poll');
	}

	#setTransport(name) {
		if (this.#transport === name)
			return;
		this.#transport = name;
		this.#emit('transport', { name });
	}

	/* One frame of a poll or a stream. */
	#take(frame) {
		if (frame.type === 'j')
			this.#takeEvent(parseJson(new TextDecoder().decode(frame.payload)));
		else
			this.#delivery.take(frame);
	}

	#takeEvent(event) {
		if (event?.type === 'state')
			this.#away = event.state === 'waiting' || event.state === 'gone';
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

	async #recover(error) {
		if (this.#requests.closed)
			return;
		const { status, code } = error;
		if (code === 'unknown-token' && this.#session) {
			if (this.#fresh)
				return this.#end('session', error);
			this.#session = null;
			return;
		}
		if (status === 401)
			return this.#end('login', error);
		if (status === 400 && this.#delivery.from !== null) {
			this.#delivery.askForScreen();  /* a position nobody understands any more: take the screen */
			return;
		}
		if (code === 'no-such-console' && this.#connection.mayComeBack())
			return this.#connection.retryLater('poll', this.#pollBackoff, error);
		if (status >= 400 && status < 500 && ![408, 425, 429].includes(status))
			return this.#end('refused', error);
		if (status === 504)             /* something between us gives up earlier: ask for less */
			this.#wait = Math.max(5, Math.floor(this.#wait / 2));
		await this.#connection.retryLater('poll', this.#pollBackoff, error);
	}

	/*
	 * Something that an echo should have told has not come. A poll that may park would keep it back (what an
	 * echo has delivered wakes no poll), one that may not brings it.
	 */
	#pollAgain() {
		this.#hurry = true;
		this.#requests.endTurn();
		this.#pollAbort?.abort(AGAIN);
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
		this.resume();
	}

	#notice(code, detail) {
		this.#emit('notice', { code, detail });
	}

	#emit(type, detail) {
		if (!this.#requests.closed)
			this.dispatchEvent(new CustomEvent(type, { detail }));
	}
}
