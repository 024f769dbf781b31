/* The tools themselves: a comparison that cannot find anything proves nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corpus } from './corpus.mjs';
import { generate } from './generate.mjs';
import { minimize } from './minimize.mjs';
import { oracle } from './oracle.mjs';
import { BYTES, decodeAll, encode, parse, show } from './record.mjs';

test('a record survives its binary and its readable form', () => {
	for (let i = 0; i < 500; i++) {
		const record = generate(3, i);
		const [decoded] = decodeAll(encode(record));
		assert.deepEqual(encode(decoded), encode(record));
		assert.deepEqual(encode(parse(show(record))), encode(record));
	}
});

test('generated records are the same each time, and different from each other', () => {
	assert.deepEqual(encode(generate(1, 42)), encode(generate(1, 42)));
	const all = new Set(Array.from({ length: 500 }, (_, i) => encode(generate(1, i)).toString('latin1')));
	assert.equal(all.size, 500);
});

test('xterm.js: what is seen and what is not', () => {
	const state = JSON.parse(oracle(parse('2x4+5 "ab\\e[1;31mc\\e7\\x0e\\e)0\\e[6n\\e]2;t\\a" resize 3x6 "\\e[?1049h漢"')));
	assert.equal(state.title, 't');
	assert.equal(state.alt, true);
	assert.deepEqual([state.cursor.x, state.cursor.y], [5, 0]);
	assert.deepEqual(state.charsets, { g: ['B', '0', 'B', 'B'], gl: 1, now: '0' });
	assert.deepEqual(state.normal.lines[0], { w: false, c: [['a', 1, 0, 0, 0, 0, 0, 0, 0], ['b', 1, 0, 0, 0, 0, 0, 0, 0], ['c', 1, 1, 1, 0, 0, 1, 0, 0]] });
	assert.deepEqual(state.alternate.lines[0].c.slice(3), [['漢', 2, 1, 1, 0, 0, 1, 0, 0], ['', 0, 1, 1, 0, 0, 1, 0, 0]]);
	assert.deepEqual(state.replies, [Buffer.from('\x1b[1;4R').toString('base64')]);
});

test('cuts and snapshots mean nothing to the oracle', () => {
	assert.equal(oracle(parse('2x4 "\\xe3\\x82" snapshot "\\xab\\e[" "3" "1mx"')), oracle(parse('2x4 "\\xe3\\x82\\xab\\e[31mx"')));
});

test('a failing record becomes small', async () => {
	const record = parse('24x80+100 "lots of text\\e[31m and" resize 10x20 snapshot "more\\e[4m of \\e[5m it" "and again"');
	const fails = (r) => r.ops.some((op) => op.kind === BYTES && op.data.includes('\x1b[4m'));
	assert.equal(show(await minimize(record, fails)), '1x2+0 "\\e[4m"');
});

test('recordings come at their own size, and in variants', () => {
	const names = new Set();
	for (const { name, record } of corpus(1, 1)) {
		names.add(name.split('.')[0]);
		assert.ok(record.rows > 0 && record.cols > 1 && record.ops.length > 0, name);
	}
	for (const program of ['vim', 'htop', 'less', 'mc', 'dialog', 'tmux', 'apt', 'boot', 'man', 'nano', 'progress', 'text'])
		assert.ok(names.has(program), program);
});
