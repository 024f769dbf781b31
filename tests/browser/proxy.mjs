/*
 * A reverse proxy between the browser and a site, with the faults of real ones.
 *   gather   an answer is passed on when all of it is there
 *   cut      milliseconds that an answer may take; then its connection is broken
 */
import { createServer } from 'node:http';
import { request as ask } from 'node:https';

export class Proxy {
	streams = 0;            /* requests for one that have come by */
	polls = 0;              /* … that wait */
	cuts = 0;
	#server; #target; #gather; #cut;

	constructor(target, { gather = false, cut = Infinity } = {}) {
		this.#target = new URL(target);
		this.#gather = gather;
		this.#cut = cut;
	}

	async start() {
		this.#server = createServer((request, response) => this.#pass(request, response));
		await new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
		this.url = `http://127.0.0.1:${this.#server.address().port}${this.#target.pathname}`;
	}

	stop() {
		this.#server.closeAllConnections();
		return new Promise((resolve) => this.#server.close(resolve));
	}

	#pass(request, response) {
		this.streams += /\/stream\?/.test(request.url);
		this.polls += /\/output\?.*wait=[1-9]/.test(request.url);
		const onward = ask({
			host: this.#target.hostname, port: this.#target.port, path: request.url, method: request.method,
			headers: request.headers, rejectUnauthorized: false,
		});
		onward.on('response', (answer) => {
			if (this.#gather)
				this.#passWhole(answer, response);
			else
				answer.pipe(response.writeHead(answer.statusCode, answer.headers));
		});
		onward.on('error', () => response.destroy());
		const timer = this.#cut === Infinity ? null : setTimeout(() => {
			this.cuts++;
			response.destroy();
		}, this.#cut);
		response.on('close', () => {
			clearTimeout(timer);
			onward.destroy();
		});
		request.pipe(onward);
	}

	async #passWhole(answer, response) {
		const parts = await answer.toArray().catch(() => null);
		if (parts === null)
			return response.destroy();
		response.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(parts));
	}
}
