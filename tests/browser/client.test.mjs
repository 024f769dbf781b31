/* client.js against a scripted server: every promise about order, loss and repetition, without a browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FrameParser, RequestError } from '../../static/answers.js';
import { listConsoles } from '../../static/calls.js';
import { ConsoleClient } from '../../static/client.js';
import { FakeServer, FakeTimers, FRAMES, bytes, echo, event, frame, frames, join, json, nothing, output, position,
	problem, settle, snapshot, stream, text, typed } from './fake_fetch.mjs';

const BASE = 'https://dom0.example/xenterm/';
const POLL = 'GET output';
const INPUT = 'POST input';

/* A client with everything it says written down. */
function make(options = {}) {
	const server = new FakeServer();
	const timers = new FakeTimers();
	const client = new ConsoleClient({
		base: BASE, console: 'web1', mode: 'type', fetch: server.fetch, timers, online: () => true, stream: false, ...options,
	});
	const seen = { screen: '', connection: [], notices: [], events: [], sessions: [] };
	client.addEventListener('snapshot', (e) => { seen.screen = `[${text(e.detail.data)}]`; });
	client.addEventListener('output', (e) => { seen.screen += text(e.detail.data); });
	client.addEventListener('connection', (e) => seen.connection.push(e.detail));
	client.addEventListener('notice', (e) => seen.notices.push(e.detail));
	client.addEventListener('session', (e) => seen.sessions.push(e.detail));
	for (const type of ['state', 'viewers', 'size'])
		client.addEventListener(type, (e) => seen.events.push(e.detail));
	return { server, timers, client, seen };
}

function session(token = 'a'.repeat(64), more = {}) {
	return json(201, { token, session: '1', console: 'u/pv0', name: 'web1', mode: 'type',
		size: { rows: 24, cols: 80 }, from: '1.100.1', expires: 9, ...more });
}

/* Up to the parked poll, with the screen `[A]` that ends at offset 100. */
async function live(options) {
	const all = make(options);
	all.client.start();
	(await all.server.next('POST sessions')).answer(session());
	const first = await all.server.next(POLL);
	assert.equal(first.query.get('from'), null);
	first.answer(frames('1.100.1', event({ type: 'state', state: 'up' }), snapshot(100, 'A')));
	await all.server.next(POLL);
	return all;
}

const states = (seen) => seen.connection.map((c) => c.state);

/* ---- frames ---- */

test('frames are found however the body is cut', () => {
	const body = join(event({ type: 'state' }), frame('?', bytes('skipped')), output(7, 'hello'), frame('o', bytes('')));
	for (let cut = 0; cut <= body.length; cut++) {
		const parser = new FrameParser();
		const found = [...parser.push(body.slice(0, cut)), ...parser.push(body.slice(cut))];
		parser.end();
		assert.deepEqual(found.map((f) => f.type), ['j', '?', 'o', 'o']);
		assert.equal(text(found[2].payload.subarray(8)), 'hello');
	}
	const parser = new FrameParser();
	const found = [...body].flatMap((byte) => parser.push(Uint8Array.of(byte)));
	assert.equal(found.length, 4);
});

test('a body that ends inside a frame, or names an absurd length, is an error', () => {
	const whole = output(7, 'hello');
	for (let cut = 1; cut < whole.length; cut++) {
		const parser = new FrameParser();
		assert.deepEqual(parser.push(whole.slice(0, cut)), []);
		assert.throws(() => parser.end(), RequestError);
	}
	assert.throws(() => new FrameParser().push(Uint8Array.of(0x6f, 0xff, 0xff, 0xff, 0xff)), RequestError);
});

test('a screen as large as they get is taken, in small pieces, too', async () => {
	const large = new Uint8Array(16 << 20).fill(120);
	const whole = snapshot(100, large);
	const { server, client, seen } = make();
	client.addEventListener('snapshot', (e) => { seen.size = e.detail.data.length; });
	client.start();
	(await server.next('POST sessions')).answer(session());
	const pieces = [];
	for (let at = 0; at < whole.length; at += 16384)
		pieces.push(whole.subarray(at, at + 16384));
	(await server.next(POLL)).answer(frames('1.100.1', ...pieces));
	for (let i = 0; i < 2000 && !server.has(POLL); i++)
		await settle();
	assert.equal(client.connection, 'live');
	assert.equal(seen.size, large.length);
	client.close();
});

/* ---- output ---- */

test('a session, a snapshot, then polls from Xenterm-Next with the token in its header', async () => {
	const { server, client, seen } = await live();
	const poll = await server.next(POLL);
	assert.equal(poll.query.get('from'), '1.100.1');
	assert.equal(poll.query.get('wait'), '25');
	assert.equal(poll.headers['Xenterm-Token'], 'a'.repeat(64));
	assert.deepEqual(states(seen), ['connecting', 'live']);
	assert.equal(seen.sessions[0].name, 'web1');
	assert.equal('token' in seen.sessions[0], false);
	poll.answer(frames('1.105.1', output(105, 'hello')));
	assert.equal((await server.next(POLL)).query.get('from'), '1.105.1');
	assert.equal(seen.screen, '[A]hello');
	client.close();
});

test('what was delivered is not delivered again, overlaps are cut, unknown frames are skipped', async () => {
	const { server, client, seen } = await live();
	(await server.next(POLL)).answer(frames('1.103.1', output(103, 'abc')));
	(await server.next(POLL)).answer(frames('1.105.1', output(103, 'abc'), frame('z', bytes('?')), output(105, 'bcde')));
	await server.next(POLL);
	assert.equal(seen.screen, '[A]abcde');
	client.close();
});

test('a truncated answer is asked for again, and nothing comes twice', async () => {
	const { server, timers, client, seen } = await live();
	const body = join(output(103, 'abc'), output(106, 'def'));
	(await server.next(POLL)).answer(frames('1.106.1', body.slice(0, body.length - 2)));
	await settle();
	assert.equal(client.connection, 'retrying');
	await timers.advance(1000);
	const poll = await server.next(POLL);
	assert.equal(poll.query.get('from'), '1.100.1');
	assert.equal(poll.query.get('wait'), '0');
	poll.answer(frames('1.106.1', body));
	await server.next(POLL);
	assert.equal(seen.screen, '[A]abcdef');
	assert.equal(client.connection, 'live');
	client.close();
});

