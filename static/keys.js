/* What keys send, for those that a phone's keyboard does not have. No DOM. */

const CURSOR = { ArrowUp: 'A', ArrowDown: 'B', ArrowRight: 'C', ArrowLeft: 'D', Home: 'H', End: 'F' };
const OTHERS = {
	Escape: '\x1b', Tab: '\t', PageUp: '\x1b[5~', PageDown: '\x1b[6~', Insert: '\x1b[2~', Delete: '\x1b[3~',
	F1: '\x1bOP', F2: '\x1bOQ', F3: '\x1bOR', F4: '\x1bOS', F5: '\x1b[15~', F6: '\x1b[17~', F7: '\x1b[18~',
	F8: '\x1b[19~', F9: '\x1b[20~', F10: '\x1b[21~', F11: '\x1b[23~', F12: '\x1b[24~', '^O': '\x0f',
};

/* `application`: the guest has asked for application cursor keys. */
export function keySequence(name, application) {
	if (CURSOR[name])
		return (application ? '\x1bO' : '\x1b[') + CURSOR[name];
	return OTHERS[name] ?? '';
}

/* The character with Ctrl held, or the text as it is where there is no such key. */
export function withCtrl(text) {
	if (text === '?')
		return '\x7f';
	if (text === ' ')
		return '\0';
	return /^[@-_a-z]$/.test(text) ? String.fromCharCode(text.toUpperCase().charCodeAt(0) & 0x1f) : text;
}
