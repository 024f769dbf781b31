/*
 * Several consoles in one window, side by side or one at a time. The address is consoles.html?console=NAME&console=NAME…
 * [&view=tabs] and follows what is done here, so that a reload or a bookmark shows the same.
 */
import './xen-console.js';
import { listConsoles } from './calls.js';
import { askToPaste, element } from './dialogs.js';
import { applyPageTheme, setting, watchSystemTheme } from './settings.js';
import { absence, endWords, stateWords, viewersWords } from './words.js';

const MOST = 30;                /* consoles in one window */
const NOTICE_FOR = 8000;

const CONNECTIONS = { live: '', connecting: 'connecting', ended: 'not connected', retrying: 'connection lost, trying',
	offline: 'no network' };

const $ = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const tiles = [];
let active = null;
let tabbed = parameters.get('view') === 'tabs';
let noticeTimer = null;

const button = (text, run, attributes = {}) => {
	const made = element('button', { type: 'button', ...attributes }, text);
	made.addEventListener('click', run);
	return made;
};

/* One console: its place in the strip, and its tile. */
class Tile {
	name; state = null; end = null; fresh = ''; viewers = 0; mode = ''; drawn = false;

	constructor(console) {
		this.console = this.name = console;
		this.view = element('xen-console', { manual: '' });
		this.view.console = console;
		this.tab = button(console, () => activate(this, true));
		this.title = element('h3', {}, console);
		this.words = element('span', { class: 'state other' });
		this.facts = element('span', { class: 'quiet' });
		this.again = button('Connect again', () => {
			this.connect();
			this.view.focus();
		});
		this.overlay = element('section', { class: 'over card', role: 'status', tabindex: '0' }, element('h4'), element('p'), this.again);
		this.out = button('↗', () => popOut(this), { title: 'In a window of its own' });
		this.close = button('×', () => remove(this), { title: 'Close' });
		this.tile = element('article', {}, element('header', {}, this.title, this.words, this.facts,
			element('span', { class: 'tools' },
				this.out, this.close)), element('div', {}, this.overlay, this.view));     /* Tab does not come out of a terminal */
		this.listen();
	}

	listen() {
		const on = (type, handler) => this.view.addEventListener(type, (event) => handler(event.detail, event));
		on('session', (session) => {
			this.mode = session.mode;
			this.rename(session.name);
		});
		on('state', (event) => {
			this.state = event;
			this.rename(event.name);
		});
		on('viewers', ({ count, viewers }) => {
			this.viewers = count ?? viewers?.length ?? 0;
			this.show();
		});
		on('connection', (connection) => {
			this.end = connection.state === 'ended' ? connection : null;
			this.show();
		});
		on('notice', ({ detail }) => showNotice(`${this.name}: ${detail}`));
		on('ready', () => { this.drawn = false; });
		on('drawn', () => {
			if (this.drawn)
				this.mark('new output');
			this.drawn = true;      /* the first is the screen as it was */
		});
		on('bell', () => this.mark('bell'));
		on('leave', () => this.tab.focus());
		on('focusin', () => activate(this, false));
		on('pasting', ({ text, needsLook }, event) => {
			if (!needsLook)
				return;
			event.preventDefault();
			this.paste(text);
		});
		on('pasteprogress', ({ sent, total, done, stopped, exact }) => {
			if (stopped || !done)
				showNotice(`${this.name}: ${sent} of ${total} bytes sent${exact ? '' : ' or less'}${stopped ? ', stopped' : ''}.`);
			else
				$('notice').hidden = true;
		});
	}

	async paste(text) {
		const choice = await askToPaste(text, { bracketed: this.view.bracketedPaste, into: this.name });
		this.view.focus();
		if (choice && !this.view.paste(text, choice))
			showNotice(`${this.name}: nothing was pasted.`);
	}

	connect() {
		this.end = null;
		this.view.connect();
	}

	rename(name) {
		if (typeof name === 'string' && name !== '')
			this.name = name;
		this.title.textContent = this.name;
		this.close.setAttribute('aria-label', `Close ${this.name}`);
		this.out.setAttribute('aria-label', `${this.name} in a window of its own`);
		this.show();
	}

	/* What has happened where nobody looks. */
	mark(what) {
		if (this === active || (!tabbed && what !== 'bell') || this.fresh === 'bell')
			return;
		this.fresh = what;
		this.show();
	}

	show() {
		const connection = this.end ? 'not connected' : CONNECTIONS[this.view.connection];
		const words = connection || (this.state ? stateWords(this.state.state) : 'connecting');
		const good = connection === '' && this.state?.state === 'up';
		setText(this.words, words);
		this.words.className = `state ${good ? 'good' : 'other'}`;
		setText(this.facts, [this.viewers ? viewersWords(this.viewers) : '', this.mode === 'watch' ? 'read only' : '']
			.filter(Boolean).join(', '));
		setText(this.tab, [this.name, good ? '' : words, this.fresh].filter(Boolean).join(' · '));
		const why = this.end ? endWords(this.end)
			: this.state ? absence(this.state.state, this.name, this.state.holder) : null;
		this.overlay.hidden = why === null;
		this.again.hidden = !this.end;
		if (why) {
			setText(this.overlay.querySelector('h4'), why.title);
			setText(this.overlay.querySelector('p'), why.text);
		}
	}
}

