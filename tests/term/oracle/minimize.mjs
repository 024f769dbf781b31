/*
 * The smallest record that still fails in the same way: delta debugging over operations, then bytes, then sizes.
 */
import { BYTES, RESIZE } from './record.mjs';

const tidy = (ops) => ops.filter((op) => op.kind !== BYTES || op.data.length);

/* Tries to leave out more and more of `items` (arrays or Buffers); `test` says whether the rest still fails. */
async function reduce(items, test) {
	for (let size = Math.ceil(items.length / 2); size >= 1;) {
		let removed = false;
		for (let at = 0; at < items.length;) {
			const left = items.subarray
				? Buffer.concat([items.subarray(0, at), items.subarray(at + size)])
				: [...items.slice(0, at), ...items.slice(at + size)];
			if (await test(left)) {
				items = left;
				removed = true;
			} else {
				at += size;
			}
		}
		if (size === 1 && !removed)
			break;
		if (!removed || size > items.length)
			size = Math.max(1, Math.min(Math.floor(size / 2), Math.ceil(items.length / 2)));
	}
	return items;
}

function joined(ops) {
	const out = [];
	for (const op of ops) {
		const last = out.at(-1);
		if (op.kind === BYTES && last?.kind === BYTES)
			out[out.length - 1] = { kind: BYTES, data: Buffer.concat([last.data, op.data]) };
		else
			out.push(op);
	}
	return out;
}

const withOp = (record, i, op) => ({ ...record, ops: record.ops.map((old, j) => (j === i ? op : old)) });

/* fails(record) is truthy (or a promise of it) when the record still shows the difference. */
export async function minimize(record, fails) {
	for (let before = ''; before !== JSON.stringify(record);) {
		before = JSON.stringify(record);
		record = { ...record, ops: await reduce(record.ops, (ops) => fails({ ...record, ops })) };
		const merged = { ...record, ops: joined(tidy(record.ops)) };
		if (await fails(merged))
			record = merged;
		for (let i = 0; i < record.ops.length; i++) {
			const op = record.ops[i];
			if (op.kind === BYTES)
				record = withOp(record, i, {
					kind: BYTES,
					data: await reduce(op.data, (data) => fails(withOp(record, i, { kind: BYTES, data }))),
				});
		}
		record = { ...record, ops: tidy(record.ops) };
		record = await simpler(await smaller(record, fails), fails);
	}
	return record;
}

/* Smaller numbers: the screen's, the scrollback's, those of resizes. */
async function smaller(record, fails) {
	for (const [key, least] of [['scrollback', 0], ['rows', 1], ['cols', 2]])
		for (const n of new Set([least, Math.ceil(record[key] / 2), record[key] - 1]))
			if (n >= least && n < record[key] && await fails({ ...record, [key]: n })) {
				record = { ...record, [key]: n };
				break;
			}
	for (const [i, op] of record.ops.entries())
		if (op.kind === RESIZE)
			for (const change of [{ rows: record.rows }, { cols: record.cols }])
				if (await fails(withOp(record, i, { ...record.ops[i], ...change })))
					record = withOp(record, i, { ...record.ops[i], ...change });
	return record;
}

/* Characters that say nothing become an "a"; a snapshot that is not needed went with the operations. */
async function simpler(record, fails) {
	for (let i = 0; i < record.ops.length; i++) {
		if (record.ops[i].kind !== BYTES)
			continue;
		for (let at = 0; at < record.ops[i].data.length; at++) {
			const data = Buffer.from(record.ops[i].data);
			if (data[at] === 0x61 || data[at] <= 0x20 || data[at] >= 0x80)
				continue;
			data[at] = 0x61;
			const changed = withOp(record, i, { kind: BYTES, data });
			if (await fails(changed))
				record = changed;
		}
	}
	return record;
}
