/*
 * Records from a grammar over everything xterm.js knows and much that it does not. generate(seed, index) is always the
 * same record. As a program: node generate.mjs COUNT [SEED] writes records to stdout.
 */
import { pathToFileURL } from 'node:url';
import { Random } from './random.mjs';
import { bytes, encode, resize, snapshot } from './record.mjs';

const ESC = '\x1b';
const latin1 = (text) => Buffer.from(text, 'latin1');
const utf8 = (text) => Buffer.from(text, 'utf8');
const code = (n) => utf8(String.fromCodePoint(n));

/* What a record is mostly about; the weights of the kinds of items. */
const PROFILES = [
	{ text: 10, c0: 5, csi: 10, sgr: 4, mode: 4, esc: 3, string: 1, broken: 1, junk: 1, idiom: 3 },
	{ text: 14, c0: 4, csi: 6, sgr: 1, mode: 2, esc: 1, string: 0, broken: 0, junk: 0, idiom: 2, wide: true },
	{ text: 12, c0: 6, csi: 3, sgr: 1, mode: 1, esc: 1, string: 0, broken: 0, junk: 0, idiom: 2, reflow: true },
	{ text: 6, c0: 6, csi: 14, sgr: 3, mode: 3, esc: 3, string: 0, broken: 0, junk: 0, idiom: 4 },
	{ text: 6, c0: 3, csi: 5, sgr: 2, mode: 2, esc: 2, string: 6, broken: 6, junk: 3, idiom: 0 },
	{ text: 8, c0: 3, csi: 4, sgr: 12, mode: 1, esc: 2, string: 0, broken: 1, junk: 0, idiom: 1 },
	{ text: 8, c0: 4, csi: 6, sgr: 2, mode: 8, esc: 6, string: 0, broken: 0, junk: 0, idiom: 4 },
	{ text: 10, c0: 2, csi: 3, sgr: 1, mode: 1, esc: 8, string: 0, broken: 0, junk: 1, idiom: 1, charsets: true },
];

const COMBINING = [0x300, 0x301, 0x308, 0x327, 0x20d7, 0x20dd, 0xfe0f, 0x64b, 0xe31, 0x3099, 0x1d165, 0x1d167, 0xe0101, 0x93f, 0x94d];
const WIDE = [0x4e2d, 0x6f22, 0x3042, 0x30ab, 0xac00, 0xff21, 0x1100, 0x20000, 0x3000, 0xfe30, 0x2329, 0x303f, 0xa4cf];
const EMOJI = [0x1f600, 0x1f468, 0x1f3fd, 0x1f1e9, 0x1f1ea, 0x2764, 0x2615, 0x26a1, 0x1f9d1];
const ZERO = [0x200b, 0x200d, 0x200e, 0x202e, 0x2060, 0xfeff, 0xad, 0x115f, 0x1160, 0x34f, 0x180e];
const OTHERS = [0xa0, 0xa1, 0xe9, 0xdf, 0x416, 0x3b1, 0x5d0, 0x627, 0x2500, 0x2588, 0x20ac, 0x2026, 0xfffd, 0xfffe, 0xffff, 0xe000, 0x1fffe,
	0x10ffff, 0x10000, 0xf0000, 0x80, 0x7ff, 0x800, 0x378, 0x2028, 0x30000, 0x3fffd, 0xa4d0, 0x1160, 0x11ff, 0x1f000];
const INVALID = ['\x80', '\xbf', '\xc0\x80', '\xc1\xbf', '\xc3', '\xc3a', '\xe2', '\xe2\x82', '\xe2\x82a', '\xe0\x80\x80', '\xed\xa0\x80',
	'\xed\xbf\xbf', '\xf0\x80\x80\x80', '\xf0\x9f', '\xf0\x9f\x98', '\xf0\x9f\x98a', '\xf4\x90\x80\x80', '\xf5\x80\x80\x80', '\xf8\x88\x80\x80\x80',
	'\xfc\x84\x80\x80\x80\x80', '\xfe', '\xff', '\xef\xbb\xbf', '\xc3\xc3\xa9', '\xe2\xe2\x82\xac', '\xf0\x9f\xf0\x9f\x98\x80', '\xe2\x82\xe9'];

