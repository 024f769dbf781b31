/* A scripted server for client.js: no network, and time that moves only when a test says so. */

import './custom_event.mjs';

export const FRAMES = 'application/vnd.xenterm.frames';
const encoder = new TextEncoder();

export const bytes = (text) => encoder.encode(text);
export const text = (data) => new TextDecoder().decode(data);

export function frame(type, payload) {
	const out = new Uint8Array(5 + payload.length);
	out[0] = type.charCodeAt(0);
	new DataView(out.buffer).setUint32(1, payload.length);
	out.set(payload, 5);
	return out;
}

function withOffset(type, end, text) {
	const data = typeof text === 'string' ? bytes(text) : text;
	const payload = new Uint8Array(8 + data.length);
	new DataView(payload.buffer).setBigUint64(0, BigInt(end));
	payload.set(data, 8);
	return frame(type, payload);
}

/* `data` ends at offset `end`. */
export const output = (end, data) => withOffset('o', end, data);
export const snapshot = (end, data) => withOffset('s', end, data);
export const event = (object) => frame('j', bytes(JSON.stringify(object)));

export function join(...parts) {
	return new Uint8Array(Buffer.concat(parts));
}

/* An answer with frames; `parts` are the chunks the body comes in. */
export function frames(next, ...parts) {
	return answer(200, parts, { 'Content-Type': FRAMES, 'Xenterm-Next': next });
}

export const position = (text) => frame('p', bytes(text));

/* An answer that goes on: push(chunk…), end(), fail(). `cancelled` when its reader has left. */
export function stream() {
	let controller;
	const all = { cancelled: false };
	const body = new ReadableStream({
		start: (c) => { controller = c; },
		cancel: () => { all.cancelled = true; },
	});
	all.response = new Response(body, { status: 200, headers: { 'Content-Type': FRAMES } });
	all.push = (...parts) => parts.forEach((part) => controller.enqueue(part));
	all.end = () => controller.close();
	all.fail = () => controller.error(new TypeError('network error'));
	return all;
}

export function echo(seq, next, ...parts) {
	return answer(200, parts, { 'Content-Type': FRAMES, 'Xenterm-Next': next, 'Xenterm-Seq': String(seq) });
}

export const typed = (seq) => json(200, { seq, typed: true });
export const nothing = (headers = {}) => new Response(null, { status: 204, headers });

export function json(status, object, headers = {}) {
	return answer(status, [bytes(JSON.stringify(object))], { 'Content-Type': 'application/json', ...headers });
}

export function problem(status, code, extra = {}, headers = {}) {
	return answer(status, [bytes(JSON.stringify({ status, code, detail: `Because of ${code}.`, ...extra }))],
		{ 'Content-Type': 'application/problem+json', ...headers });
}

function answer(status, parts, headers) {
	const body = new ReadableStream({
		start(controller) {
			for (const part of parts)
				controller.enqueue(part);
			controller.close();
		},
	});
	return new Response(body, { status, headers });
}

/* Lets everything run that can run without time passing. */
export async function settle() {
	for (let i = 0; i < 5; i++)
		await new Promise((resolve) => setImmediate(resolve));
}

export class FakeTimers {
	#now = 0; #next = 1; #timers = new Map();
	random = () => 0.5;

	now = () => this.#now;
	setTimeout = (run, ms) => {
		this.#timers.set(this.#next, { run, at: this.#now + ms });
		return this.#next++;
	};
	clearTimeout = (id) => { this.#timers.delete(id); };

	get pending() {
		return this.#timers.size;
	}

	async advance(ms) {
		const end = this.#now + ms;
		for (;;) {
			await settle();
			const due = [...this.#timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
			if (!due)
				break;
			this.#now = Math.max(this.#now, due[1].at);
			this.#timers.delete(due[0]);
			due[1].run();
		}
		this.#now = end;
		await settle();
	}
}

/*
 * fetch() whose requests wait until the test answers them:
 *   const poll = await server.next('GET output');  poll.answer(frames(…));
 */
export class FakeServer {
	open = [];
	log = [];

	fetch = (url, options = {}) => new Promise((resolve, reject) => {
		const path = url.pathname.replace(/^.*\/api\/v1\//, '');
		const request = {
			what: `${options.method ?? 'GET'} ${path}`, query: url.searchParams, headers: options.headers,
			body: options.body, options,
			/* An answer that goes on (stream()) breaks when the request is aborted. */
			answer: (response, going) => {
				this.#done(request);
				if (going)
					options.signal?.addEventListener('abort', () => { going.aborted = true; going.fail(); });
				resolve(response);
			},
			fail: () => { this.#done(request); reject(new TypeError('Failed to fetch')); },
		};
		const aborted = () => { this.#done(request); request.aborted = true; reject(options.signal.reason); };
		if (options.signal?.aborted)
			return aborted();
		options.signal?.addEventListener('abort', aborted);
		this.open.push(request);
		this.log.push(request);
	});

	#done(request) {
		this.open = this.open.filter((r) => r !== request);
	}

	has(what) {
		return this.open.some((r) => r.what === what);
	}

	async next(what) {
		for (let i = 0; i < 50; i++) {
			const found = this.open.find((r) => r.what === what);
			if (found)
				return found;
			await settle();
		}
		throw new Error(`no "${what}" came; open: ${this.open.map((r) => r.what).join(', ') || 'nothing'}`);
	}
}
