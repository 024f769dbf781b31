/*
 * Waiting viewers: a connection with a parked poll for each session, renewed
 * whenever it is answered.
 *
 *   park PORT
 *
 * From the standard input: "USER PASSWORD" and then the sessions' tokens.
 * Prints a line once nothing has been answered for a while: all are parked.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "tests/bench/http.h"

#define TEXT_MAX 128

/* Longer than the worker waits before it tells who has come (250 ms). */
#define QUIET_MS 1000

struct viewer {
	struct http *http;
	char token[TEXT_MAX];
};

static void
poll_again(struct viewer *viewer)
{
	char next[TEXT_MAX], target[2 * TEXT_MAX];

	http_header(viewer->http, "Xenterm-Next", next, sizeof next);
	snprintf(target, sizeof target,
	    "/xenterm/api/v1/output?wait=60&from=%s", next);
	http_send(viewer->http, target, NULL, 0);
}

static void
take_answer(struct viewer *viewer)
{
	struct http_answer answer;

	if (!http_receive(viewer->http, &answer))
		return;
	if (answer.status != 200 && answer.status != 204)
		errx(1, "output: status %d", answer.status);
	poll_again(viewer);
}

/* The first poll of a session is answered at once, with a snapshot. */
static void
begin(struct viewer *viewer, int epoll)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = viewer};
	struct http_answer answer;

	viewer->http = http_open(viewer->token);
	http_send(viewer->http, "/xenterm/api/v1/output", NULL, 0);
	http_wait(viewer->http, &answer);
	if (answer.status != 200)
		errx(1, "output: status %d", answer.status);
	poll_again(viewer);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, http_fd(viewer->http), &event) < 0)
		err(1, "epoll_ctl");
}

static unsigned
begin_all(int epoll)
{
	struct viewer *viewer;
	char token[TEXT_MAX];
	unsigned count = 0;

	while (scanf("%127s", token) == 1) {
		viewer = calloc(1, sizeof *viewer);
		if (!viewer)
			err(1, "viewer");
		strcpy(viewer->token, token);
		begin(viewer, epoll);
		count++;
	}
	return count;
}

static void
raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		err(1, "getrlimit");
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int
main(int argc, char **argv)
{
	char user[TEXT_MAX], password[TEXT_MAX];
	struct epoll_event event;
	int epoll = epoll_create1(EPOLL_CLOEXEC), timeout = QUIET_MS;
	unsigned count;

	if (argc != 2 || scanf("%127s %127s", user, password) != 2)
		errx(2, "usage: park PORT <USER PASSWORD TOKEN...");
	raise_files();
	http_init((uint16_t)atoi(argv[1]), user, password);
	count = begin_all(epoll);
	for (;;) {
		switch (epoll_wait(epoll, &event, 1, timeout)) {
		case 1:
			take_answer(event.data.ptr);
			break;
		case 0:
			printf("%u\n", count);
			fflush(stdout);
			timeout = -1;
		}
	}
}