const CHARSETS = '0AB4C5RQKYE6ZH7=';
const KNOWN_CSI = '@ABCDEFGHIJKLMPSTXZ`abcdefghlmnrstu';
const PRIVATE_MODES = [1, 2, 3, 5, 6, 7, 9, 12, 25, 45, 47, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1048, 1049, 2004, 2026];
const LIKELY_MODES = [6, 7, 25, 45, 47, 1047, 1048, 1049, 1];
const SGR = [0, 1, 2, 3, 4, 5, 7, 8, 9, 21, 22, 23, 24, 25, 27, 28, 29, 53, 55, 58, 59, 39, 49];

/* Finals that xterm.js repeats as often as it is told. */
const LOOPS = 'ILMSTZb';

class Grammar {
	constructor(random, profile, size) {
		this.r = random;
		this.profile = profile;
		this.size = size;
	}

	item() {
		const { profile, r } = this;
		const kinds = ['text', 'c0', 'csi', 'sgr', 'mode', 'esc', 'string', 'broken', 'junk', 'idiom'];
		return this[r.weighted(kinds.map((kind) => [profile[kind], kind]))]();
	}

	/* Printable runs: around the width of the screen, so that lines wrap. */
	text() {
		const { r } = this;
		const length = r.weighted([[4, r.between(1, 4)], [4, r.between(1, this.size.cols)], [1, r.between(1, this.size.cols * 2 + 1)],
			[1, this.size.cols], [1, Math.max(1, this.size.cols - 1)]]);
		const kind = this.profile.wide ? r.weighted([[2, 'plain'], [5, 'mixed'], [4, 'wide']])
			: r.weighted([[10, 'plain'], [3, 'mixed'], [1, 'wide'], [1, 'one']]);
		const out = [];
		const plain = r.pick(['abcdefghijklmnopqrstuvwxyz', 'ABC xyz 0123', '#$@[\\]^_`{|}~', 'x', 'ab ']);
		for (let i = 0; i < Math.min(length, 100); i++)
			out.push(kind === 'plain' ? latin1(plain[i % plain.length]) : kind === 'one' ? this.character() : kind === 'wide'
				? code(r.pick(WIDE)) : r.chance(0.4) ? this.character() : latin1(plain[i % plain.length]));
		return Buffer.concat(out);
	}

	character() {
		const { r } = this;
		return r.weighted([
			[5, () => code(r.pick(WIDE))],
			[4, () => code(r.pick(COMBINING))],
			[2, () => code(r.pick(EMOJI))],
			[2, () => code(r.pick(ZERO))],
			[3, () => code(r.pick(OTHERS))],
			[1, () => latin1(r.pick(INVALID))],
			[1, () => code(r.between(0xa0, 0x2fff))],
			[1, () => code(r.pick([r.between(0x3000, 0xd7ff), r.between(0xe000, 0xffff), r.between(0x10000, 0x3ffff)]))],
			[1, () => Buffer.concat([utf8('e'), ...Array.from({ length: r.between(2, 6) }, () => code(r.pick(COMBINING)))])],
			[1, () => code(r.between(0x80, 0x9f))],
		])();
	}

	c0() {
		const { r } = this;
		return latin1(r.weighted([[6, '\r\n'], [5, '\n'], [3, '\r'], [5, '\b'], [5, '\t'], [1, '\v'], [1, '\f'], [2, '\x0e'], [2, '\x0f'],
			[2, '\b\b\b'], [1, '\x7f'], [1, '\0'], [1, '\x07'], [1, '\n\n\n'], [1, String.fromCharCode(r.below(32))]]));
	}

	number(final = '') {
		const { r, size } = this;
		const small = LOOPS.includes(final) && final !== '';
		return String(r.weighted([
			[6, r.between(1, 4)],
			[3, r.between(0, size.rows + 1)],
			[3, r.between(0, size.cols + 1)],
			[2, 0],
			[1, r.pick([size.rows, size.cols, size.rows - 1, size.cols - 1])],
			[1, small ? r.between(1, 300) : r.pick([99, 255, 256, 999, 9999, 32767, 65535, 65536, 2147483647, 2147483648, 4294967295, 4294967296,
				99999999999])],
			[1, r.chance(0.2) ? '007' : '01'],
		]));
	}

