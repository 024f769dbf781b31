/*
 * Where our emulator differs from xterm.js on purpose: one entry for one difference, each with its reason in
 * docs/terminal.md. No wildcards.
 *
 * A correction takes one fault out of the xterm.js that is the oracle, and tells whenever it does. What xterm.js does
 * after it is compared like everything else.
 *
 * A deviation takes out of two states what it explains and nothing else; what is then left must be equal:
 *
 *   {
 *           name: 'short, for the counts',
 *           reason: 'why ours is right for a serial console',
 *           see: 'docs/terminal.md#heading-in-small-letters',
 *           applies: (record, ours, theirs) => ...,
 *           forgive: (ours, theirs, record) => { theirs.x = ours.x; },
 *   }
 */
const MAX_MARKS = 31;           /* EMULATOR_MARKS_MAX */
const MAX_TITLE = 256;          /* EMULATOR_TITLE_MAX, code points */
const WIDTH = 22;               /* the place of a cell's width in its first word */

export const corrections = [
	{
		name: 'few-marks-in-a-cell',
		reason: 'what a guest can make a cell cost has a bound',
		see: 'docs/terminal.md#bounds',
		install(core, tell) {
			core.wrapLineMethod('addCodepointToCell', (add) => function (x, code, width) {
				if (Array.from(this.getString(x)).length <= MAX_MARKS) {
					add.call(this, x, code, width);
					return;
				}
				if (width)
					this._data[x * 3] = (this._data[x * 3] & ~(3 << WIDTH)) | width << WIDTH;
				tell();
			});
		},
	},
	{
		name: 'short-title',
		reason: 'a title is a line on the screen of a person',
		see: 'docs/terminal.md#bounds',
		install(core, tell) {
			core.wrapMethod(core._inputHandler, 'setTitle', (set) => (title) => {
				const kept = Array.from(title).slice(0, MAX_TITLE).join('');
				if (kept !== title)
					tell();
				return set(kept);
			});
		},
	},
	{
		name: 'few-repetitions',
		reason: 'some bytes must not buy work without end',
		see: 'docs/terminal.md#bounds',
		install(core, tell) {
			core.registerCsiHandler({ final: 'b' }, ([count]) => {
				if (count <= core.cols)
					return false;
				tell();
				return core._inputHandler.repeatPrecedingCharacter({ params: [core.cols] });
			});
		},
	},
	{
		name: 'erase-above-at-the-last-column',
		reason: 'CSI 1 J in the last column of the last row throws when there is no line below, and ends the terminal for good',
		see: 'docs/terminal.md#erasing-up-to-the-last-column',
		install(core, tell) {
			for (const prefix of ['', '?'])
				core.registerCsiHandler({ prefix, final: 'J' }, (params) => {
					const { buffer } = core;
					if (params[0] !== 1 || buffer.x + 1 < core.cols || buffer.lines.get(buffer.y + 1))
						return false;
					const { lines } = buffer;
					lines.get = (index) => Object.getPrototypeOf(lines).get.call(lines, index) ?? {};
					core._inputHandler.eraseInDisplay({ params }, prefix === '?');
					delete lines.get;
					tell();
					return true;
				});
		},
	},
	{
		name: 'reflow-into-a-full-scrollback',
		reason: 'narrowing with a full scrollback writes lines that have no place any more over others, far away from there',
		see: 'docs/terminal.md#narrowing-with-a-full-scrollback',
		install(core, tell) {
			core.afterReset((normal) => {
				const { lines } = normal;
				lines.set = (index, line) => {
					if (index < 0)
						tell();
					else
						Object.getPrototypeOf(lines).set.call(lines, index, line);
				};
			});
		},
	},
	{
		name: 'resize-loses-a-row',
		reason: 'a resize with hardly any room above the screen leaves fewer lines than the screen has rows',
		see: 'docs/terminal.md#resizing-with-hardly-any-scrollback',
		install(core, tell) {
			core.afterResize((buffer) => {
				const missing = buffer.ybase + core.rows - buffer.lines.length;
				if (missing > 0 && buffer.lines.length) {
					buffer.ybase -= missing;
					buffer.ydisp = buffer.ybase;
					tell();
				}
			});
		},
	},
	{
		name: 'beyond-the-edge',
		reason: 'what a resize hides beyond the edge of the screen cannot be handed to a viewer who comes later',
		see: 'docs/terminal.md#beyond-the-edge',
		install(core, tell) {
			core.beforeResize((buffer) => {
				for (const x of Object.keys(buffer.tabs))
					if (Number(x) >= core.cols && buffer.tabs[x]) {
						delete buffer.tabs[x];
						tell();
					}
			});
			core.afterResize((buffer) => {
				const blank = buffer.getNullCell();
				for (let y = 0; y < buffer.lines.length; y++) {
					const line = buffer.lines.get(y);
					if (line.length > core.cols) {
						line.resize(core.cols, blank);
						tell();
					}
					if (line.getWidth(core.cols - 1) === 2) {
						line.setCell(core.cols - 1, blank);
						tell();
					}
				}
				/* An empty alternate buffer keeps the height it had, and would then have lines above the screen. */
				if (!buffer.hasScrollback && buffer.lines.length === 0 && buffer.lines.maxLength > core.rows) {
					buffer.lines.maxLength = core.rows;
					tell();
				}
				const edge = { savedX: core.cols - 1, savedY: buffer.ybase + core.rows - 1 };
				for (const key of Object.keys(edge))
					if (buffer[key] > edge[key]) {
						buffer[key] = edge[key];
						tell();
					}
			});
		},
	},
	{
		name: 'resize-after-a-character',
		reason: 'where the character before the cursor is after a resize, no snapshot could say: nothing combines with it any more',
		see: 'docs/terminal.md#resizing-after-a-character',
		install(core, tell) {
			core.afterResize(() => {
				const { _parser } = core._inputHandler;
				if (_parser.precedingJoinState) {
					_parser.precedingJoinState = 0;
					tell();
				}
			});
		},
	},
	{
		name: 'no-room-without-wrapping',
		reason: 'with wrapping off, half of a wide character stays visible under what overwrites its other half',
		see: 'docs/terminal.md#no-room-without-wrapping',
		install(core, tell) {
			const input = core._inputHandler;
			const { _parser: parser, _unicodeService: widths } = input;

			/* The room the next character needs, and how far it moves the cursor: a lone combining one by a place. */
			const measure = (code, before) => {
				const properties = widths.charProperties(code, before);
				const width = properties >> 1 & 3;
				const joins = (properties & 1) !== 0;
				return { properties, width: joins ? width - (before >> 1 & 3) : width, step: joins ? 0 : Math.max(1, width) };
			};
			core.wrapMethod(input, 'print', (print) => (data, start, end) => {
				let from = start;
				let { x } = core.buffer;
				let before = parser.precedingJoinState;
				for (let at = start; at < end && !core.modes.wraparound; at++) {
					const { properties, width, step } = measure(data[at], before);
					if (x + width > core.cols) {
						if (at > from)
							print(data, from, at);
						x = core.buffer.x = core.cols - 1;
						from = width === 2 ? at + 1 : at;
						tell();
					}
					if (from > at) {
						before = parser.precedingJoinState = 0;
					} else {
						before = properties;
						x += step;
					}
				}
				if (end > from)
					print(data, from, end);
			});
		},
	},
	{
		name: 'restore-brings-back-all',
		reason: 'restoring the cursor changes what text looks like and goes through, but not all of it: underline and designations disagree afterwards',
		see: 'docs/terminal.md#restoring-the-cursor',
		install(core, tell) {
			const input = core._inputHandler;
			const none = { _charsets: [], glevel: 0, charset: undefined };
			core.wrapMethod(input, 'saveCursor', (save) => (params) => {
				const { buffer, charsets } = core;
				buffer.savedCurAttrData.extended = input._curAttrData.extended.clone();
				buffer.savedCharsets = { _charsets: [...charsets._charsets], glevel: charsets.glevel, charset: charsets.charset };
				return save(params);
			});
			core.wrapMethod(input, 'restoreCursor', (restore) => (params) => {
				const { buffer, charsets } = core;
				const { _charsets, glevel, charset } = buffer.savedCharsets ?? none;
				const result = restore(params);
				const pen = input._curAttrData;
				const { extended } = buffer.savedCurAttrData;
				if (pen.extended.ext !== extended.ext || glevel !== charsets.glevel || [0, 1, 2, 3].some((n) => _charsets[n] !== charsets._charsets[n]))
					tell();
				pen.extended = extended.clone();
				Object.assign(charsets, { _charsets: [..._charsets], glevel, charset });
				return result;
			});
			core.wrapMethod(input, 'softReset', (reset) => (params) => {
				const result = reset(params);
				core.buffer.savedCurAttrData.extended = input._curAttrData.extended.clone();
				delete core.buffer.savedCharsets;
				return result;
			});
		},
	},
	{
		name: 'moving-ends-the-wrap',
		reason: 'a wrap that is due belongs to what is in the last column; nothing can bring it about once that has been moved away',
		see: 'docs/terminal.md#the-end-of-a-wrap-that-is-due',
		install(core, tell) {
			const moving = [{ final: 'S' }, { final: 'T' }, { intermediates: ' ', final: '@' }, { intermediates: ' ', final: 'A' },
				{ intermediates: '\'', final: '}' }, { intermediates: '\'', final: '~' }, { prefix: '?', final: 'J' }, { prefix: '?', final: 'K' }];
			for (const id of moving)
				core.registerCsiHandler(id, () => {
					if (core.buffer.x >= core.cols) {
						core.buffer.x = core.cols - 1;
						tell();
					}
					return false;
				});
		},
	},
	{
		name: 'reflow-mixes-up-marks',
		reason: 'moving cells gives cells further right the combining characters of others',
		see: 'docs/terminal.md#combining-characters-in-a-reflow',
		install(core, tell) {
			core.wrapLineMethod('copyCellsFrom', (copyCells) => function (from, fromX, toX, length, backwards) {
				const right = { ...this._combined };
				for (let x = fromX; x < fromX + length; x++)
					if (x in from._combined)
						right[x - fromX + toX] = from._combined[x];
				copyCells.call(this, from, fromX, toX, length, backwards);
				const wrong = this._combined;
				this._combined = right;
				if (Object.keys(wrong).some((x) => this.isCombined(x) && wrong[x] !== right[x]))
					tell();
			});
		},
	},
];

export const deviations = [
];
