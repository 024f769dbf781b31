/*
 * A site for browser tests: static/ with the headers of conf/nginx/xenterm.conf, and an API that a test
 * scripts. It keeps consoles, whose output is an array of bytes, and answers like the worker. What it says of itself is about
 * the console `web1`; others come into being when they are asked for.
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

const ALL_RIGHTS = ['list', 'watch', 'type', 'join', 'force'];

class FakeConsole {
	typed = '';             /* what has been typed, as text */
	keys = [];              /* and pressed */
	streaming = new Set();
	state; size = { rows: 24, cols: 80 };
	viewers = [{ session: '1', user: 'alice', mode: 'type' }];
	parked = new Set();
	bytes = Buffer.alloc(0);
	event = 1;
	told = [];              /* modes: [event number, object] */

	constructor(name) {
		this.name = name;
		this.state = { state: 'up', domid: 7, name };
	}

	wake() {
		for (const wake of [...this.parked])
			wake();
	}

	print(text) {
		this.bytes = Buffer.concat([this.bytes, Buffer.from(text)]);
		this.wake();
	}

	changed() {
		this.event++;
		this.wake();
	}

	position() {
		return `1.${this.bytes.length}.${this.event}`;
	}

	/* [frames since the position] or none when there is nothing new. */
	since(from) {
		const events = [event({ type: 'state', ...this.state }), event({ type: 'viewers', viewers: this.viewers }),
			event({ type: 'size', ...this.size })];
		if (from === null)
			return [...events, snapshot(this.bytes.length, this.bytes)];
		const [, offset, number] = from.split('.').map(Number);
		const frames = number === this.event ? []
			: [...this.told.filter(([at]) => at > number).map(([, mode]) => event(mode)), ...events];
		if (offset < this.bytes.length)
			frames.push(output(this.bytes.length, this.bytes.subarray(offset)));
		return frames;
	}
}

export class FakeSite {
	consoles = [];          /* what the list shows */
	mode = 'type';          /* what a session gets at most */
	rights = ALL_RIGHTS;
	presence = false;       /* viewers are those who have a session, not what set() says */
	user = () => 'alice';   /* (request) => who asks */
	onTyped = () => {};     /* (text) => void, may call print() */
	ancestors = "'none'";   /* who may frame frame.html */
	pages = {};             /* path -> HTML of a test's own, without a policy */
	streams = true;         /* the worker can stream */
	refuse = () => null;    /* (method, path, body) => [status, code, detail] or null */
	sessions = 0;
	tickets = [];           /* those that came */
	calls = [];             /* 'METHOD path' of all calls */
	previews = {};          /* console id -> text */
	logs = {};              /* console id -> [{name, type, mtime, size}] */
	takenBack = [];         /* what of the input can be taken back, each time; null: it is not answered */
	power = null;           /* (what is asked) => answers, or throws [status, code, detail] */
	held = 0;               /* answers that wait, now and at most */
	mostHeld = 0;
	#server; #consoles = new Map(); #sessions = new Map(); #seqs = new Map();

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