	/* Parameters: as usual, missing, empty, too many, with sub-parameters. */
	params(final) {
		const { r } = this;
		const n = () => r.chance(0.1) ? '' : this.number(final);
		return r.weighted([
			[4, ''],
			[8, n()],
			[6, `${n()};${n()}`],
			[1, `${n()};${n()};${n()}`],
			[1, ';'.repeat(r.between(1, 4))],
			[1, `${n()}:${n()}`],
			[1, `:${n()}`],
			[1, r.chance(0.1) ? Array.from({ length: r.between(30, 40) }, n).join(r.pick([';', ';', ':'])) : n()],
		]);
	}

	csi() {
		const { r, size } = this;
		const y = () => r.between(0, size.rows + 1);
		const x = () => r.between(0, size.cols + 1);
		const final = r.pick(KNOWN_CSI);
		return latin1(`${ESC}[` + r.weighted([
			[10, () => `${this.params(final)}${final}`],
			[6, () => `${y()};${x()}${r.pick('Hf')}`],
			[3, () => `${y()}${r.pick('ABEFdeab')}`],
			[3, () => `${x()}${r.pick('CDGX@P`')}`],
			[3, () => `${r.pick(['', '0', '1', '2', '3', '4'])}${r.pick('JK')}`],
			[2, () => `?${r.pick(['', '0', '1', '2', '3'])}${r.pick('JK')}`],
			[2, () => `${r.pick([0, 1, 2, ''])}"q`],
			[3, () => `${y()};${y()}r`],
			[1, () => 'r'],
			[3, () => `${r.between(1, 3)}${r.pick('LMSTP@X')}`],
			[3, () => `${r.pick(['', '1', '2', '3', String(size.cols)])}b`],
			[1, () => `${r.between(0, 4)}g`],
			[2, () => `${r.between(1, 3)}${r.pick('IZ')}`],
			[2, () => `${r.between(0, 3)}${r.pick([' @', ' A', "'}", "'~"])}`],
			[1, () => `${r.between(0, 8)} q`],
			[1, () => '!p'],
			[1, () => r.pick(['c', '0c', '>c', '>0c', '=c', '5n', '6n', '?6n', '1c', 'x', '>q', '?15n', '0n', '6;1n'])],
			[1, () => r.pick(['s', 'u'])],
			[1, () => `${r.pick(['?', ''])}${r.pick(PRIVATE_MODES)}$p`],
			[1, () => `${r.pick([22, 23, 8, 14, 18, 21])};${r.between(0, 3)}t`],
			[1, () => `${r.pick(['?', '>', '=', '<', ''])}${this.params(final)}${r.pick(['', '', ' ', '!', '"', '$', "'", '*', '#', '$ ', '!!'])}${
				this.final()}`],
		])());
	}

	final() {
		return this.r.chance(0.7) ? this.r.pick(KNOWN_CSI) : String.fromCharCode(this.r.between(0x40, 0x7e));
	}

	colour() {
		const { r } = this;
		const v = () => r.weighted([[6, r.below(256)], [1, 256], [1, ''], [1, 999], [2, 0]]);
		const target = r.pick([38, 48, 58]);
		return r.weighted([
			[6, () => `${target};5;${v()}`],
			[4, () => `${target};2;${v()};${v()};${v()}`],
			[2, () => `${target}:5:${v()}`],
			[3, () => `${target}:2::${v()}:${v()}:${v()}`],
			[2, () => `${target}:2:${v()}:${v()}:${v()}`],
			[1, () => `${target};5`],
			[1, () => `${target};2;${v()}`],
			[1, () => `${target}`],
			[1, () => `${target};${r.below(8)};${v()}`],
			[1, () => `${target}:${r.below(8)}:${v()}`],
			[1, () => `${target};2:${v()}:${v()}:${v()}`],
			[1, () => `${target};5:${v()}`],
			[1, () => `${target}:5`],
			[1, () => `${target}:2:1:${v()}:${v()}:${v()}:0:1`],
		])();
	}

	sgr() {
		const { r } = this;
		const one = () => r.weighted([
			[5, () => r.pick(SGR)],
			[3, () => r.pick([30, 40, 90, 100]) + r.below(8)],
			[3, () => this.colour()],
			[2, () => `4:${r.weighted([[6, r.below(6)], [1, 6], [1, 99], [1, '']])}`],
			[1, () => r.below(120)],
			[1, () => ''],
			[1, () => `${r.pick(SGR)}:${r.below(4)}`],
		])();
		const n = r.weighted([[6, 1], [4, 2], [2, 3], [1, r.between(4, 36)]]);
		return latin1(`${ESC}[${Array.from({ length: n }, one).join(';')}m`);
	}

	mode() {
		const { r } = this;
		const on = r.chance(0.6) ? 'h' : 'l';
		return latin1(`${ESC}[` + r.weighted([
			[6, () => `?${r.pick(LIKELY_MODES)}${on}`],
			[3, () => `?${r.pick(PRIVATE_MODES)}${on}`],
			[2, () => `4${on}`],
			[1, () => `${r.pick([20, 2, 12, 3, 7])}${on}`],
			[1, () => `?${r.pick(PRIVATE_MODES)};${r.pick(PRIVATE_MODES)}${on}`],
			[1, () => `?${this.params('h')}${on}`],
		])());
	}

	esc() {
		const { r } = this;
		const designate = () => `${r.pick(['(', ')', '*', '+', '-', '.', '/', '(', '(', ')'])}${r.chance(0.9) ? r.pick(CHARSETS)
			: String.fromCharCode(r.between(0x30, 0x7e))}`;
		return latin1(r.weighted([
			[this.profile.charsets ? 30 : 3, () => ESC + designate()],
			[this.profile.charsets ? 12 : 1, () => r.pick(['\x0e', '\x0f', `${ESC}n`, `${ESC}o`, `${ESC}|`, `${ESC}}`, `${ESC}~`])],
			[4, () => `${ESC}7`],
			[4, () => `${ESC}8`],
			[3, () => `${ESC}${r.pick('DEM')}`],
			[2, () => `${ESC}H`],
			[1, () => `${ESC}#8`],
			[1, () => `${ESC}${r.pick('=>')}`],
			[1, () => `${ESC}c`],
			[1, () => `${ESC}%${r.pick('G@8')}`],
			[1, () => `${ESC}${r.pick(['', '#', ' ', '%', '$', '!'])}${String.fromCharCode(r.between(0x30, 0x7e))}`],
		])());
	}

	/* OSC, DCS and the strings nobody reads: ended well, badly or not at all. */
	string() {
		const { r } = this;
		const end = r.weighted([[5, '\x07'], [5, `${ESC}\\`], [1, '\x18'], [1, '\x1a'], [1, ESC], [1, ''], [1, `${ESC}[A`], [1, '\xc2\x9c']]);
		const filler = () => r.chance(0.04) ? r.pick(['q', 'ab;', '\t']).repeat(r.between(100, 600))
			: r.pick(['', 'title', 'a;b', 'x\ny', '?', '\x7f', '12;?', 'rgb:ff/00/00', '\xc3\xa9\xe4\xb8\xad', '\xff\x80z', '"\\{', 'c;aGk=']);
		return latin1(r.weighted([
			[6, () => `${ESC}]${r.pick([0, 1, 2, 2, 4, 8, 10, 11, 12, 52, 104, 110, 112, 133, 777, 1337])};${filler()}`],
			[1, () => `${ESC}]${filler()}`],
			[1, () => `${ESC}]${r.pick(['', '0', '2', '02', ';', '2:', 'l', 'L', 'P', '99999999999'])}${r.pick(['', ';t', ';'])}`],
			[2, () => `${ESC}P${this.params('')}${r.pick(['', '$', '+', '!', '$$'])}${r.pick('qp|{')}${filler()}`],
			[1, () => `${ESC}P$q${r.pick(['m', 'r', '"q', ' q', 'x'])}`],
			[2, () => `${ESC}${r.pick('_^X')}${filler()}`],
			[1, () => `\xc2${r.pick('\x90\x98\x9d\x9e\x9f')}${r.pick(['', '2;'])}${filler()}`],
		])() + end);
	}

	/* A sequence with something in its middle, or cut off by CAN, SUB or another ESC. */
	broken() {
		const { r } = this;
		const whole = r.pick([() => this.csi(), () => this.sgr(), () => this.mode(), () => this.esc(), () => this.string()])();
		const at = r.between(1, Math.max(1, whole.length - 1));
		const inside = r.weighted([[4, () => latin1(r.pick('\n\r\b\t\x0e\x0f\0\x07\v'))], [2, () => latin1('\x18')], [2, () => latin1('\x1a')],
			[2, () => latin1(ESC)], [1, () => latin1('\x7f')], [2, () => this.character()], [1, () => this.csi()], [1, () => code(r.between(0x80, 0x9f))],
			[1, () => latin1(r.pick(':;<=>?'))], [1, () => latin1(r.pick(' !"#$%&\'()*+,-./'))]])();
		return Buffer.concat([whole.subarray(0, at), inside, r.chance(0.7) ? whole.subarray(at) : Buffer.alloc(0)]);
	}

	junk() {
		const { r } = this;
		return Buffer.from(Array.from({ length: r.between(1, 12) }, () => r.chance(0.3) ? r.pick([0x1b, 0x5b, 0x5d, 0x3b, 0x3f, 0x9b, 0xc2, 0x6d]) : r.below(256)));
	}

	/* What programs do, with the corners where emulators part. */
	idiom() {
		const { r, size } = this;
		const line = (extra) => 'x'.repeat(Math.max(1, size.cols + extra));
		const at = (y, x) => `${ESC}[${y};${x}H`;
		const top = r.between(1, size.rows);
		const bottom = r.between(top, size.rows);
		return utf8(r.weighted([
			[3, () => line(0) + r.pick(['\b', '\t', '\n', '\r', `${ESC}[K`, `${ESC}[D`, `${ESC}[C`, `${ESC}[A`, `${ESC}[m`, `${ESC}7${ESC}8`, `${ESC}[X`,
				`${ESC}[P`, `${ESC}[@`, `${ESC}[J`, `${ESC}[1K`, '\u0301', '漢', `${ESC}[2b`, `${ESC}M`, `${ESC}D`, `${ESC}E`, `${ESC}H`, `${ESC}[6n`]) + 'y'],
			[3, () => `${ESC}[${top};${bottom}r${at(r.pick([top, bottom]), 1)}ab\n${r.pick(['\n', `${ESC}M`, `${ESC}D`, `${ESC}[L`, `${ESC}[M`, line(1)])}cd`],
			[2, () => `${ESC}[?6h${ESC}[${top};${bottom}r${at(r.between(1, size.rows + 2), 2)}o${ESC}[6n`],
			[2, () => `${ESC}[?${r.pick([47, 1047, 1049])}h${r.pick(['', `${ESC}[2J`, `${ESC}[H`])}alt${r.pick(['\n\n', line(2), ''])}${ESC}[?${
				r.pick([47, 1047, 1049])}l`],
			[2, () => `${at(r.between(1, size.rows), r.between(1, size.cols))}漢字${ESC}[${r.between(1, 3)}D${r.pick(['a', '漢', `${ESC}[X`, `${ESC}[P`, `${ESC}[@`,
				`${ESC}[1K`, `${ESC}[K`, '\u0301', `${ESC}[4hb${ESC}[4l`])}`],
			[2, () => `${ESC}7${'\n'.repeat(r.between(1, size.rows + 1))}${r.pick(['', `${ESC}[31m`])}s${ESC}8t`],
			[1, () => `${ESC}[?45h${line(1)}${'\b'.repeat(r.between(1, 5))}w`],
			[1, () => `${ESC}[1"qpp${ESC}[0"qqq${ESC}[?${r.below(3)}${r.pick('JK')}`],
			[1, () => `${ESC}[3g${at(1, r.between(1, size.cols))}${ESC}H\r\tT\tU${ESC}[Z${ESC}[g`],
			[1, () => `${ESC}[?7l${line(3)}漢${ESC}[?7h`],
			[1, () => 'line\r\n'.repeat(r.between(1, size.rows + 3))],
			[1, () => `${ESC}[4${r.between(0, 7)}m${r.pick([`${ESC}[K`, `${ESC}[J`, `${ESC}[L`, '\n'.repeat(size.rows), `${ESC}[2P`, line(2)])}`],
			[1, () => `a${ESC}[${r.between(1, 5)}bb`],
			[1, () => '\u6f22'.repeat(Math.ceil(size.cols / 2) + 1)],
			[1, () => `e${'\u0301'.repeat(r.between(1, 12))}`],
		])());
	}
}

/* What a record may begin with, so that the rest of it happens in an unusual state. */
function setup(random, { rows }) {
	const top = random.between(1, Math.max(1, rows - 1));
	const all = [`${ESC}[${top};${random.between(Math.min(rows, top + 1), rows)}r`, `${ESC}[?6h`, `${ESC}[4h`, `${ESC}[?7l`, `${ESC}[?45h`, `${ESC}[20h`,
		`${ESC}[?1049h`, `${ESC}(0`, `${ESC})0\x0e`, `${ESC}[44m`, `${ESC}[1"q`, 'scrolled\r\n'.repeat(rows + 2), `${ESC}[3g`];
	const likely = [6, 3, 3, 2, 3, 1, 3, 1, 1, 3, 1, 4, 1];
	return latin1(Array.from({ length: random.between(1, 4) }, () => random.weighted(all.map((text, i) => [likely[i], text]))).join(''));
}

/* Would xterm.js work for minutes? Looks through what a parser skips. */
function endless(data) {
	const plain = data.toString('latin1').replace(/\xc2\x9b/g, '\x1b[').replace(/[\0-\x17\x19\x1c-\x1f\x7f-\xff]/g, '');
	return /\x1b\[[0-9;:]*[0-9]{5,}[0-9;:]*[ILMSTZb]/.test(plain);
}

function content(random, size) {
	const grammar = new Grammar(random, random.pick(PROFILES), size);
	const length = random.weighted([[3, random.between(20, 60)], [5, random.between(40, 160)], [2, random.between(100, 400)]]);
	const parts = random.chance(0.5) ? [setup(random, size)] : [];
	for (let total = 0; total < length;) {
		const part = grammar.item();
		parts.push(part);
		total += part.length;
	}
	return { data: Buffer.concat(parts), reflow: grammar.profile.reflow };
}

const dimensions = (random) => random.chance(0.04) ? { rows: 24, cols: 80 }
	: { rows: random.weighted([[1, 1], [2, 2], [6, random.between(2, 10)]]), cols: random.weighted([[1, 2], [1, 3], [8, random.between(2, 30)]]) };

/*
 * The operations for some bytes: cut at random places; snapshots and resizes (each as likely as said) at some of the
 * cuts, so in the middle of characters and sequences, too.
 */
export function scatter(random, data, { size, snapshots, resizes, cuts = 6 }) {
	const marks = Array.from({ length: random.below(cuts + 1) }, () => [random.between(0, data.length), []]);
	for (let n = snapshots; n > 0; n--)
		marks.push([random.between(0, data.length), [snapshot()]]);
	for (let n = resizes; n > 0; n--) {
		const now = dimensions(random);
		const to = random.weighted([[2, { ...size, cols: now.cols }], [1, { ...size, rows: now.rows }], [2, now]]);
		size = to;
		marks.push([random.between(0, data.length), [resize(to.rows, to.cols)]]);
	}
	marks.sort(([a], [b]) => a - b);
	const ops = [];
	let from = 0;
	for (const [at, what] of [...marks, [data.length, []]]) {
		if (at > from)
			ops.push(bytes(data.subarray(from, at)));
		ops.push(...what);
		from = at;
	}
	return ops;
}

export function generate(seed, index) {
	const random = new Random(seed, index);
	const size = dimensions(random);
	const scrollback = random.pick([0, 1, 3, 10, 100]);
	let made = content(random, size);
	while (endless(made.data))
		made = content(random, size);
	const ops = scatter(random, made.data, {
		size,
		snapshots: index % 2 ? random.between(1, 3) : 0,
		resizes: made.reflow ? random.between(1, 4) : random.chance(0.2) ? random.between(1, 2) : 0,
	});
	return { ...size, scrollback, ops };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
	for (let i = 0; i < Number(process.argv[2] ?? 100); i++)
		process.stdout.write(encode(generate(Number(process.argv[3] ?? 1), i)));
