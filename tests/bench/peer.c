#define _GNU_SOURCE
#include "tests/bench/peer.h"

#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/websocket.h"

#define PATIENCE_MS 10000
#define SESSION_MAX 64
#define BODY_MAX    256

#define SIAB	  "/siab/"
#define SIAB_TYPE "application/x-www-form-urlencoded; charset=utf-8"

/* Of ttyd's messages, both ways: the first byte of what is typed or shown. */
#define TTYD_DATA '0'

/* wetty's page tells what it has shown, so many bytes at a time. */
#define WETTY_COMMIT (256 * 1024)

/* Engine.IO's and Socket.IO's types, as socket.io sends them. */
#define IO_PING	   "2"
#define IO_PONG	   "3"
#define IO_CONNECT "40"
#define IO_DATA	   "42[\"data\",\""

struct kind {
	const char *name;
	void (*open)(struct peer *p);
	void (*type)(struct peer *p, char key);
	/* The next answer or message that has come: its output, as it is on the
	 * wire.  False: nothing has. */
	bool (*receive)(struct peer *p);
	bool escaped; /* as in JSON, up to the closing quote */
};

struct peer {
	const struct kind *kind;
	const uint8_t *at, *end; /* output that is still to be passed on */
	/* siab */
	struct http *poll, *input;
	bool polling, answered; /* the poll waits; the last key is answered */
	char session[SESSION_MAX];
	/* ttyd and wetty */
	struct websocket *ws;
	size_t shown; /* and not yet told */
};

/* --- shellinabox ---------------------------------------------------------- */

/* Asks for what comes next, or types a key. */
static void
siab_post(struct peer *p, struct http *http, const char *keys)
{
	char body[BODY_MAX];
	int n = snprintf(body, sizeof body, "width=80&height=24&session=%s%s%s",
	    p->session, *keys ? "&keys=" : "", keys);

	http_send(http, SIAB, body, (size_t)n);
}

static void
siab_poll(struct peer *p)
{
	if (p->polling)
		return;
	siab_post(p, p->poll, "");
	p->polling = true;
}

static void
siab_take_output(struct peer *p, const struct http_answer *answer)
{
	const uint8_t *data;

	data = memmem(answer->body, answer->len, "\"data\":\"", 8);
	if (answer->status != 200 || !data)
		errx(1, "siab: status %d", answer->status);
	p->at = data + 8;
	p->end = answer->body + answer->len;
}

/* The first answer names the session. */
static void
siab_open(struct peer *p)
{
	static const char first[] = "width=80&height=24&rooturl=%2Fsiab%2F";
	struct http_answer answer;
	const char *at;

	p->poll = http_open(NULL);
	p->input = http_open(NULL);
	p->answered = true;
	http_set_type(p->poll, SIAB_TYPE);
	http_set_type(p->input, SIAB_TYPE);
	http_send(p->poll, SIAB, first, sizeof first - 1);
	http_wait(p->poll, &answer);
	at = memmem(answer.body, answer.len, "\"session\":\"", 11);
	if (answer.status != 200 || !at)
		errx(1, "siab: status %d", answer.status);
	snprintf(p->session, sizeof p->session, "%.*s",
	    (int)strcspn(at + 11, "\""), at + 11);
	siab_take_output(p, &answer);
}

static void
siab_take_answer(struct peer *p)
{
	struct http_answer answer;

	if (p->answered || !http_receive(p->input, &answer))
		return;
	if (answer.status != 200)
		errx(1, "siab: status %d", answer.status);
	p->answered = true;
}

/* One at a time, as its page does it. */
static void
siab_type(struct peer *p, char key)
{
	char keys[3];

	peer_settle(p);
	snprintf(keys, sizeof keys, "%02X", (unsigned)key & 0xff);
	siab_post(p, p->input, keys);
	p->answered = false;
}

static bool
siab_receive(struct peer *p)
{
	struct http_answer answer;

	siab_take_answer(p);
	siab_poll(p);
	if (!http_receive(p->poll, &answer))
		return false;
	p->polling = false;
	siab_take_output(p, &answer);
	return true;
}

/* --- ttyd ------------------------------------------------------------------
 */

static void
ttyd_open(struct peer *p)
{
	static const char hello[] =
	    "{\"AuthToken\":\"\",\"columns\":80,\"rows\":24}";

	p->ws = websocket_open("/ttyd/ws", "tty");
	websocket_send(p->ws, false, hello, sizeof hello - 1);
}

static void
ttyd_type(struct peer *p, char key)
{
	char message[2] = {TTYD_DATA, key};

	websocket_send(p->ws, false, message, sizeof message);
}

/* A message without output is about titles and preferences. */
static bool
ttyd_receive(struct peer *p)
{
	const uint8_t *message;
	size_t len;

	if (!websocket_receive(p->ws, &message, &len))
		return false;
	p->at = p->end = message + len;
	if (len > 0 && *message == TTYD_DATA)
		p->at = message + 1;
	return true;
}

/* --- wetty ------------------------------------------------------------------
 */

static void
wetty_send(struct peer *p, const char *text)
{
	websocket_send(p->ws, true, text, strlen(text));
}

static void
wetty_open(struct peer *p)
{
	p->ws =
	    websocket_open("/wetty/socket.io/?EIO=4&transport=websocket", NULL);
	wetty_send(p, IO_CONNECT);
}

