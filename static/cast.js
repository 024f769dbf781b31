/*
 * A recording in asciicast v2 (docs.asciinema.org/manual/asciicast/v2): a line with the header, then a line for each event,
 * [seconds, "o", text] or [seconds, "r", "COLSxROWS"]. Others are left out. No DOM.
 */

const MOST = 64 << 20;          /* characters */

const fine = (n, min, max) => Number.isInteger(n) && n >= min && n <= max;

/* {rows, cols, title, length, events: [{at, type, data | rows, cols}]}, in order. Throws an Error with a sentence. */
export function parseCast(text) {
	if (text.length > MOST)
		throw new Error('The recording is too long for this page.');
	const lines = text.split('\n');
	const header = parse(lines[0]);
	if (header?.version !== 2 || !fine(header.width, 2, 400) || !fine(header.height, 1, 200))
		throw new Error('This is not a recording in asciicast v2, or its terminal has an impossible size.');
	const events = [];
	let last = 0;
	for (const line of lines.slice(1)) {
		const event = line.trim() === '' ? null : parse(line);
		/* The last line of a recording that goes on may be cut. */
		if (!Array.isArray(event) || !Number.isFinite(event[0]) || typeof event[2] !== 'string')
			continue;
		last = Math.max(last, event[0]);        /* clocks may be set back */
		const size = event[1] === 'r' ? /^([0-9]{1,3})x([0-9]{1,3})$/.exec(event[2]) : null;
		if (event[1] === 'o')
			events.push({ at: last, type: 'output', data: event[2] });
		else if (size && fine(Number(size[1]), 2, 400) && fine(Number(size[2]), 1, 200))
			events.push({ at: last, type: 'size', cols: Number(size[1]), rows: Number(size[2]) });
	}
	return { rows: header.height, cols: header.width, length: last, events,
		title: typeof header.title === 'string' ? header.title.slice(0, 200) : '' };
}

function parse(line) {
	try {
		return JSON.parse(line);
	} catch {
		return null;
	}
}

/* Long pauses last this long at most. */
export function withoutPauses(cast, seconds) {
	let cut = 0, before = 0;
	const events = cast.events.map((event) => {
		cut += Math.max(0, event.at - before - seconds);
		before = event.at;
		return { ...event, at: event.at - cut };
	});
	return { ...cast, events, length: events.at(-1)?.at ?? 0 };
}
