/* The two dialogs of the console's page: a look at what is pasted, and a box to compose in. */
import { visible } from './paste.js';

const PREVIEW = 20000;          /* characters: more than anybody reads */
const LINE_ENDS = { cr: '\r', lf: '\n', crlf: '\r\n' };

const $ = (id) => document.getElementById(id);

let last = Promise.resolve();   /* the former dialog: its `close` comes a while after it has closed */

/* Resolves with the button's value; Escape is `cancel`. */
function ask(dialog) {
	last = last.then(() => show(dialog));
	return last;
}

function show(dialog) {
	return new Promise((resolve) => {
		dialog.returnValue = 'cancel';
		dialog.addEventListener('close', () => resolve(dialog.returnValue), { once: true });
		dialog.showModal();
	});
}

/* Resolves with {pace}, or null: not to be pasted. */
export async function askToPaste(text, { bracketed }) {
	if ($('pastedialog').open)
		return null;
	const lines = text.replace(/\r\n?/g, '\n').replace(/\n$/, '').split('\n').length;
	const size = new TextEncoder().encode(text).length;
	$('pastefacts').textContent = `${lines === 1 ? '1 line' : `${lines} lines`}, ${size} bytes. `
		+ 'Control characters are shown by their names, and left out. '
		+ (bracketed ? 'The guest is told that it is pasted.' : 'Each end of a line is Enter: the guest acts on it at once.');
	$('pastepreview').textContent = visible(text.slice(0, PREVIEW)) + (text.length > PREVIEW ? '\n…' : '');
	return await ask($('pastedialog')) === 'paste' ? { pace: Number($('pace').value) } : null;
}

/* Resolves with {text, lineEnd}, or null. What was written is there again the next time unless it was sent. */
export async function askToSend() {
	if ($('composedialog').open || await ask($('composedialog')) !== 'send')
		return null;
	const text = $('composed').value + ($('endline').checked ? '\n' : '');
	$('composed').value = '';
	return { text, lineEnd: LINE_ENDS[$('lineend').value] };
}
