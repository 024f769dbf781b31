/*
 * A site for the tests: ./demo brings up Xen's own daemons, guests, the broker, the worker and nginx.
 *
 *   DEMO   the program to start, ../../demo unless set. Called with --dir TMP --port FREE --guests N it prints
 *          `url: …`, `user: …`, `password: …`, `guests: …`, `worker-pid: N`, then `ready`; SIGINT ends it.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const program = process.env.DEMO ?? join(here, '../../demo');
const START_LIMIT = 120000;

if (!existsSync(program)) {
	process.stdout.write(`skipped: there is no ${program}\n`);
	process.exit(77);
}

function freePort() {
	return new Promise((resolve, reject) => {
		const server = createServer().on('error', reject);
		server.listen(0, '127.0.0.1', () => {
			const { port } = server.address();
			server.close(() => resolve(port));
		});
	});
}

/* Resolves with what the demo has said about itself once it is ready. */
export async function startDemo({ guests = 2 } = {}) {
	const dir = await mkdtemp(join(tmpdir(), 'xenterm-demo-'));
	const port = await freePort();
	const child = spawn(program, ['--dir', dir, '--port', String(port), '--guests', String(guests)],
		{ stdio: ['ignore', 'pipe', 'pipe'] });
	const told = { child, dir };
	let errors = '';
	child.stderr.on('data', (data) => { errors = (errors + data).slice(-8000); });
	return new Promise((resolve, reject) => {
		const fail = (why) => {
			clearTimeout(timer);
			reject(new Error(`the demo ${why}; its last messages:\n${errors}`));
		};
		const timer = setTimeout(() => {
			child.kill('SIGINT');
			fail('was not ready in time');
		}, START_LIMIT);
		child.on('error', (error) => fail(`did not start (${error.message})`));
		child.on('exit', (status) => fail(`ended with status ${status}`));
		createInterface({ input: child.stdout }).on('line', (line) => {
			const [, key, value] = /^([a-z-]+): (.*)$/.exec(line) ?? [];
			if (key)
				told[key] = value;
			if (line !== 'ready')
				return;
			clearTimeout(timer);
			child.removeAllListeners('exit');
			told.url = told.url.replace(/\/?$/, '/');
			resolve(told);
		});
	});
}

export async function stopDemo({ child, dir }) {
	await ended(child);
	await rm(dir, { recursive: true, force: true });
}

function ended(child) {
	return new Promise((resolve) => {
		if (child.exitCode !== null || child.signalCode !== null)
			return resolve();
		const timer = setTimeout(() => child.kill('SIGKILL'), 20000);
		child.on('exit', () => { clearTimeout(timer); resolve(); });
		child.kill('SIGINT');
	});
}

/* Whether a process is there and is not a zombie that its parent has yet to reap. */
export function alive(pid) {
	try {
		return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
	} catch {
		return false;
	}
}

export async function until(condition, what) {
	for (let i = 0; i < 500; i++) {
		if (await condition())
			return;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	assert.fail(`${what} did not happen`);
}