	console(name) {
		if (!this.#consoles.has(name))
			this.#consoles.set(name, new FakeConsole(name));
		return this.#consoles.get(name);
	}

	get typed() {
		return this.console('web1').typed;
	}

	set typed(text) {
		this.console('web1').typed = text;
	}

	print(text) {
		this.console('web1').print(text);
	}

	printBytes(bytes) {
		this.console('web1').print(bytes);
	}

	/* Breaks the answers that go on. */
	cut() {
		for (const { streaming } of this.#consoles.values())
			for (const response of streaming)
				response.destroy();
	}

	/* Sessions end as when the worker has forgotten them. */
	forget() {
		this.#sessions.clear();
		this.cut();
	}

	/* A state, viewers or size event. */
	set(type, value) {
		const console = this.console('web1');
		console[type] = value;
		console.changed();
	}

	reset() {
		for (const { parked } of this.#consoles.values())
			parked.clear();
		this.#consoles.clear();
		this.#seqs.clear();
		Object.assign(this, { mode: 'type', rights: ALL_RIGHTS, presence: false, user: () => 'alice', streams: true,
			onTyped: () => {}, refuse: () => null, tickets: [], calls: [], previews: {}, logs: {}, power: null, takenBack: [], mostHeld: 0 });
	}

	async #handle(request, response) {
		const url = new URL(request.url, 'http://x');
		const path = url.pathname.replace(/^\/xenterm\//, '');
		if (!path.startsWith('api/v1/'))
			return this.#file(path || 'index.html', response);
		const call = path.slice('api/v1/'.length);
		const body = Buffer.concat(await request.toArray());
		this.calls.push(`${request.method} ${call}`);
		const refusal = this.refuse(request.method, call, body.toString());
		if (refusal)
			return problem(response, ...refusal);
		if (call === 'consoles')
			return json(response, 200, { consoles: this.consoles });
		if (call === 'preview')
			return this.#preview(url.searchParams.get('console'), response);
		if (call.startsWith('logs/'))
			return this.#logs(decodeURIComponent(call.slice('logs/'.length)), url.searchParams.get('file'), response);
		if (call === 'power')
			return this.#power(JSON.parse(body), response);
		if (call === 'sessions')
			return this.#session(request, response, JSON.parse(body));
		const session = this.#sessions.get(request.headers['xenterm-token']);
		if (!session)
			return problem(response, 403, 'unknown-token', 'This session has ended.');
		const console = session.console;
		switch (`${request.method} ${call}`) {
		case 'GET output':
			return this.#answerLater(console, url.searchParams.get('from'), Number(url.searchParams.get('wait')) * 1000,
				response);
		case 'GET stream':
			return this.#stream(console, url.searchParams.get('from'), response);
		case 'GET history':
			return response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(console.bytes);
		case 'POST input':
		case 'POST keys':
			return this.#input(session, url.searchParams, call, body, response);
		case 'POST size': {
			const { rows, cols, tell_guest: tell } = JSON.parse(body);
			console.size = { rows, cols };
			console.typed += tell ? `stty rows ${rows} cols ${cols}\r` : '';
			console.changed();
			return json(response, 200, console.size);
		}
		case 'DELETE input':
			return this.takenBack === null ? problem(response, 503, 'overload', 'Not now.')
				: json(response, 200, { cancelled: this.takenBack.shift() ?? 0 });
		case 'DELETE sessions/current':
			this.#sessions.delete(request.headers['xenterm-token']);
			this.#present(console);
			return response.writeHead(204).end();
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

	#preview(id, response) {
		if (!(id in this.previews))
			return problem(response, 409, 'not-up', 'This console has not been open yet.');
		response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(this.previews[id]);
	}

	#logs(id, file, response) {
		const files = this.logs[id];
		if (!files)
			return problem(response, 404, 'no-such-log', 'There is no such log or recording of this console.');
		if (file === null)
			return json(response, 200, files);
		response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8' }).end(files.find(({ name }) => name === file)?.text);
	}

	async #power(asked, response) {
		try {
			await this.power?.(asked);
			json(response, 200, { action: asked.action, domid: asked.domid });
		} catch (refusal) {
			problem(response, ...refusal);
		}
	}

	#session(request, response, { console: name, mode, take, ticket }) {
		const user = this.user(request);
		const console = this.console(name);
		const typist = [...this.#sessions.values()].find((s) => s.console === console && s.mode === 'type' && s.user !== user);
		if (mode === 'type' && !take && typist && !this.rights.includes('join'))
			return problem(response, 409, 'taken', `${typist.user} types at this console.`);
		if (take === 'force' && !this.rights.includes('force'))
			return problem(response, 403, 'not-allowed', 'You may not take this console away from others.');
		if (ticket)
			this.tickets.push(ticket);
		this.sessions++;
		const token = String(this.sessions).padStart(64, '0');
		const session = { session: String(this.sessions), user, mode: this.mode === 'watch' ? 'watch' : mode, console };
		if (take === 'force')
			this.#takeOver(session);
		this.#sessions.set(token, session);
		this.#present(console);
		json(response, 201, {
			token, ...session, console: name, name, size: console.size, from: console.position(), expires: 4e9,
			rights: this.rights, sysrq: true,
		});
	}

	#takeOver({ console, user, session }) {
		for (const other of this.#sessions.values())
			if (other.console === console)
				other.mode = 'watch';
		console.told.push([console.event + 1, { type: 'mode', mode: 'watch', by: user, session }]);
	}

	#present(console) {
		if (!this.presence)
			return;
		console.viewers = [...this.#sessions.values()].filter((s) => s.console === console)
			.map(({ session, user, mode }) => ({ session, user, mode }));
		console.changed();
	}

	#hold(response) {
		this.mostHeld = Math.max(this.mostHeld, ++this.held);
		response.on('close', () => this.held--);
	}

	/* Answers at once or when there is something, at the latest after ms. */
	#answerLater(console, from, ms, response, headers = {}) {
		const finish = () => {
			const frames = console.since(from);
			if (frames.length === 0 && !last)
				return;
			clearTimeout(timer);
			console.parked.delete(finish);
			if (frames.length === 0)
				return response.writeHead(204, headers).end();
			response.writeHead(200, { 'Content-Type': 'application/vnd.xenterm.frames',
				'Xenterm-Next': console.position(), ...headers });
			response.end(concat(...frames));
		};
		let last = ms === 0;
		const timer = setTimeout(() => { last = true; finish(); }, ms);
		if (ms > 1000)
			this.#hold(response);
		console.parked.add(finish);
		response.on('close', () => { clearTimeout(timer); console.parked.delete(finish); });
		finish();
	}

	/* Each answer that goes on is told of all that is new. */
	#stream(console, from, response) {
		if (!this.streams)
			return problem(response, 404, 'no-such-path', 'There is no such path.');
		const tell = () => {
			const frames = console.since(from);
			if (frames.length === 0)
				return;
			from = console.position();
			response.write(concat(...frames, position(from)));
		};
		this.#hold(response);
		response.writeHead(200, { 'Content-Type': 'application/vnd.xenterm.frames' });
		response.write(position(from));
		console.parked.add(tell);
		console.streaming.add(response);
		response.on('close', () => {
			console.parked.delete(tell);
			console.streaming.delete(response);
		});
		tell();
	}

	#input(session, query, call, body, response) {
		const seq = Number(query.get('seq'));
		const { console } = session;
		if (session.mode !== 'type')
			return problem(response, 403, 'read-only', 'You only watch.');
		if ((this.#seqs.get(session) ?? 0) < seq) {
			this.#seqs.set(session, seq);
			if (call === 'keys') {
				console.keys.push(JSON.parse(body));
			} else {
				console.typed += body.toString('latin1');
				this.onTyped(body.toString(), console);
			}
		}
		if (!query.has('echo'))
			return json(response, 200, { seq, typed: true });
		this.#answerLater(console, query.get('from'), Number(query.get('echo')), response, { 'Xenterm-Seq': String(seq) });
	}
}

function json(response, status, object, type = 'application/json') {
	response.writeHead(status, { 'Content-Type': type });
	response.end(JSON.stringify(object));
}

function problem(response, status, code, detail) {
	json(response, status, { status, code, detail }, 'application/problem+json');
}
