/* What the worker's one-word states and rights mean to a person. Used by both pages. */

const STATES = {
	up: 'running',
	waiting: 'waiting for the guest',
	busy: 'in use elsewhere',
	released: 'handed to xl console',
	refused: 'refused',
	gone: 'guest has ended',
};

const KINDS = { pv: 'PV console', serial: 'serial port' };

export function stateWords(state) {
	return STATES[state] ?? String(state);
}

/* `pv0` or `serial1` out of the end of an id. */
export function kindWords(kind, id) {
	const number = /(\d+)$/.exec(id ?? '')?.[1];
	const word = KINDS[kind] ?? String(kind);
	return number === undefined ? word : `${word} ${number}`;
}

export function rightsWords(rights) {
	if (rights.includes('type'))
		return 'watch and type';
	return rights.includes('watch') ? 'watch only' : 'see it listed';
}

export function viewersWords(count) {
	if (count === 0)
		return 'nobody watching';
	return count === 1 ? '1 viewer' : `${count} viewers`;
}

/* How long ago, so roughly that it does not change all the time. */
export function agoWords(seconds) {
	if (seconds < 15)
		return 'just now';
	if (seconds < 60)
		return 'within a minute';
	const minutes = Math.floor(seconds / 60);
	return minutes < 60 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
}

/* Who is there, beside oneself (a session's name): a sentence each. */
export function presenceWords({ user, mode, session }, self) {
	return `${user}${session === self ? ' (you)' : ''} ${mode === 'type' ? 'types' : 'watches'}`;
}

/* "alice and bob" */
export function namesWords(names) {
	const all = [...new Set(names)];
	return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
}

/* Why a console is not connected, from the event `closed`: a title, a sentence, and whether to log in again or to go to the list. */
export function endWords({ reason, detail, code }) {
	if (reason === 'login')
		return { title: 'Log in again', text: 'The server does not know who you are any more.', login: true };
	if (reason === 'session')
		return { title: 'The session has ended', text: detail };
	if (code === 'no-such-console')
		return { title: 'No such console', text: 'There is no console of this name, or you may not see it. The list has yours.' };
	if (code === 'no-name')
		return { title: 'No console', text: 'The address names none. Choose one from the list.', toList: true };
	return { title: 'Not connected', text: detail };
}

/* Why there is no live console now, and what happens next: a title and a sentence, null while it is up. */
export function absence(state, name, holder) {
	switch (state) {
	case 'up':
		return null;
	case 'waiting':
		return { title: 'Waiting for the guest',
			text: `${name} has no console at the moment: it is starting, restarting, or Xen's console service `
				+ 'is away. This page shows the last screen and goes on by itself.' };
	case 'busy':
		return { title: 'In use elsewhere',
			text: `${holder || 'Another program on the host'} holds this console. xenterm takes over as soon as `
				+ 'it is free; until then this is the last screen.' };
	case 'released':
		return { title: 'Handed to xl console',
			text: 'An administrator has released this console. It comes back here when they take it back.' };
	case 'refused':
		return { title: 'Console refused',
			text: 'Xen names a device for this console that failed xenterm\'s checks. '
				+ 'The log of xenterm-broker on the host says which check.' };
	case 'gone':
		return { title: 'The guest has ended',
			text: `${name} is not running. What it printed last stays here; if it starts again, so does this page.` };
	default:
		return { title: 'Not available', text: `The state of this console is "${state}".` };
	}
}
