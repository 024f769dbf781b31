/*
 * xenterm-keeper: what systemd does for xenterm-broker, where there is no
 * systemd.  Starts one program, keeps the descriptors that it asks to have
 * kept, and starts it again, with them, when it dies.
 *
 * Speaks as systemd does (sd_notify(3), sd_listen_fds(3)), and does nothing
 * else: no configuration, no other program, no look at what it keeps.  This
 * process, which hears the program, has no privileges; the launcher has.
 */
#define _GNU_SOURCE
#include <config.h>

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/number.h"
#include "common/privdrop.h"
#include "common/program.h"
#include "common/service.h"
#include "keeper/confine.h"
#include "keeper/launcher.h"
#include "keeper/notify.h"
#include "keeper/store.h"

#define SOCKET_PATH "/run/xenterm-keeper.sock"

/* Seconds without a sign of life, and those from SIGTERM to the end. */
#define WATCHDOG 60
#define PATIENCE 30

/* Our own descriptors, beside those that are kept. */
#define OWN_FILES 64

/* A program that lives no longer than this many seconds is started again after
 * so many milliseconds, twice as many each time. */
#define SHORT_LIFE 10
#define DELAY_MIN  20
#define DELAY_MAX  5000

static struct {
	struct event_base *base;
	struct store *store;
	struct launcher *launcher;
	char **command;
	unsigned watchdog; /* seconds; 0: none */
	int notify;
	pid_t child; /* 0: none */
	struct event *again, *overdue;
	time_t started;
	unsigned delay;
	bool was_ready; /* once: what starts can start */
	bool ending, restarting;
	int status; /* ours */
} keeper;

static void
usage(FILE *out)
{
	fputs("usage: xenterm-keeper [-hV] [-s SOCKET] [-w SECONDS] PROGRAM "
	      "[ARGUMENT ...]\n"
	      "  -s SOCKET   where the program speaks to us (" SOCKET_PATH ")\n"
	      "  -w SECONDS  without a sign of life until it is killed (60; 0: "
	      "never)\n"
	      "  -h          print this\n"
	      "  -V          print the version\n",
	    out);
}

/* ---- starting ----------------------------------------------------------- */

static void
expect_life(unsigned within)
{
	const struct timeval delay = {.tv_sec = within};

	if (within > 0)
		event_add(keeper.overdue, &delay);
}

static void
start_later(void)
{
	const struct timeval delay = {.tv_sec = keeper.delay / 1000,
	    .tv_usec = keeper.delay % 1000 * 1000};

	event_add(keeper.again, &delay);
}

static void
start(void)
{
	pid_t pid = launcher_start(keeper.launcher, keeper.store);

	keeper.started = clock_seconds();
	if (pid < 0) {
		log_error("%s cannot be started: %s", keeper.command[0],
		    strerror(-pid));
		start_later();
		return;
	}
	keeper.child = pid;
	expect_life(keeper.watchdog);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	start();
}

/* ---- what it says ------------------------------------------------------- */

static void
keep(struct notify_message *message)
{
	for (size_t i = 0; i < message->nfds; i++) {
		int error = store_add(
		    keeper.store, message->name, message->fds[i], false);

		if (error < 0)
			log_error("%s cannot be kept: %s", message->name,
			    strerror(-error));
	}
}

static void
obey(struct notify_message *message)
{
	if (message->ready) {
		keeper.was_ready = true;
		service_ready();
	}
	if (message->remove)
		store_remove(keeper.store, message->name);
	keep(message);
	if (message->watchdog && !keeper.ending && !keeper.restarting)
		expect_life(keeper.watchdog);
}

/* All that it has said until now. */
static void
hear(void)
{
	struct notify_message message;
	int status;

	while ((status = notify_receive(
		    keeper.notify, keeper.child, &message)) != -EAGAIN)
		if (status == 1)
			obey(&message);
}

static void
on_message(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	hear();
}

