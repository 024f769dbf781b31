/*
 * One console, the whole window. Joins the transport (client.js) to the terminal (terminal.js) and says in
 * words how things are. The address is console.html?console=NAME-OR-ID[&mode=watch].
 */
import { ConsoleClient } from './client.js';
import { ConsoleTerminal } from './terminal.js';
import { absence, stateWords, viewersWords } from './words.js';

const SILENT_AFTER = 3000;      /* ms without a byte, on an empty screen, before Enter is suggested */
const NOTICE_FOR = 8000;
const TOO_MUCH = 512 * 1024;    /* bytes not drawn yet: stop polling … */
const ENOUGH = 128 * 1024;      /* … until this is left */

const CONNECTIONS = { live: 'connected', connecting: 'connecting', ended: 'not connected',
	retrying: 'connection lost', offline: 'no network' };

const $ = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const wanted = parameters.get('console') ?? '';
const asked = parameters.get('mode') === 'watch' ? 'watch' : parameters.get('mode') === 'type' ? 'type' : null;

const overlay = $('overlay');
const hint = $('hint');
const notice = $('notice');

let client = null;
let name = wanted;
let consoleState = null;        /* the last "state" event */
let ended = null;               /* the connection's end, when it has one */
let silentTimer = null;
let noticeTimer = null;
let retryTimer = null;

const terminal = new ConsoleTerminal($('terminal'), {
	onInput: (data) => client?.send(data),
	onLeave: () => $('back').focus(),
});

function connect(mode = asked ?? 'type') {
	client?.close();
	ended = null;
	client = new ConsoleClient({ base: new URL('.', location.href), console: wanted, mode });
	const on = (type, handler) => client.addEventListener(type, (event) => handler(event.detail));
	on('session', showSession);
	on('connection', showConnection);
	on('snapshot', ({ data }) => draw('redraw', data));
	on('output', ({ data }) => draw('write', data));
	on('state', showState);
	on('viewers', showViewers);
	on('size', (size) => terminal.setGrid(size));
	on('notice', ({ detail }) => showNotice(detail));
	client.start();
}

function draw(how, data) {
	const drawn = client;
	terminal[how](data, () => {
		if (terminal.backlog < ENOUGH)
			drawn.resume();
		watchSilence();
	});
	if (terminal.backlog > TOO_MUCH)
		client.pause();
}

function showSession(session) {
	if (typeof session.name === 'string' && session.name !== '')
		setName(session.name);
	if (session.size)
		terminal.setGrid(session.size);
	$('mode').textContent = session.mode === 'type' ? 'watch and type' : 'read only';
	$('mode').hidden = false;
	watchSilence();
}

function setName(text) {
	name = text;
	$('name').textContent = text;
	document.title = `${text} - xenterm`;
}

function showState(event) {
	consoleState = event;
	if (typeof event.name === 'string' && event.name !== '')
		setName(event.name);
	$('state').textContent = stateWords(event.state);
	$('state').className = `state ${event.state === 'up' ? 'good' : 'other'}`;
	$('state').hidden = false;
	showOverlay();
	watchSilence();
}

function showViewers({ viewers }) {
	if (!Array.isArray(viewers))
		return;
	$('viewers').textContent = viewersWords(viewers.length);
	$('viewers').title = viewers.map((v) => `${v.user} (${v.mode === 'type' ? 'types' : 'watches'})`).join('\n');
	$('viewers').hidden = false;
}

function showConnection(connection) {
	clearInterval(retryTimer);
	/* Somebody who may watch but not type gets to watch, unless the address asked for typing. */
	if (connection.state === 'ended' && connection.code === 'not-allowed' && asked === null
		&& client.mode === 'type') {
		connect('watch');
		return;
	}
	ended = connection.state === 'ended' ? connection : null;
	const live = connection.state === 'live';
	$('connection').className = `state ${live ? 'good' : 'other'}`;
	$('connection').title = connection.detail ?? '';
	if (connection.state === 'retrying' || connection.state === 'offline')
		countDown(connection);
	else
		$('connection').textContent = CONNECTIONS[connection.state];
	/* Read aloud when it changes, and not with every second of the countdown. */
	if ($('announcement').textContent !== CONNECTIONS[connection.state])
		$('announcement').textContent = CONNECTIONS[connection.state];
	showOverlay();
	watchSilence();
}

