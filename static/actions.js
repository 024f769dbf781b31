/*
 * What can be done with a guest beside typing: have it asked to shut down or to reboot, and read what was logged of its
 * console. Loaded when somebody wants to.
 */
import { askPower, listLogs } from './calls.js';
import { ask, dialog, element, once } from './dialogs.js';

const DOES = { shutdown: 'shuts down', reboot: 'reboots' };
const BEFORE = { shutdown: 'shut down', reboot: 'reboot' };

const closing = (...made) => element('p', { class: 'buttons' }, ...made);
const button = (value, text, more = {}) => element('button', { type: 'button', value, ...more }, text);

const power = once(() => dialog('powerdialog', '',
	element('p', {}, 'The guest is asked, as by xl shutdown or xl reboot, and ends its programs in order. Whoever uses it is cut off.'),
	closing(button('reboot', 'Reboot'), button('shutdown', 'Shut down'),
		button('cancel', 'Cancel', { autofocus: '' }))));   /* Enter twice does nothing yet */

const logs = once(() => dialog('logsdialog', '', element('p', { role: 'status' }),
	element('table', { hidden: '' }, element('thead', {}, element('tr', {},
		...['What', 'When', 'Size', 'Open'].map((text) => element('th', { scope: 'col' }, text)))), element('tbody')),
	closing(button('cancel', 'Close'))));

/* `guest`: {id, name, domid}. say(text) tells a person what becomes of it; nothing is done unless the person says yes. */
export async function offerPower({ base, guest, say }) {
	const { id, name, domid } = guest;
	if (power().open)
		return;
	power().querySelector('h2').textContent = `Shut down or reboot ${name}?`;
	const action = await ask(power());
	if (!(action in DOES))
		return;
	say(`${name} is asked to ${BEFORE[action]}.`);
	try {
		await askPower({ base, console: id, action, domid });
		say(`${name} has taken it, and ${DOES[action]}.`);
	} catch (error) {
		say(error.status === 0 ? `Whether ${name} was asked to ${BEFORE[action]} is not known: the server cannot be reached.`
			: error.message);
	}
}

/* What the logger has kept of a console, to open or to save. */
export async function showLogs({ base, guest }) {
	const { id, name } = guest;
	const box = logs();
	if (box.open)
		return;
	box.querySelector('h2').textContent = `Logs and recordings of ${name}`;
	const closed = ask(box);
	say('Asking the server…');
	fill([]);
	try {
		const files = (await listLogs({ base, console: id })).map((file) => describe(file, name)).filter(Boolean).sort(inOrder);
		fill(files.map((file) => row(file, address(base, id, file.name))));
		say(files.length ? '' : NOTHING);
	} catch (error) {
		say(error.code === 'no-such-log' ? NOTHING : error.message);
	}
	await closed;
}

const NOTHING = 'Nothing has been kept of this console yet.';

function say(text) {
	logs().querySelector('[role=status]').textContent = text;
}

function fill(rows) {
	logs().querySelector('tbody').replaceChildren(...rows);
	logs().querySelector('table').hidden = rows.length === 0;
}

function address(base, id, file) {
	return new URL(`api/v1/logs/${encodeURIComponent(id)}?${new URLSearchParams({ file })}`, base).href;
}

/* Those that can be had: {name, what, when, size, recording, age, save}, else null. */
function describe({ name, mtime, size }, guest) {
	const log = /^console\.log(?:\.(\d+))?$/.exec(name);
	const begun = /^(\d+-\d\d-\d\dT\d\d)-(\d\d)-(\d\d\.\d+Z)\.cast$/.exec(name);
	if (!log && !begun)
		return null;
	return { name, size, recording: begun !== null, age: Number(log?.[1] ?? 0),
		what: begun ? 'Recording' : log[1] ? `Older log ${log[1]}` : 'Log',
		when: begun ? `from ${day(begun.slice(1).join(':'))}` : `until ${day(mtime)}`,
		save: `${guest.replace(/[^\w.-]+/g, '_')}-${name}${begun ? '' : '.txt'}` };
}

const day = (time) => new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/* The logs, the newest first; then so the recordings. */
function inOrder(a, b) {
	return a.recording - b.recording || a.age - b.age || b.name.localeCompare(a.name);
}

function sizeWords(bytes) {
	if (!Number.isFinite(bytes))
		return '';
	return bytes < 1024 ? `${bytes} bytes` : bytes < 1 << 20 ? `${Math.round(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

function row({ name, what, when, size, recording, save }, href) {
	const link = (verb, to) => element('a', { ...to, 'aria-label': `${verb}: ${what} ${when}` }, verb);
	const open = recording ? link('Play', { href: `play.html?${new URLSearchParams({ cast: href })}`, target: '_blank', rel: 'noopener' })
		: link('Read', { href, target: '_blank', rel: 'noopener' });
	return element('tr', { 'data-file': name }, element('th', { scope: 'row' }, what), element('td', {}, when),
		element('td', {}, sizeWords(size)), element('td', {}, open, ' ', link('Save', { href, download: save })));
}