/* ---- ending ------------------------------------------------------------- */

static void
on_overdue(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	if (keeper.child == 0)
		return;
	log_warn("%s (pid %d) gives no sign of life, and is killed",
	    keeper.command[0], (int)keeper.child);
	launcher_signal(keeper.launcher, SIGKILL);
}

static void
describe(int status)
{
	if (WIFSIGNALED(status))
		log_warn("%s was killed by signal %d (%s); it is started again "
			 "with %zu descriptors",
		    keeper.command[0], WTERMSIG(status),
		    strsignal(WTERMSIG(status)), store_count(keeper.store));
	else
		log_warn("%s ended with status %d; it is started again with "
			 "%zu descriptors",
		    keeper.command[0], WEXITSTATUS(status),
		    store_count(keeper.store));
}

static void
start_again(int status, bool in_order)
{
	bool asked = keeper.restarting;

	keeper.restarting = false;
	if (asked && in_order)
		log_info("%s is started again, as asked", keeper.command[0]);
	else
		describe(status);
	if (asked || clock_seconds() - keeper.started > SHORT_LIFE)
		keeper.delay = DELAY_MIN;
	start_later();
	keeper.delay *= 2;
	if (keeper.delay > DELAY_MAX)
		keeper.delay = DELAY_MAX;
}

/* As it wants to, or as it was told to before it could listen. */
static bool
is_in_order(int status)
{
	if (WIFSIGNALED(status))
		return (keeper.ending || keeper.restarting) &&
		       (WTERMSIG(status) == SIGTERM ||
			   WTERMSIG(status) == SIGINT);
	return WEXITSTATUS(status) == 0;
}

/* One that has never been ready will not be ready the next time. */
static void
on_news(evutil_socket_t fd, short what, void *arg)
{
	int status, error = launcher_hear(keeper.launcher, &status);
	bool in_order;

	(void)fd;
	(void)what;
	(void)arg;
	if (error == -EAGAIN)
		return;
	if (error < 0)
		log_fatal("the launcher has ended: %s", strerror(-error));
	hear();
	keeper.child = 0;
	event_del(keeper.overdue);
	in_order = is_in_order(status);
	if (keeper.was_ready && !keeper.ending &&
	    (keeper.restarting || !in_order)) {
		start_again(status, in_order);
		return;
	}
	if (!in_order)
		keeper.status = WIFEXITED(status) ? WEXITSTATUS(status)
						  : 128 + WTERMSIG(status);
	event_base_loopbreak(keeper.base);
}

static void
on_terminate(evutil_socket_t signum, short what, void *arg)
{
	(void)what;
	(void)arg;
	keeper.ending = true;
	service_stopping();
	if (keeper.child == 0) {
		event_base_loopbreak(keeper.base);
		return;
	}
	launcher_signal(keeper.launcher, (int)signum);
	expect_life(PATIENCE);
}

static void
on_hangup(evutil_socket_t signum, short what, void *arg)
{
	(void)what;
	(void)arg;
	launcher_signal(keeper.launcher, (int)signum);
}

static void
on_restart(evutil_socket_t signum, short what, void *arg)
{
	(void)signum;
	(void)what;
	(void)arg;
	if (keeper.child == 0 || keeper.ending)
		return;
	keeper.restarting = true;
	launcher_signal(keeper.launcher, SIGTERM);
	expect_life(PATIENCE);
}

/* ---- the beginning ------------------------------------------------------ */

