/*
 * Waiting viewers: a connection with a parked poll for each session, renewed
 * whenever it is answered; or with a stream.
 *
 *   park PORT [stream]
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
#include "tests/bench/viewer.h"

#define TEXT_MAX 128

/* Longer than the worker waits before it tells who has come (250 ms). */
#define QUIET_MS 1000

static void
begin(const char *token, bool stream, int epoll)
{
	struct viewer *viewer = viewer_open(token, stream);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = viewer};

	if (epoll_ctl(
		epoll, EPOLL_CTL_ADD, http_fd(viewer_http(viewer)), &event) < 0)
		err(1, "epoll_ctl");
}

static unsigned
begin_all(bool stream, int epoll)
{
	char token[TEXT_MAX];
	unsigned count = 0;

	for (; scanf("%127s", token) == 1; count++)
		begin(strdup(token), stream, epoll);
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
	static uint8_t bytes[VIEWER_OUTPUT];
	char user[TEXT_MAX], password[TEXT_MAX];
	struct epoll_event event;
	int epoll = epoll_create1(EPOLL_CLOEXEC), timeout = QUIET_MS;
	bool stream = argc == 3 && strcmp(argv[2], "stream") == 0;
	unsigned count;

	if (argc != 2 + stream || scanf("%127s %127s", user, password) != 2)
		errx(2, "usage: park PORT [stream] <USER PASSWORD TOKEN...");
	raise_files();
	http_init((uint16_t)atoi(argv[1]), user, password);
	count = begin_all(stream, epoll);
	for (;;) {
		switch (epoll_wait(epoll, &event, 1, timeout)) {
		case 1:
			while (viewer_read(event.data.ptr, bytes) > 0)
				;
			break;
		case 0:
			printf("%u\n", count);
			fflush(stdout);
			timeout = -1;
		}
	}
}
