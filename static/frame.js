/*
 * One console in a frame of another site's page, which speaks with it by postMessage (docs/embedding.md). Who may
 * frame it is said by nginx (frame-ancestors). The address is frame.html?console=NAME-OR-ID&parent=ORIGIN[&mode=watch][&manual].
 * With `manual` it waits for the call `connect`, which may bring a launch ticket.
 */
import './xen-console.js';
import { askToPaste } from './dialogs.js';
import { resolveTheme, setting, watchSystemTheme } from './settings.js';
import { absence } from './words.js';

const TOLD = ['ready', 'state', 'title', 'bell', 'closed', 'connection', 'viewers', 'notice', 'pasteprogress', 'leave', 'taken'];
const MAX_TEXT = 1 << 20;
const MAX_TICKET = 4096;

const parameters = new URLSearchParams(location.search);
const view = document.getElementById('terminal');
const overlay = document.getElementById('overlay');
const origin = originOf(parameters.get('parent'));
let theme = setting('theme');

/* "https://panel.example" out of itself, and of nothing else: no path, no star. */
function originOf(text) {
	try {
		return new URL(text).origin === text && text !== 'null' ? text : null;
	} catch {
		return null;
	}
}

function tell(message) {
	if (origin !== null && parent !== window)
		parent.postMessage({ xenterm: 1, ...message }, origin);
}

/* What the parent may call; each returns what is answered. */
const calls = {
	send: ({ text }) => isText(text) && view.send(text),
	paste: ({ text, pace }) => isText(text) && view.paste(text, { pace: Number(pace) || 0 }),
	snapshot: () => view.snapshot(),
	focus: () => { view.focus(); return true; },
	connect: ({ ticket }) => {
		if (ticket !== undefined && (typeof ticket !== 'string' || ticket.length > MAX_TICKET))
			return false;
		view.ticket = ticket;
		view.connect();
		return true;
	},
	close: () => { view.close(); return true; },
	theme: ({ text }) => {
		view.theme = theme = String(text);
		applyTheme();
		return true;
	},
	fontSize: ({ text }) => { view.fontSize = String(text); return true; },
};

function isText(text) {
	return typeof text === 'string' && text.length <= MAX_TEXT;
}

addEventListener('message', ({ data, source, origin: from }) => {
	if (origin === null || source !== parent || from !== origin || data?.xenterm !== 1)
		return;
	if (!Object.hasOwn(calls, data.call))
		tell({ answer: data.id, error: 'There is no such call.' });
	else
		tell({ answer: data.id, result: calls[data.call](data) });
});

for (const type of TOLD)
	view.addEventListener(type, ({ detail }) => tell({ event: type, detail: detail ?? null }));

view.addEventListener('pasting', async (event) => {
	const { text, needsLook } = event.detail;
	if (!needsLook)
		return;
	event.preventDefault();
	const choice = await askToPaste(text, { bracketed: view.bracketedPaste, into: view.console });
	view.focus();
	if (choice)
		view.paste(text, choice);
});

/* `again`: a person can have it connected again. */
function show(title, text, again = false) {
	overlay.querySelector('h2').textContent = title;
	overlay.querySelector('p').textContent = text;
	overlay.querySelector('button').hidden = !again;
	overlay.hidden = false;
}

overlay.querySelector('button').addEventListener('click', () => {
	view.connect();
	view.focus();
});

let absent = null;
view.addEventListener('state', ({ detail }) => {
	absent = absence(detail.state, detail.name ?? view.console, detail.holder);
	if (absent)
		show(absent.title, absent.text);
	else
		overlay.hidden = true;
});
view.addEventListener('connection', ({ detail }) => {
	if (detail.state === 'ended')
		show('Not connected', detail.detail, !view.byTicket);
	else if (detail.state === 'connecting')
		show('Console', 'Connecting.');
	else if (detail.state === 'retrying' || detail.state === 'offline')
		show('Connection lost', 'It is tried again by itself.');
	else if (detail.state === 'live' && !absent)
		overlay.hidden = true;
	else if (detail.state === 'live')
		show(absent.title, absent.text);
});
addEventListener('online', () => view.wake());
addEventListener('pagehide', () => view.close());
addEventListener('pageshow', ({ persisted }) => {
	if (persisted)                  /* back out of the browser's cache: the session was closed */
		begin();
});

function begin() {
	if (origin === null)
		return show('Not connected', 'The address has to name the origin of the page around this one: parent=https://…');
	if (!parameters.has('manual'))
		view.connect();
	else
		show('Not connected', 'The page around this one has not connected it yet.');
	tell({ event: 'loaded', detail: null });
}

/* Dialogs and messages have the colours of the terminal under them. */
function applyTheme() {
	document.documentElement.dataset.theme = resolveTheme(theme);
}

applyTheme();
watchSystemTheme(applyTheme);
view.theme = theme;
view.console = parameters.get('console') ?? '';
view.mode = parameters.get('mode') ?? '';
begin();
