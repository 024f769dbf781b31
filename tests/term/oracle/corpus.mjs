/*
 * The recordings of tests/term/corpus as records: NAME.ROWSxCOLS.gz is what a program wrote to a terminal of that size.
 * Each comes as it is, in one write. Then `variants` times up to a random place, since programs that leave tidy up;
 * cut at random places, with snapshots, and half of them with resizes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { scatter } from './generate.mjs';
import { Random } from './random.mjs';
import { bytes } from './record.mjs';

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '../corpus');
const SCROLLBACK = 2000;

export function recordings() {
	const found = [];
	for (const file of readdirSync(FOLDER).sort()) {
		const parts = /^(.+)\.(\d+)x(\d+)\.gz$/.exec(file);
		if (parts)
			found.push({ name: file, rows: Number(parts[2]), cols: Number(parts[3]), data: gunzipSync(readFileSync(join(FOLDER, file))) });
	}
	return found;
}

export function* corpus(seed, variants) {
	for (const [i, { name, rows, cols, data }] of recordings().entries()) {
		yield { name, record: { rows, cols, scrollback: SCROLLBACK, ops: [bytes(data)] } };
		for (let n = 0; n < variants; n++) {
			const random = new Random(seed, i * 1000 + n);
			const until = data.subarray(0, random.between(1, data.length));
			const ops = scatter(random, until, {
				size: { rows, cols }, snapshots: random.between(1, 3), resizes: n % 2 ? random.between(1, 4) : 0, cuts: 20,
			});
			yield { name: `${name} -s ${seed}, variant ${n}`, record: { rows, cols, scrollback: random.pick([0, 20, SCROLLBACK]), ops } };
		}
	}
}