test('a gap in a poll is not papered over: the screen is fetched again', async () => {
	const { server, timers, client, seen } = await live();
	(await server.next(POLL)).answer(frames('1.120.1', output(120, 'late')));
	await settle();
	assert.equal(seen.screen, '[A]');
	await timers.advance(1000);
	const poll = await server.next(POLL);
	assert.equal(poll.query.get('from'), null);
	poll.answer(frames('1.120.1', snapshot(120, 'B')));
	await server.next(POLL);
	assert.equal(seen.screen, '[B]');
	client.close();
});

test('offsets of another run count from its snapshot', async () => {
	const { server, client, seen } = await live();
	(await server.next(POLL)).answer(frames('2.7.1', snapshot(5, 'new'), output(7, 'xy')));
	assert.equal((await server.next(POLL)).query.get('from'), '2.7.1');
	assert.equal(seen.screen, '[new]xy');
	client.close();
});

test('an offset that cannot be is an error, not a crash', async () => {
	for (const bad of [frame('o', bytes('1234567')), frame('o', new Uint8Array(8).fill(255)), output(1, 'abc')]) {
		const { server, client, seen } = await live();
		(await server.next(POLL)).answer(frames('1.101.1', bad));
		await settle();
		assert.equal(client.connection, 'retrying');
		assert.equal(seen.screen, '[A]');
		client.close();
	}
});

test('an answer of another kind (a proxy\'s page) is not output', async () => {
	const { server, client } = await live();
	(await server.next(POLL)).answer(new Response('<html>', { status: 200, headers: { 'Content-Type': 'text/html' } }));
	await settle();
	assert.equal(client.connection, 'retrying');
	client.close();
});

test('empty answers that come at once are not asked for in a tight loop', async () => {
	const { server, timers, client } = await live();
	(await server.next(POLL)).answer(nothing());
	await settle();
	assert.equal(server.has(POLL), false);
	await timers.advance(700);
	assert.equal(server.has(POLL), true);
	client.close();
});

test('pause() holds the next poll back until resume()', async () => {
	const { server, client } = await live();
	client.pause();
	(await server.next(POLL)).answer(frames('1.101.1', output(101, 'x')));
	await settle();
	assert.equal(server.has(POLL), false);
	client.resume();
	await server.next(POLL);
	client.close();
});

/* ---- streams ---- */

const STREAM = 'GET stream';

/* Answers the stream that is asked for, with its beginning. */
async function begin(server, at) {
	const request = await server.next(STREAM);
	const answer = stream();
	request.answer(answer.response, answer);
	answer.push(position(at));
	await settle();
	return Object.assign(answer, { request });
}

/* Up to the stream, with the screen `[A]` that ends at offset 100. */
async function streaming(options) {
	const all = make({ stream: true, ...options });
	all.client.start();
	(await all.server.next('POST sessions')).answer(session());
	(await all.server.next(POLL)).answer(frames('1.100.1', event({ type: 'state', state: 'up' }), snapshot(100, 'A')));
	all.stream = await begin(all.server, '1.100.1');
	return all;
}

test('after the first screen the output is streamed, and keys ask for no echo', async () => {
	const { server, client, seen, stream } = await streaming();
	assert.equal(stream.request.query.get('from'), '1.100.1');
	assert.equal(stream.request.headers['Xenterm-Token'], 'a'.repeat(64));
	assert.equal(client.transport, 'stream');
	assert.equal(client.connection, 'live');
	client.send('l');
	const input = await server.next(INPUT);
	assert.deepEqual([...input.query.keys()], ['seq']);
	input.answer(typed(1));
	stream.push(output(101, 'l'), position('1.101.1'));
	await settle();
	assert.equal(seen.screen, '[A]l');
	stream.push(event({ type: 'state', state: 'busy' }), position('1.101.2'));
	await settle();
	assert.equal(seen.events.at(-1).state, 'busy');
	assert.equal(server.has(POLL), false);
	client.close();
	await settle();
	assert.equal(stream.aborted, true);
});

test('a stream that is cut goes on where it was, in the middle of a batch too, and nothing comes twice', async () => {
	for (const how of ['end', 'fail']) {
		const { server, timers, client, seen, stream } = await streaming();
		stream.push(output(103, 'abc'), position('1.103.1'));
		await timers.advance(10000);
		stream.push(output(105, 'de'), output(107, 'fg').slice(0, 7));
		await settle();
		stream[how]();
		await settle();
		const next = await begin(server, '1.103.1');
		assert.equal(next.request.query.get('from'), '1.103.1');
		assert.deepEqual(states(seen), ['connecting', 'live']);
		next.push(output(107, 'defg'), position('1.107.1'));
		await settle();
		assert.equal(seen.screen, '[A]abcdefg');
		client.close();
	}
});

test('where something gathers answers the output is polled for, and keys have their echo', async () => {
	for (const answered of [false, true]) {
		const { server, timers, client, seen } = make({ stream: true });
		const transports = [];
		client.addEventListener('transport', (e) => transports.push(e.detail.name));
		client.start();
		(await server.next('POST sessions')).answer(session());
		(await server.next(POLL)).answer(frames('1.100.1', snapshot(100, 'A')));
		const request = await server.next(STREAM);
		if (answered) {
			const silent = stream();
			request.answer(silent.response, silent);
		}
		client.send('x');
		const input = await server.next(INPUT);
		assert.ok(Number(input.query.get('echo')) > 0);
		input.answer(echo(1, '1.101.1', output(101, 'x')));
		await timers.advance(3100);
		assert.equal((await server.next(POLL)).query.get('wait'), '25');
		assert.equal(client.transport, 'poll');
		assert.deepEqual(transports, []);
		assert.deepEqual(states(seen), ['connecting', 'live']);
		client.close();
	}
});

test('a worker without streams is polled', async () => {
	const { server, client } = make({ stream: true });
	client.start();
	(await server.next('POST sessions')).answer(session());
	(await server.next(POLL)).answer(frames('1.100.1', snapshot(100, 'A')));
	(await server.next(STREAM)).answer(problem(404, 'no-such-path'));
	await server.next(POLL);
	assert.equal(client.connection, 'live');
	client.close();
});

test('streams that end at once again and again are given up, without a tight loop', async () => {
	const { server, timers, client, stream } = await streaming();
	stream.end();
	await settle();
	assert.equal(server.has(STREAM), false);
	for (let i = 0; i < 2; i++) {
		await timers.advance(1500);
		(await begin(server, '1.100.1')).end();
		await settle();
	}
	await server.next(POLL);
	assert.equal(client.transport, 'poll');
	client.close();
});

