/*
 * Types keys, one after the other, and measures from each to its echo.
 *
 *   keys pty          a pty pair, a process echoing on its master
 *   keys tty PATH     a guest's tty, without xenterm
 *   keys floor PORT[/PATH]   POST /floor, or /PATH, through nginx
 *   keys echo PORT    POST input?echo=, a poll waiting beside it
 *   keys poll PORT    POST input, the echo comes with the waiting poll
 *   keys stream PORT  POST input, the echo comes by the stream
 *   keys siab PORT    shellinabox, or ttyd or wetty (peer.h)
 *
 * From the standard input: "USER PASSWORD TOKEN" for all with a PORT; then how
 * many keys to type, again and again, so that several of us can take turns.
 * To the standard output: a line for each key: nanoseconds, and the bytes on
 * the wire that it took, down and up.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/clock.h"
#include "tests/bench/http.h"
#include "tests/bench/peer.h"
#include "tests/bench/viewer.h"

#define API "/xenterm/api/v1/"

/* Typed before the first turn, for what a new session stirs, and before each,
 * for the caches; not measured. */
#define WARM_UP_FIRST 30
#define WARM_UP	      3

/* From an echo to the next key. */
#define PAUSE_MIN_US 5000
#define PAUSE_MAX_US 25000

#define PATIENCE_MS 10000

#define TEXT_MAX 128

struct typist {
	const struct row *row;
	unsigned typed;
	int tty;
	struct http *input, *poll;
	struct viewer *stream;
	struct peer *peer;
	bool polling, answered; /* the poll is parked; the input is answered */
	uint64_t seq;
	char next[TEXT_MAX]; /* where the output goes on */
	char user[TEXT_MAX], password[TEXT_MAX], token[TEXT_MAX];
	const char *path; /* of floor B */
};

struct row {
	const char *name;
	void (*start)(struct typist *t, const char *where);
	/* Types c and returns when its echo is there. */
	void (*key)(struct typist *t, char c);
	/* Brings to an end what the key's echo has not. */
	void (*settle)(struct typist *t);
};

/* --- Without HTTP -------------------------------------------------------- */

static void
echo_all(int fd)
{
	char bytes[64];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0)
		if (write(fd, bytes, (size_t)n) != n)
			break;
	_exit(0); /* the other end is closed */
}

static void
start_pty(struct typist *t, const char *where)
{
	struct termios raw;
	int master;

	(void)where;
	cfmakeraw(memset(&raw, 0, sizeof raw));
	raw.c_cc[VMIN] = 1;
	if (openpty(&master, &t->tty, NULL, &raw, NULL) < 0)
		err(1, "openpty");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		close(t->tty);
		echo_all(master);
	}
	close(master);
}