static void
wetty_type(struct peer *p, char key)
{
	char text[BODY_MAX];

	snprintf(text, sizeof text, "42[\"input\",\"\\u%04x\"]",
	    (unsigned)key & 0xff);
	wetty_send(p, text);
}

static void
wetty_commit(struct peer *p)
{
	char text[BODY_MAX];

	if (p->shown < WETTY_COMMIT)
		return;
	snprintf(text, sizeof text, "42[\"commit\",%zu]", p->shown);
	wetty_send(p, text);
	p->shown = 0;
}

static bool
starts(const uint8_t *message, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(message, with, strlen(with)) == 0;
}

static bool
wetty_receive(struct peer *p)
{
	const uint8_t *message;
	size_t len;

	wetty_commit(p);
	if (!websocket_receive(p->ws, &message, &len))
		return false;
	p->at = p->end = message + len;
	if (starts(message, len, IO_DATA))
		p->at = message + strlen(IO_DATA);
	else if (len == 1 && starts(message, len, IO_PING))
		wetty_send(p, IO_PONG);
	return true;
}

/* --- All of them ------------------------------------------------------------
 */

static const struct kind kinds[] = {
    {"siab", siab_open, siab_type, siab_receive, true},
    {"ttyd", ttyd_open, ttyd_type, ttyd_receive, false},
    {"wetty", wetty_open, wetty_type, wetty_receive, true},
};

static const struct kind *
find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

bool
peer_known(const char *name)
{
	return find_kind(name) != NULL;
}

struct peer *
peer_open(const char *name)
{
	static uint8_t ignored[PEER_OUTPUT];
	struct peer *p = calloc(1, sizeof *p);

	if (!p)
		err(1, "peer");
	p->kind = find_kind(name);
	p->kind->open(p);
	for (int n = 0; peer_read(p, ignored) == 0; n++) {
		if (n == PATIENCE_MS / 100)
			errx(1, "%s: its command says nothing", name);
		peer_wait(p, 100);
	}
	return p;
}

void
peer_type(struct peer *p, char key)
{
	p->kind->type(p, key);
}

/* One byte of what is between quotes.  All that is escaped here is one byte. */
static uint8_t
unescape(struct peer *p)
{
	static const char names[] = "nrtbf", bytes[] = "\n\r\t\b\f";
	const char *name;
	char digits[5] = "";

	if (*p->at != '\\')
		return *p->at++;
	if (p->end - p->at >= 6 && p->at[1] == 'u') {
		memcpy(digits, p->at + 2, 4);
		p->at += 6;
		return (uint8_t)strtoul(digits, NULL, 16);
	}
	if (p->end - p->at < 2)
		errx(1, "%s: half a character", p->kind->name);
	p->at += 2;
	name = strchr(names, p->at[-1]);
	return name ? (uint8_t)bytes[name - names] : p->at[-1];
}

static size_t
pass_escaped(struct peer *p, uint8_t *to)
{
	size_t n = 0;

	while (n < PEER_OUTPUT && p->at < p->end) {
		if (*p->at == '"')
			p->at = p->end;
		else
			to[n++] = unescape(p);
	}
	return n;
}

static size_t
pass_plain(struct peer *p, uint8_t *to)
{
	size_t n = (size_t)(p->end - p->at);

	n = n < PEER_OUTPUT ? n : PEER_OUTPUT;
	memcpy(to, p->at, n);
	p->at += n;
	return n;
}

size_t
peer_read(struct peer *p, uint8_t *to)
{
	size_t n;

	do {
		if (p->at == p->end && !p->kind->receive(p))
			return 0;
		n = p->kind->escaped ? pass_escaped(p, to) : pass_plain(p, to);
	} while (n == 0);
	p->shown += n;
	return n;
}

int
peer_fd(const struct peer *p)
{
	return http_fd(p->ws ? websocket_http(p->ws) : p->poll);
}

void
peer_wait(struct peer *p, int ms)
{
	struct pollfd fds[2] = {
	    {.fd = peer_fd(p), .events = POLLIN},
	    {.fd = !p->ws && !p->answered ? http_fd(p->input) : -1,
		.events = POLLIN},
	};

	if (p->at == p->end)
		poll(fds, 2, ms);
}

void
peer_settle(struct peer *p)
{
	struct pollfd fd = {.events = POLLIN};

	if (p->ws)
		return;
	if (p->at == p->end)
		siab_poll(p);
	fd.fd = http_fd(p->input);
	for (siab_take_answer(p); !p->answered; siab_take_answer(p))
		if (poll(&fd, 1, PATIENCE_MS) != 1)
			errx(1, "siab: no answer");
}

void
peer_idle(struct peer *p)
{
	static uint8_t ignored[PEER_OUTPUT];
	struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN}};

	if (!p)
		return;
	fds[1] = (struct pollfd){.fd = peer_fd(p), .events = POLLIN};
	while (fds[0].revents == 0) {
		while (peer_read(p, ignored) > 0)
			;
		if (poll(fds, 2, -1) < 0)
			err(1, "poll");
	}
}

struct http_wire
peer_wire(const struct peer *p)
{
	struct http_wire sum =
	    http_wire(p->ws ? websocket_http(p->ws) : p->poll);
	struct http_wire input;

	if (p->ws)
		return sum;
	input = http_wire(p->input);
	sum.down += input.down;
	sum.up += input.up;
	return sum;
}