function countDown({ state, seconds, detail }) {
	const label = CONNECTIONS[state];
	const until = performance.now() + seconds * 1000;
	const show = () => {
		const left = Math.max(0, Math.ceil((until - performance.now()) / 1000));
		$('connection').textContent = left > 0 ? `${label}, next try in ${left} s` : `${label}, trying`;
	};
	$('connection').title = detail;
	show();
	retryTimer = setInterval(show, 1000);
}

/* What stands over the last screen: why this page is not connected, else why the console is not there. */
function showOverlay() {
	const button = overlay.querySelector('button');
	const why = ended ? endWords(ended)
		: consoleState ? absence(consoleState.state, name, consoleState.holder) : null;
	overlay.hidden = why === null;
	if (why === null)
		return;
	overlay.querySelector('h2').textContent = why.title;
	overlay.querySelector('p').textContent = why.text;
	button.hidden = !why.action;
	button.textContent = why.action ?? '';
	button.onclick = why.run ?? null;
}

function endWords({ reason, detail, status }) {
	if (reason === 'login')
		return { title: 'Log in again', text: detail, action: 'Reload and log in', run: () => location.reload() };
	const again = { action: 'Connect again', run: () => connect() };
	if (reason === 'session')
		return { title: 'The session has ended', text: detail, ...again };
	return { title: status === 404 ? 'No such console' : 'Not connected', text: detail, ...again };
}

/* Guests that wait at a prompt print nothing until somebody presses Enter. */
function watchSilence() {
	clearTimeout(silentTimer);
	hint.hidden = true;
	if (client.connection !== 'live' || consoleState?.state !== 'up' || !terminal.blank())
		return;
	silentTimer = setTimeout(() => {
		const types = client.mode === 'type';
		hint.querySelector('p').textContent = types
			? `${name} has printed nothing yet. Many guests answer to Enter. If not, look whether the guest has a `
				+ 'login on its console, and console=hvc0 (or ttyS0) on its kernel command line.'
			: `${name} has printed nothing yet.`;
		hint.querySelector('button').hidden = !types;
		hint.hidden = false;
	}, SILENT_AFTER);
}

function showNotice(text) {
	clearTimeout(noticeTimer);
	notice.querySelector('span').textContent = text;
	notice.hidden = false;
	noticeTimer = setTimeout(() => { notice.hidden = true; }, NOTICE_FOR);
}

function setScreenReader(on) {
	terminal.setScreenReader(on);
	$('reader').setAttribute('aria-pressed', String(on));
	try {
		localStorage.setItem('xenterm-screen-reader', on ? '1' : '0');
	} catch {
		/* without storage it holds for this page only */
	}
}

function storedScreenReader() {
	try {
		return localStorage.getItem('xenterm-screen-reader') === '1';
	} catch {
		return false;
	}
}

$('reader').addEventListener('click', () => {
	setScreenReader($('reader').getAttribute('aria-pressed') !== 'true');
});
hint.querySelector('button').addEventListener('click', () => {
	client.send('\r');
	terminal.focus();
});
notice.querySelector('button').addEventListener('click', () => { notice.hidden = true; });
addEventListener('online', () => client?.wake());
document.addEventListener('visibilitychange', () => {
	if (!document.hidden)
		client?.wake();
});
addEventListener('pagehide', () => client?.close());
addEventListener('pageshow', (event) => {
	if (event.persisted)            /* back out of the browser's cache: the session was closed */
		connect();
});

/* For tests and for a person at the developer tools; nothing here that the page could not do. */
window.xenterm = {
	text: () => terminal.text(),
	terminal: terminal.raw,
	get connection() { return client?.connection; },
	get transport() { return client?.transport; },
};

setName(wanted || 'Console');
setScreenReader(storedScreenReader());
if (wanted === '') {
	ended = { reason: 'refused', detail: 'The address names no console. Choose one from the list.', status: 404 };
	showOverlay();
} else {
	$('plain').href = `ajaxterm/${encodeURIComponent(wanted)}/`;
	$('plain').hidden = false;
	connect();
	terminal.focus();
}
