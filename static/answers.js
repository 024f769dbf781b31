/*
 * What the worker answers (docs/protocol.md, sections 1.4 and 1.9), read as it comes: each part has a bound, and only text of
 * the shape that was agreed on is used.
 */

const MAX_FRAME = 17 << 20;       /* a snapshot has 16 MiB at most; more is not an answer of ours */
const MAX_BODY = 20 << 20;
const MAX_POSITION = 100;

/* The type of an answer with frames. */
export const FRAMES = 'application/vnd.xenterm.frames';

/* A request that did not succeed: no answer (status 0), or an answer that says why not. */
export class RequestError extends Error {
	constructor(detail, { status = 0, code = '', retryAfter = null, expected = null } = {}) {
		super(detail);
		this.name = 'RequestError';
		this.status = status;
		this.code = code;
		this.retryAfter = retryAfter;
		this.expected = expected;
	}
}

/* Cuts a row of frames, `type(1) length(4, big-endian) payload`, out of chunks that end anywhere. */
export class FrameParser {
	#parts = [];
	#held = 0;              /* bytes in them */
	#needed = 5;            /* before that there is nothing to cut */

	/* The frames that are complete now: [{type, payload}]. Throws when a length is out of bounds. */
	push(chunk) {
		this.#parts.push(chunk);
		this.#held += chunk.length;
		return this.#held < this.#needed ? [] : this.#cut(join(this.#parts));
	}

	#cut(bytes) {
		const frames = [];
		let at = 0;
		this.#needed = 5;
		while (bytes.length - at >= 5) {
			const length = view(bytes).getUint32(at + 1);
			if (length > MAX_FRAME)
				throw new RequestError('The server sent a frame that is too long.');
			if (bytes.length - at - 5 < length) {
				this.#needed = 5 + length;
				break;
			}
			frames.push({
				type: String.fromCharCode(bytes[at]),
				payload: bytes.slice(at + 5, at + 5 + length),
			});
			at += 5 + length;
		}
		this.#parts = [bytes.slice(at)];
		this.#held = bytes.length - at;
		return frames;
	}

	/* Throws when the body ended inside a frame. */
	end() {
		if (this.#held)
			throw new RequestError('The server\'s answer was cut short.');
	}
}

/* Why a request failed, from its answer. Only text of the shape that was agreed on is used. */
export async function problemOf(response) {
	if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400))
		return new RequestError('The server wants you to log in again.', { status: 401, code: 'no-identity' });
	const type = response.headers.get('Content-Type') ?? '';
	let problem = null;
	if (type.startsWith('application/problem+json'))
		problem = parseJson(new TextDecoder().decode(await readAll(response)));
	const detail = typeof problem?.detail === 'string' ? problem.detail
		: `The server answered ${response.status}.`;
	return new RequestError(detail.slice(0, 500), {
		status: response.status,
		code: typeof problem?.code === 'string' ? problem.code : '',
		retryAfter: secondsOf(response.headers.get('Retry-After')),
		expected: problem?.expected ?? null,
	});
}

/* With `status` a body that breaks off is reported, not thrown. */
export async function readReply(response, statusCounts) {
	const reply = { status: response.status, headers: response.headers, broken: false };
	const type = response.headers.get('Content-Type') ?? '';
	if (response.status === 204)
		return reply;
	try {
		if (type.startsWith(FRAMES))
			reply.frames = await readFrames(response);
		else if (type.startsWith('application/json'))
			reply.json = parseJson(new TextDecoder().decode(await readAll(response)));
	} catch (error) {
		if (!statusCounts)
			throw error;
		reply.broken = true;
	}
	return reply;
}

async function readFrames(response) {
	const parser = new FrameParser();
	const frames = [];
	for await (const chunk of chunks(response))
		frames.push(...parser.push(chunk));
	parser.end();
	frames.forEach(checkFrame);
	return frames;
}

export function checkFrame({ type, payload }) {
	if ((type === 'o' || type === 's') && payload.length < 8)
		throw new RequestError('The server sent a frame that is too short.');
	if (type === 'p' && (payload.length === 0 || payload.length > MAX_POSITION))
		throw new RequestError('The server sent an impossible position.');
}

async function readAll(response) {
	const parts = [];
	for await (const chunk of chunks(response))
		parts.push(chunk);
	return join(parts);
}

async function* chunks(response) {
	const reader = response.body?.getReader();
	let total = 0;
	try {
		while (reader) {
			const { done, value } = await reader.read();
			if (done)
				return;
			total += value.length;
			if (total > MAX_BODY)
				throw new RequestError('The server\'s answer is too long.');
			yield value;
		}
	} finally {
		reader?.cancel().catch(() => {});
	}
}

/* Retry-After: seconds or a date; null when absent or nonsense. */
function secondsOf(value) {
	if (value === null || value === '')
		return null;
	if (/^\d{1,9}$/.test(value))
		return Number(value);
	const date = Date.parse(value);
	return Number.isNaN(date) ? null : Math.max(0, (date - Date.now()) / 1000);
}

/*
 * What a promise brings, unless the signal is aborted first. fetch() sees to that, but node 18's forgets the signal of an
 * answer that goes on for long.
 */
export function unlessAborted(signal, promise) {
	return new Promise((resolve, reject) => {
		const aborted = () => reject(signal.reason);
		if (signal.aborted)
			aborted();
		signal.addEventListener('abort', aborted);
		promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
	});
}

export function offsetOf(payload) {
	const offset = Number(view(payload).getBigUint64(0));
	if (!Number.isSafeInteger(offset))
		throw new RequestError('The server sent an impossible offset.');
	return offset;
}

function view(bytes) {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function join(parts) {
	const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
	let at = 0;
	for (const part of parts) {
		all.set(part, at);
		at += part.length;
	}
	return all;
}

export function parseJson(text) {
	try {
		return JSON.parse(text);
	} catch {
		return null;
	}
}
