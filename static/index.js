/*
 * The list of consoles, refreshed while the page is visible. Server text becomes text nodes only.
 * Typing filters, the arrows go from one to the next, Enter opens.
 */
import { listConsoles } from './client.js';
import { Glance } from './glance.js';
import { applyPageTheme, watchSystemTheme } from './settings.js';
import { absence, agoWords, kindWords, rightsWords, stateWords, viewersWords } from './words.js';

const REFRESH = 5000;
const SLOWEST = 30000;
const MANY = 8;                 /* consoles: the filter is there from the start */
const TOGETHER = 16;            /* at most so many are offered for one window */
const NOTICE_FOR = 8000;

const base = new URL('.', location.href);
const status = document.querySelector('#status');
const table = document.querySelector('#consoles');
const empty = document.querySelector('#empty');
const failure = document.querySelector('#error');
const filter = document.querySelector('#filter');
const together = document.querySelector('#together');
const notice = document.querySelector('#notice');
const rows = new Map();         /* id -> row, kept so that a refresh does not take the focus away */
const guests = new Map();       /* id -> {id, name, domid}, as the row shows it */
const outputs = new Map();      /* id -> {end, at}: how much was printed, and when that was seen to change */
const glance = new Glance({ box: document.querySelector('#glance'), base });

let timer = null;
let asking = false;
let noticeTimer = null;
let failures = 0;

async function refresh() {
	clearTimeout(timer);
	if (asking || document.hidden)
		return;
	asking = true;
	const abort = AbortSignal.timeout(15000);
	try {
		show(await listConsoles({ base, signal: abort }));
		failures = 0;
	} catch (error) {
		failures++;
		showError(error);
	}
	asking = false;
	if (!document.hidden)
		timer = setTimeout(refresh, Math.min(SLOWEST, REFRESH * 2 ** failures));
}

function show(consoles) {
	const usable = consoles.filter((c) => typeof c?.id === 'string');
	const ids = new Set(usable.map((c) => c.id));
	for (const [id, row] of rows)
		if (!ids.has(id)) {
			row.remove();
			rows.delete(id);
			guests.delete(id);
			outputs.delete(id);
		}
	usable.sort((a, b) => nameOf(a).localeCompare(nameOf(b), undefined, { numeric: true })
		|| a.id.localeCompare(b.id));
	usable.forEach((entry, place) => showRow(entry, place));
	setHidden(failure, true);
	setHidden(empty, usable.length > 0);
	setHidden(table, usable.length === 0);
	setHidden(filter.parentElement, usable.length < MANY && filter.value === '' && document.activeElement !== filter);
	applyFilter();
}

function showRow(entry, place) {
	const body = table.tBodies[0];
	const row = rows.get(entry.id) ?? newRow(entry.id);
	const rights = Array.isArray(entry.rights) ? entry.rights : [];
	const [name, kind, state, printed, viewers, may] = row.cells;
	showName(name, entry, rights);
	setText(kind, kindWords(entry.kind, entry.id));
	setText(state.firstChild, stateWords(entry.state));
	setAttribute(state.firstChild, 'class', `state ${entry.state === 'up' ? 'good' : 'other'}`);
	setAttribute(state, 'title', absence(entry.state, nameOf(entry), entry.holder)?.text ?? '');
	setText(printed, outputWords(entry));
	setText(viewers, viewersWords(Number(entry.viewers) || 0));
	setText(may.firstChild, rightsWords(rights));
	showButton(may, rights.includes('power'), 'offerPower', 'Power', `Shut down or reboot ${nameOf(entry)}`);
	showButton(may, rights.includes('log'), 'showLogs', 'Logs', `Logs and recordings of ${nameOf(entry)}`);
	Object.assign(guests.get(entry.id), { name: nameOf(entry), domid: entry.domid });
	if (body.rows[place] !== row)
		body.insertBefore(row, body.rows[place] ?? null);
}

function newRow(id) {
	const row = document.createElement('tr');
	const heading = document.createElement('th');
	heading.scope = 'row';
	heading.append(document.createElement('a'));
	row.append(heading);
	for (let i = 0; i < 5; i++)
		row.append(document.createElement('td'));
	row.cells[2].append(document.createElement('span'));
	row.cells[5].append(document.createElement('span'));
	guests.set(id, { id });
	row.dataset.id = id;
	rows.set(id, row);
	return row;
}

function showButton(cell, shown, does, text, label) {
	let button = cell.querySelector(`[data-does=${does}]`);
	if (!shown) {
		button?.remove();
		return;
	}
	if (!button) {
		button = document.createElement('button');
		button.type = 'button';
		button.textContent = text;
		button.dataset.does = does;
		cell.append(button);
	}
	setAttribute(button, 'aria-label', label);
}

/* What a row's buttons do is loaded when one is pressed. */
table.addEventListener('click', async ({ target }) => {
	const does = target.dataset?.does;
	if (!does)
		return;
	const guest = { ...guests.get(target.closest('tr').dataset.id) };
	await (await import('./actions.js'))[does]({ base, guest, say: showNotice });
});

function showNotice(text) {
	clearTimeout(noticeTimer);
	setText(notice.firstChild, text);
	setHidden(notice, false);
	noticeTimer = setTimeout(() => setHidden(notice, true), NOTICE_FOR);
}

notice.querySelector('button').addEventListener('click', () => setHidden(notice, true));

