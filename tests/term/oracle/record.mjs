/*
 * Records: what a terminal is fed, as FORMAT.md has it. Encoding, decoding, and a form that people can read.
 * A record is { rows, cols, scrollback, ops }, an operation { kind, data } or { kind, rows, cols }.
 */
export const BYTES = 0;
export const RESIZE = 1;
export const SNAPSHOT = 2;
export const RENDER = 3;

const HEADER = 16;
const OP_HEADER = 5;

export function encode(record) {
	let size = HEADER;
	for (const op of record.ops)
		size += OP_HEADER + (op.kind === BYTES ? op.data.length : op.kind === RESIZE ? 8 : 0);
	const out = Buffer.alloc(size);
	let at = 0;
	const u32 = (n) => { at = out.writeUInt32LE(n, at); };
	[record.rows, record.cols, record.scrollback, record.ops.length].forEach(u32);
	for (const op of record.ops) {
		at = out.writeUInt8(op.kind, at);
		if (op.kind === BYTES) {
			u32(op.data.length);
			out.set(op.data, at);
			at += op.data.length;
		} else if (op.kind === RESIZE) {
			[8, op.rows, op.cols].forEach(u32);
		} else {
			u32(0);
		}
	}
	return out;
}

/* The record at `at` and where the next one begins; null when the bytes do not hold all of it. */
export function decode(bytes, at = 0) {
	if (bytes.length - at < HEADER)
		return null;
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const u32 = () => view.getUint32((at += 4) - 4, true);
	const record = { rows: u32(), cols: u32(), scrollback: u32(), ops: [] };
	for (let n = u32(); n > 0; n--) {
		if (bytes.length - at < OP_HEADER)
			return null;
		const kind = bytes[at++];
		const length = u32();
		if (bytes.length - at < length)
			return null;
		if (kind === BYTES)
			record.ops.push({ kind, data: bytes.subarray(at, at + length) });
		else if (kind === RESIZE && length === 8)
			record.ops.push({ kind, rows: view.getUint32(at, true), cols: view.getUint32(at + 4, true) });
		else if ((kind === SNAPSHOT || kind === RENDER) && length === 0)
			record.ops.push({ kind });
		else
			throw new Error(`operation of kind ${kind} with ${length} bytes`);
		at += length;
	}
	return { record, next: at };
}

export function decodeAll(bytes) {
	const records = [];
	for (let at = 0; at < bytes.length;) {
		const found = decode(bytes, at);
		if (!found)
			throw new Error(`cut short after ${records.length} records`);
		records.push(found.record);
		at = found.next;
	}
	return records;
}

export const bytes = (data) => ({ kind: BYTES, data: Buffer.from(data) });
export const resize = (rows, cols) => ({ kind: RESIZE, rows, cols });
export const snapshot = () => ({ kind: SNAPSHOT });
export const render = () => ({ kind: RENDER });

const NAMED = { 7: '\\a', 8: '\\b', 9: '\\t', 10: '\\n', 13: '\\r', 27: '\\e', 34: '\\"', 92: '\\\\' };

/* As in C and in the *.test files: \e \n \x9b; UTF-8 that can be seen stays as it is. */
export function escape(data) {
	const fatal = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
	let out = '';
	let hex = false;
	for (let i = 0; i < data.length;) {
		const lead = data[i];
		const size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
		let text = null;
		try {
			text = fatal.decode(data.subarray(i, i + size));
		} catch {
			/* not a character: shown byte by byte */
		}
		if (text !== null && /^[^\p{C}\p{M}\p{Z}]$/u.test(text) && !(lead in NAMED)
		    && !(hex && /[0-9a-fA-F]/.test(text))) {
			out += text;
			i += size;
			hex = false;
		} else if (lead === 0x20) {
			out += ' ';
			i++;
			hex = false;
		} else {
			hex = !(lead in NAMED);
			out += NAMED[lead] ?? `\\x${lead.toString(16).padStart(2, '0')}`;
			i++;
		}
	}
	return out;
}

export function unescape(text) {
	const names = { a: 7, b: 8, t: 9, n: 10, r: 13, e: 27 };
	const parts = [];
	for (const [, hex, name, plain] of text.matchAll(/\\x([0-9a-fA-F]{2})|\\(.)|([^\\]+)/gsu))
		parts.push(hex ? Buffer.from([parseInt(hex, 16)])
			: name ? Buffer.from(name in names ? [names[name]] : name) : Buffer.from(plain));
	return Buffer.concat(parts);
}

/* `24x80+100 "ab\e[m" resize 3x4 snapshot "c"`; parse() reads it back. */
export function show(record) {
	const words = [`${record.rows}x${record.cols}+${record.scrollback}`];
	for (const op of record.ops)
		words.push(op.kind === BYTES ? `"${escape(op.data)}"`
			: op.kind === RESIZE ? `resize ${op.rows}x${op.cols}` : op.kind === SNAPSHOT ? 'snapshot' : 'render');
	return words.join(' ');
}

export function parse(line) {
	const head = /^\s*(\d+)x(\d+)(?:\+(\d+))?/.exec(line);
	if (!head)
		throw new Error(`not a record: ${line}`);
	const ops = [];
	const word = /"((?:[^"\\]|\\.)*)"|resize (\d+)x(\d+)|snapshot|render/gsu;
	word.lastIndex = head[0].length;
	for (const [all, text, rows, cols] of line.matchAll(word))
		ops.push(text !== undefined ? bytes(unescape(text)) : rows ? resize(Number(rows), Number(cols))
			: all === 'snapshot' ? snapshot() : render());
	return { rows: Number(head[1]), cols: Number(head[2]), scrollback: Number(head[3] ?? 100), ops };
}
