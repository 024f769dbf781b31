/*
 * Where our emulator differs from xterm.js on purpose: one entry for one difference, each with its reason in
 * docs/terminal.md. No wildcards.
 *
 * A correction takes one fault out of the xterm.js that is the oracle, and tells whenever that has made a difference. What
 * xterm.js does after it is compared like everything else.
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
export const corrections = [
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
				if (missing > 0) {
					buffer.ybase -= missing;
					buffer.ydisp = buffer.ybase;
					tell();
				}
			});
		},
	},
];

export const deviations = [
];