test('a stream that falls silent is asked for again after a poll', async () => {
	const { server, timers, client, stream } = await streaming();
	await timers.advance(30000);
	stream.push(position('1.100.1'));
	await timers.advance(34000);
	assert.equal(stream.aborted, undefined);
	await timers.advance(1500);
	assert.equal(stream.aborted, true);
	await begin(server, '1.100.1');
	assert.equal(client.connection, 'live');
	client.close();
});

test('… and so is one whose fetch() has forgotten its signal', async () => {
	const { server, timers, client, stream } = await streaming();
	stream.fail = () => {};
	await timers.advance(36000);
	assert.equal(stream.cancelled, true);
	await begin(server, '1.100.1');
	assert.equal(client.connection, 'live');
	client.close();
});

test('wake() asks again at once when a stream has said nothing for longer than it may', async () => {
	const { server, timers, client, stream } = await streaming();
	await timers.advance(10000);
	client.wake();
	await settle();
	assert.equal(stream.aborted, undefined);
	await timers.advance(10000);
	client.wake();
	await settle();
	assert.equal(stream.aborted, true);
	const poll = await server.next(POLL);
	assert.equal(poll.query.get('wait'), '0');
	poll.answer(nothing({ 'Xenterm-Next': '1.100.1' }));
	await begin(server, '1.100.1');
	client.close();
});

test('the network away: the client says so, polls until an answer comes, and streams again', async () => {
	const { server, timers, client, seen, stream } = await streaming();
	await timers.advance(5000);
	stream.fail();
	await settle();
	(await server.next(STREAM)).fail();
	await settle();
	assert.equal(client.connection, 'retrying');
	await timers.advance(1000);
	const poll = await server.next(POLL);
	assert.equal(poll.query.get('wait'), '0');
	poll.answer(frames('1.103.1', output(103, 'abc')));
	await settle();
	assert.equal(client.connection, 'live');
	const next = await begin(server, '1.103.1');
	assert.equal(next.request.query.get('from'), '1.103.1');
	assert.equal(seen.screen, '[A]abc');
	client.close();
});

test('a guest that is away may be elsewhere: it is polled for, and streamed when it is back', async () => {
	const { server, client, seen, stream } = await streaming();
	stream.push(event({ type: 'state', state: 'waiting' }), position('1.100.2'));
	await settle();
	assert.equal(stream.aborted, true);
	const first = await server.next(POLL);
	assert.equal(first.query.get('wait'), '0');
	assert.equal(first.query.get('from'), '1.100.2');
	first.answer(nothing());
	for (let i = 0; i < 3; i++) {
		const poll = await server.next(POLL);
		assert.equal(poll.query.get('wait'), '25');
		poll.answer(frames(`1.100.${i + 3}`, event({ type: 'state', state: i < 2 ? 'gone' : 'up' })));
	}
	const next = await begin(server, '1.100.5');
	assert.equal(next.request.query.get('from'), '1.100.5');
	assert.deepEqual(seen.events.map((e) => e.state), ['up', 'waiting', 'gone', 'gone', 'up']);
	assert.equal(server.has(POLL), false);
	client.close();
});

test('a session that has ended while it streamed is made anew, and 503 is waited for', async () => {
	const { server, timers, client, stream } = await streaming();
	await timers.advance(5000);
	stream.end();
	await settle();
	(await server.next(STREAM)).answer(problem(503, 'overload', {}, { 'Retry-After': '7' }));
	await timers.advance(6500);
	assert.equal(server.open.length, 0);
	await timers.advance(1000);
	(await server.next(POLL)).answer(problem(403, 'unknown-token'));
	(await server.next('POST sessions')).answer(session('b'.repeat(64)));
	(await server.next(POLL)).answer(frames('1.100.1', snapshot(100, 'B')));
	await begin(server, '1.100.1');
	assert.equal(client.connection, 'live');
	client.close();
});

test('a paused stream is not read, and is not taken for a silent one', async () => {
	const { timers, client, seen, stream } = await streaming();
	client.pause();
	stream.push(output(101, 'x'), position('1.101.1'));      /* one read was under way */
	await settle();
	stream.push(output(102, 'y'), position('1.102.1'));
	await timers.advance(60000);
	assert.equal(seen.screen, '[A]x');
	client.resume();
	await settle();
	assert.equal(seen.screen, '[A]xy');
	assert.equal(stream.aborted, undefined);
	client.close();
});

test('nonsense on a stream is an error like on a poll, and the screen comes again', async () => {
	for (const bad of [output(200, 'gap'), frame('o', bytes('1234567')), position('1'.repeat(200)),
		Uint8Array.of(0x6f, 0xff, 0xff, 0xff, 0xff)]) {
		const { timers, server, client, seen, stream } = await streaming();
		stream.push(bad);
		await settle();
		assert.equal(client.connection, 'retrying');
		await timers.advance(1000);
		(await server.next(POLL)).answer(frames('1.200.1', snapshot(200, 'B')));
		await begin(server, '1.200.1');
		assert.equal(seen.screen, '[B]');
		client.close();
	}
});

/* ---- echo beside polls ---- */

test('the echo comes in the input\'s answer, and the poll that carries it too adds nothing', async () => {
	const { server, client, seen } = await live();
	client.send('l');
	const input = await server.next(INPUT);
	assert.equal(input.query.get('seq'), '1');
	assert.equal(input.query.get('from'), '1.100.1');
	assert.ok(Number(input.query.get('echo')) > 0);
	input.answer(echo(1, '1.101.1', output(101, 'l')));
	await settle();
	assert.equal(seen.screen, '[A]l');
	client.send('s');
	assert.equal((await server.next(INPUT)).query.get('from'), '1.101.1');
	(await server.next(POLL)).answer(frames('1.102.1', output(102, 'ls')));
	await settle();
	assert.equal(seen.screen, '[A]ls');
	(await server.next(INPUT)).answer(echo(2, '1.102.1', output(102, 's')));
	await settle();
	assert.equal(seen.screen, '[A]ls');
	client.close();
});

