/*
 * A site for browser tests: static/ with the headers of conf/nginx/xenterm.conf, and an API that a test
 * scripts. It keeps one console, `web1`, whose output is an array of bytes, and answers like the worker.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { event, join as concat, output, position, snapshot } from './fake_fetch.mjs';
import { staticFolder } from './browser.mjs';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.css': 'text/css',
	'.svg': 'image/svg+xml' };

/* The policy that is shipped, so that the tests break when it does not let the pages work. */
const conf = readFileSync(new URL('../../conf/nginx/xenterm.conf', import.meta.url), 'utf8');
const policy = /Content-Security-Policy "([^"$]+)"/.exec(conf)[1];
const framePolicy = /Content-Security-Policy "([^"]+\$xenterm_frame_ancestors)"/.exec(conf)[1];

export class FakeSite {
	consoles = [];          /* what the list shows */
	mode = 'type';          /* what a session gets at most */
	typed = '';             /* what has been typed, as text */
	onTyped = () => {};     /* (text) => void, may call print() */
	ancestors = "'none'";   /* who may frame frame.html */
	pages = {};             /* path -> HTML of a test's own, without a policy */
	streams = true;         /* the worker can stream */
	refuse = () => null;    /* (method, path) => [status, code, detail] or null */
	sessions = 0;
	#server; #state = { state: 'up', domid: 7, name: 'web1' }; #size = { rows: 24, cols: 80 };
	#viewers = [{ session: '1', user: 'alice', mode: 'type' }];
	#bytes = Buffer.alloc(0); #event = 1; #parked = new Set(); #streaming = new Set(); #seqs = new Map();

