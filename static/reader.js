/*
 * How the output is asked for: the loop that has a session made when there is none, polls for the screen, and then has the output
 * streamed, polls or takes turns, as the way to the worker and the browser's connections allow. What comes is put in order by
 * Delivery (output.js); what a session is, and what the worker's events mean to a person, is the client's affair (client.js).
 */
import { RequestError, parseJson } from './answers.js';
import { Stream } from './output.js';
import { Backoff, SLACK } from './requests.js';

const PROBE = 3;                  /* seconds for a stream's beginning, until one has come */
const BUSY = 3;                   /* seconds after an input in which more is expected … */
const BUSY_PAUSE = 0.25;          /* … and polls that take turns come more often */
const BRIEF = 2;                  /* seconds: a stream that ends earlier is of no use … */
const MAX_BRIEF = 3;              /* … and so many in a row are enough */

/* An abort's reason: a poll is to be asked anew at once, or in another way. */
const AGAIN = 'again';

export class Reader {
	#requests; #connection; #delivery; #typist; #timers; #emit;
	#session; #open; #lose; #onEvent; #end;
	#wait; #line;
	#backoff;

	#away = false;                  /* the guest is not here, as the worker last said */
	#fresh = true;                  /* this session has not answered a poll yet */
	#hurry = false;                 /* the next poll is to be answered at once */
	#pollAbort = null;
	#streams;                       /* it is worth trying */
	#streamed = false;              /* one has come through */
	#briefs = 0;                    /* streams in a row that ended at once */
	#transport = 'poll';
	#streaming = null;              /* the stream under way */
	#resumed = null; #resume = null;

	/*
	 * session(): the one to read in, or null. open() makes one, or throws a RequestError; lose(): the worker does not know it any more.
	 * onEvent(event): what a poll or a stream told beside the output. end(reason, error): no other try follows.
	 * emit(type, detail): the event `transport`, see client.js. `wait`: seconds for which a poll may park; `stream`: whether streams
	 * are worth trying; `line`: see client.js.
	 */
	constructor({ requests, connection, delivery, typist, timers, emit, session, open, lose, onEvent, end, wait, stream, line }) {
		this.#requests = requests;
		this.#connection = connection;
		this.#delivery = delivery;
		this.#typist = typist;
		this.#timers = timers;
		this.#emit = emit;
		this.#session = session;
		this.#open = open;
		this.#lose = lose;
		this.#onEvent = onEvent;
		this.#end = end;
		this.#wait = wait;
		this.#streams = stream;
		this.#line = line;
		this.#backoff = new Backoff(timers.random);
	}

	get transport() {
		return this.#transport;
	}

	/* The loop, until the client's end. */
	async run() {
		while (!this.#requests.closed) {
			try {
				if (!this.#session()) {
					await this.#open();
					this.#fresh = true;
				}
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

	/* The network is back, or a person looks again: do not wait for the back-off. */
	wake() {
		/* A machine that has slept has streams that look open and are not. */
		if (this.#streaming?.stale)
			this.pollAgain();
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
	 * Something that an echo should have told has not come. A poll that may park would keep it back (what an
	 * echo has delivered wakes no poll), one that may not brings it.
	 */
	pollAgain() {
		this.#hurry = true;
		this.#requests.endTurn();
		this.#pollAbort?.abort(AGAIN);
	}

	/* The terminal has enough to draw: no poll until resume(). */
	pause() {
		this.#resumed ??= new Promise((resolve) => { this.#resume = resolve; });
	}

	resume() {
		this.#resume?.();
		this.#resumed = this.#resume = null;
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
				path: `api/v1/output?${query}`, session: this.#session(), seconds: wait + SLACK, abort,
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
			await this.#requests.sleep(this.#backoff.next());
		else
			this.#backoff.reset();
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
				session: this.#session(), from: this.#delivery.from, seconds: this.#streamed ? SLACK : PROBE,
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
			this.pollAgain();
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
			this.#backoff.reset();
		} else if (++this.#briefs >= MAX_BRIEF) {
			this.#stopStreaming();
		} else if (!this.#hurry) {
			await this.#requests.sleep(this.#backoff.next());
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
		this.#onEvent(event);
	}

	async #recover(error) {
		if (this.#requests.closed)
			return;
		const { status, code } = error;
		if (code === 'unknown-token' && this.#session()) {
			if (this.#fresh)
				return this.#end('session', error);
			this.#lose();
			return;
		}
		if (status === 401)
			return this.#end('login', error);
		if (status === 400 && this.#delivery.from !== null) {
			this.#delivery.askForScreen();  /* a position nobody understands any more: take the screen */
			return;
		}
		if (code === 'no-such-console' && this.#connection.mayComeBack())
			return this.#connection.retryLater('poll', this.#backoff, error);
		if (status >= 400 && status < 500 && ![408, 425, 429].includes(status))
			return this.#end('refused', error);
		if (status === 504)             /* something between us gives up earlier: ask for less */
			this.#wait = Math.max(5, Math.floor(this.#wait / 2));
		await this.#connection.retryLater('poll', this.#backoff, error);
	}
}
