/*
 * A console for old browsers: ES5, XMLHttpRequest, no library. It speaks AjaxTerm's protocol (docs/protocol.md, 1.10)
 * with `u` beside the page, and has AjaxTerm's constructor:
 *
 *	new ajaxterm.Terminal('id of an element', 80, 24)
 *
 * An element with data-columns and data-rows becomes one by itself, so that a page needs no script of its own.
 * The screen is built from the answer's elements one by one: what a guest prints is never read as HTML.
 */
var ajaxterm = {};

(function () {
	'use strict';

	var SOON = 100;                 /* ms to the next question while there is something new … */
	var LATE = 2000;                /* … growing to this while there is not, */
	var HIDDEN = 10000;             /* and while nobody looks */
	var RETRY = 500;                /* after a failure, growing to the next */
	var RETRY_MOST = 10000;
	var TIMEOUT = 30000;
	var MOST_AT_ONCE = 1500;        /* characters in a request: percent-encoded they stay below 16 KiB */
	var MOST_QUEUED = 65536;

	/* By keyCode, which all browsers know. */
	var KEYS = {
		8: '\x7f', 9: '\t', 13: '\r', 27: '\x1b',
		33: '\x1b[5~', 34: '\x1b[6~', 35: '\x1b[4~', 36: '\x1b[1~', 45: '\x1b[2~', 46: '\x1b[3~',
		37: '\x1b[D', 38: '\x1b[A', 39: '\x1b[C', 40: '\x1b[B',
		112: '\x1bOP', 113: '\x1bOQ', 114: '\x1bOR', 115: '\x1bOS', 116: '\x1b[15~', 117: '\x1b[17~',
		118: '\x1b[18~', 119: '\x1b[19~', 120: '\x1b[20~', 121: '\x1b[21~', 122: '\x1b[23~', 123: '\x1b[24~'
	};
	/* With Ctrl, beside the letters: 2 and space, 6, [, \, ], and - in three browsers. */
	var CONTROLS = { 50: '\x00', 32: '\x00', 54: '\x1e', 219: '\x1b', 220: '\x1c', 221: '\x1d',
		189: '\x1f', 173: '\x1f', 109: '\x1f' };
	var F6 = 117;

	/* What a key means that browsers do not report as a character; '' for all others. */
	function special(event) {
		var code = event.keyCode;
		if (event.ctrlKey && !event.altKey)
			return code >= 65 && code <= 90 ? String.fromCharCode(code - 64) : CONTROLS[code] || '';
		if (event.altKey && !event.ctrlKey && (code >= 48 && code <= 57 || code >= 65 && code <= 90))
			return '\x1b' + (code > 57 && !event.shiftKey
				? String.fromCharCode(code).toLowerCase() : String.fromCharCode(code));
		return event.altKey || event.ctrlKey ? '' : KEYS[code] || '';
	}

	function character(event) {
		var code = event.charCode === undefined ? event.keyCode : event.charCode;
		var graph = event.ctrlKey === event.altKey;     /* AltGr is both */
		return graph && !event.metaKey && code >= 32 && code !== 127 ? String.fromCharCode(code) : '';
	}

	/* A half of a pair cannot be encoded. */
	function encode(text) {
		return encodeURIComponent(text.replace(/[\ud800-\udbff](?![\udc00-\udfff])/g, '\ufffd')
			.replace(/(^|[^\ud800-\udbff])[\udc00-\udfff]/g, '$1\ufffd'));
	}

	function add(parent, name, text) {
		var element = document.createElement(name);
		if (text)
			element.appendChild(document.createTextNode(text));
		parent.appendChild(element);
		return element;
	}

	function textOf(node) {
		var text = node.textContent === undefined ? node.text : node.textContent;
		return String(text || '').replace(/\u00a0/g, ' ');
	}

	/* The sentence of a problem, or what the status says. */
	function reason(request) {
		var problem;
		try {
			problem = JSON.parse(request.responseText);
		} catch (error) {
			problem = null;
		}
		if (problem && typeof problem.detail === 'string')
			return problem.detail;
		return request.status === 0 ? 'The server cannot be reached.'
			: request.status === 200 ? 'The answer was not understood.'
				: 'The server answered with status ' + request.status + '.';
	}

	function Terminal(id, width, height) {
		if (!(this instanceof Terminal))
			return new Terminal(id, width, height);
		var self = this;
		var root = document.getElementById(id);
		var tools = add(root, 'p');
		var colours = add(tools, 'button', 'Colours');
		var screen = add(root, 'pre');
		tools.className = 'tools';
		colours.setAttribute('type', 'button');
		colours.setAttribute('aria-pressed', 'true');
		screen.className = 'term';
		screen.setAttribute('tabindex', '0');
		screen.setAttribute('aria-label', 'Terminal');
		this.query = 's=' + Math.round(Math.random() * 1e9) + '&w=' + (width || 80) + '&h=' + (height || 24);
		this.screen = screen;
		this.state = add(tools, 'span');
		this.state.setAttribute('role', 'status');
		this.colours = true;
		this.keys = '';                 /* typed, not sent */
		this.sent = '';                 /* under way */
		this.readOnly = false;
		this.failures = 0;
		this.delay = SOON;
		this.request = null;
		this.timer = null;
		this.show('connecting', true);
		colours.onclick = function () {
			self.colours = !self.colours;
			colours.setAttribute('aria-pressed', String(self.colours));
			self.soon(0);
			screen.focus();
		};
		screen.onkeydown = function (event) {
			return self.keyDown(event || window.event);
		};
		screen.onkeypress = function (event) {
			return self.take(event || window.event, character(event || window.event));
		};
		screen.onpaste = function (event) {
			return self.paste(event || window.event);
		};
		screen.focus();
		this.soon(0);
	}

	Terminal.prototype.show = function (text, bad) {
		this.state.className = bad ? 'state bad' : 'state';
		if (this.state.firstChild && this.state.firstChild.nodeValue === text)
			return;
		while (this.state.firstChild)
			this.state.removeChild(this.state.firstChild);
		this.state.appendChild(document.createTextNode(text));
	};

	/* ---- keys ---- */

	Terminal.prototype.keyDown = function (event) {
		if (event.ctrlKey && event.shiftKey && event.keyCode === F6) {
			var way = document.getElementById('back');
			if (way)
				way.focus();
			return false;
		}
		/* Copying and pasting are the browser's. */
		if (event.metaKey || (event.ctrlKey && event.shiftKey) || (event.shiftKey && event.keyCode === 45))
			return true;
		return this.take(event, special(event));
	};

	/* False: the browser shall do nothing more with it. */
	Terminal.prototype.take = function (event, text) {
		if (!text)
			return true;
		if (event.preventDefault)
			event.preventDefault();
		this.type(text);
		return false;
	};

	Terminal.prototype.paste = function (event) {
		var data = event.clipboardData || window.clipboardData;
		var text = data ? data.getData('Text') : '';
		return this.take(event, String(text || '').replace(/\r\n|\n/g, '\r'));
	};

	Terminal.prototype.type = function (text) {
		if (this.readOnly)
			return;
		if (this.failures > 0 || this.keys.length + text.length > MOST_QUEUED) {
			this.show('Not typed: ' + (this.failures > 0 ? 'there is no connection.' : 'too much at once.'), true);
			return;
		}
		this.keys += text;
		if (!this.request)
			this.soon(0);
	};

	/* ---- questions and answers ---- */

	Terminal.prototype.soon = function (delay) {
		var self = this;
		clearTimeout(this.timer);
		this.timer = setTimeout(function () {
			self.ask();
		}, delay);
	};

	Terminal.prototype.ask = function () {
		var self = this;
		var request = new XMLHttpRequest();
		var most = MOST_AT_ONCE;
		if (this.request)
			return;
		if (/[\ud800-\udbff]/.test(this.keys.charAt(most - 1)))
			most--;
		this.sent = this.keys.slice(0, most);
		this.keys = this.keys.slice(most);
		this.request = request;
		request.open('POST', 'u', true);
		request.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
		request.onreadystatechange = function () {
			if (request.readyState !== 4 || self.request !== request)
				return;
			clearTimeout(self.late);
			self.request = null;
			self.answered(request);
		};
		this.late = setTimeout(function () {
			request.abort();
		}, TIMEOUT);
		request.send(this.query + '&c=' + (this.colours ? 1 : 0) + '&k=' + encode(this.sent));
	};

	Terminal.prototype.answered = function (request) {
		var root = request.status === 200 && request.responseXML && request.responseXML.documentElement;
		var name = root ? root.nodeName : '';
		if (name !== 'pre' && name !== 'idem') {
			this.failed(request);
			return;
		}
		if (this.failures > 0 || !this.live)
			this.show(this.readOnly ? 'connected, you may only watch' : 'connected', false);
		this.live = true;
		this.failures = 0;
		this.delay = name === 'pre' || this.sent ? SOON : Math.min(LATE, this.delay * 2);
		this.sent = '';
		if (name === 'pre')
			this.draw(root);
		this.soon(this.keys ? 0 : document.hidden ? HIDDEN : this.delay);
	};

	/* What was sent is typed whole or not at all, except when nobody says so. */
	Terminal.prototype.failed = function (request) {
		var text = reason(request);
		if (request.status === 403 && this.sent && this.live) {
			this.readOnly = true;
			this.keys = this.sent = '';
			this.show(text, true);
			this.soon(this.delay);
			return;
		}
		if (request.status === 503 || request.status === 429)
			this.keys = this.sent + this.keys;
		else if (this.sent)
			text += request.status >= 400 && request.status < 500 ? ' What you typed last was not typed.'
				: ' What you typed last may be lost.';
		if (request.status !== 503 && request.status !== 429)
			this.keys = '';
		this.sent = '';
		this.show(text, true);
		this.soon(Math.min(RETRY_MOST, RETRY * Math.pow(2, Math.min(this.failures, 8))) * (0.75 + Math.random() / 2));
		this.failures++;
	};

	/* A class is one of the known ones; all else is text. */
	Terminal.prototype.draw = function (root) {
		var fragment = document.createDocumentFragment();
		var node, name, span;
		for (node = root.firstChild; node; node = node.nextSibling) {
			name = node.nodeType === 1 ? node.getAttribute('class') : '';
			span = add(fragment, 'span', textOf(node));
			if (/^f(\d|1[0-5]) b[0-7]$/.test(name || ''))
				span.className = name;
		}
		while (this.screen.firstChild)
			this.screen.removeChild(this.screen.firstChild);
		this.screen.appendChild(fragment);
	};

	/* ---- the page ---- */

	function decode(text) {
		try {
			return decodeURIComponent(text);
		} catch (error) {
			return text;
		}
	}

	ajaxterm.Terminal = Terminal;

	window.onload = function () {
		var element = document.getElementById('term');
		var path = /^(.*\/)ajaxterm\/(.+)\/[^\/]*$/.exec(location.pathname);
		if (!element || !element.getAttribute('data-columns'))
			return;
		if (path) {
			document.getElementById('back').setAttribute('href', path[1]);
			document.getElementById('name').firstChild.nodeValue = decode(path[2]);
			document.title = decode(path[2]) + ' - xenterm';
		}
		new Terminal('term', element.getAttribute('data-columns'), element.getAttribute('data-rows'));
	};
}());