/* The server tells how much was printed, not when; that is known from when this page saw it change. */
function outputWords({ id, end }) {
	if (!Number.isFinite(end))
		return '';
	const before = outputs.get(id);
	if (before?.end !== end)
		outputs.set(id, { end, at: before ? performance.now() : null });
	const { at } = outputs.get(id);
	return at === null ? 'quiet' : agoWords((performance.now() - at) / 1000);
}

/* A link where there is something to open; a console that may only be listed stays plain text. */
function showName(cell, entry, rights) {
	const link = cell.firstChild;
	setText(link, nameOf(entry));
	if (!rights.includes('watch') && !rights.includes('type')) {
		link.removeAttribute('href');
		return;
	}
	const query = new URLSearchParams({ console: entry.id });
	if (!rights.includes('type'))
		query.set('mode', 'watch');
	const href = `console.html?${query}`;
	if (link.getAttribute('href') !== href)
		link.setAttribute('href', href);
}

function nameOf(entry) {
	return typeof entry.name === 'string' && entry.name !== '' ? entry.name : entry.id;
}

function setAttribute(node, name, value) {
	if ((node.getAttribute(name) ?? '') !== value)
		node.setAttribute(name, value);
}

function setHidden(node, hidden) {
	if (node.hidden !== hidden)
		node.hidden = hidden;
}

/* Unchanged text is left alone, so that a selection and a screen reader's place survive. */
function setText(node, text) {
	if (node.textContent !== text)
		node.textContent = text;
}

function applyFilter() {
	const wanted = filter.value.trim().toLowerCase();
	let visible = 0;
	for (const row of rows.values()) {
		const text = `${row.cells[0].textContent} ${row.cells[2].textContent}`;
		const hidden = wanted !== '' && !text.toLowerCase().includes(wanted);
		setHidden(row, hidden);
		visible += hidden ? 0 : 1;
	}
	const all = rows.size === 1 ? '1 console' : `${rows.size} consoles`;
	setText(status, visible === rows.size ? all : `${visible} of ${all}`);
	offerTogether();
}

/* Those that the filter leaves, where that is more than one and not too many. */
function offerTogether() {
	const ids = links().map((link) => link.closest('tr').dataset.id);
	setHidden(together, ids.length < 2 || ids.length > TOGETHER);
	if (together.hidden)
		return;
	setText(together, `Open these ${ids.length} in one window`);
	setAttribute(together, 'href', `consoles.html?${new URLSearchParams(ids.map((id) => ['console', id]))}`);
}

/* Whose screen is shown: of the row that has the pointer, else of the one that has the focus. */
function pointAt(event) {
	const row = event.target.closest?.('tbody tr');
	const may = row && outputs.has(row.dataset.id);
	glance.at(may ? row.dataset.id : null, row?.cells[0].textContent);
}

table.addEventListener('pointerover', pointAt);
table.addEventListener('pointerleave', () => glance.at(null));
table.addEventListener('focusin', pointAt);
table.addEventListener('focusout', () => glance.at(null));

function showError(error) {
	const login = error.status === 401;
	const title = login ? 'Log in again'
		: error.status === 0 ? 'The server cannot be reached' : 'The list could not be fetched';
	setText(failure.querySelector('h2'), title);
	setText(failure.querySelector('p'), login ? 'The server does not know who you are. Reload the page and log in.'
		: error.status === 0 ? 'Check the network. The page tries again by itself; what you see may be old.'
			: error.message);
	setHidden(failure, false);
	setHidden(empty, true);
	setText(status, 'Not up to date');
}

failure.querySelector('button').addEventListener('click', () => {
	if (failure.querySelector('h2').textContent === 'Log in again')
		location.reload();
	else
		refresh();
});
/* The links that can be seen, in their order. */
function links() {
	return [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].firstChild)
		.filter((link) => link.hasAttribute('href'));
}

/* Where an arrow leads to from where the focus is; from elsewhere, to the first or the last. */
function moveFocus(key) {
	const all = links();
	const at = all.indexOf(document.activeElement);
	const to = key === 'Home' || (key === 'ArrowDown' && at < 0) ? 0
		: key === 'End' || (key === 'ArrowUp' && at < 0) ? all.length - 1
			: at + (key === 'ArrowDown' ? 1 : -1);
	if (to < 0)
		filter.focus();
	else
		all[to]?.focus();
}

addEventListener('keydown', (event) => {
	if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || table.hidden
		|| document.querySelector('dialog[open]'))
		return;
	const inFilter = event.target === filter;
	if (event.key === 'ArrowDown' || event.key === 'ArrowUp'
		|| (!inFilter && (event.key === 'Home' || event.key === 'End'))) {
		event.preventDefault();
		moveFocus(event.key);
	} else if (inFilter && event.key === 'Enter') {
		links()[0]?.click();
	} else if (event.key === 'Escape' && filter.value !== '') {
		filter.value = '';
		applyFilter();
	} else if (!inFilter && event.key.length === 1 && event.key !== ' ') {
		/* The character itself goes into the filter, by the browser. */
		setHidden(filter.parentElement, false);
		filter.focus();
	}
});

filter.addEventListener('input', applyFilter);
document.addEventListener('visibilitychange', refresh);
addEventListener('online', refresh);
applyPageTheme();
watchSystemTheme(applyPageTheme);
refresh();
