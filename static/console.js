/*
 * One console, the whole window: <xen-console> with what a person wants around it, and in words how things are.
 * The address is console.html?console=NAME-OR-ID[&mode=watch][#ticket=TICKET]. What stands behind # is sent to no server and
 * is taken out of the address at once. Who came by a ticket has this one session, and gets offered nothing else.
 */
import './xen-console.js';
import { askToPaste, askToSend, confirmed, keepForSending } from './dialogs.js';
import { keySequence, withCtrl } from './keys.js';
import { applyPageTheme, setSetting, setting, watchSystemTheme } from './settings.js';
import { HARSH, SYSRQ } from './sysrq.js';
import { absence, endWords, namesWords, presenceWords, stateWords, viewersWords } from './words.js';

const SILENT_AFTER = 3000;      /* ms without a byte, on an empty screen, before Enter is suggested */
const NOTICE_FOR = 8000;
const BELL_FOR = 2000;

const CONNECTIONS = { live: 'connected', connecting: 'connecting', ended: 'not connected',
	retrying: 'connection lost', offline: 'no network' };
const TRANSPORTS = { stream: 'The output comes as a stream.',
	poll: 'The output is asked for again and again: something between here and the server holds streams back.',
	turns: 'The output is asked for now and then: other consoles of this browser have its connections.' };

/* Of the bar of keys: what it says, how it is read aloud, and the key. */
const KEYS = [['Esc', 'Escape'], ['Tab', 'Tab'], ['Ctrl', null], ['←', 'ArrowLeft', 'Left'], ['↓', 'ArrowDown', 'Down'],
	['↑', 'ArrowUp', 'Up'], ['→', 'ArrowRight', 'Right'], ['Home', 'Home'], ['End', 'End'], ['PgUp', 'PageUp'],
	['PgDn', 'PageDown'], ['Del', 'Delete'], ...Array.from({ length: 12 }, (_, i) => [`F${i + 1}`, `F${i + 1}`]),
	['^O', '^O', 'Ctrl O']];

const $ = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const wanted = parameters.get('console') ?? '';
const asked = ['watch', 'type'].includes(parameters.get('mode')) ? parameters.get('mode') : '';

const view = $('terminal');
const overlay = $('overlay');
const hint = $('hint');
const notice = $('notice');

let name = wanted;
let consoleState = null;        /* the last "state" event */
let ended = null;               /* the connection's end, when it has one */
let ctrl = null;                /* the bar's Ctrl button, while it waits for a key */
let silentTimer = null;
let noticeTimer = null;
let bellTimer = null;
let retryTimer = null;
let viewers = [];
let takenBy = null;             /* {by, session}: who made this page watch */
let takenFrom = [];             /* the users whom this page made watch */
let ticketed = false;           /* the address had a ticket */

function connect() {
	ended = null;
	viewers = [];
	takenBy = null;
	takenFrom = [];
	showTaken();
	view.console = wanted;
	view.mode = asked;
	view.connect();
}

const on = (type, handler) => view.addEventListener(type, (event) => handler(event.detail, event));

on('session', showSession);
on('connection', showConnection);
on('transport', () => { $('connection').title = TRANSPORTS[view.transport]; });
on('state', showState);
on('viewers', showViewers);
on('notice', ({ detail }) => showNotice(detail));
on('drawn', watchSilence);
on('closed', keepUnsent);
on('taken', (who) => {
	takenBy = who;
	takenFrom = [];
	showTaken();
});
on('leave', () => (ticketed ? $('menu') : $('back')).focus());
on('bell', ringBell);
on('pasting', ({ text, needsLook }, event) => {
	if (!needsLook)
		return;
	event.preventDefault();
	pasteAfterLook(text);
});
on('pasteprogress', showSending);
on('typing', (detail) => {
	if (!ctrl || typeof detail.data !== 'string')
		return;
	detail.data = withCtrl(detail.data);
	toggleCtrl(ctrl);
});

