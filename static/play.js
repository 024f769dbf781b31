/*
 * Plays a recording: of a file, or of an address of this site, play.html?cast=ADDRESS. What it holds is a guest's output, and
 * gets no further than that of a live console (terminal.js). Nothing is typed here.
 */
import { parseCast, withoutPauses } from './cast.js';
import { applyPageTheme, resolveTheme, setting, watchSystemTheme } from './settings.js';
import { ConsoleTerminal } from './terminal.js';

const AHEAD = 4 << 20;          /* bytes not drawn yet: xterm.js takes some 50 MB, and throws */
const PAUSE = 2;                /* seconds that a pause lasts, unless it is to last as long as it did */
const encoder = new TextEncoder();

const $ = (id) => document.getElementById(id);
const nothing = () => {};
const terminal = new ConsoleTerminal($('terminal'),
	{ onInput: nothing, onPaste: nothing, onBell: nothing, onTitle: nothing, onLeave: () => $('play').focus(), typing: false });

let whole = null;               /* as it was recorded */
let cast = null;                /* as it is played */
let at = 0;                     /* seconds */
let next = 0;                   /* of the events */
let playing = null;             /* the frame that is asked for */
let before = 0;
let later = null;               /* the frame in which the rest of a long way is written */

function write(upTo) {
	cancelAnimationFrame(later);
	for (; next < cast.events.length && cast.events[next].at <= upTo; next++) {
		if (terminal.backlog > AHEAD) {
			later = requestAnimationFrame(() => write(upTo));
			break;
		}
		const event = cast.events[next];
		if (event.type === 'output')
			terminal.write(encoder.encode(event.data));
		else
			terminal.setGrid(event);
	}
	at = upTo;
	show();
}

/* Back means from the beginning: what a terminal shows depends on all that came before. */
function seek(to) {
	if (to < at) {
		next = 0;
		terminal.setGrid(cast);
		terminal.redraw(new Uint8Array());
	}
	write(to);
}

function show() {
	const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
	$('at').value = at < cast.length ? at : $('at').max;
	$('at').setAttribute('aria-valuetext', `${clock(at)} of ${clock(cast.length)}`);
	$('time').textContent = `${clock(at)} of ${clock(cast.length)}`;
	$('play').textContent = playing === null ? 'Play' : 'Pause';
}

function step(now) {
	const to = at + (now - before) / 1000 * Number($('speed').value);
	before = now;
	playing = to < cast.length ? requestAnimationFrame(step) : null;
	write(Math.min(to, cast.length));
}

function setPlaying(on) {
	if (playing !== null)
		cancelAnimationFrame(playing);
	playing = null;
	if (on) {
		if (at >= cast.length)
			seek(0);
		before = performance.now();
		playing = requestAnimationFrame(step);
	}
	show();
}

function arrange() {
	cast = $('pauses').checked ? withoutPauses(whole, PAUSE) : whole;
	setPlaying(false);
	$('at').max = Math.ceil(cast.length * 10) / 10;
	at = Infinity;
	seek(0);
}

function fail(message) {
	$('overlay').querySelector('h2').textContent = 'This cannot be played';
	$('overlay').querySelector('p').textContent = message;
	$('overlay').hidden = false;
	$('controls').hidden = true;
	if (cast)
		setPlaying(false);
}

function load(text, name) {
	try {
		whole = parseCast(text);
	} catch (error) {
		fail(error.message);
		return;
	}
	$('overlay').hidden = true;
	$('controls').hidden = false;
	$('name').textContent = whole.title || name;
	document.title = `${whole.title || name} - xenterm`;
	arrange();
	setPlaying(true);
}

async function fetchCast(address) {
	const url = new URL(address, location.href);
	if (url.origin !== location.origin)
		return fail('The recording is on another site; save it there and open the file.');
	const response = await fetch(url, { redirect: 'error' }).catch(() => null);
	if (response?.status !== 200)
		return fail(response ? `The server answered ${response.status}.` : 'The server cannot be reached.');
	load(await response.text(), url.searchParams.get('file') ?? url.pathname.split('/').at(-1));
}

$('play').addEventListener('click', () => setPlaying(playing === null));
$('at').addEventListener('input', () => seek(Number($('at').value)));
$('pauses').addEventListener('change', arrange);
$('controls').addEventListener('submit', (event) => event.preventDefault());
$('file').addEventListener('change', async () => {
	const [file] = $('file').files;
	if (file)
		load(await file.text(), file.name);
});

function applyLooks() {
	applyPageTheme();
	terminal.setTheme(resolveTheme(setting('theme')));
}

/* For tests. */
window.xenterm = { text: () => terminal.text(), get terminal() { return terminal.raw; } };

watchSystemTheme(applyLooks);
applyLooks();
const address = new URLSearchParams(location.search).get('cast');
if (address !== null)
	fetchCast(address);
