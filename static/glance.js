/*
 * A glance at the screen of the console that a person points at in the list, by mouse or by keyboard: one at a time, a moment
 * after, and again every few seconds while it stays. The others cost nothing, and nobody becomes a viewer.
 */

const AFTER = 300;              /* ms: who only passes by asks for nothing */
const AGAIN = 3000;
const LONGEST = 10000;          /* ms for an answer */
const MOST = 200 * 400;         /* characters of a screen */

export class Glance {
	#box; #base; #id = null; #timer = null; #abort = null;

	/* `box`: an element with a heading and a <pre>. */
	constructor({ box, base }) {
		this.#box = box;
		this.#base = base;
	}

	/* Of the console with that id; null: of none. */
	at(id, name) {
		if (id === this.#id)
			return;
		this.#id = id;
		this.#abort?.abort();
		clearTimeout(this.#timer);
		this.#box.hidden = true;
		if (id !== null)
			this.#timer = setTimeout(() => this.#look(id, name), AFTER);
	}

	async #look(id, name) {
		const abort = this.#abort = new AbortController();
		const limit = setTimeout(() => abort.abort(), LONGEST);
		let text = null;
		try {
			const response = await fetch(new URL(`api/v1/preview?${new URLSearchParams({ console: id })}`, this.#base),
				{ cache: 'no-store', redirect: 'manual', signal: abort.signal });
			if (response.status === 200)
				text = (await response.text()).slice(0, MOST).trimEnd();
		} catch {
			/* no glance, then; the list itself says what is the matter */
		}
		clearTimeout(limit);
		if (id !== this.#id)
			return;
		this.#box.hidden = text === null;
		if (text !== null)
			this.#show(name, text === '' ? '(nothing is on the screen)' : text);
		if (!document.hidden)
			this.#timer = setTimeout(() => this.#look(id, name), AGAIN);
		else
			this.#id = null;
	}

	#show(name, text) {
		const heading = this.#box.querySelector('h2');
		const screen = this.#box.querySelector('pre');
		if (heading.textContent !== name)
			heading.textContent = name;
		if (screen.textContent !== text)
			screen.textContent = text;
	}
}
