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

#include "common/log.h"
#include "common/msg.h"
#include "common/privdrop.h"
#include "screen/process.h"

#define WORKER STDIN_FILENO

/* What comes with SPAWN_START, in this order. */
enum { SOCKET, RING, CHECKPOINT, START_FDS };

struct child {
	uint32_t id;
	pid_t pid;
	UT_hash_handle hh;
};

static struct child *children; /* by id */

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

static void
on_start(void *ctx, struct packet *packet)
{
	struct child *child = calloc(1, sizeof *child);

	(void)ctx;
	if (!child)
		return; /* the closed socket tells the worker */
	child->id = packet->msg.spawn.id;
	HASH_ADD(hh, children, id, sizeof child->id, child);
	if (!child->hh.tbl) {
		free(child);
		return;
	}
	child->pid = fork();
	if (child->pid == 0)
		become_screen(packet->fds);
	if (child->pid > 0)
		return;
	log_error("fork: %s", strerror(errno));
	HASH_DEL(children, child);
	free(child);
}

static void
on_kill(void *ctx, struct packet *packet)
{
	struct child *child;

	(void)ctx;
	HASH_FIND(hh, children, &packet->msg.spawn.id, sizeof child->id, child);
	if (child)
		kill(child->pid, SIGKILL);
}

static const struct msg_rule rules[] = {
    {SPAWN_START, sizeof(struct spawn_msg), START_FDS, on_start},
    {SPAWN_KILL, sizeof(struct spawn_msg), 0, on_kill},
};

/* A worker that does not take the news reads them as the closed socket. */
static void
reap(void)
{
	struct child *child, *next;
	int status;

	HASH_ITER (hh, children, child, next) {
		struct spawn_ended ended = {.type = SPAWN_ENDED};

		if (waitpid(child->pid, &status, WNOHANG) != child->pid)
			continue;
		ended.id = child->id;
		ended.status = status;
		msg_send(WORKER, &ended, sizeof ended, NULL, 0);
		HASH_DEL(children, child);
		free(child);
	}
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

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			log_fatal("poll: %s", strerror(errno));
		if (fds[1].revents) {
			while (read(deaths, &info, sizeof info) > 0)
				;
			reap();
		}
		if (fds[0].revents && !take())
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
	int deaths;

	log_init("xenterm-screen", true, false);
	if (argc == 2 && strcmp(argv[1], "-V") == 0) {
		printf("xenterm-screen %s\n", PACKAGE_VERSION);
		return 0;
	}
	if (argc > 1 || !is_started_by_worker()) {
		fprintf(stderr,
		    "usage: xenterm-screen [-V]\n"
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
