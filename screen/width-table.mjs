/*
 * Makes width_table.h: the widths that xterm.js' default rules ("Unicode 6")
 * give to characters, asked of xterm.js itself, one by one.
 *
 *   (cd tests/term/oracle && npm ci) && node screen/width-table.mjs >screen/width_table.h
 */
import { createRequire } from 'node:module';

const require = createRequire(new URL('../tests/term/oracle/', import.meta.url));
const { Terminal } = require('@xterm/headless');
const unicode = new Terminal({ allowProposedApi: true })._core.unicodeService;

function ranges(width) {
	const found = [];
	for (let code = 0xa0; code <= 0x10ffff; code++) {
		if (unicode.wcwidth(code) !== width)
			continue;
		const last = found[found.length - 1];
		if (last && last[1] === code - 1)
			last[1] = code;
		else
			found.push([code, code]);
	}
	return found;
}

const hex = (code) => `0x${code.toString(16)}`;
const table = (name, width) => `static const struct range ${name}[] = {\n${
	ranges(width).map(([first, last]) => `\t{${hex(first)}, ${hex(last)}},`).join('\n')}\n};\n`;

console.log(`/* Made by width-table.mjs: do not edit. */
/* clang-format off */
struct range {
	uint32_t first, last;
};

/* Takes no column: combining and format characters. */
${table('zero', 0)}
/* Takes two columns. */
${table('wide', 2)}/* clang-format on */`);