test('an echo that a poll has overtaken brings neither bytes nor an old position', async () => {
	const { server, client, seen } = await live();
	client.send('l');
	const input = await server.next(INPUT);
	(await server.next(POLL)).answer(frames('1.110.4', output(110, '0123456789')));
	await settle();
	input.answer(echo(1, '1.104.2', event({ type: 'state', state: 'waiting' }), output(104, '0123')));
	await settle();
	assert.equal(seen.screen, '[A]0123456789');
	assert.deepEqual(seen.events.map((e) => e.state), ['up']);      /* an echo's events would be old ones */
	client.send('x');
	assert.equal((await server.next(INPUT)).query.get('from'), '1.110.4');
	client.close();
});

test('an echo with bytes missing before it is dropped and the poll asked again', async () => {
	const { server, client, seen } = await live();
	const parked = await server.next(POLL);
	client.send('l');
	(await server.next(INPUT)).answer(echo(1, '1.112.1', output(112, 'l')));
	await settle();
	assert.equal(seen.screen, '[A]');
	assert.equal(parked.aborted, true);
	const poll = await server.next(POLL);
	assert.equal(poll.query.get('from'), '1.100.1');
	poll.answer(frames('1.112.1', output(112, '0123456789 l')));
	await settle();
	assert.equal(seen.screen, '[A]0123456789 l');
	assert.equal(client.connection, 'live');
	client.close();
});

test('an echo from before a snapshot is not mixed into the new history', async () => {
	const { server, client, seen } = await live();
	client.send('l');
	const input = await server.next(INPUT);
	(await server.next(POLL)).answer(frames('2.100.1', snapshot(100, 'new')));
	await settle();
	input.answer(echo(1, '1.103.1', output(103, 'old')));
	await settle();
	assert.equal(seen.screen, '[new]');
	client.close();
});

test('an echo cut short still acknowledges: the bytes are not sent again', async () => {
	const { server, client, seen } = await live();
	client.send('l');
	const body = output(101, 'l');
	(await server.next(INPUT)).answer(echo(1, '1.101.1', body.slice(0, 9)));
	await settle();
	assert.equal(client.pending, 0);
	assert.equal(server.has(INPUT), false);
	(await server.next(POLL)).answer(frames('1.101.1', body));
	await settle();
	assert.equal(seen.screen, '[A]l');
	client.close();
});

/* ---- input ---- */

test('one request at a time, what is typed meanwhile goes together', async () => {
	const { server, client } = await live();
	for (const key of 'abc')
		client.send(key);
	const first = await server.next(INPUT);
	assert.equal(text(first.body), 'a');
	assert.equal(server.open.filter((r) => r.what === INPUT).length, 1);
	first.answer(typed(1));
	await settle();
	const second = await server.next(INPUT);
	assert.equal(text(second.body), 'bc');
	assert.equal(second.query.get('seq'), '2');
	client.close();
});

test('what is typed before the first screen waits for it', async () => {
	const { server, client } = make();
	client.start();
	client.send('é');
	(await server.next('POST sessions')).answer(session());
	const poll = await server.next(POLL);
	assert.equal(server.has(INPUT), false);
	poll.answer(frames('1.100.1', snapshot(100, 'A')));
	assert.equal(text((await server.next(INPUT)).body), 'é');
	client.close();
});

test('a large paste goes in requests of at most 16,384 bytes, whole and in order', async () => {
	const { server, client } = await live();
	const paste = Uint8Array.from({ length: 40000 }, (_, i) => i % 251);
	assert.equal(client.send(paste), true);
	const got = [];
	for (let seq = 1; seq <= 3; seq++) {
		const input = await server.next(INPUT);
		assert.ok(input.body.length <= 16384);
		got.push(input.body);
		input.answer(typed(seq));
		await settle();
	}
	assert.deepEqual(join(...got), paste);
	assert.equal(server.has(INPUT), false);
	client.close();
});

test('the local queue is bounded: all of a piece or nothing, with a notice', async () => {
	const { client, seen } = await live({ maxQueue: 100 });
	assert.equal(client.send('x'.repeat(60)), true);
	assert.equal(client.send('y'.repeat(41)), false);
	assert.equal(client.pending, 60);
	assert.equal(seen.notices[0].code, 'queue-full');
	assert.match(seen.notices[0].detail, /41 bytes were not sent/);
	assert.equal(client.send('z'.repeat(40)), true);
	client.close();
});

test('a lost answer: the same number and the same bytes go again, so the guest gets them once', async () => {
	const { server, timers, client } = await live();
	const guest = new Map();
	const worker = (request) => guest.has(request.query.get('seq'))
		|| guest.set(request.query.get('seq'), text(request.body));
	client.send('rm x\r');
	const lost = await server.next(INPUT);
	worker(lost);
	lost.fail();
	await settle();
	client.send('y');
	await timers.advance(1000);
	for (const failing of [problem(502, ''), problem(504, ''), problem(503, 'queue-full', {}, { 'Retry-After': '2' })]) {
		const again = await server.next(INPUT);
		assert.equal(again.query.get('seq'), '1');
		assert.equal(text(again.body), 'rm x\r');
		worker(again);
		again.answer(failing);
		await timers.advance(5000);
	}
	const last = await server.next(INPUT);
	worker(last);
	last.answer(json(200, { seq: 1, typed: false }));
	await settle();
	const next = await server.next(INPUT);
	assert.equal(next.query.get('seq'), '2');
	worker(next);
	assert.deepEqual([...guest.values()], ['rm x\r', 'y']);
	client.close();
});

test('a worker that is killed and started anew: the session goes on, at its numbers, when the server says that it may', async () => {
	const { server, timers, client, seen } = await live();
	client.send('ls\r');
	/* It was typed, and then the worker died. */
	(await server.next(INPUT)).answer(problem(502, ''));
	await settle();
	const parked = await server.next(POLL);
	parked.answer(problem(502, 'no-worker', {}, { 'Retry-After': '1' }));
	client.send('x');
	await timers.advance(2000);
	/* The next one does not know the sessions yet. */
	for (const which of [POLL, INPUT])
		(await server.next(which)).answer(problem(503, 'overload', {}, { 'Retry-After': '3' }));
	await settle();
	await timers.advance(2900);
	client.wake();
	await settle();
	assert.equal(server.has(INPUT) || server.has(POLL), false);
	await timers.advance(2000);
	const again = await server.next(INPUT);
	assert.deepEqual([again.query.get('seq'), text(again.body)], ['1', 'ls\r']);
	again.answer(json(200, { seq: 1, typed: false }));
	await settle();
	const next = await server.next(INPUT);
	assert.deepEqual([next.query.get('seq'), text(next.body)], ['2', 'x']);
	next.answer(typed(2));
	await settle();
	const poll = await server.next(POLL);
	assert.equal(poll.headers['Xenterm-Token'], 'a'.repeat(64));
	assert.equal(poll.query.get('from'), '1.100.1');
	assert.deepEqual(seen.notices, []);
	assert.equal(seen.sessions.length, 1);
	client.close();
});

