/* Calls that need no session: what the user may see, by nothing but the name that the web server knows. */
import { RequestError, problemOf } from './answers.js';

const SLACK = 15;                 /* seconds a request may take */

/* The consoles the user may see. Throws a RequestError. */
export async function listConsoles({ base, fetch = globalThis.fetch, signal } = {}) {
	const body = await askWithoutSession({ base, path: 'api/v1/consoles', fetch, signal });
	if (!Array.isArray(body?.consoles))
		throw new RequestError('The server\'s answer is not a list of consoles.');
	return body.consoles;
}

/* The files that the logger has kept of a console: [{name, mtime, size}]. Throws a RequestError. */
export async function listLogs({ base, console, fetch = globalThis.fetch, signal = AbortSignal.timeout(SLACK * 1000) }) {
	const body = await askWithoutSession({ base, path: `api/v1/logs/${encodeURIComponent(console)}`, fetch, signal });
	if (!Array.isArray(body))
		throw new RequestError('The server\'s answer is not a list of files.');
	return body.filter((file) => typeof file?.name === 'string');
}

/*
 * Has a console's guest asked to `shutdown` or to `reboot`, if it is still this domain; returns when it has taken it. Throws a
 * RequestError, and is never repeated by itself.
 */
export function askPower({ base, console, action, domid, fetch = globalThis.fetch, signal = AbortSignal.timeout(2 * SLACK * 1000) }) {
	return askWithoutSession({ base, path: 'api/v1/power', fetch, signal, method: 'POST',
		headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ console, action, domid }) });
}

/* One call, by the user's name alone; its JSON, or null. */
async function askWithoutSession({ base, path, fetch, headers, ...more }) {
	let response;
	try {
		response = await fetch(new URL(path, withoutCredentials(base)), {
			headers: { Accept: 'application/json', ...headers }, cache: 'no-store', redirect: 'manual', ...more });
	} catch (error) {
		throw new RequestError('The server cannot be reached.');
	}
	if (response.status !== 200)
		throw await problemOf(response);
	return response.json().catch(() => null);
}

/* fetch() refuses URLs with a user and password in them; the browser sends those by itself. */
export function withoutCredentials(base) {
	const url = new URL(base);
	url.username = url.password = '';
	return url;
}