/* xenconsoled has made it raw. */
static void
start_tty(struct typist *t, const char *where)
{
	t->tty = open(where, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (t->tty < 0)
		err(1, "%s", where);
	tcflush(t->tty, TCIOFLUSH);
}

/* Blocks without end: who started us has a limit. */
static void
key_tty(struct typist *t, char c)
{
	char echo;

	if (write(t->tty, &c, 1) != 1 || read(t->tty, &echo, 1) != 1 ||
	    echo != c)
		errx(1, "no echo");
}

static void
settle_tty(struct typist *t)
{
	(void)t;
}

/* --- Over HTTP ----------------------------------------------------------- */

static void
start_site(struct typist *t, const char *where)
{
	if (scanf("%127s %127s %127s", t->user, t->password, t->token) != 3)
		errx(2, "no user, password and token");
	http_init((uint16_t)atoi(where), t->user, t->password);
	t->input = http_open(t->token);
	t->answered = true;
}

static void
start_floor(struct typist *t, const char *where)
{
	const char *path = strchr(where, '/');

	start_site(t, where);
	t->path = path ? path : "/floor";
}

static void
key_floor(struct typist *t, char c)
{
	struct http_answer answer;

	http_send(t->input, t->path, &c, 1);
	http_wait(t->input, &answer);
	if (answer.status != 200 || answer.len != 1 || answer.body[0] != c)
		errx(1, "%s: status %d", t->path, answer.status);
}

static void
send_poll(struct typist *t)
{
	char target[2 * TEXT_MAX];

	snprintf(target, sizeof target, API "output?wait=60&from=%s", t->next);
	http_send(t->poll, target, NULL, 0);
	t->polling = true;
}

/* The first poll is answered at once, with a snapshot. */
static void
start_session(struct typist *t, const char *where)
{
	struct http_answer answer;

	start_site(t, where);
	t->poll = http_open(t->token);
	http_send(t->poll, API "output", NULL, 0);
	http_wait(t->poll, &answer);
	if (answer.status != 200)
		errx(1, "output: status %d", answer.status);
	http_header(t->poll, "Xenterm-Next", t->next, sizeof t->next);
	send_poll(t);
}

static void
send_key(struct typist *t, char c, const char *query)
{
	char target[3 * TEXT_MAX];

	snprintf(target, sizeof target, API "input?seq=%" PRIu64 "%s", ++t->seq,
	    query);
	http_send(t->input, target, &c, 1);
	t->answered = false;
}

/* Among the frames is output that ends in c. */
static bool
has_echo(const struct http_answer *answer, char c)
{
	size_t at = 0;
	uint32_t size;

	while (answer->len - at >= 5) {
		const uint8_t *frame = answer->body + at;

		memcpy(&size, frame + 1, sizeof size);
		at += 5 + be32toh(size);
		if (at > answer->len)
			break;
		if (*frame == 'o' && answer->body[at - 1] == (uint8_t)c)
			return true;
	}
	return false;
}

static void
key_echo(struct typist *t, char c)
{
	char query[2 * TEXT_MAX];
	struct http_answer answer;

	snprintf(query, sizeof query, "&echo=1000&from=%s", t->next);
	send_key(t, c, query);
	http_wait(t->input, &answer);
	t->answered = true;
	if (answer.status != 200 || !has_echo(&answer, c))
		errx(1, "echo: status %d", answer.status);
	http_header(t->input, "Xenterm-Next", t->next, sizeof t->next);
}

/* Takes the poll's answer, if there is one.  True: with the echo of c. */
static bool
take_poll(struct typist *t, char c)
{
	struct http_answer answer;

	if (!t->polling || !http_receive(t->poll, &answer))
		return false;
	t->polling = false;
	if (answer.status != 200 && answer.status != 204)
		errx(1, "output: status %d", answer.status);
	http_header(t->poll, "Xenterm-Next", t->next, sizeof t->next);
	return has_echo(&answer, c);
}

static void
take_input(struct typist *t)
{
	struct http_answer answer;

	if (t->answered || !http_receive(t->input, &answer))
		return;
	t->answered = true;
	if (answer.status != 200)
		errx(1, "input: status %d", answer.status);
}

static void
key_poll(struct typist *t, char c)
{
	struct pollfd fds[2] = {
	    {.fd = http_fd(t->poll), .events = POLLIN},
	    {.fd = http_fd(t->input), .events = POLLIN},
	};

	send_key(t, c, "");
	while (!take_poll(t, c)) {
		if (!t->polling)
			send_poll(t); /* it brought something else */
		take_input(t);
		if (poll(fds, 2, PATIENCE_MS) < 1)
			errx(1, "no echo");
	}
}

static void
start_stream(struct typist *t, const char *where)
{
	start_site(t, where);
	t->stream = viewer_open(t->token, true);
}

static void
key_stream(struct typist *t, char c)
{
	static uint8_t bytes[VIEWER_OUTPUT];
	struct pollfd fds[2] = {
	    {.fd = http_fd(viewer_http(t->stream)), .events = POLLIN},
	    {.fd = http_fd(t->input), .events = POLLIN},
	};
	size_t n;

	send_key(t, c, "");
	while ((n = viewer_read(t->stream, bytes)) == 0 ||
	       bytes[n - 1] != (uint8_t)c) {
		take_input(t);
		fds[1].fd = t->answered ? -1 : http_fd(t->input);
		if (poll(fds, 2, PATIENCE_MS) < 1)
			errx(1, "no echo");
	}
}

/* --- Other programs ------------------------------------------------------- */

static void
start_peer(struct typist *t, const char *where)
{
	start_site(t, where);
	t->peer = peer_open(t->row->name);
}

static void
key_peer(struct typist *t, char c)
{
	static uint8_t bytes[PEER_OUTPUT];
	int64_t end = now() + PATIENCE_MS * INT64_C(1000000);
	size_t n;

	peer_type(t->peer, c);
	while ((n = peer_read(t->peer, bytes)) == 0 ||
	       bytes[n - 1] != (uint8_t)c) {
		if (now() > end)
			errx(1, "%s: no echo", t->row->name);
		peer_wait(t->peer, PATIENCE_MS);
	}
}

static void
settle_peer(struct typist *t)
{
	peer_settle(t->peer);
}

/*
 * What an echo has delivered wakes no poll, so its answer is about something
 * else, and may be older than the echo: its position is not taken.
 */
static void
settle_echo(struct typist *t)
{
	struct http_answer answer;

	if (http_receive(t->poll, &answer))
		send_poll(t);
}

static void
settle_input(struct typist *t)
{
	struct pollfd fd = {.fd = http_fd(t->input), .events = POLLIN};

	if (t->poll && !t->polling)
		send_poll(t);
	for (take_input(t); !t->answered; take_input(t))
		if (poll(&fd, 1, PATIENCE_MS) != 1)
			errx(1, "input: no answer");
}

/* --- The keys ------------------------------------------------------------ */

static const struct row rows[] = {
    {"pty", start_pty, key_tty, settle_tty},
    {"tty", start_tty, key_tty, settle_tty},
    {"floor", start_floor, key_floor, settle_tty},
    {"echo", start_session, key_echo, settle_echo},
    {"poll", start_session, key_poll, settle_input},
    {"stream", start_stream, key_stream, settle_input},
    {"siab", start_peer, key_peer, settle_peer},
    {"ttyd", start_peer, key_peer, settle_peer},
    {"wetty", start_peer, key_peer, settle_peer},
};

static const struct row *
find_row(const char *name)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	errx(2, "usage: keys pty|tty|floor|echo|poll|stream|siab|ttyd|wetty "
		"[PATH|PORT]");
}