test('a guest that does not read: what is typed waits, and the connection is not said to be lost', async () => {
	const { server, timers, client, seen } = await live();
	client.send('x');
	(await server.next(INPUT)).answer(problem(503, 'queue-full', {}, { 'Retry-After': '1' }));
	await settle();
	assert.equal(client.connection, 'live');
	assert.equal(client.pending, 1);
	await timers.advance(2000);
	(await server.next(INPUT)).answer(typed(1));
	await settle();
	assert.deepEqual(states(seen), ['connecting', 'live']);
	assert.equal(client.pending, 0);
	client.close();
});

test('what was typed is taken back: here, in the queue, and what was on its way meanwhile', async () => {
	const { server, timers, client } = await live();
	client.send('abc');
	const input = await server.next(INPUT);
	client.send('defgh');
	const back = client.takeBack();
	(await server.next('DELETE input')).answer(json(200, { cancelled: 10 }));
	await settle();
	assert.equal(client.pending, 3);
	input.answer(typed(1));
	await settle();
	await timers.advance(200);
	const again = await server.next('DELETE input');
	assert.equal(again.headers['Xenterm-Token'], 'a'.repeat(64));
	again.answer(json(200, { cancelled: 3 }));
	assert.equal(await back, 5 + 10 + 3);
	/* The next key goes its way, with the next number. */
	client.send('z');
	const next = await server.next(INPUT);
	assert.deepEqual([next.query.get('seq'), text(next.body)], ['2', 'z']);
	next.answer(typed(2));
	/* Where the server does not say, it is not known. */
	const unknown = client.takeBack();
	(await server.next('DELETE input')).answer(problem(503, 'overload'));
	assert.equal(await unknown, null);
	client.close();
	assert.equal(await client.takeBack(), null);
});

test('the parked poll is asked again when an answer was lost, since it may hold back what that told', async () => {
	const { server, client } = await live();
	const parked = await server.next(POLL);
	client.send('l');
	(await server.next(INPUT)).fail();
	await settle();
	assert.equal(parked.aborted, true);
	const poll = await server.next(POLL);
	assert.equal(poll.query.get('from'), '1.100.1');
	assert.equal(poll.query.get('wait'), '0');
	client.close();
});

test('what is sent again asks for no echo; a poll brings the output', async () => {
	const { server, timers, client } = await live();
	client.send('l');
	(await server.next(INPUT)).fail();
	await settle();
	(await server.next(POLL)).answer(nothing());
	await timers.advance(1000);
	const again = await server.next(INPUT);
	assert.deepEqual([...again.query.keys()], ['seq']);
	const parked = await server.next(POLL);
	again.answer(typed(1));
	await settle();
	assert.equal(parked.aborted, true);
	assert.equal((await server.next(POLL)).query.get('wait'), '0');
	client.close();
});

test('an answer that does not acknowledge the number is not an acknowledgement', async () => {
	const { server, timers, client } = await live();
	client.send('l');
	(await server.next(INPUT)).answer(new Response('<html>', { status: 200, headers: { 'Content-Type': 'text/html' } }));
	await timers.advance(1000);
	assert.equal((await server.next(INPUT)).query.get('seq'), '1');
	client.close();
});

test('seq-gap: bytes that were surely not typed go again under the expected number', async () => {
	const { server, client, seen } = await live();
	client.send('l');
	(await server.next(INPUT)).answer(problem(409, 'seq-gap', { expected: 7 }));
	await settle();
	const again = await server.next(INPUT);
	assert.equal(again.query.get('seq'), '7');
	assert.equal(text(again.body), 'l');
	again.answer(typed(7));
	await settle();
	client.send('s');
	assert.equal((await server.next(INPUT)).query.get('seq'), '8');
	assert.deepEqual(seen.notices, []);
	client.close();
});

test('seq-gap after a lost answer: not sent again, the viewer is told', async () => {
	const { server, timers, client, seen } = await live();
	client.send('l');
	(await server.next(INPUT)).fail();
	await timers.advance(1000);
	(await server.next(INPUT)).answer(problem(409, 'seq-gap', { expected: 3 }));
	await settle();
	assert.equal(server.has(INPUT), false);
	assert.match(seen.notices[0].detail, /1 byte may not have been typed/);
	client.send('s');
	assert.equal((await server.next(INPUT)).query.get('seq'), '3');
	client.close();
});

test('not-up: what was typed is dropped with a notice and not kept for the next boot', async () => {
	const { server, client, seen } = await live();
	client.send('a');
	client.send('bc');
	(await server.next(INPUT)).answer(problem(409, 'not-up'));
	await settle();
	assert.equal(client.pending, 0);
	assert.match(seen.notices[0].detail, /2 bytes that waited were not sent.*1 byte was not typed/);
	client.close();
});

test('input that could not be sent for two minutes is given up, aloud', async () => {
	const { server, timers, client, seen } = await live();
	client.send('a');
	for (let i = 0; i < 20 && client.pending; i++) {
		(await server.next(INPUT)).answer(problem(503, 'queue-full', {}, { 'Retry-After': '20' }));
		await settle();
		while (client.pending && !server.has(INPUT))
			await timers.advance(1000);
	}
	assert.equal(client.pending, 0);
	assert.equal(seen.notices[0].code, 'too-old');
	client.close();
});

test('a watcher\'s keys go nowhere and say so; so do those of one who may not type any more', async () => {
	const watcher = make({ mode: 'watch' });
	watcher.client.start();
	(await watcher.server.next('POST sessions')).answer(session(undefined, { mode: 'watch' }));
	(await watcher.server.next(POLL)).answer(frames('1.100.1', snapshot(100, 'A')));
	await settle();
	assert.equal(watcher.client.send('x'), false);
	assert.equal(watcher.seen.notices[0].code, 'read-only');
	assert.equal(watcher.server.has(INPUT), false);
	watcher.client.close();

	const { server, client, seen } = await live();
	client.send('x');
	(await server.next(INPUT)).answer(problem(403, 'read-only'));
	await settle();
	assert.equal(client.mode, 'watch');
	assert.equal(seen.notices[0].code, 'read-only');
	assert.equal(client.connection, 'live');
	client.close();
});

