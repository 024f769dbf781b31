/*
 * xenterm-screen: starts the screen processes of xenterm-fcgi.
 *
 * The worker starts it once, before it confines itself, with a socket as
 * standard input.  From then on each request forks one process, which has
 * what the request brought and nothing of the worker's memory.
 */
#define _GNU_SOURCE
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uthash.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/number.h"
#include "common/privdrop.h"
#include "screen/process.h"

#define WORKER STDIN_FILENO

/* What comes with SPAWN_START, in this order. */
enum { SOCKET, RING, CHECKPOINT, START_FDS };

struct child {
	uint32_t id;
	pid_t pid;  /* 0: it has ended, or there was none */
	int status; /* then, for the worker, which has not been told */
	UT_hash_handle hh;
};

static struct child *children; /* by id */
static size_t max = LIMIT_CONSOLES + LIMIT_SCREENS_SPARE;
static bool complained;
static bool untold; /* some have ended */

/* ---- the child ---------------------------------------------------------- */

/* Has its three descriptors as 0, 1 and 2, and no others. */
static void
become_screen(const int fds[START_FDS])
{
	int high[START_FDS];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int i = 0; i < START_FDS; i++)
		high[i] = fcntl(fds[i], F_DUPFD, 16);
	for (int i = 0; i < START_FDS; i++)
		if (dup2(high[i], i) != i)
			_exit(PROCESS_FDS);
	if (close_range(START_FDS, ~0u, 0) < 0)
		_exit(PROCESS_FDS);
	_exit(process_run(SOCKET, RING, CHECKPOINT));
}

/* ---- the spawner -------------------------------------------------------- */

/* Those that the worker does not take now are told later. */
static void
tell_ended(void)
{
	struct child *child, *next;

	untold = false;
	HASH_ITER (hh, children, child, next) {
		const struct spawn_ended ended = {
		    SPAWN_ENDED, child->id, child->status};

		if (child->pid > 0)
			continue;
		if (msg_send(WORKER, &ended, sizeof ended, NULL, 0) < 0) {
			untold = true;
			return;
		}
		HASH_DEL(children, child);
		free(child);
	}
}

/* The closed socket tells the worker, too. */
static void
refuse(uint32_t id, enum process_status why)
{
	const struct spawn_ended ended = {
	    SPAWN_ENDED, id, W_EXITCODE((int)why, 0)};

	msg_send(WORKER, &ended, sizeof ended, NULL, 0);
}

/* The worker counts, too: one that is itself does not ask for more. */
static bool
is_full(void)
{
	if (HASH_COUNT(children) < max)
		return false;
	if (!complained)
		log_error(
		    "the worker wants more than %zu processes: refused", max);
	complained = true;
	return true;
}

static void
on_start(void *ctx, struct packet *packet)
{
	const uint32_t id = packet->msg.spawn.id;
	struct child *child;

	(void)ctx;
	if (is_full()) {
		refuse(id, PROCESS_NONE);
		return;
	}
	child = calloc(1, sizeof *child);
	if (child) {
		child->id = id;
		HASH_ADD(hh, children, id, sizeof child->id, child);
	}
	if (!child || !child->hh.tbl) {
		refuse(id, PROCESS_MEMORY);
		free(child);
		return;
	}
	child->pid = fork();
	if (child->pid == 0)
		become_screen(packet->fds);
	if (child->pid > 0)
		return;
	log_error("fork: %s", strerror(errno));
	refuse(id, PROCESS_NONE);
	HASH_DEL(children, child);
	free(child);
}

static void
on_kill(void *ctx, struct packet *packet)
{
	struct child *child;

	(void)ctx;
	HASH_FIND(hh, children, &packet->msg.spawn.id, sizeof child->id, child);
	if (child && child->pid > 0)
		kill(child->pid, SIGKILL);
}

static const struct msg_rule rules[] = {
    {SPAWN_START, sizeof(struct spawn_msg), START_FDS, on_start},
    {SPAWN_KILL, sizeof(struct spawn_msg), 0, on_kill},
};

static void
reap(void)
{
	struct child *child, *next;

	HASH_ITER (hh, children, child, next)
		if (child->pid > 0 &&
		    waitpid(child->pid, &child->status, WNOHANG) == child->pid)
			child->pid = 0;
	tell_ended();
}

/* False when the worker has gone. */
static bool
take(void)
{
	struct packet packet;
	int status = msg_receive(WORKER, &packet);

	if (status == -EAGAIN)
		return true;
	if (status == 1)
		status = msg_dispatch(
		    rules, sizeof rules / sizeof rules[0], NULL, &packet);
	else if (status == 0)
		return false;
	if (status < 0)
		log_error("worker: %s", strerror(-status));
	return status == 0;
}

static int
watch_children(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
serve(int deaths)
{
	struct pollfd fds[] = {
	    {.fd = WORKER, .events = POLLIN},
	    {.fd = deaths, .events = POLLIN},
	};

	for (;;) {
		struct signalfd_siginfo info;

		fds[0].events = untold ? POLLIN | POLLOUT : POLLIN;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			log_fatal("poll: %s", strerror(errno));
		if (fds[0].revents & POLLOUT)
			tell_ended();
		if (fds[1].revents) {
			while (read(deaths, &info, sizeof info) > 0)
				;
			reap();
		}
		if ((fds[0].revents & ~POLLOUT) && !take())
			return;
	}
}

static bool
is_started_by_worker(void)
{
	int type = 0;
	socklen_t size = sizeof type;

	return getsockopt(WORKER, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       type == SOCK_SEQPACKET;
}

int
main(int argc, char **argv)
{
	const struct msg_hello hello = {SPAWN_HELLO, SCREEN_PROTO_VERSION};
	bool usage = false;
	uint64_t number;
	int deaths;

	log_init("xenterm-screen", true, false);
	if (argc == 2 && strcmp(argv[1], "-V") == 0) {
		printf("xenterm-screen %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "-n") == 0 &&
	    number_parse(argv[2], 1, max, &number))
		max = (size_t)number;
	else if (argc > 1)
		usage = true;
	if (usage || !is_started_by_worker()) {
		fprintf(stderr,
		    "usage: xenterm-screen [-V] [-n PROCESSES]\n"
		    "xenterm-fcgi starts it; see xenterm-screen(8).\n");
		return 2;
	}
	privdrop_keep(NULL, 0);
	privdrop_harden();
	/* The terminal's signals are the worker's, which then closes us. */
	signal(SIGINT, SIG_IGN);
	deaths = watch_children();
	if (deaths < 0 || msg_send(WORKER, &hello, sizeof hello, NULL, 0) < 0)
		log_fatal("cannot start: %s", strerror(errno));
	serve(deaths);
	return 0;
}
