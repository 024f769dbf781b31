/*
 * <xen-console console="web1"></xen-console>: a guest's console in any page of the site, with one script tag.
 * docs/embedding.md says what it offers.
 */
import { ConsoleClient } from './client.js';
import { RANK, lines } from './lines.js';
import { ConsoleTerminal } from './terminal.js';
import { Sending, asTyped, needsLook } from './paste.js';
import { resolveTheme, watchSystemTheme } from './settings.js';

const TOO_MUCH = 512 * 1024;    /* bytes not drawn yet: stop reading … */
const ENOUGH = 128 * 1024;      /* … until this is left */

/* Events of the client that are the element's too. */
const PASSED = ['session', 'connection', 'transport', 'state', 'viewers', 'size', 'notice', 'taken'];

const BRACKET_END = '\x1b[201~';

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
	:host { display: block; position: relative; min-width: 0; min-height: 0; overflow: hidden; }
	:host([hidden]) { display: none; }
	#terminal { position: absolute; inset: 0; overflow: auto; }
	#terminal .xterm { height: 100%; }
	#terminal .xterm .xterm-viewport { background: none; }
`);

export class XenConsole extends HTMLElement {
	static observedAttributes = ['console', 'mode', 'theme', 'font-size', 'backspace', 'screen-reader'];

	#terminal = null; #client = null; #sending = null;
	#attached = null;               /* aborted when it leaves the page */
	#wanted = false;                /* to be connected */
	#ready = false;
	#mayFallBack = false;
	#line = null;                   /* its connection, among the page's consoles */
	#seen = true; #focused = false;
	#ticket = null;
	#session = null;                /* as the worker described it, without the token */

	constructor() {
		super();
		this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [sheet];
	}

	connectedCallback() {
		this.#build();
		this.#attached = new AbortController();
		watchSystemTheme(() => this.#applyLooks(), this.#attached.signal);
		this.#watchRank(this.#attached.signal);
		this.#applyLooks();
		if (this.console && !this.hasAttribute('manual'))
			this.connect();
	}

	/* Who has the focus, or is seen, has a connection of its own first. */
	#watchRank(signal) {
		const observer = new IntersectionObserver((entries) => {
			this.#seen = entries.at(-1).isIntersecting;
			this.#applyRank();
		});
		observer.observe(this);
		signal.addEventListener('abort', () => observer.disconnect());
		this.addEventListener('focusin', () => { this.#focused = true; this.#applyRank(); }, { signal });
		this.addEventListener('focusout', () => { this.#focused = false; this.#applyRank(); }, { signal });
	}

	get #rank() {
		return this.#focused ? RANK.FOCUSED : this.#seen ? RANK.SEEN : RANK.UNSEEN;
	}

	#applyRank() {
		if (this.#line)
			this.#line.rank = this.#rank;
	}

	disconnectedCallback() {
		this.#attached.abort();
		this.close();
	}

	attributeChangedCallback(name, before, now) {
		if (before === now || !this.#terminal)
			return;
		if (name === 'console' || name === 'mode') {
			if (this.#wanted)
				this.connect();
		} else {
			this.#applyLooks();
		}
	}

	/* ---- properties ---- */

	/* A console's name or id. */
	get console() { return this.getAttribute('console') ?? ''; }
	set console(value) { this.setAttribute('console', value); }

	/* `type`, `watch`; absent: type where that is allowed, else watch. What holds now is in the event `session`. */
	get mode() { return this.getAttribute('mode') ?? ''; }
	set mode(value) { this.#set('mode', value); }

	/* `dark`, `light`, `contrast`; absent or anything else: as the system has it. */
	get theme() { return this.getAttribute('theme') ?? 'system'; }
	set theme(value) { this.#set('theme', value); }

	/* Pixels, or `fit`. */
	get fontSize() { return this.getAttribute('font-size') ?? 'fit'; }
	set fontSize(value) { this.#set('font-size', value); }

	/* `^?` or `^H`. */
	get backspace() { return this.getAttribute('backspace') ?? '^?'; }
	set backspace(value) { this.#set('backspace', value); }

	/*
	 * A launch ticket for the next session: to be there before the console connects. It is good for one, and goes then; what is
	 * refused for another reason can be tried again.
	 */
	get ticket() { return this.#ticket ?? this.getAttribute('ticket'); }
	set ticket(value) { this.#ticket = typeof value === 'string' && value !== '' ? value : null; }

	get screenReader() { return this.hasAttribute('screen-reader'); }
	set screenReader(on) { this.toggleAttribute('screen-reader', on); }

	/* connecting, live, retrying, offline or ended. */
	get connection() { return this.#client?.connection ?? 'ended'; }
	get transport() { return this.#client?.transport ?? 'poll'; }
	get mayType() { return this.#client?.mode === 'type'; }
	/* The session came by a ticket, or was to: there is none in another mode, or after it. */
	get byTicket() { return this.#client?.byTicket ?? false; }
	/* {session, user, mode, rights, sysrq, …}, or null: the worker's description. */
	get session() { return this.#session; }
	/* Text that was typed before the connection ended, and that nobody has acknowledged. */
	get unsent() { return new TextDecoder().decode(this.#client?.unsent ?? new Uint8Array()); }
	/* Bytes typed that the guest does not have yet. */
	get pending() { return this.#client?.pending ?? 0; }
	get selection() { return this.#terminal?.selection ?? ''; }
	get bracketedPaste() { return this.#terminal?.bracketedPaste ?? false; }
	get applicationCursor() { return this.#terminal?.applicationCursor ?? false; }
	/* The xterm.js Terminal, for tests and for what is not here. */
	get terminal() { return this.#terminal?.raw; }

	/* ---- methods ---- */

	/* Makes a session. A former one ends. */
	connect() {
		this.#wanted = true;
		this.#open(this.mode === 'watch' ? 'watch' : 'type', this.mode === '');
	}

	/* Ends the session; the last screen stays. */
	close() {
		this.#wanted = false;
		this.#sending?.abandon();
		this.#client?.close();
		this.#client = null;
		this.#leaveLine();
	}

	/*
	 * From now on `watch` or `type`; with `take` `join`, or `force`: all others then only watch. The promise throws an
	 * Error with a sentence when that may not be.
	 */
	changeMode(mode, take) {
		if (!this.#client)
			return Promise.reject(new Error('Not connected.'));
		return this.#client.changeMode(mode, take);
	}

	/*
	 * Sets the console's grid, for all its viewers; `tellGuest`: and types the `stty` that says so. The promise throws an Error
	 * with a sentence.
	 */
	setSize(rows, cols, { tellGuest = false } = {}) {
		if (!this.#client)
			return Promise.reject(new Error('Not connected.'));
		return this.#client.setSize({ rows, cols, tellGuest });
	}

	/* {rows, cols}: what fills the element with a font of so many pixels; null: it is not seen. */
	roomAt(fontSize) { return this.#terminal?.roomAt(fontSize) ?? null; }

	/* Presses `sysrq` with a letter or digit, or `ctrl-o`. False: not taken, as send(). */
	press(key, arg) {
		return this.#client?.press(key, arg) ?? false;
	}

	/* The network is back, or a person looks again. */
	wake() {
		this.#client?.wake();
	}

	/* Types a string or bytes as they are. False: they were not taken, and an event `notice` says why. */
	send(data) {
		return this.#client?.send(data) ?? false;
	}

	/*
	 * Pastes a text: without control characters, line ends as Enter, in brackets if the guest has asked for them.
	 * `pace`: bytes a second, 0 for as fast as the guest takes them; `lineEnd`: what to send for a line's end.
	 * The event `pasteprogress` {sent, total, done, stopped, exact} follows it. False: another is under way, or there is nothing.
	 */
	paste(text, { pace = 0, lineEnd = '\r', bracketed = this.bracketedPaste } = {}) {
		const typed = asTyped(text, { lineEnd, bracketed });
		if (this.#sending || !this.#client || asTyped(text) === '')
			return false;
		this.#sending = new Sending({
			text: bracketed ? typed.slice(0, -BRACKET_END.length) : typed, tail: bracketed ? BRACKET_END : '', pace,
			send: (bytes) => this.send(bytes),
			pending: () => this.pending,
			takeBack: () => this.#client?.takeBack() ?? Promise.resolve(null),
			onProgress: (progress) => {
				if (progress.done)
					this.#sending = null;
				this.#emit('pasteprogress', progress);
			},
		});
		this.#sending.start();
		return true;
	}

	/* What has not reached the guest yet is taken back. */
	stopPaste() {
		this.#sending?.stop();
	}

	/* What is on the screen, and above it, as text. */
	snapshot() {
		const { rows = 0, cols = 0 } = this.terminal ?? {};
		return { text: this.#terminal?.text() ?? '', rows, cols };
	}

	/* The history as a Blob: `text` or `raw`. Throws an Error with a sentence. */
	history(format = 'text') {
		if (!this.#client)
			return Promise.reject(new Error('Not connected.'));
		return this.#client.history(format);
	}

	/* Nothing was printed that can be seen. */
	get blank() { return this.#terminal?.blank() ?? true; }

	find(text, back) { return this.#terminal?.find(text, back) ?? false; }
	selectAll() { this.#terminal?.selectAll(); }

	focus() {
		this.#terminal?.focus();
	}

	/* ---- inside ---- */

	#set(name, value) {
		if (value === null || value === undefined || value === '')
			this.removeAttribute(name);
		else
			this.setAttribute(name, value);
	}

	#emit(type, detail) {
		return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: true }));
	}

	#build() {
		if (this.#terminal)
			return;
		const style = document.createElement('link');
		style.rel = 'stylesheet';
		style.href = new URL('vendor/xterm.css', import.meta.url).href;
		const host = document.createElement('div');
		host.id = 'terminal';
		this.shadowRoot.append(style, host);
		this.#terminal = new ConsoleTerminal(host, {
			onInput: (data) => this.#typed(data),
			onPaste: (text) => this.#pasted(text),
			onLeave: () => this.#emit('leave'),
			onBell: () => this.#emit('bell'),
			onTitle: (title) => this.#emit('title', { title }),
		});
		style.addEventListener('load', () => this.#terminal.fit());
	}

	#applyLooks() {
		const size = Number.parseFloat(this.fontSize);
		this.#terminal.setTheme(resolveTheme(this.theme));
		this.#terminal.setFontSize(Number.isFinite(size) ? size : null);
		this.#terminal.setBackspace(this.backspace);
		this.#terminal.setScreenReader(this.screenReader);
	}

	/* The page may change what is typed (a Ctrl key on the screen), or keep it: preventDefault(). */
	#typed(data) {
		const detail = { data };
		if (this.#emit('typing', detail))
			this.send(detail.data);
	}

	/* The page may show it first: preventDefault(). */
	#pasted(text) {
		if (text !== '' && this.#emit('pasting', { text, needsLook: needsLook(text) }))
			this.paste(text);
	}

	#open(mode, mayFallBack) {
		this.#sending?.abandon();
		this.#client?.close();
		this.#leaveLine();
		this.#ready = false;
		this.#mayFallBack = mayFallBack;
		this.#session = null;
		this.#line = lines.join(this.#rank);
		const { ticket } = this;
		const client = this.#client = new ConsoleClient({
			base: new URL(this.getAttribute('base') ?? '.', import.meta.url), console: this.console, mode,
			line: this.#line, ticket,
		});
		this.#line.regroup = () => client.regroup();
		const on = (type, handler) => client.addEventListener(type, ({ detail }) => {
			if (client === this.#client)
				handler(detail);
		});
		on('session', (session) => {
			this.#session = session;
			if (ticket !== null && this.ticket === ticket) {
				this.#ticket = null;
				this.removeAttribute('ticket');
			}
			if (session.size)
				this.#terminal.setGrid(session.size);
			lines.share();          /* how requests travel is known now */
		});
		on('size', (size) => this.#terminal.setGrid(size));
		on('snapshot', ({ data }) => this.#draw(client, 'redraw', data));
		on('output', ({ data }) => this.#draw(client, 'write', data));
		/* The guest has not got what came before: the rest could be anything to it, or to the next one. */
		on('lost', () => this.#sending?.abandon());
		on('state', ({ state }) => state === 'up' || this.#sending?.halt());
		for (const type of PASSED)
			on(type, (detail) => this.#pass(type, detail));
		client.start();
	}

	#leaveLine() {
		this.#line?.leave();
		this.#line = null;
	}

	#pass(type, detail) {
		if (type === 'connection' && detail.state === 'ended')
			this.#leaveLine();
		if (type === 'connection' && detail.state === 'ended') {
			/* Who may watch but not type, or not while somebody else does, watches, unless typing was asked for. A ticket has one mode. */
			if (['not-allowed', 'taken'].includes(detail.code) && this.#mayFallBack && !this.byTicket) {
				if (detail.code === 'taken')
					this.#emit('notice', detail);
				this.#open('watch', false);
				return;
			}
			this.#sending?.abandon();
			this.#emit('closed', detail);
		}
		this.#emit(type, detail);
	}

	#draw(client, how, data) {
		this.#terminal[how](data, () => {
			if (this.#terminal.backlog < ENOUGH)
				client.resume();
			if (client !== this.#client)
				return;
			if (!this.#ready) {
				this.#ready = true;
				this.#emit('ready');
			}
			this.#emit('drawn');
		});
		if (this.#terminal.backlog > TOO_MUCH)
			client.pause();
	}
}

if (!customElements.get('xen-console'))
	customElements.define('xen-console', XenConsole);
