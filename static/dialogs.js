/* The dialogs: a look at what is pasted, a box to compose in, a question before what cannot be undone. No page needs them before they open. */
import { visible } from './paste.js';

const PREVIEW = 20000;          /* characters: more than anybody reads */
const MOST = 16 << 20;          /* characters of a paste: minutes of a console's time, and what a page takes at once */
const LINE_ENDS = { cr: '\r', lf: '\n', crlf: '\r\n' };
const KEPT = 'xenterm-composed';

let last = Promise.resolve();   /* the former dialog: its `close` comes a while after it has closed */

/* element('p', {id: 'x'}, 'text', element(…)) */
export function element(name, attributes = {}, ...children) {
	const made = document.createElement(name);
	for (const [key, value] of Object.entries(attributes))
		made.setAttribute(key, value);
	made.append(...children);
	return made;
}

function select(id, choices) {
	return element('select', { id }, ...choices.map(([value, text]) => element('option', { value }, text)));
}

/* One that is shown by ask(). */
export function dialog(id, title, ...children) {
	const made = element('dialog', { id, 'aria-labelledby': `${id}title` }, element('h2', { id: `${id}title` }, title), ...children);
	/* No form: frames in others' pages may not submit any. */
	made.addEventListener('click', ({ target }) => {
		if (target.localName === 'button')
			made.close(target.value);
	});
	document.body.append(made);
	return made;
}

function buttons(yes, value) {
	return element('p', { class: 'buttons' },
		element('button', { type: 'button', value, class: 'first' }, yes),
		element('button', { type: 'button', value: 'cancel' }, 'Cancel'));
}

export const once = (make) => {
	let made = null;
	return () => made ??= make();
};

const paste = once(() => dialog('pastedialog', 'Paste into the guest?',
	element('p', { id: 'pastefacts' }),
	element('pre', { id: 'pastepreview', tabindex: '0', role: 'region', 'aria-label': 'What is pasted' }),
	element('p', {}, element('label', { for: 'pace' }, 'Speed'), ' ', select('pace', [
		['0', 'as fast as the guest takes it'], ['960', '960 bytes a second (9600 baud)'], ['120', '120 bytes a second']])),
	buttons('Paste', 'paste')));

const compose = once(() => {
	const box = element('textarea', { id: 'composed', rows: '8', spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off' });
	const endline = element('input', { type: 'checkbox', id: 'endline', checked: '' });
	return dialog('composedialog', 'Compose and send',
		element('p', {}, element('label', { for: 'composed' }, 'What to send')), box,
		element('p', {}, element('label', { for: 'lineend' }, 'A line ends with'), ' ',
			select('lineend', [['cr', 'Enter (CR)'], ['lf', 'LF'], ['crlf', 'CR LF']]), ' ',
			element('label', {}, endline, ' Enter at the end')),
		buttons('Send', 'send'));
});

const question = once(() => dialog('question', '', element('p', { id: 'questiontext' }), buttons('', 'yes')));

/* Resolves with the button's value; Escape is `cancel`. */
export function ask(which) {
	last = last.then(() => show(which));
	return last;
}

function show(which) {
	return new Promise((resolve) => {
		which.returnValue = 'cancel';
		which.addEventListener('close', () => resolve(which.returnValue), { once: true });
		which.showModal();
	});
}

const $ = (id) => document.getElementById(id);

/* Resolves with {pace}, or null: not to be pasted. `into`: the console's name, where there are several. */
export async function askToPaste(text, { bracketed, into = 'the guest' }) {
	if (paste().open)
		return null;
	const lines = text.replace(/\r\n?/g, '\n').replace(/\n$/, '').split('\n').length;
	const size = new TextEncoder().encode(text).length;
	$('pastedialogtitle').textContent = `Paste into ${into}?`;
	$('pastefacts').textContent = `${lines === 1 ? '1 line' : `${lines} lines`}, ${size} bytes. `
		+ 'Control characters are shown by their names, and left out. '
		+ (text.length > MOST ? `That is more than a console takes: ${MOST} characters at most.`
			: bracketed ? 'The guest is told that it is pasted.' : 'Each end of a line is Enter: the guest acts on it at once.');
	paste().querySelector('.first').disabled = text.length > MOST;
	$('pastepreview').textContent = visible(text.slice(0, PREVIEW)) + (text.length > PREVIEW ? '\n…' : '');
	return await ask(paste()) === 'paste' ? { pace: Number($('pace').value) } : null;
}

/*
 * Resolves with {text, lineEnd, written}, or null: what to send, and what stood in the box. What was written is there again the next time unless it was sent, also when the
 * page was reloaded in between, as for a new login.
 */
export async function askToSend() {
	if (compose().open)
		return null;
	$('composed').value ||= kept();
	const answer = await ask(compose());
	if (answer !== 'send') {
		keep($('composed').value);
		return null;
	}
	const written = $('composed').value;
	$('composed').value = '';
	keep('');
	return { text: written + ($('endline').checked ? '\n' : ''), lineEnd: LINE_ENDS[$('lineend').value], written };
}

/* Puts a text into the box, behind what is there. */
export function keepForSending(text) {
	compose();
	$('composed').value = ($('composed').value || kept()) + text;
	keep($('composed').value);
}

function kept() {
	try {
		return sessionStorage.getItem(KEPT) ?? '';
	} catch {
		return '';
	}
}

function keep(text) {
	try {
		sessionStorage.setItem(KEPT, text);
	} catch {
		/* without storage it is there until the page goes */
	}
}

/* Whether a person says yes to what the text says. */
export async function confirmed(title, text, yes) {
	if (question().open)
		return false;
	$('questiontitle').textContent = title;
	$('questiontext').textContent = text;
	question().querySelector('button').textContent = yes;
	return await ask(question()) === 'yes';
}