function showSession(session) {
	if (typeof session.name === 'string' && session.name !== '')
		setName(session.name);
	const types = session.mode === 'type';
	$('mode').textContent = types ? 'watch and type' : 'read only';
	$('mode').hidden = false;
	for (const part of document.querySelectorAll('.typing'))
		part.hidden = !types;
	$('compose').hidden = !types;
	showGuest(session.rights ?? []);
	$('sysrqline').hidden = !types || session.sysrq !== true;
	showKeyBar();
	showWho();
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

function showViewers(event) {
	if (!Array.isArray(event.viewers))
		return;
	viewers = event.viewers;
	showWho();
	watchTaker();
}

function showWho() {
	const self = view.session?.session;
	const words = viewers.map((viewer) => presenceWords(viewer, self));
	$('viewers').textContent = viewersWords(viewers.length);
	$('viewers').title = words.join('\n');
	$('viewers').hidden = viewers.length === 0;
	$('who').replaceChildren(...words.map((text) => {
		const item = document.createElement('li');
		item.textContent = text;
		return item;
	}));
	const rights = view.byTicket ? [] : view.session?.rights ?? [];
	$('typehere').hidden = view.mayType || !rights.includes('type');
	$('watchonly').hidden = !view.mayType || view.byTicket;
	$('watchonly').textContent = takenFrom.length ? 'Hand back' : 'Watch only';
	$('takeover').hidden = !rights.includes('force') || typists().length === 0;
}

/* The others who type. */
function typists() {
	return viewers.filter(({ session, mode }) => mode === 'type' && session !== view.session?.session);
}

/* ---- taking over, handing back ---- */

async function changeMode(mode, take, done) {
	try {
		await view.changeMode(mode, take);
		done();
	} catch (error) {
		showNotice(error.message);
	}
	showWho();
}

function typeHere() {
	return changeMode('type', undefined, () => {
		takenBy = null;
		showTaken();
		showNotice('You type here now.');
		view.focus();
	});
}

$('typehere').addEventListener('click', typeHere);
$('taken').querySelector('button').addEventListener('click', typeHere);

$('watchonly').addEventListener('click', () => changeMode('watch', undefined, () => {
	showNotice(takenFrom.length ? `You have handed the console back to ${namesWords(takenFrom)}; you are watching now.`
		: 'You are watching now.');
	takenFrom = [];
	$('menu').focus();              /* what was pressed is not there any more */
}));

$('takeover').addEventListener('click', async () => {
	const from = typists().map(({ user }) => user);
	const names = namesWords(from);
	if (await confirmed(`Take over from ${names}?`, `${names} can only watch from then on, and is told that it was you. `
		+ '“Hand back” gives it back.', 'Take over'))
		await changeMode('type', 'force', () => {
			takenBy = null;
			takenFrom = from;
			showTaken();
			showNotice(`You have taken over from ${names}, who can only watch now.`);
			view.focus();
		});
});

function showTaken() {
	$('taken').hidden = takenBy === null;
	$('taken').querySelector('button').hidden = view.byTicket;
	if (takenBy)
		$('taken').querySelector('span').textContent = `${takenBy.by} has taken over; you are watching.`;
}

/* Who took over watches, or has left: it is as before. */
function watchTaker() {
	if (!takenBy || viewers.some(({ session, mode }) => session === takenBy.session && mode === 'type'))
		return;
	const { by } = takenBy;
	takenBy = null;
	if (view.byTicket) {
		showTaken();
		showNotice(`${by} has handed the console back. To type again, open it anew from the page that led here.`);
		return;
	}
	changeMode('type', undefined, () => {
		showTaken();
		showNotice(`${by} has handed the console back; you type again.`);
	});
}

function showConnection(connection) {
	clearInterval(retryTimer);
	ended = connection.state === 'ended' ? connection : null;
	const live = connection.state === 'live';
	$('connection').className = `state ${live ? 'good' : 'other'}`;
	$('connection').title = connection.detail ?? (live ? TRANSPORTS[view.transport] : '');
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
	const why = ended ? remedyWords(ended)
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

function remedyWords(end) {
	const words = endWords(end);
	if (ticketed && (words.login || end.code === 'bad-ticket')) {
		const { title, text } = words.login ? { title: 'This link has been used', text: 'It was good for one session.' } : words;
		return { title, text: `${text} Open the console anew from the page that led here.` };
	}
	if (words.toList)
		return { ...words, action: 'Back to list', run: () => location.assign('./') };
	return words.login ? { ...words, action: 'Reload and log in', run: () => location.reload() }
		: { ...words, action: 'Connect again', run: () => {
			connect();
			view.focus();
		} };
}

/* What was typed last is not lost, and is not typed by surprise either. */
function keepUnsent() {
	const text = view.unsent;
	if (text === '')
		return;
	keepForSending(text.replace(/\r/g, '\n'));
	showNotice('What you had typed last may not have been sent. It is kept under “Compose”.');
}

/* Guests that wait at a prompt print nothing until somebody presses Enter. */
function watchSilence() {
	clearTimeout(silentTimer);
	hint.hidden = true;
	if (view.connection !== 'live' || consoleState?.state !== 'up' || !view.blank)
		return;
	silentTimer = setTimeout(() => {
		hint.querySelector('p').textContent = view.mayType
			? `${name} has printed nothing yet. Many guests answer to Enter. If not: the guest needs console=hvc0 `
				+ '(ttyS0 for a serial port) on its kernel command line and a login (getty) on it; a serial port needs '
				+ 'serial="pty" in the guest\'s configuration.'
			: `${name} has printed nothing yet.`;
		hint.querySelector('button').hidden = !view.mayType;
		hint.hidden = false;
	}, SILENT_AFTER);
}

function showNotice(text) {
	clearTimeout(noticeTimer);
	notice.querySelector('span').textContent = text;
	notice.hidden = false;
	noticeTimer = setTimeout(() => { notice.hidden = true; }, NOTICE_FOR);
}

function ringBell() {
	clearTimeout(bellTimer);
	$('bell').hidden = false;
	if (document.hidden)
		document.title = `Bell: ${name} - xenterm`;
	bellTimer = setTimeout(() => { $('bell').hidden = true; }, BELL_FOR);
}

/* ---- pasting, composing ---- */

async function pasteAfterLook(text) {
	const choice = await askToPaste(text, { bracketed: view.bracketedPaste });
	view.focus();
	if (choice && !view.paste(text, choice))
		showNotice('Nothing was pasted: another text is still being sent, or nothing is left of this one.');
}

async function compose() {
	const choice = await askToSend();
	view.focus();
	if (!choice || choice.text === '')
		return;
	const connected = view.mayType && view.connection !== 'ended';
	if (connected && view.paste(choice.text, { lineEnd: choice.lineEnd, bracketed: false }))
		return;
	keepForSending(choice.written);
	showNotice(`Nothing was sent: ${connected ? 'another text is still being sent' : 'you cannot type here at the moment'}. `
		+ 'What you wrote is kept under “Compose”.');
}

function showSending({ sent, total, done, stopped, exact }) {
	if (done && $('sending').contains(document.activeElement))
		view.focus();
	$('sending').hidden = done;
	$('sent').max = total;
	$('sent').value = sent;
	$('sentwords').textContent = `${sent} of ${total} bytes`;
	if (stopped)
		showNotice(exact ? `Stopped: the guest has ${sent} of ${total} bytes.` : `Stopped: the guest has ${sent} of ${total} bytes or less.`);
}

$('compose').addEventListener('click', compose);
$('stop').addEventListener('click', () => view.stopPaste());
$('paste').addEventListener('click', async () => {
	const text = await navigator.clipboard?.readText().catch(() => null) ?? null;
	showPanel(false);
	if (text === null)
		showNotice('The browser does not give the clipboard away. Press Ctrl+V (or Cmd+V) in the terminal.');
	else if (text !== '')
		pasteAfterLook(text);
});

/* ---- finding, copying, saving ---- */

function showFind(on) {
	$('findbar').hidden = !on;
	$('found').textContent = '';
	if (on)
		$('wanted').select();
	else
		view.focus();
}

function find(back) {
	const text = $('wanted').value;
	$('found').textContent = text === '' ? '' : view.find(text, back) ? 'found' : 'not found';
}

$('find').addEventListener('click', () => showFind($('findbar').hidden));
$('findclose').addEventListener('click', () => showFind(false));
$('findbar').addEventListener('submit', (event) => {
	event.preventDefault();
	find(true);                     /* what was printed last is what is looked for */
});
$('next').addEventListener('click', () => find(false));
$('findbar').addEventListener('keydown', (event) => {
	if (event.key === 'Escape')
		showFind(false);
});

$('copy').addEventListener('click', async () => {
	const text = view.selection || view.snapshot().text;
	const copied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
	showNotice(copied ? 'Copied.' : 'The browser does not allow it. Select text and press Ctrl+Shift+C.');
});
$('selectall').addEventListener('click', () => view.selectAll());

async function save(format, suffix) {
	try {
		const address = URL.createObjectURL(await view.history(format));
		const link = document.createElement('a');
		link.href = address;
		link.download = `${name.replace(/[^\w.-]+/g, '_')}-${new Date().toISOString().replace(/[:.]/g, '-')}.${suffix}`;
		link.click();
		setTimeout(() => URL.revokeObjectURL(address), 60000);
	} catch (error) {
		showNotice(error.message);
	}
}

$('savetext').addEventListener('click', () => save('text', 'txt'));
$('saveraw').addEventListener('click', () => save('raw', 'raw'));
$('popout').addEventListener('click', () => {
	open(location.href, '_blank', 'popup,noopener,width=1000,height=680');
});

/* ---- keys that a keyboard may not have ---- */

function makeKeyBar() {
	for (const [label, key, aloud] of KEYS) {
		const button = document.createElement('button');
		button.type = 'button';
		button.textContent = label;
		if (aloud)
			button.setAttribute('aria-label', aloud);
		if (key === null)
			button.setAttribute('aria-pressed', 'false');
		/* The terminal keeps the focus, and a phone its keyboard. */
		button.addEventListener('pointerdown', (event) => event.preventDefault());
		button.addEventListener('click', () => {
			if (key === null)
				toggleCtrl(button);
			else
				view.send(keySequence(key, view.applicationCursor));
		});
		$('keybar').append(button);
	}
}

function toggleCtrl(button) {
	ctrl = ctrl ? null : button;
	button.setAttribute('aria-pressed', String(ctrl !== null));
}

function showKeyBar() {
	const choice = setting('key-bar');
	const on = view.mayType && (choice === '1' || (choice === 'auto' && matchMedia('(pointer: coarse)').matches));
	$('keybar').hidden = !on;
	$('keybarswitch').setAttribute('aria-pressed', String(on));
}

$('keybarswitch').addEventListener('click', () => {
	setSetting('key-bar', $('keybar').hidden ? '1' : '0');
	showKeyBar();
});
$('sendbreak').addEventListener('click', () => view.send(keySequence('^O')));

/* ---- the console's size ---- */

const NORMAL_FONT = 14;         /* pixels, with which the window is filled */

on('size', showSize);

function showSize({ rows, cols }) {
	$('gridnow').textContent = `${rows} rows, ${cols} columns, as it is`;
	$('grid').value = '';
}

$('setgrid').addEventListener('click', async () => {
	const [rows, cols] = ($('grid').value || `${view.terminal.rows}x${view.terminal.cols}`).split('x').map(Number);
	const wanted = $('grid').value === 'window' ? view.roomAt(NORMAL_FONT) : { rows, cols };
	try {
		await view.setSize(wanted.rows, wanted.cols, { tellGuest: $('tellguest').checked });
		showNotice(`The console has ${wanted.rows} rows and ${wanted.cols} columns now, for all who are here.`);
		view.focus();
	} catch (error) {
		showNotice(error.message);
	}
});

/* ---- the guest's kernel ---- */

$('sysrq').append(...SYSRQ.map(([key, words]) => new Option(words, key)));
$('sysrqsend').addEventListener('click', async () => {
	const key = $('sysrq').value;
	const words = $('sysrq').selectedOptions[0].textContent;
	if (key in HARSH && !await confirmed(`SysRq ${words}?`, HARSH[key], 'Send it'))
		return;
	if (view.press('sysrq', key))
		showNotice(`SysRq ${words}: sent to the kernel of ${name}. What it says comes on its console.`);
	view.focus();
});

/* ---- the guest, and what was logged of it ---- */

function showGuest(rights) {
	$('power').hidden = !rights.includes('power');
	$('logs').hidden = !rights.includes('log');
	for (const part of document.querySelectorAll('.guest'))
		part.hidden = $('power').hidden && $('logs').hidden;
}

const guest = () => ({ id: view.session?.console ?? wanted, name, domid: consoleState?.domid });
const base = new URL('.', location.href);

/* Loaded by whoever wants it: the first screen does not wait for it. */
$('power').addEventListener('click', async () => (await import('./actions.js')).offerPower({ base, guest: guest(), say: showNotice }));
$('logs').addEventListener('click', async () => (await import('./actions.js')).showLogs({ base, guest: guest() }));

/* ---- the menu, and what a person has chosen ---- */

function showPanel(on) {
	$('panel').hidden = !on;
	$('menu').setAttribute('aria-expanded', String(on));
}

$('menu').addEventListener('click', () => showPanel($('panel').hidden));
$('panel').addEventListener('keydown', (event) => {
	if (event.key !== 'Escape')
		return;
	showPanel(false);
	$('menu').focus();
});
view.addEventListener('pointerdown', () => showPanel(false));

function applySettings() {
	applyPageTheme();
	view.theme = setting('theme');
	view.fontSize = setting('font-size');
	view.backspace = setting('backspace');
	view.screenReader = setting('screen-reader') === '1';
	$('reader').setAttribute('aria-pressed', String(view.screenReader));
	for (const [id, key] of [['theme', 'theme'], ['fontsize', 'font-size'], ['backspace', 'backspace']])
		$(id).value = setting(key);
}

for (const [id, key] of [['theme', 'theme'], ['fontsize', 'font-size'], ['backspace', 'backspace']])
	$(id).addEventListener('change', () => {
		setSetting(key, $(id).value);
		applySettings();
	});
$('reader').addEventListener('click', () => {
	setSetting('screen-reader', view.screenReader ? '0' : '1');
	applySettings();
});
watchSystemTheme(applyPageTheme);

hint.querySelector('button').addEventListener('click', () => {
	view.send('\r');
	view.focus();
});
notice.querySelector('button').addEventListener('click', () => {
	notice.hidden = true;
	view.focus();
});
addEventListener('online', () => view.wake());
document.addEventListener('visibilitychange', () => {
	if (document.hidden)
		return;
	setName(name);
	view.wake();
});
addEventListener('pagehide', () => view.close());
addEventListener('pageshow', (event) => {
	if (event.persisted)            /* back out of the browser's cache: the session was closed */
		connect();
});

/* A link with a ticket works once; it is not to stay where it could be copied from. That there was one is known after a reload, too. */
function takeTicket({ hash, pathname, search }) {
	const ticket = new URLSearchParams(hash.slice(1)).get('ticket');
	if (ticket !== null) {
		history.replaceState({ ticketed: true }, '', pathname + search);
		view.ticket = ticket;
	}
	ticketed = history.state?.ticketed === true;
	for (const id of ['plain', 'beside', 'popout', 'back'])
		$(id).hidden = ticketed;
	return ticket !== null;
}

/* The same link with another ticket is no other page to a browser. */
addEventListener('hashchange', () => {
	if (wanted !== '' && takeTicket(location))
		connect();
});

/* For tests and for a person at the developer tools; nothing here that the page could not do. */
window.xenterm = {
	text: () => view.snapshot().text,
	get terminal() { return view.terminal; },
	get connection() { return view.connection; },
	get transport() { return view.transport; },
};

makeKeyBar();
setName(wanted || 'Console');
applySettings();
if (wanted === '') {
	showConnection({ state: 'ended', reason: 'refused', code: 'no-name' });
} else {
	$('plain').href = `ajaxterm/${encodeURIComponent(wanted)}/`;
	$('beside').href = `consoles.html?${new URLSearchParams({ console: wanted })}`;
	takeTicket(location);
	connect();
	view.focus();
}