	async start() {
		this.#server = createServer((request, response) => {
			this.#handle(request, response).catch((error) => response.destroy(error));
		});
		await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
		this.url = `http://127.0.0.1:${this.#server.address().port}/xenterm/`;
	}

	stop() {
		this.#server.closeAllConnections();
		return new Promise((resolve) => this.#server.close(resolve));
	}

	print(text) {
		this.printBytes(Buffer.from(text));
	}

	printBytes(bytes) {
		this.#bytes = Buffer.concat([this.#bytes, bytes]);
		this.#wake();
	}

	/* Breaks the answers that go on. */
	cut() {
		for (const response of this.#streaming)
			response.destroy();
	}

	/* A state, viewers or size event. */
	set(type, value) {
		if (type === 'state')
			this.#state = value;
		else if (type === 'size')
			this.#size = value;
		else
			this.#viewers = value;
		this.#event++;
		this.#wake();
	}

	reset() {
		this.#bytes = Buffer.alloc(0);
		this.#seqs.clear();
		this.#state = { state: 'up', domid: 7, name: 'web1' };
		this.#size = { rows: 24, cols: 80 };
		Object.assign(this, { typed: '', mode: 'type', streams: true, onTyped: () => {}, refuse: () => null });
	}

	#wake() {
		for (const wake of [...this.#parked])
			wake();
	}

	async #handle(request, response) {
		const url = new URL(request.url, 'http://x');
		const path = url.pathname.replace(/^\/xenterm\//, '');
		if (!path.startsWith('api/v1/'))
			return this.#file(path || 'index.html', response);
		const call = path.slice('api/v1/'.length);
		const body = Buffer.concat(await request.toArray());
		const refusal = this.refuse(request.method, call);
		if (refusal)
			return problem(response, ...refusal);
		switch (`${request.method} ${call}`) {
		case 'GET consoles':
			return json(response, 200, { consoles: this.consoles });
		case 'POST sessions':
			return this.#session(response, JSON.parse(body));
		case 'GET output':
			return this.#output(url.searchParams, request, response);
		case 'GET stream':
			return this.#stream(url.searchParams.get('from'), response);
		case 'GET history':
			return response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(this.#bytes);
		case 'POST input':
			return this.#input(url.searchParams, request, body, response);
		default:
			return response.writeHead(204).end();
		}
	}

	async #file(path, response) {
		if (path in this.pages)
			return response.writeHead(200, { 'Content-Type': 'text/html' }).end(this.pages[path]);
		const file = join(staticFolder, normalize(`/${path}`));
		const data = await readFile(file).catch(() => null);
		response.writeHead(data ? 200 : 404, {
			'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
			'Content-Security-Policy': path === 'frame.html'
				? framePolicy.replace('$xenterm_frame_ancestors', this.ancestors) : policy, 'X-Content-Type-Options': 'nosniff',
		});
		response.end(data);
	}

	#session(response, { console, mode }) {
		this.sessions++;
		json(response, 201, {
			token: String(this.sessions).padStart(64, '0'), session: String(this.sessions), console, name: 'web1',
			mode: this.mode === 'watch' ? 'watch' : mode, size: this.#size, from: this.#position(), expires: 4e9,
		});
	}

	#position() {
		return `1.${this.#bytes.length}.${this.#event}`;
	}

	/* [frames since the position] or none when there is nothing new. */
	#since(from) {
		const events = [event({ type: 'state', ...this.#state }), event({ type: 'viewers', viewers: this.#viewers }),
			event({ type: 'size', ...this.#size })];
		if (from === null)
			return [...events, snapshot(this.#bytes.length, this.#bytes)];
		const [, offset, number] = from.split('.').map(Number);
		const frames = number === this.#event ? [] : events;
		if (offset < this.#bytes.length)
			frames.push(output(this.#bytes.length, this.#bytes.subarray(offset)));
		return frames;
	}

	/* Answers at once or when there is something, at the latest after ms. */
	#answerLater(from, ms, request, response, headers = {}) {
		const finish = () => {
			const frames = this.#since(from);
			if (frames.length === 0 && !last)
				return;
			clearTimeout(timer);
			this.#parked.delete(finish);
			if (frames.length === 0)
				return response.writeHead(204, headers).end();
			response.writeHead(200, { 'Content-Type': 'application/vnd.xenterm.frames',
				'Xenterm-Next': this.#position(), ...headers });
			response.end(concat(...frames));
		};
		let last = false;
		const timer = setTimeout(() => { last = true; finish(); }, ms);
		this.#parked.add(finish);
		response.on('close', () => { clearTimeout(timer); this.#parked.delete(finish); });
		finish();
	}

	#output(query, request, response) {
		this.#answerLater(query.get('from'), Number(query.get('wait')) * 1000, request, response);
	}

	/* Each answer that goes on is told of all that is new. */
	#stream(from, response) {
		if (!this.streams)
			return problem(response, 404, 'no-such-path', 'There is no such path.');
		const tell = () => {
			const frames = this.#since(from);
			if (frames.length === 0)
				return;
			from = this.#position();
			response.write(concat(...frames, position(from)));
		};
		response.writeHead(200, { 'Content-Type': 'application/vnd.xenterm.frames' });
		response.write(position(from));
		this.#parked.add(tell);
		this.#streaming.add(response);
		response.on('close', () => {
			this.#parked.delete(tell);
			this.#streaming.delete(response);
		});
		tell();
	}

	#input(query, request, body, response) {
		const seq = Number(query.get('seq'));
		const token = request.headers['xenterm-token'];
		if ((this.#seqs.get(token) ?? 0) < seq) {
			this.#seqs.set(token, seq);
			this.typed += body.toString('latin1');
			this.onTyped(body.toString());
		}
		if (!query.has('echo'))
			return json(response, 200, { seq, typed: true });
		this.#answerLater(query.get('from'), Number(query.get('echo')), request, response, { 'Xenterm-Seq': String(seq) });
	}
}

function json(response, status, object, type = 'application/json') {
	response.writeHead(status, { 'Content-Type': type });
	response.end(JSON.stringify(object));
}

function problem(response, status, code, detail) {
	json(response, status, { status, code, detail }, 'application/problem+json');
}
