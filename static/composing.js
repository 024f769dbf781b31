/*
 * Between xterm.js 6.0.0 and what writes into its textarea without naming the key: phones, dead keys, input methods.
 *
 * xterm.js looks there in the page's next turn. Where the page is busy, that is what several keys have done, and it
 * takes it for something else: letters come twice, or not at all. So a key without a name is taken here, at once, and
 * xterm.js gets to know of neither key nor letter; of what was composed it is told from where to where.
 */

/* Shift, Control, Alt, Caps Lock: xterm.js goes on composing. */
const MODIFIERS = [16, 17, 18, 20];

/* A key of which no more is said than 229. */
function isUnnamed({ keyCode, isComposing }) {
	return keyCode === 229 && !isComposing;
}

export class Composing {
	#textarea; #helper;
	#unnamed = false;       /* the last key was one */
	#start;                 /* of the last composition, in the textarea */
	#composing = false;
	#unsent = null;         /* where what was composed and not sent begins; null: there is nothing */

	/* term is open, somewhere in host; erase(): what takes a character back. */
	constructor(term, host, erase) {
		this.#textarea = term.textarea;
		this.#helper = term._core?._compositionHelper;
		if (typeof this.#helper?._compositionPosition !== 'object')
			throw new Error('This version of xterm.js keeps what is composed in another way.');
		host.addEventListener('input', (event) => {
			if (event.isComposing)
				return;
			this.#caretToEnd();
			/* What is dropped or pasted is nobody's typing. */
			if (!this.#unnamed || event.inputType.startsWith('insertFrom'))
				return;
			event.stopPropagation();
			const text = event.inputType.startsWith('delete') ? erase()
				: event.inputType === 'insertLineBreak' ? '\r' : event.data;
			if (text)
				term.input(text);
		}, true);
		host.addEventListener('compositionstart', () => this.#begin(), true);
		this.#textarea.addEventListener('compositionend', () => this.#end());
	}

	/* For each event of a key, before xterm.js has it; false: it is not to have it. */
	key(event) {
		if (event.type === 'keydown') {
			this.#unnamed = isUnnamed(event);
			if (!this.#unnamed && !event.isComposing && !MODIFIERS.includes(event.keyCode))
				this.#finish();
		}
		return !isUnnamed(event);
	}

	/* xterm.js reads what was composed at the textarea's end; not every keyboard leaves the caret there. */
	#caretToEnd() {
		this.#textarea.setSelectionRange(this.#textarea.value.length, this.#textarea.value.length);
	}

	#begin() {
		this.#unnamed = false;
		this.#start = this.#textarea.value.length;
		this.#composing = true;
		this.#unsent ??= this.#start;
	}

	#end() {
		this.#caretToEnd();
		this.#composing = false;
		/* Behind xterm.js' own, which sends it. */
		setTimeout(() => { this.#unsent = this.#composing ? this.#start : null; });
	}

	/* A key makes xterm.js send at once; by itself it sends of the last composition what it saw a turn ago. */
	#finish() {
		if (this.#unsent === null)
			return;
		this.#helper._compositionPosition = { start: this.#unsent, end: this.#textarea.value.length };
		this.#unsent = null;
	}
}
