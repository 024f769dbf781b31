/*
 * enter PID CMD...: runs CMD in the mount, network and pid namespaces of
 * process PID, as nsenter does, and behaves as if it were CMD: signals go on to
 * it, it dies with us, and we end as it ends. So what is started inside a host
 * can be stopped, killed and waited for from outside as usual.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const int passed_on[] = {
    SIGHUP,
    SIGINT,
    SIGQUIT,
    SIGTERM,
    SIGUSR1,
    SIGUSR2,
    SIGWINCH,
};

static int
open_namespace(const char *pid, const char *kind)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, kind);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		err(126, "%s", path);
	return fd;
}

/* All are opened first: inside, /proc is another one. */
static void
enter(const char *pid)
{
	int pids = open_namespace(pid, "pid");
	int network = open_namespace(pid, "net");
	int mounts = open_namespace(pid, "mnt");
	char here[PATH_MAX];

	if (getcwd(here, sizeof here) == NULL)
		err(126, "current folder");
	if (setns(pids, CLONE_NEWPID) == -1 ||
	    setns(network, CLONE_NEWNET) == -1 ||
	    setns(mounts, CLONE_NEWNS) == -1)
		err(126, "setns");
	if (chdir(here) == -1)
		err(126, "%s", here);
	close(pids);
	close(network);
	close(mounts);
}

static void
run(char **command, const sigset_t *old)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigprocmask(SIG_SETMASK, old, NULL);
	execvp(command[0], command);
	err(errno == ENOENT ? 127 : 126, "%s", command[0]);
}

/* Ends this process as the child ended.  _exit: a sanitizer's last look at
 * memory starts a helper, which would land in the other pid namespace. */
static void
end_as(int status)
{
	struct rlimit none = {0, 0};
	sigset_t all;

	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	setrlimit(RLIMIT_CORE, &none);
	signal(WTERMSIG(status), SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	raise(WTERMSIG(status));
	_exit(128 + WTERMSIG(status));
}

/* A key of the terminal has signalled the whole group already: not twice. */
static int
is_ours_to_pass(const siginfo_t *info)
{
	return info->si_signo != SIGCHLD && info->si_code != SI_KERNEL;
}

static void
attend(pid_t child, const sigset_t *set)
{
	siginfo_t info;
	int status;

	for (;;) {
		if (sigwaitinfo(set, &info) == -1)
			continue;
		if (is_ours_to_pass(&info))
			kill(child, info.si_signo);
		if (waitpid(child, &status, WNOHANG) == child)
			end_as(status);
	}
}

int
main(int argc, char **argv)
{
	sigset_t set, old;
	pid_t child;
	size_t i;

	if (argc < 3)
		errx(2, "usage: enter PID CMD...");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
		sigaddset(&set, passed_on[i]);
	sigprocmask(SIG_BLOCK, &set, &old);
	enter(argv[1]);
	child = fork();
	if (child == -1)
		err(126, "fork");
	if (child == 0)
		run(argv + 2, &old);
	attend(child, &set);
}