test('who is made to watch is told by whom, and what was not typed; who did it goes on', async () => {
	const { server, client, seen } = await live();
	client.send('x');
	const typed = await server.next(INPUT);
	client.send('yz');
	const mode = (by) => event({ type: 'mode', mode: 'watch', by: 'carol', session: by });
	(await server.next(POLL)).answer(frames('1.100.2', mode('1')));
	await settle();
	assert.equal(client.mode, 'type');
	(await server.next(POLL)).answer(frames('1.100.3', mode('another')));
	await settle();
	assert.equal(client.mode, 'watch');
	assert.equal(seen.notices[0].code, 'taken');
	assert.match(seen.notices[0].detail, /^carol has taken over .* 2 .* were not sent\.$/);
	assert.equal(client.send('more'), false);
	typed.answer(nothing());
	client.close();
});

test('who may not type any more is told, and nothing is shown as a take-over', async () => {
	const { server, client, seen } = await live();
	client.send('x');
	const typed = await server.next(INPUT);
	client.send('yz');
	(await server.next(POLL)).answer(frames('1.100.3', event({ type: 'mode', mode: 'watch', why: 'right-lost' })));
	await settle();
	assert.equal(client.mode, 'watch');
	assert.deepEqual(seen.notices.map((notice) => notice.code), ['read-only']);
	assert.match(seen.notices[0].detail, /^You may not type here any more; .* 2 .* were not sent\.$/);
	assert.equal(client.send('more'), false);
	typed.answer(nothing());
	client.close();
});

/* ---- changing the mode, keys, tickets, turns ---- */

test('another mode: a new session at the same place, and the former one ends', async () => {
	const { server, client, seen } = await live();
	const changed = client.changeMode('type', 'force');
	const asked = await server.next('POST sessions');
	assert.deepEqual(JSON.parse(asked.body), { console: 'u/pv0', mode: 'type', take: 'force' });
	asked.answer(session('b'.repeat(64), { session: '2' }));
	const former = await server.next('DELETE sessions/current');
	assert.equal(former.headers['Xenterm-Token'], 'a'.repeat(64));
	await changed;
	await settle();
	const poll = await server.next(POLL);
	assert.equal(poll.headers['Xenterm-Token'], 'b'.repeat(64));
	assert.equal(poll.query.get('from'), '1.100.1');
	assert.equal(seen.screen, '[A]');
	assert.equal(seen.sessions.at(-1).session, '2');
	client.send('x');
	const input = await server.next(INPUT);
	assert.equal(input.query.get('seq'), '1');
	client.close();
});

test('a mode that is refused changes nothing', async () => {
	const { server, client } = await live();
	const changed = client.changeMode('type', 'force');
	(await server.next('POST sessions')).answer(problem(403, 'not-allowed'));
	await assert.rejects(changed, { message: 'Because of not-allowed.' });
	assert.equal(server.has('DELETE sessions/current'), false);
	assert.equal(client.connection, 'live');
	assert.equal(server.has(POLL), true);
	client.close();
});

test('a key waits its turn among what is typed', async () => {
	const { server, client } = await live();
	const took = [];
	const take = async (what, seq) => {
		const request = await server.next(what);
		took.push([what, Number(request.query.get('seq')), what === INPUT ? text(request.body) : JSON.parse(request.body)]);
		request.answer(typed(seq));
		await settle();
	};
	client.send('a');
	client.send('b');
	assert.equal(client.press('sysrq', 's'), true);
	client.send('c');
	await take(INPUT, 1);
	await take(INPUT, 2);
	await take('POST keys', 3);
	await take(INPUT, 4);
	assert.deepEqual(took, [[INPUT, 1, 'a'], [INPUT, 2, 'b'], ['POST keys', 3, { key: 'sysrq', arg: 's' }], [INPUT, 4, 'c']]);
	client.close();
});

test('a ticket is for one session; when that has gone a person is told to come with another', async () => {
	const { server, client, seen } = make({ ticket: 'T' });
	client.start();
	const asked = await server.next('POST sessions');
	assert.equal(JSON.parse(asked.body).ticket, 'T');
	assert.equal(asked.options.headers['Xenterm-Token'], undefined);
	asked.answer(session());
	(await server.next(POLL)).answer(frames('1.100.1', snapshot(100, 'A')));
	await settle();
	(await server.next(POLL)).answer(problem(403, 'unknown-token'));
	await settle();
	assert.equal(server.has('POST sessions'), false);
	assert.equal(seen.connection.at(-1).reason, 'refused');
	assert.match(seen.connection.at(-1).detail, /ticket was for one only/);
});

test('what was typed before a new login and not acknowledged is kept', async () => {
	const { server, client } = await live();
	client.send('sure');
	const input = await server.next(INPUT);
	client.send('waits');
	input.fail();
	await settle();
	(await server.next(POLL)).answer(problem(401, 'no-identity'));
	await settle();
	assert.equal(client.connection, 'ended');
	assert.equal(text(client.unsent), 'surewaits');
});

test('without a line of its own a client asks in turn, sooner after a key; with one it waits again', async () => {
	const line = { holds: false, pause: 1 };
	const { server, timers, client } = make({ line });
	client.start();
	(await server.next('POST sessions')).answer(session());
	(await server.next(POLL)).answer(frames('1.100.1', snapshot(100, 'A')));
	await settle();
	assert.equal(client.transport, 'turns');
	assert.equal(server.has(POLL), false);
	await timers.advance(1000);
	const turn = await server.next(POLL);
	assert.equal(turn.query.get('wait'), '0');
	turn.answer(nothing({ 'Xenterm-Next': '1.100.1' }));
	await settle();
	client.send('x');
	const input = await server.next(INPUT);
	assert.equal(input.query.get('echo'), '20');
	input.answer(typed(1));
	await timers.advance(1000);
	(await server.next(POLL)).answer(nothing());
	await timers.advance(250);
	(await server.next(POLL)).answer(nothing());
	await settle();
	line.holds = true;
	client.regroup();
	await settle();
	assert.equal((await server.next(POLL)).query.get('wait'), '25');
	assert.equal(client.transport, 'poll');
	line.holds = false;
	client.regroup();
	await settle();
	assert.equal(server.has(POLL), false);
	assert.equal(client.transport, 'turns');
	client.close();
});

