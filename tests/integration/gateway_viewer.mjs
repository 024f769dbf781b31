/*
 * What a console's page does, without the page: static/client.js at BASE, for who has this LOGIN (NAME:PASSWORD) or COOKIE.
 * Prints what it sees, a line of JSON each; types the lines of its standard input.
 *
 *	node gateway_viewer.mjs BASE CONSOLE LOGIN COOKIE
 */
import { createInterface } from 'node:readline';
import '../browser/custom_event.mjs';
import { ConsoleClient } from '../../static/client.js';

const [base, console_, login, cookie] = process.argv.slice(2);
const who = login ? { authorization: `Basic ${btoa(login)}` } : { cookie };
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const text = (data) => new TextDecoder().decode(data);

const client = new ConsoleClient({
	base, console: console_, mode: 'type', online: () => true,
	fetch: (url, options = {}) => fetch(url, { ...options, headers: { ...options.headers, ...who } }),
});
client.addEventListener('snapshot', (e) => say({ snapshot: text(e.detail.data) }));
client.addEventListener('output', (e) => say({ output: text(e.detail.data) }));
client.addEventListener('connection', (e) => say({ connection: e.detail }));
client.addEventListener('transport', (e) => say({ transport: e.detail.name }));
client.addEventListener('session', (e) => say({ session: e.detail.session }));
client.addEventListener('state', (e) => say({ state: e.detail.state }));
client.addEventListener('notice', (e) => say({ notice: e.detail }));
client.start();
createInterface({ input: process.stdin })
	.on('line', (line) => client.send(line))
	.on('close', () => process.exit(0));
