/*
 * Waiting viewers: a connection with a parked poll for each session, renewed
 * whenever it is answered; or with a stream.
 *
 *   park PORT [stream|SECONDS]   SECONDS: how long a poll waits (60)
 *   park PORT siab|ttyd|wetty    viewers of that program (peer.h)
 *
 * From the standard input: "USER PASSWORD" and then the sessions' tokens, or a
 * word for each viewer of another program.  Prints a line once nothing has been
 * answered for a while: all are parked; or a while after the last has come.  Of
 * another program's when all have seen something.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "tests/bench/clock.h"
#include "tests/bench/http.h"
#include "tests/bench/peer.h"
#include "tests/bench/viewer.h"

#define TEXT_MAX  128
#define NS_PER_MS INT64_C(1000000)

/* Longer than the worker waits before it tells who has come (250 ms). */
#define QUIET_MS 1000

/* But polls that are renewed, and what keeps a stream alive, need not leave
 * such a pause among thousands. */
#define SETTLED_MS 5000

static void
add(int epoll, int fd, void *whose)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = whose};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

static void
begin(const char *token, bool stream, int epoll)
{
	struct viewer *viewer = viewer_open(token, stream);

	add(epoll, http_fd(viewer_http(viewer)), viewer);
}

/* The first answer's rest, and then it waits. */
static void
read_peer(struct peer *peer)
{
	static uint8_t bytes[PEER_OUTPUT];

	while (peer_read(peer, bytes) > 0)
		;
}

static void
begin_peer(const char *name, int epoll)
{
	struct peer *peer = peer_open(name);

	read_peer(peer);
	add(epoll, peer_fd(peer), peer);
}

/* While the next ones begin, who is there already gets its answers: ttyd gives
 * up who has not answered its pings for some seconds. */
static void
serve_peers(int epoll)
{
	struct epoll_event events[64];
	int n = epoll_wait(epoll, events, 64, 0);

	for (int i = 0; i < n; i++)
		read_peer(events[i].data.ptr);
}

/* how: "stream", a peer's name, or something else. */
static unsigned
begin_all(const char *how, int epoll)
{
	char token[TEXT_MAX];
	unsigned count = 0;

	for (; scanf("%127s", token) == 1; count++)
		if (peer_known(how)) {
			begin_peer(how, epoll);
			serve_peers(epoll);
		} else {
			begin(strdup(token), strcmp(how, "stream") == 0, epoll);
		}
	return count;
}

static void
say(unsigned count)
{
	printf("%u\n", count);
	fflush(stdout);
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
	const char *how = argc == 3 ? argv[2] : "";
	unsigned count;
	int64_t settled;

	if (atoi(how) > 0)
		viewer_set_wait((unsigned)atoi(how));
	if (argc < 2 || argc > 3 || scanf("%127s %127s", user, password) != 2)
		errx(2, "usage: park PORT [stream|SECONDS|siab|ttyd|wetty] "
			"<USER PASSWORD TOKEN...");
	raise_files();
	http_init((uint16_t)atoi(argv[1]), user, password);
	count = begin_all(how, epoll);
	if (peer_known(how)) {
		say(count);
		timeout = -1;
	}
	settled = now() + SETTLED_MS * NS_PER_MS;
	for (;;) {
		if (timeout > 0 && now() > settled) {
			say(count);
			timeout = -1;
		}
		switch (epoll_wait(epoll, &event, 1, timeout)) {
		case 1:
			if (peer_known(how))
				read_peer(event.data.ptr);
			else
				while (viewer_read(event.data.ptr, bytes) > 0)
					;
			break;
		case 0:
			say(count);
			timeout = -1;
		}
	}
}