/* ---- failures ---- */

test('back-off grows from half a second to 30 and stays there, and success ends it', async () => {
	const { server, timers, client, seen } = await live();
	const waits = [];
	for (let i = 0; i < 10; i++) {
		(await server.next(POLL)).fail();
		await settle();
		const began = timers.now();
		while (!server.has(POLL))
			await timers.advance(100);
		waits.push((timers.now() - began) / 1000);
	}
	assert.deepEqual(waits.map((w) => Math.round(w * 2) / 2), [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]);
	assert.ok(seen.connection.filter((c) => c.state === 'retrying').every((c) => c.detail !== ''));
	(await server.next(POLL)).answer(nothing());
	await settle();
	assert.equal(client.connection, 'live');
	(await server.next(POLL)).fail();
	await timers.advance(600);
	assert.equal(server.has(POLL), true);
	client.close();
});

test('jitter keeps within a quarter, and within 0.5 to 30 seconds', async () => {
	for (const random of [0, 0.999]) {
		const timers = new FakeTimers();
		timers.random = () => random;
		const { server, client, seen } = make({ timers });
		client.start();
		for (let i = 0; i < 9; i++) {
			(await server.next('POST sessions')).fail();
			await settle();
			const { seconds } = seen.connection.at(-1);
			assert.ok(seconds >= 0.5 && seconds <= 30, `${seconds}`);
			while (!server.has('POST sessions'))
				await timers.advance(100);
		}
		client.close();
	}
});

test('503 with Retry-After: not earlier, not even when woken', async () => {
	const { server, timers, client, seen } = await live();
	(await server.next(POLL)).answer(problem(503, 'overload', {}, { 'Retry-After': '12' }));
	await settle();
	assert.deepEqual(seen.connection.at(-1), { state: 'retrying', seconds: 12, detail: 'Because of overload.' });
	client.wake();
	await timers.advance(11900);
	assert.equal(server.has(POLL), false);
	await timers.advance(200);
	assert.equal(server.has(POLL), true);
	client.close();
});

test('wake() ends the waiting after a network error; without a network the state says offline', async () => {
	let online = false;
	const { server, client } = await live({ online: () => online });
	(await server.next(POLL)).fail();
	await settle();
	assert.equal(client.connection, 'offline');
	online = true;
	client.wake();
	(await server.next(POLL)).answer(nothing());
	await settle();
	assert.equal(client.connection, 'live');
	client.close();
});

test('504 shortens the next polls', async () => {
	const { server, timers, client } = await live();
	(await server.next(POLL)).answer(problem(504, ''));
	await timers.advance(1000);
	(await server.next(POLL)).answer(nothing());
	assert.equal((await server.next(POLL)).query.get('wait'), '12');
	client.close();
});

test('a poll without an answer is given up after its wait and a margin', async () => {
	const { server, timers, client } = await live();
	const poll = await server.next(POLL);
	await timers.advance(41000);
	assert.equal(poll.aborted, true);
	client.close();
});

test('unknown-token: a new session by itself, from where the old one was; the keys go there once', async () => {
	const { server, timers, client, seen } = await live();
	client.send('later');
	(await server.next(INPUT)).answer(problem(502, 'no-worker'));
	await timers.advance(1000);
	(await server.next(INPUT)).answer(problem(403, 'unknown-token'));
	await settle();
	(await server.next(POLL)).answer(problem(403, 'unknown-token'));
	(await server.next('POST sessions')).answer(session('b'.repeat(64)));
	const poll = await server.next(POLL);
	assert.equal(poll.query.get('from'), '1.100.1');
	assert.equal(poll.headers['Xenterm-Token'], 'b'.repeat(64));
	poll.answer(nothing());
	const input = await server.next(INPUT);
	assert.equal(input.headers['Xenterm-Token'], 'b'.repeat(64));
	assert.equal(input.query.get('seq'), '1');
	assert.equal(text(input.body), 'later');
	assert.deepEqual(seen.notices, []);
	client.close();
});

test('unknown-token with bytes in flight whose fate is unknown: told, never sent again', async () => {
	const { server, timers, client, seen } = await live();
	client.send('danger');
	(await server.next(INPUT)).fail();
	await settle();
	(await server.next(POLL)).answer(problem(403, 'unknown-token'));
	(await server.next('POST sessions')).answer(session('b'.repeat(64)));
	(await server.next(POLL)).answer(nothing());
	await timers.advance(2000);
	assert.match(seen.notices[0].detail, /6 bytes may not have been typed/);
	assert.equal(server.has(INPUT), false);
	client.send('next');
	const input = await server.next(INPUT);
	assert.equal(text(input.body), 'next');
	assert.equal(input.query.get('seq'), '1');
	client.close();
});

for (const [what, late] of [['read-only', () => problem(403, 'read-only')],
	['seq-gap', () => problem(409, 'seq-gap', { expected: 7 })]]) {
	test(`a late ${what} is of the session that it was sent in: the keys go to the next one`, async () => {
		for (const meanwhile of [true, false]) {
			const { server, client, seen } = await live();
			client.send('keys');
			const input = await server.next(INPUT);
			(await server.next(POLL)).answer(problem(403, 'unknown-token'));
			const asked = await server.next('POST sessions');
			if (!meanwhile)
				asked.answer(session('b'.repeat(64)));
			await settle();
			input.answer(late());
			await settle();
			if (meanwhile)
				asked.answer(session('b'.repeat(64)));
			(await server.next(POLL)).answer(nothing());
			const again = await server.next(INPUT);
			assert.equal(again.headers['Xenterm-Token'], 'b'.repeat(64));
			assert.equal(again.query.get('seq'), '1');
			assert.equal(text(again.body), 'keys');
			assert.equal(client.mode, 'type');
			assert.deepEqual(seen.notices, []);
			client.close();
		}
	});
}

test('a session that ended while an echo was waited for: the keys may have been typed, so they are not sent again', async () => {
	const { server, client, seen } = await live();
	client.send('rm');
	client.send(' x');
	(await server.next(INPUT)).answer(problem(403, 'unknown-token'));
	await settle();
	(await server.next(POLL)).answer(problem(403, 'unknown-token'));
	(await server.next('POST sessions')).answer(session('b'.repeat(64)));
	(await server.next(POLL)).answer(nothing());
	await settle();
	assert.match(seen.notices[0].detail, /2 bytes that waited were not sent\. 2 bytes may not have been typed/);
	assert.equal(server.has(INPUT), false);
	client.close();
});

