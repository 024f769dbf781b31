#define _GNU_SOURCE
#include "keeper/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "keeper/handover.h"
#include "keeper/store.h"

/* Seconds that either waits for the other. */
#define PATIENCE 60

enum {
	ORDER_START,  /* value: how many descriptors; and a socket for them */
	ORDER_SIGNAL, /* value: which */
	NEWS_STARTED, /* value: the pid, or a negative errno */
	NEWS_ENDED,   /* value: the status */
};

struct message {
	uint32_t what;
	int32_t value;
};

struct launcher {
	int sock;
	pid_t pid;
};

/* ---- the process ----------------------------------------------------------
 */

struct process {
	int sock, deaths;
	char **command;
	unsigned watchdog;
	pid_t child; /* 0: none */
};

static void
set_watchdog(unsigned seconds)
{
	char text[32];

	if (seconds == 0)
		return;
	snprintf(text, sizeof text, "%" PRIu64, (uint64_t)seconds * 1000000);
	setenv("WATCHDOG_USEC", text, 1);
	snprintf(text, sizeof text, "%d", (int)getpid());
	setenv("WATCHDOG_PID", text, 1);
}

static _Noreturn void
become_program(const struct process *process, pid_t parent, int from, int count)
{
	sigset_t none;
	int error;

	/* Without us it could not be started again. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	for (int signum = 1; signum < NSIG; signum++)
		signal(signum, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	set_watchdog(process->watchdog);
	error = handover_receive(from, (size_t)count);
	if (error < 0)
		log_fatal("descriptors: %s", strerror(-error));
	execvp(process->command[0], process->command);
	log_fatal("%s: %s", process->command[0], strerror(errno));
}

static bool
tell(const struct process *process, uint32_t what, int32_t value)
{
	const struct message message = {what, value};

	return send(process->sock, &message, sizeof message, MSG_NOSIGNAL) ==
	       sizeof message;
}

static bool
start(struct process *process, int from, int32_t count)
{
	pid_t parent = getpid(), pid;

	if (process->child != 0)
		return tell(process, NEWS_STARTED, -EBUSY);
	if (from < 0 || count < 0 || count > LIMIT_SERVICE_FDS)
		return tell(process, NEWS_STARTED, -EINVAL);
	pid = fork();
	if (pid < 0)
		return tell(process, NEWS_STARTED, -errno);
	if (pid == 0)
		become_program(process, parent, from, count);
	process->child = pid;
	return tell(process, NEWS_STARTED, pid);
}

/* Those that a service manager sends. */
static void
pass_signal(const struct process *process, int32_t signum)
{
	if (process->child != 0 && (signum == SIGTERM || signum == SIGINT ||
				       signum == SIGHUP || signum == SIGKILL))
		kill(process->child, signum);
}

/* False: the keeper has gone, or is not itself any more. */
static bool
obey(struct process *process)
{
	struct message message;
	int from = -1;
	ssize_t n =
	    handover_recv(process->sock, &message, sizeof message, &from);
	bool good = n == sizeof message;

	if (good && message.what == ORDER_START)
		good = start(process, from, message.value);
	else if (good && message.what == ORDER_SIGNAL)
		pass_signal(process, message.value);
	if (from >= 0)
		close(from);
	return good;
}

static bool
reap(struct process *process)
{
	struct signalfd_siginfo info;
	int status;

	while (read(process->deaths, &info, sizeof info) > 0)
		;
	if (process->child == 0 ||
	    waitpid(process->child, &status, WNOHANG) != process->child)
		return true;
	process->child = 0;
	return tell(process, NEWS_ENDED, status);
}

static _Noreturn void
serve(struct process *process)
{
	struct pollfd fds[] = {
	    {.fd = process->sock, .events = POLLIN},
	    {.fd = process->deaths, .events = POLLIN},
	};
	bool go_on = true;

	while (go_on) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			go_on = reap(process);
		if (go_on && fds[0].revents)
			go_on = obey(process);
	}
	pass_signal(process, SIGTERM);
	_exit(0);
}

static _Noreturn void
run(int sock, char **command, unsigned watchdog)
{
	struct process process = {
	    .command = command, .watchdog = watchdog, .sock = 3};
	sigset_t all;

	prctl(PR_SET_NAME, "xenterm-launch");
	/* They are for the keeper, which then tells us. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (sock != process.sock && dup3(sock, process.sock, O_CLOEXEC) < 0)
		_exit(1);
	close_range((unsigned)process.sock + 1, ~0u, 0);
	sigemptyset(&all);
	sigaddset(&all, SIGCHLD);
	process.deaths = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (process.deaths < 0)
		log_fatal("signalfd: %s", strerror(errno));
	serve(&process);
}

/* ---- the keeper's end ------------------------------------------------------
 */

struct launcher *
launcher_create(char **command, unsigned watchdog)
{
	const struct timeval patience = {.tv_sec = PATIENCE};
	struct launcher *launcher = calloc(1, sizeof *launcher);
	int ends[2];

	if (!launcher ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof patience) < 0)
		log_fatal("launcher: %s", strerror(errno));
	launcher->sock = ends[0];
	launcher->pid = fork();
	if (launcher->pid < 0)
		log_fatal("fork: %s", strerror(errno));
	if (launcher->pid == 0) {
		close(ends[0]);
		run(ends[1], command, watchdog);
	}
	close(ends[1]);
	return launcher;
}

void
launcher_destroy(struct launcher *launcher)
{
	if (!launcher)
		return;
	close(launcher->sock);
	while (waitpid(launcher->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(launcher);
}

int
launcher_fd(const struct launcher *launcher)
{
	return launcher->sock;
}

/* The pid; the program waits for its descriptors then. */
static pid_t
order_start(struct launcher *launcher, int from, size_t count)
{
	const struct message order = {ORDER_START, (int32_t)count};
	struct message news;
	int error =
	    handover_send(launcher->sock, &order, sizeof order, &from, 1);
	ssize_t n;

	if (error < 0)
		return error;
	do
		n = recv(launcher->sock, &news, sizeof news, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != sizeof news || news.what != NEWS_STARTED || news.value == 0)
		return -EPROTO;
	return news.value;
}

pid_t
launcher_start(struct launcher *launcher, const struct store *store)
{
	const struct timeval patience = {.tv_sec = PATIENCE};
	int ends[2], error;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	setsockopt(
	    ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	pid = order_start(launcher, ends[1], store_count(store));
	close(ends[1]);
	/* A program that does not get all of them ends, which we shall hear. */
	if (pid > 0) {
		error = store_send(store, ends[0]);
		if (error < 0)
			log_error("descriptors: %s", strerror(-error));
	}
	close(ends[0]);
	return pid;
}

void
launcher_signal(struct launcher *launcher, int signum)
{
	const struct message order = {ORDER_SIGNAL, signum};

	send(launcher->sock, &order, sizeof order, MSG_NOSIGNAL);
}

int
launcher_hear(struct launcher *launcher, int *status)
{
	struct message news;
	ssize_t n = recv(launcher->sock, &news, sizeof news, MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n != sizeof news || news.what != NEWS_ENDED)
		return n == 0 ? -ECONNRESET : -EPROTO;
	*status = news.value;
	return 1;
}