function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

function showNotice(text) {
	clearTimeout(noticeTimer);
	$('notice').querySelector('span').textContent = text;
	$('notice').hidden = false;
	noticeTimer = setTimeout(() => { $('notice').hidden = true; }, NOTICE_FOR);
}

/* ---- which there are, and which is looked at ---- */

function add(console) {
	const there = tiles.find((tile) => tile.console === console || tile.name === console);
	if (there)
		return there;
	if (tiles.length >= MOST) {
		showNotice(`One window takes ${MOST} consoles.`);
		return null;
	}
	const tile = new Tile(console);
	tiles.push(tile);
	$('strip').append(tile.tab);
	$('grid').append(tile.tile);
	tile.rename(console);
	applySettings(tile);
	tile.connect();
	return tile;
}

function remove(tile) {
	const place = tiles.indexOf(tile);
	const hadFocus = tile.tile.contains(document.activeElement);
	tiles.splice(place, 1);
	tile.tab.remove();
	tile.tile.remove();
	if (active === tile) {
		active = null;
		activate(tiles[Math.min(place, tiles.length - 1)] ?? null, false);
	}
	arrange();
	if (hadFocus)
		(active?.tab ?? $('wanted')).focus();
}

function activate(tile, focus) {
	active = tile;
	if (tile)
		tile.fresh = '';
	arrange();
	tile?.show();
	if (tile && focus)
		tile.view.focus();
}

/* As square as can be, for terminals that are wider than high. */
function arrange() {
	const columns = tabbed ? 1 : Math.max(1, Math.ceil(Math.sqrt(tiles.length)));
	$('grid').style.setProperty('--columns', columns);
	$('grid').classList.toggle('tabbed', tabbed);
	for (const tile of tiles) {
		tile.tile.hidden = tabbed && tile !== active;
		tile.tile.classList.toggle('active', tile === active);
		tile.tab.setAttribute('aria-pressed', String(tile === active));
	}
	$('none').hidden = tiles.length > 0;
	$('tiles').setAttribute('aria-pressed', String(!tabbed));
	$('tabs').setAttribute('aria-pressed', String(tabbed));
	document.title = `${active ? active.name : 'Consoles'} - xenterm`;
	const query = new URLSearchParams(tiles.map((tile) => ['console', tile.console]));
	if (tabbed)
		query.set('view', 'tabs');
	const address = `${location.pathname}?${query}`;
	if (address !== location.pathname + location.search)
		history.replaceState(null, '', address);
}

/* The window has a session of its own, so the tile is closed when there is one. */
function popOut(tile) {
	const made = open(`console.html?${new URLSearchParams({ console: tile.console })}`, '_blank', 'popup,width=1000,height=680');
	if (!made) {
		showNotice('The browser does not let this page open a window.');
		return;
	}
	made.opener = null;
	remove(tile);
}

function setTabbed(on) {
	tabbed = on;
	if (tabbed && !active)
		active = tiles[0] ?? null;
	arrange();
}

$('tiles').addEventListener('click', () => setTabbed(false));
$('tabs').addEventListener('click', () => setTabbed(true));
$('notice').querySelector('button').addEventListener('click', () => {
	$('notice').hidden = true;
	active?.view.focus();
});

$('strip').addEventListener('keydown', (event) => {
	const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
	const at = tiles.findIndex(({ tab }) => tab === document.activeElement);
	if (!step || at < 0)
		return;
	event.preventDefault();
	tiles[(at + step + tiles.length) % tiles.length].tab.focus();
});

$('adding').addEventListener('submit', (event) => {
	event.preventDefault();
	const name = $('wanted').value.trim();
	const tile = name === '' ? null : add(name);
	if (!tile)
		return;
	$('wanted').value = '';
	activate(tile, true);
});

/* The names are asked for when somebody is about to write one. */
$('wanted').addEventListener('focus', async () => {
	const consoles = await listConsoles({ base: new URL('.', location.href) }).catch(() => []);
	$('names').replaceChildren(...consoles
		.filter(({ id, rights }) => typeof id === 'string' && rights?.includes('watch'))
		.map(({ id, name }) => element('option', { value: name || id })));
});

/* ---- looks, and what the browser says ---- */

function applySettings({ view }) {
	view.theme = setting('theme');
	view.backspace = setting('backspace');
	view.screenReader = setting('screen-reader') === '1';
}

addEventListener('online', () => tiles.forEach(({ view }) => view.wake()));
document.addEventListener('visibilitychange', () => {
	if (!document.hidden)
		tiles.forEach(({ view }) => view.wake());
});
addEventListener('pagehide', () => tiles.forEach(({ view }) => view.close()));
addEventListener('pageshow', (event) => {
	if (event.persisted)
		tiles.forEach((tile) => tile.connect());
});

/* For tests and for a person at the developer tools. */
window.xenterm = { get tiles() { return tiles; }, get active() { return active; } };

applyPageTheme();
watchSystemTheme(applyPageTheme);
for (const console of new Set(parameters.getAll('console').filter(Boolean)))
	add(console);
activate(tiles[0] ?? null, true);