test('a new session that is unknown at once is not replaced for ever', async () => {
	const { server, timers, client, seen } = await live();
	(await server.next(POLL)).answer(problem(403, 'unknown-token'));
	(await server.next('POST sessions')).answer(session('b'.repeat(64)));
	(await server.next(POLL)).answer(problem(403, 'unknown-token'));
	await settle();
	assert.equal(seen.connection.at(-1).state, 'ended');
	assert.equal(seen.connection.at(-1).reason, 'session');
	assert.equal(server.open.length, 0);
	assert.equal(timers.pending, 0);
});

test('no identity, or a redirect to a login page, ends with "log in again"', async () => {
	for (const response of [problem(401, 'no-identity'), new Response(null, { status: 302, headers: { Location: '/login' } })]) {
		const { server, timers, client, seen } = await live();
		(await server.next(POLL)).answer(response);
		await settle();
		const last = seen.connection.at(-1);
		assert.equal(last.reason, 'login');
		assert.match(last.detail, /Log in again/);
		assert.equal(client.send('x'), false);
		assert.equal(timers.pending, 0);
	}
});

test('403 and 404 are final, with the server\'s sentence', async () => {
	for (const [status, code] of [[403, 'not-allowed'], [404, 'no-such-console']]) {
		const { server, timers, client, seen } = make();
		client.start();
		(await server.next('POST sessions')).answer(problem(status, code));
		await settle();
		assert.deepEqual(seen.connection.at(-1),
			{ state: 'ended', reason: 'refused', detail: `Because of ${code}.`, status, code });
		assert.equal(timers.pending, 0);
	}
});

test('a console that was there is asked for for ten minutes', async () => {
	const { server, timers, client, seen } = await live();
	(await server.next(POLL)).answer(problem(401, 'unknown-token'));
	for (let i = 0; i < 3; i++) {
		(await server.next('POST sessions')).answer(problem(404, 'no-such-console'));
		await settle();
		assert.equal(client.connection, 'retrying');
		assert.equal(seen.connection.at(-1).detail, 'Because of no-such-console.');
		await timers.advance(10_000);
	}
	(await server.next('POST sessions')).answer(session('b'.repeat(64)));
	(await server.next(POLL)).answer(frames('2.100.1', snapshot(100, 'B')));
	await settle();
	assert.equal(client.connection, 'live');
	assert.equal(seen.screen, '[B]');

	/* The ten minutes begin anew. */
	(await server.next(POLL)).answer(problem(401, 'unknown-token'));
	let seconds = 0;
	for (; client.connection !== 'ended' && seconds < 700; seconds++) {
		if (server.has('POST sessions'))
			(await server.next('POST sessions')).answer(problem(404, 'no-such-console'));
		await timers.advance(1000);
	}
	assert.ok(seconds >= 600 && seconds < 640, `${seconds} s`);
	assert.equal(seen.connection.at(-1).reason, 'refused');
	assert.equal(timers.pending, 0);
});

test('what waited for a session for more than two minutes is not typed any more', async () => {
	for (const [seconds, wanted] of [[100, 'reboot\r'], [130, null]]) {
		const { server, timers, client, seen } = await live();
		(await server.next(POLL)).answer(problem(401, 'unknown-token'));
		const asked = await server.next('POST sessions');
		client.send('reboot');
		asked.answer(problem(503, 'overload', {}, { 'Retry-After': String(seconds) }));
		await timers.advance(2000);
		client.send('\r');
		await timers.advance(seconds * 1000);
		(await server.next('POST sessions')).answer(session('b'.repeat(64)));
		(await server.next(POLL)).answer(frames('2.100.1', snapshot(100, 'B')));
		await settle();
		assert.equal(client.pending, wanted ? wanted.length : 0);
		if (wanted) {
			assert.equal(text((await server.next(INPUT)).body), wanted);
		} else {
			assert.equal(server.has(INPUT), false);
			assert.equal(seen.notices.at(-1).code, 'too-old');
			assert.match(seen.notices.at(-1).detail, / 7 bytes that waited were not sent\.$/);
		}
		client.close();
	}
});

test('too many sessions is not final', async () => {
	const { server, timers, client } = make();
	client.start();
	(await server.next('POST sessions')).answer(problem(429, 'too-many-sessions'));
	await timers.advance(1000);
	await server.next('POST sessions');
	client.close();
});

test('close() ends the session and leaves neither timers, requests nor events', async () => {
	const { server, timers, client, seen } = await live();
	client.send('a');
	await server.next(INPUT);
	const before = JSON.stringify(seen);
	client.close();
	client.close();
	await settle();
	assert.deepEqual(server.open.map((r) => r.what), ['DELETE sessions/current']);
	assert.equal(server.open[0].options.keepalive, true);
	assert.equal(server.open[0].headers['Xenterm-Token'], 'a'.repeat(64));
	assert.equal(timers.pending, 0);
	assert.equal(JSON.stringify(seen), before);
	assert.equal(client.send('b'), false);

	const waiting = await live();
	(await waiting.server.next(POLL)).fail();
	await settle();
	waiting.client.close();
	await settle();
	assert.equal(waiting.timers.pending, 0);
});

/* ---- the list ---- */

test('listConsoles() gives the list, or an error with a sentence', async () => {
	const asked = [];
	const list = await listConsoles({ base: 'https://u:p@dom0.example/xenterm/', fetch: async (url) => {
		asked.push(String(url));
		return json(200, { consoles: [{ id: 'u/pv0' }] });
	} });
	assert.deepEqual(list, [{ id: 'u/pv0' }]);
	assert.deepEqual(asked, ['https://dom0.example/xenterm/api/v1/consoles']);
	const failing = (response) => listConsoles({ base: BASE, fetch: async () => response });
	await assert.rejects(failing(problem(401, 'no-identity')), { status: 401, code: 'no-identity' });
	await assert.rejects(failing(json(200, {})), RequestError);
	await assert.rejects(failing(new Response('x', { status: 500 })), /answered 500/);
	await assert.rejects(listConsoles({ base: BASE, fetch: async () => { throw new TypeError('no'); } }), { status: 0 });
});
