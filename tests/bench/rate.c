/*
 * Requests per second: connections that ask again as soon as they are
 * answered.
 *
 *   rate floor PORT   POST /floor
 *   rate poll PORT    GET output?wait=0 of a session that has it all: 204
 *   rate input PORT   POST input of a key, acknowledged at once
 *
 * From the standard input: "USER PASSWORD" and a token for each connection, in
 * front of them how many ("-" where none is needed); then how many milliseconds
 * to ask, again and again.  To the standard output, for each: nanoseconds and
 * answers.
 */
#define _GNU_SOURCE
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "tests/bench/clock.h"
#include "tests/bench/http.h"

#define API "/xenterm/api/v1/"

#define NS_PER_MS 1000000
#define TEXT_MAX  128

#define PATIENCE_MS 10000

struct client {
	struct http *http;
	char token[TEXT_MAX], target[2 * TEXT_MAX];
	uint64_t seq;
	int status; /* that each answer is to have */
};

enum kind { FLOOR, POLL, INPUT };

/* Behind the output that is there; without the number of an event, so that it
 * is told of none that is over. */
static void
find_position(struct client *c)
{
	struct http_answer answer;
	char next[TEXT_MAX];

	http_send(c->http, API "output", NULL, 0);
	http_wait(c->http, &answer);
	if (answer.status != 200)
		errx(1, "output: status %d", answer.status);
	http_header(c->http, "Xenterm-Next", next, sizeof next);
	*strrchr(next, '.') = '\0';
	snprintf(
	    c->target, sizeof c->target, API "output?wait=0&from=%s", next);
}

static void
open_client(struct client *c, enum kind kind, int epoll)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

	if (scanf("%127s", c->token) != 1)
		errx(2, "no token");
	c->http = http_open(kind == FLOOR ? NULL : c->token);
	c->status = kind == POLL ? 204 : 200;
	if (kind == POLL)
		find_position(c);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, http_fd(c->http), &event) < 0)
		err(1, "epoll_ctl");
}

static void
ask(struct client *c, enum kind kind)
{
	if (kind == FLOOR)
		snprintf(c->target, sizeof c->target, "/floor");
	if (kind == INPUT)
		snprintf(c->target, sizeof c->target, API "input?seq=%" PRIu64,
		    ++c->seq);
	http_send(c->http, c->target, kind == POLL ? NULL : "k",
	    kind == POLL ? 0 : 1);
}

/* True: an answer is there. */
static bool
take(struct client *c)
{
	struct http_answer answer;

	if (!http_receive(c->http, &answer))
		return false;
	if (answer.status != c->status)
		errx(1, "%s: status %d", c->target, answer.status);
	return true;
}

static void
measure(struct client *clients, int count, enum kind kind, int epoll, int ms)
{
	int64_t begin, end, last;
	struct epoll_event event;
	uint64_t answers = 0;

	for (int i = 0; i < count; i++)
		ask(&clients[i], kind);
	last = begin = now();
	end = begin + (int64_t)ms * NS_PER_MS;
	for (int open = count; open > 0;) {
		if (epoll_wait(epoll, &event, 1, PATIENCE_MS) != 1)
			errx(1, "no answer");
		if (!take(event.data.ptr))
			continue;
		last = now();
		answers++;
		if (last < end)
			ask(event.data.ptr, kind);
		else
			open--;
	}
	printf("%" PRId64 " %" PRIu64 "\n", last - begin, answers);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	char user[TEXT_MAX], password[TEXT_MAX];
	int epoll = epoll_create1(EPOLL_CLOEXEC), count, ms;
	struct client *clients;
	enum kind kind;

	if (argc != 3 || scanf("%127s %127s %d", user, password, &count) != 3 ||
	    count < 1)
		errx(2, "usage: rate floor|poll|input PORT <USER PASSWORD "
			"COUNT TOKEN...");
	kind = strcmp(argv[1], "floor") == 0  ? FLOOR
	       : strcmp(argv[1], "poll") == 0 ? POLL
					      : INPUT;
	clients = calloc((size_t)count, sizeof *clients);
	if (!clients)
		err(1, "clients");
	http_init((uint16_t)atoi(argv[2]), user, password);
	for (int i = 0; i < count; i++)
		open_client(&clients[i], kind, epoll);
	while (scanf("%d", &ms) == 1)
		measure(clients, count, kind, epoll, ms);
	return 0;
}