static void
rest(void)
{
	long us = PAUSE_MIN_US + random() % (PAUSE_MAX_US - PAUSE_MIN_US + 1);

	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* On all connections so far. */
static struct http_wire
all_wire(const struct typist *t)
{
	const struct http *const all[] = {
	    t->input, t->poll, t->stream ? viewer_http(t->stream) : NULL};
	struct http_wire sum = {0, 0}, wire;

	if (t->peer)
		return peer_wire(t->peer);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (!all[i])
			continue;
		wire = http_wire(all[i]);
		sum.down += wire.down;
		sum.up += wire.up;
	}
	return sum;
}

/* Nanoseconds from a key to its echo. */
static int64_t
type_key(struct typist *t)
{
	char c = (char)('a' + t->typed++ % 26);
	int64_t begin = now(), end;

	t->row->key(t, c);
	end = now();
	t->row->settle(t);
	rest();
	return end - begin;
}

static void
type_and_tell(struct typist *t)
{
	struct http_wire before = all_wire(t), after;
	int64_t elapsed = type_key(t);

	after = all_wire(t);
	printf("%" PRId64 " %" PRIu64 " %" PRIu64 "\n", elapsed,
	    after.down - before.down, after.up - before.up);
}

int
main(int argc, char **argv)
{
	struct typist t = {.row = find_row(argc > 1 ? argv[1] : "")};
	int count, warm_up = WARM_UP_FIRST;

	setvbuf(stdin, NULL, _IONBF, 0);
	t.row->start(&t, argc > 2 ? argv[2] : "");
	while (peer_idle(t.peer), scanf("%d", &count) == 1) {
		while (warm_up-- > 0)
			type_key(&t);
		while (count-- > 0)
			type_and_tell(&t);
		fflush(stdout);
		warm_up = WARM_UP;
	}
	return 0;
}