static void
parse_options(int argc, char **argv, const char **path)
{
	uint64_t number;
	int c;

	keeper.watchdog = WATCHDOG;
	while ((c = getopt(argc, argv, "+hs:w:V")) != -1) {
		switch (c) {
		case 'h':
			usage(stdout);
			exit(0);
		case 's':
			*path = optarg;
			break;
		case 'w':
			if (!number_parse(optarg, 0, 3600, &number)) {
				usage(stderr);
				exit(PROGRAM_EXIT_USAGE);
			}
			keeper.watchdog = (unsigned)number;
			break;
		case 'V':
			puts("xenterm-keeper " PACKAGE_VERSION);
			exit(0);
		default:
			usage(stderr);
			exit(PROGRAM_EXIT_USAGE);
		}
	}
	if (optind == argc) {
		usage(stderr);
		exit(PROGRAM_EXIT_USAGE);
	}
	keeper.command = argv + optind;
}

/* As many as a program may hand over, if that can be had. */
static size_t
raise_files(void)
{
	const rlim_t want = LIMIT_SERVICE_FDS + OWN_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_fatal("getrlimit: %s", strerror(errno));
	if (limit.rlim_cur < want) {
		const struct rlimit more = {
		    want, limit.rlim_max < want ? want : limit.rlim_max};

		if (setrlimit(RLIMIT_NOFILE, &more) < 0) {
			limit.rlim_cur = limit.rlim_max;
			setrlimit(RLIMIT_NOFILE, &limit);
		}
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur < 2 * OWN_FILES)
		log_fatal("too few descriptors");
	if (limit.rlim_cur >= want)
		return LIMIT_SERVICE_FDS;
	log_warn("may have %ju descriptors only", (uintmax_t)limit.rlim_cur);
	return limit.rlim_cur - OWN_FILES;
}

/* What we were started with is for the program. */
static void
take_sockets(void)
{
	char name[SERVICE_NAME];
	int fd;

	while ((fd = service_take(NULL, name)) >= 0)
		if (store_add(keeper.store, name, fd, true) < 0)
			log_fatal("%s cannot be kept", name);
	service_close_rest();
}

static struct event *
watch(int what, short how, event_callback_fn run)
{
	struct event *event = event_new(keeper.base, what, how, run, NULL);

	if (!event ||
	    ((how & (EV_READ | EV_SIGNAL)) && event_add(event, NULL) < 0))
		log_fatal("out of memory");
	return event;
}

int
main(int argc, char **argv)
{
	const char *path = SOCKET_PATH;
	struct event *events[7];
	int error;

	parse_options(argc, argv, &path);
	log_init("xenterm-keeper", true, false);
	keeper.store = store_create(raise_files());
	service_start();
	keeper.notify = notify_open(path);
	if (keeper.notify < 0)
		log_fatal("%s: %s", path, strerror(-keeper.notify));
	keeper.launcher = launcher_create(keeper.command, keeper.watchdog);
	keeper.base = event_base_new();
	if (!keeper.store || !keeper.base)
		log_fatal("out of memory");
	take_sockets();
	privdrop_keep(NULL, 0);
	privdrop_harden();
	keeper.delay = DELAY_MIN;
	events[0] = watch(keeper.notify, EV_READ | EV_PERSIST, on_message);
	events[1] =
	    watch(launcher_fd(keeper.launcher), EV_READ | EV_PERSIST, on_news);
	events[2] = watch(SIGTERM, EV_SIGNAL | EV_PERSIST, on_terminate);
	events[3] = watch(SIGINT, EV_SIGNAL | EV_PERSIST, on_terminate);
	events[4] = watch(SIGHUP, EV_SIGNAL | EV_PERSIST, on_hangup);
	events[5] = watch(SIGUSR1, EV_SIGNAL | EV_PERSIST, on_restart);
	keeper.again = watch(-1, 0, on_again);
	keeper.overdue = events[6] = watch(-1, 0, on_overdue);
	error = keeper_confine();
	if (error)
		log_fatal("seccomp: %s", strerror(-error));
	start();
	event_base_dispatch(keeper.base);
	unlink(path);
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		event_free(events[i]);
	event_free(keeper.again);
	event_base_free(keeper.base);
	launcher_destroy(keeper.launcher);
	store_destroy(keeper.store);
	return keeper.status;
}
