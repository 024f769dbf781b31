/*
 * Which consoles may hold a connection. A browser makes six to a host that speaks HTTP/1.1, and a stream or a waiting poll
 * keeps one: with more consoles than that nothing would get through any more, keys neither. So some hold one, those that a
 * person looks at first, and the others ask in turn. Over HTTP/2 and later all requests share one connection, and all hold.
 *
 * The windows of one browser share the six. Where there are Web Locks (secure pages) each connection is a lock.
 */

const HELD = 4;                 /* by all windows: two are left for keys, turns and pages */
const HELD_HERE = 3;            /* by one, so that another gets one, too */
const PAUSE = 1;                /* seconds between the turns of a console that is seen … */
const PAUSE_UNSEEN = 5;         /* … and of one that is not */

/* A console's place among the others. */
export const RANK = { FOCUSED: 0, SEEN: 1, UNSEEN: 2 };

/* The windows' connections of HTTP/1.1. onChange() is called when `count` has changed. */
export class Slots {
	#locks; #held = new Set(); #asking = null; #wanted = 0; #onChange;

	constructor({ locks = globalThis.navigator?.locks, onChange }) {
		this.#locks = locks ?? null;
		this.#onChange = onChange;
	}

	get count() {
		return this.#locks ? this.#held.size : this.#wanted;
	}

	want(number) {
		this.#wanted = number;
		if (!this.#locks)
			return;
		for (const release of [...this.#held].slice(number))
			release();
		if (this.#held.size >= number)
			this.#asking?.abort();
		else if (this.#asking === null)
			this.#ask();
	}

	/* Asks for all of them, and keeps those that are needed. */
	async #ask() {
		const abort = this.#asking = new AbortController();
		const asked = Array.from({ length: HELD }, (_, i) =>
			this.#locks.request(`xenterm-connection-${i}`, { signal: abort.signal }, () => this.#granted()));
		abort.signal.addEventListener('abort', () => {
			this.#asking = null;
		});
		const results = await Promise.allSettled(asked);
		/* No locks in a page without an origin: the browser does not let it have them. */
		if (results.every(({ reason }) => reason?.name === 'SecurityError')) {
			this.#locks = null;
			this.#onChange();
		} else if (this.#asking === abort) {
			this.#asking = null;
			this.want(this.#wanted);
		}
	}

	/* The lock lasts until the promise is kept. */
	#granted() {
		if (this.#held.size >= this.#wanted)
			return null;
		return new Promise((resolve) => {
			const release = () => {
				this.#held.delete(release);
				resolve();
			};
			this.#held.add(release);
			if (this.#held.size >= this.#wanted)
				this.#asking?.abort();
			this.#onChange();
		});
	}
}

/* One console's. */
class Line {
	holds = false;
	regroup = () => {};     /* called when `holds` has changed */
	#all; #rank; #order = 0;

	constructor(all, rank) {
		this.#all = all;
		this.#rank = rank;
	}

	get rank() {
		return this.#rank;
	}

	set rank(rank) {
		if (rank === this.#rank)
			return;
		this.#rank = rank;
		if (rank === RANK.FOCUSED)
			this.#order = --this.#all.newest;
		this.#all.share();
	}

	/* Of two with the same rank: who had the focus last. */
	get order() {
		return this.#order;
	}

	/* Seconds between turns. */
	get pause() {
		return this.#rank === RANK.UNSEEN || globalThis.document?.hidden ? PAUSE_UNSEEN : PAUSE;
	}

	leave() {
		this.#all.leave(this);
	}
}

export class Lines {
	newest = 0;
	#lines = []; #slots; #multiplexed;

	/* multiplexed(): requests share a connection. */
	constructor({ multiplexed, slots }) {
		this.#multiplexed = multiplexed;
		this.#slots = slots ?? new Slots({ onChange: () => this.share() });
		if (globalThis.document) {
			document.addEventListener('visibilitychange', () => this.share());
			addEventListener('focus', () => this.share());
			addEventListener('blur', () => this.share());
		}
	}

	join(rank = RANK.SEEN) {
		const line = new Line(this, rank);
		this.#lines.push(line);
		this.share();
		return line;
	}

	leave(line) {
		this.#lines = this.#lines.filter((other) => other !== line);
		this.share();
	}

	/* Those that are looked at first. */
	share() {
		let free = Infinity;
		if (!this.#multiplexed()) {
			this.#slots.want(this.#fair());
			free = this.#slots.count;
		} else {
			this.#slots.want(0);
		}
		const changed = [];
		for (const line of [...this.#lines].sort((a, b) => a.rank - b.rank || a.order - b.order)) {
			const holds = free-- > 0;
			if (holds !== line.holds)
				changed.push(line);
			line.holds = holds;
		}
		for (const line of changed)
			line.regroup();
	}

	/* How many this window may have: none while it is not seen, and one while another has the focus. */
	#fair() {
		const most = !globalThis.document ? HELD_HERE : document.hidden ? 0 : document.hasFocus() ? HELD_HERE : 1;
		return Math.min(most, this.#lines.length);
	}
}

/* How this page's requests to its own origin travel; unknown counts as HTTP/1.1. */
function multiplexed() {
	const entry = performance.getEntriesByType('resource').findLast(({ name, nextHopProtocol }) =>
		nextHopProtocol && new URL(name).origin === new URL(import.meta.url).origin);
	return /^h[23]/.test(entry?.nextHopProtocol ?? '');
}

export const lines = new Lines({ multiplexed });
