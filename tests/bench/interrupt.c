/*
 * Lets a guest flood, and measures from Ctrl-C to its prompt.
 *
 *   interrupt tty PATH      at a guest's tty, without xenterm
 *   interrupt stream PORT   as a viewer, by the stream
 *   interrupt poll PORT     as a viewer, by long polls
 *   interrupt siab PORT     as shellinabox's page, or ttyd's or wetty's
 * (peer.h)
 *
 * From the standard input: "USER PASSWORD TOKEN" for all with a PORT; then how
 * many times, again and again.  To the standard output a line for each time,
 * in nanoseconds.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/clock.h"
#include "tests/bench/http.h"
#include "tests/bench/peer.h"
#include "tests/bench/viewer.h"

#define NS_PER_MS 1000000

/* A flood lasts so long. */
#define FLOOD_MIN_MS 300
#define FLOOD_MAX_MS 500

#define PATIENCE_MS 10000
#define TEXT_MAX    128

/* The prompt is looked for in so much of what came last: a snapshot has the
 * terminal's modes behind it. */
#define TAIL 256

struct guest {
	int tty;
	struct viewer *viewer;
	struct http *input;
	bool answered;
	uint64_t seq;
	struct peer *peer;
	char last[TAIL]; /* bytes that came */
};

static uint8_t bytes[VIEWER_OUTPUT];

static void
open_guest(struct guest *g, const char *how, const char *where)
{
	static char user[TEXT_MAX], password[TEXT_MAX], token[TEXT_MAX];

	g->answered = true;
	if (strcmp(how, "tty") == 0) {
		g->tty = open(where, O_RDWR | O_NOCTTY | O_NONBLOCK);
		if (g->tty < 0)
			err(1, "%s", where);
		return;
	}
	if (scanf("%127s %127s %127s", user, password, token) != 3)
		errx(2, "no user, password and token");
	http_init((uint16_t)atoi(where), user, password);
	if (peer_known(how)) {
		g->peer = peer_open(how);
		return;
	}
	g->input = http_open(token);
	g->viewer = viewer_open(token, strcmp(how, "stream") == 0);
	viewer_show_snapshots(g->viewer);
}

static void
type(struct guest *g, char c)
{
	char target[TEXT_MAX];

	if (g->peer) {
		peer_type(g->peer, c);
		return;
	}
	if (!g->viewer) {
		if (write(g->tty, &c, 1) != 1)
			err(1, "tty");
		return;
	}
	snprintf(target, sizeof target, "/xenterm/api/v1/input?seq=%" PRIu64,
	    ++g->seq);
	http_send(g->input, target, &c, 1);
	g->answered = false;
}

static void
take_answer(struct guest *g)
{
	struct http_answer answer;

	if (g->answered || !http_receive(g->input, &answer))
		return;
	g->answered = true;
	if (answer.status != 200)
		errx(1, "input: status %d", answer.status);
}

/* Waits for something, but not after `until`. */
static void
sleep_until(struct guest *g, int64_t until)
{
	struct pollfd fds[2] = {
	    {.fd = g->viewer ? http_fd(viewer_http(g->viewer)) : g->tty,
		.events = POLLIN},
	    {.fd = g->answered ? -1 : http_fd(g->input), .events = POLLIN},
	};
	int64_t left = until - now();
	int ms = (int)(left / NS_PER_MS) + 1;

	if (left > 0 && g->peer)
		peer_wait(g->peer, ms);
	else if (left > 0)
		poll(fds, 2, ms);
}

/* Keeps the last bytes. */
static void
remember(struct guest *g, size_t n)
{
	size_t keep = n < TAIL ? TAIL - n : 0;

	memmove(g->last, g->last + TAIL - keep, keep);
	memcpy(g->last + keep, bytes + n - (TAIL - keep), TAIL - keep);
}

/* A flood has none of these characters. */
static bool
has_prompt(const struct guest *g)
{
	const char *c = memmem(g->last, TAIL, "^C", 2);

	return c && memchr(c, '$', (size_t)(g->last + TAIL - c));
}

static ssize_t
read_some(struct guest *g)
{
	if (g->peer)
		return (ssize_t)peer_read(g->peer, bytes);
	if (g->viewer)
		return (ssize_t)viewer_read(g->viewer, bytes);
	return read(g->tty, bytes, sizeof bytes);
}

/* Reads; false: there was nothing. */
static bool
take(struct guest *g)
{
	ssize_t n = read_some(g);

	take_answer(g);
	if (n <= 0)
		return false;
	remember(g, (size_t)n);
	return true;
}

static void
flood_for(struct guest *g, int64_t ms)
{
	int64_t until = now() + ms * NS_PER_MS;

	while (now() < until)
		if (!take(g))
			sleep_until(g, until);
}

/* The prompt is the last that comes. */
static void
take_prompt(struct guest *g)
{
	int64_t until = now() + (int64_t)PATIENCE_MS * NS_PER_MS;

	while (!has_prompt(g)) {
		if (take(g))
			continue;
		if (now() > until)
			errx(1, "no prompt");
		sleep_until(g, until);
	}
}

static void
settle(struct guest *g)
{
	if (g->peer)
		peer_settle(g->peer);
	for (take_answer(g); !g->answered; take_answer(g))
		sleep_until(g, now() + NS_PER_MS);
}

static int64_t
interrupt(struct guest *g)
{
	long ms = FLOOD_MIN_MS + random() % (FLOOD_MAX_MS - FLOOD_MIN_MS + 1);
	int64_t begin, elapsed;

	flood_for(g, ms);
	settle(g);
	begin = now();
	type(g, '\003');
	take_prompt(g);
	elapsed = now() - begin;
	settle(g);
	return elapsed;
}

int
main(int argc, char **argv)
{
	struct guest g = {.tty = -1};
	int count;

	if (argc != 3)
		errx(2, "usage: interrupt tty|stream|poll|siab|ttyd|wetty "
			"PATH|PORT");
	setvbuf(stdin, NULL, _IONBF, 0);
	open_guest(&g, argv[1], argv[2]);
	/* Whether or not it floods from its start. */
	type(&g, '\r');
	settle(&g);
	interrupt(&g);
	while (peer_idle(g.peer), scanf("%d", &count) == 1) {
		while (count-- > 0) {
			type(&g, '\r');
			settle(&g);
			printf("%" PRId64 "\n", interrupt(&g));
		}
		fflush(stdout);
	}
	return 0;
}
