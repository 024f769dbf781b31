/*
 * Reads a flood as fast as it comes, and counts.
 *
 *   flow pty            a pty pair, a process that writes without end
 *   flow tty PATH       a guest's tty, without xenterm
 *   flow stream PORT    as a viewer, by the stream
 *   flow poll PORT      as a viewer, by long polls
 *   flow siab PORT      as shellinabox's page, or ttyd's or wetty's (peer.h)
 *
 * From the standard input: "USER PASSWORD TOKEN" for all with a PORT; then how
 * many milliseconds to read, again and again.  The viewers start the flood by
 * Enter and end it by Ctrl-C; to the tty both are written.
 * To the standard output, for each: nanoseconds, bytes of the guest, bytes on
 * the wire, down and up, and how often something was skipped.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <termios.h>
#include <unistd.h>

#include "tests/bench/clock.h"
#include "tests/bench/http.h"
#include "tests/bench/peer.h"
#include "tests/bench/viewer.h"

#define NS_PER_MS 1000000

/* Until a flood runs, before its bytes are counted. */
#define BEGIN_MS 200

/* Nothing has come for so long: the flood has ended. */
#define QUIET_MS 300

#define TEXT_MAX 128

struct reader {
	int tty;
	struct viewer *viewer;
	struct http *input;
	uint64_t seq;
	struct peer *peer;
};

static uint8_t bytes[VIEWER_OUTPUT];

static void
write_all(int fd)
{
	char line[4096];

	memset(line, 'x', sizeof line);
	while (write(fd, line, sizeof line) > 0)
		;
	_exit(0); /* the other end is closed */
}

/* As xenconsoled does it: the writer has the master, the reader the slave. */
static void
open_pty(struct reader *r)
{
	struct termios raw;
	int master;

	cfmakeraw(memset(&raw, 0, sizeof raw));
	raw.c_cc[VMIN] = 1;
	if (openpty(&master, &r->tty, NULL, &raw, NULL) < 0)
		err(1, "openpty");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		close(r->tty);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		write_all(master);
	}
	close(master);
	fcntl(r->tty, F_SETFL, O_NONBLOCK);
}

static void
open_viewer(struct reader *r, const char *how, const char *port)
{
	static char user[TEXT_MAX], password[TEXT_MAX], token[TEXT_MAX];

	if (scanf("%127s %127s %127s", user, password, token) != 3)
		errx(2, "no user, password and token");
	http_init((uint16_t)atoi(port), user, password);
	if (peer_known(how)) {
		r->peer = peer_open(how);
		return;
	}
	r->input = http_open(token);
	r->viewer = viewer_open(token, strcmp(how, "stream") == 0);
}

static void
type(struct reader *r, char c)
{
	char target[TEXT_MAX];
	struct http_answer answer;

	if (r->peer) {
		peer_type(r->peer, c);
		return;
	}
	if (!r->viewer) {
		/* The pair's writer does not listen. */
		if (write(r->tty, &c, 1) < 0)
			warn("tty");
		return;
	}
	snprintf(target, sizeof target, "/xenterm/api/v1/input?seq=%" PRIu64,
	    ++r->seq);
	http_send(r->input, target, &c, 1);
	http_wait(r->input, &answer);
	if (answer.status != 200)
		errx(1, "input: status %d", answer.status);
}

/* Waits for some, but not for longer than ms. */
static size_t
take(struct reader *r, int ms)
{
	struct pollfd fd = {.fd = r->tty, .events = POLLIN};
	size_t n = 0;
	ssize_t got;

	if (r->peer) {
		n = peer_read(r->peer, bytes);
		if (n == 0)
			peer_wait(r->peer, ms);
		return n;
	}
	if (r->viewer) {
		n = viewer_read(r->viewer, bytes);
		if (n == 0)
			viewer_wait(r->viewer, ms);
		return n;
	}
	got = read(r->tty, bytes, sizeof bytes);
	if (got <= 0)
		poll(&fd, 1, ms);
	return got > 0 ? (size_t)got : 0;
}

/* Reads for ms milliseconds; how much it was. */
static uint64_t
take_for(struct reader *r, int64_t ms)
{
	int64_t end = now() + ms * NS_PER_MS;
	uint64_t sum = 0;

	while (now() < end)
		sum += take(r, (int)ms);
	return sum;
}

static void
take_rest(struct reader *r)
{
	int64_t last = now();

	while (now() - last < (int64_t)QUIET_MS * NS_PER_MS)
		if (take(r, QUIET_MS / 10) > 0)
			last = now();
}

static struct http_wire
wire_of(const struct reader *r)
{
	if (r->peer)
		return peer_wire(r->peer);
	return r->viewer ? http_wire(viewer_http(r->viewer))
			 : (struct http_wire){0, 0};
}

static void
measure(struct reader *r, int ms)
{
	struct http_wire before, after;
	unsigned skipped;
	uint64_t count;
	int64_t begin;

	type(r, '\r');
	take_for(r, BEGIN_MS);
	before = wire_of(r);
	skipped = r->viewer ? viewer_snapshots(r->viewer) : 0;
	begin = now();
	count = take_for(r, ms);
	printf("%" PRId64 " %" PRIu64, now() - begin, count);
	after = wire_of(r);
	printf(" %" PRIu64 " %" PRIu64 " %u\n", after.down - before.down,
	    after.up - before.up,
	    r->viewer ? viewer_snapshots(r->viewer) - skipped : 0);
	fflush(stdout);
	type(r, '\003');
}

int
main(int argc, char **argv)
{
	struct reader r = {.tty = -1};
	bool pair = argc == 2 && strcmp(argv[1], "pty") == 0;
	int ms;

	setvbuf(stdin, NULL, _IONBF, 0);
	if (pair)
		open_pty(&r);
	else if (argc == 3 && strcmp(argv[1], "tty") == 0)
		r.tty = open(argv[2], O_RDWR | O_NOCTTY | O_NONBLOCK);
	else if (argc == 3)
		open_viewer(&r, argv[1], argv[2]);
	else
		errx(2, "usage: flow pty|tty|stream|poll|siab|ttyd|wetty "
			"[PATH|PORT]");
	if (!r.viewer && !r.peer && r.tty < 0)
		err(1, "tty");
	/* A guest that floods from its start. */
	if (!pair) {
		type(&r, '\003');
		take_rest(&r);
	}
	while (peer_idle(r.peer), scanf("%d", &ms) == 1) {
		measure(&r, ms);
		if (!pair)
			take_rest(&r);
	}
	return 0;
}
