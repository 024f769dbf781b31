/* Starts a guest's program: namespaces, pty, privilege drop; see program.h. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "program.h"

#define GUEST_DIR     "/run/guest"
#define GUEST_INIT    GUEST_DIR "/init"
#define GUEST_BIN     GUEST_DIR "/bin"
#define PROCESSES_MAX 1024 /* counted per user, over all guests */

static const char *const init_names[] = {
    "reboot",
    "poweroff",
    "halt",
    "shutdown",
};

/* What follows up to start_program() runs in the child, and may just die. */
static void
mount_or_die(
    const char *type, const char *target, unsigned long flags, const char *data)
{
	if (mount(type, target, type, flags, data) == -1)
		err(1, "mount %s on %s", type, target);
}

/*
 * The default program is copied into the guest: as an unprivileged user it
 * need not be able to read the folder the stand-in is built in.
 */
static void
install_init(int from)
{
	struct stat st;
	size_t i;
	int to;

	if (mkdir(GUEST_DIR, 0755) == -1 || mkdir(GUEST_BIN, 0755) == -1)
		err(1, "%s", GUEST_DIR);
	to = open(GUEST_INIT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (to == -1 || fstat(from, &st) == -1 || fchmod(to, 0755) == -1 ||
	    sendfile(to, from, NULL, (size_t)st.st_size) != st.st_size)
		err(1, "%s", GUEST_INIT);
	close(to);
	for (i = 0; i < sizeof init_names / sizeof *init_names; i++) {
		char path[64];

		snprintf(path, sizeof path, GUEST_BIN "/%s", init_names[i]);
		if (symlink("../init", path) == -1)
			err(1, "%s", path);
	}
}

/* A system of its own: nothing of the host is writable, little is visible. */
static void
make_system(const char *hostname, int init)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		err(1, "private mounts");
	mount_or_die("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755,size=1m");
	mount_or_die("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "size=16m");
	mount_or_die(
	    "tmpfs", "/home", MS_NOSUID | MS_NODEV, "mode=1777,size=16m");
	mount_or_die("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "size=1m");
	mount_or_die("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC,
	    "newinstance,gid=5,mode=620,ptmxmode=666");
	mount_or_die("proc", "/proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
	if (init != -1)
		install_init(init);
	if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) ==
	    -1)
		err(1, "read-only root");
	if (sethostname(hostname, strlen(hostname)) == -1)
		err(1, "sethostname");
}

static void
take_tty(unsigned int number, const struct passwd *user)
{
	char path[32];
	int fd;

	snprintf(path, sizeof path, "/dev/pts/%u", number);
	setsid();
	fd = open(path, O_RDWR); /* no O_NOCTTY: it becomes ours */
	if (fd == -1 || fchown(fd, user->pw_uid, (gid_t)-1) == -1)
		err(1, "%s", path);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	close_range(3, ~0U, 0);
}

static void
drop_privileges(const struct passwd *user)
{
	struct rlimit processes = {PROCESSES_MAX, PROCESSES_MAX};
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_NPROC, &processes);
	setrlimit(RLIMIT_CORE, &none);
	if (setgroups(0, NULL) == -1 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == -1 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		err(1, "drop privileges");
	if (user->pw_uid != 0 && setuid(0) != -1)
		errx(1, "root came back");
	/* After the drop, which clears it. We are the first process of a pid
	 * namespace: with us goes everything that was started in there. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void
run(const struct program_options *options)
{
	static char *const init_argv[] = {GUEST_INIT, NULL};
	static char *const environment[] = {
	    "PATH=" GUEST_BIN ":/usr/local/bin:/usr/bin:/bin",
	    "TERM=vt220",
	    "LANG=C.UTF-8",
	    "HOME=/home",
	    "SHELL=/bin/sh",
	    NULL,
	};
	char *const *argv =
	    options->argv[0] != NULL ? options->argv : init_argv;
	sigset_t none;

	/* What started the demo in the background ignores SIGINT, and so would
	 * all that a guest runs. */
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/home") == -1)
		err(1, "/home");
	execvpe(argv[0], argv, environment);
	err(127, "%s", argv[0]);
}

static void
child(const struct program_options *options, const struct passwd *user,
    int init, int parent)
{
	unsigned int number;

	make_system(options->hostname, init);
	/* The parent opens the pty in our new /dev/pts, and says which. */
	if (write(parent, "", 1) != 1 ||
	    read(parent, &number, sizeof number) != sizeof number)
		_exit(1);
	take_tty(number, user);
	drop_privileges(user);
	run(options);
}

/* Opens a pty in the child's own /dev/pts; *number is the slave's name. */
static int
open_pty(struct program *program, unsigned int *number)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	struct termios cooked;
	char path[64];
	int unlocked = 0;

	snprintf(
	    path, sizeof path, "/proc/%d/root/dev/pts/ptmx", (int)program->pid);
	program->master =
	    open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (program->master == -1 ||
	    ioctl(program->master, TIOCSPTLCK, &unlocked) == -1 ||
	    ioctl(program->master, TIOCGPTN, number) == -1)
		return -1;
	program->slave =
	    ioctl(program->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (program->slave == -1 || tcgetattr(program->slave, &cooked) == -1)
		return -1;
	/* As hvc0 is: canonical, echoing, and UTF-8 aware for erasing. */
	cooked.c_iflag |= IUTF8;
	tcsetattr(program->slave, TCSANOW, &cooked);
	return ioctl(program->slave, TIOCSWINSZ, &size);
}

static int
open_init(const struct program_options *options)
{
	int fd;

	if (options->argv[0] != NULL)
		return -1;
	fd = open(options->init, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		warn("%s", options->init);
	return fd;
}

/* fork(), with the child as first process of its own namespaces. */
static pid_t
fork_apart(void)
{
	return (pid_t)syscall(SYS_clone,
	    SIGCHLD | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC |
		CLONE_NEWNET,
	    0, 0, 0, 0);
}

int
program_start(struct program *program, const struct program_options *options)
{
	const struct passwd *user = getpwnam(options->user);
	int init = open_init(options), talk[2];
	unsigned int number;
	char ready;

	if (user == NULL || (init == -1 && options->argv[0] == NULL)) {
		warnx("no user %s, or no program", options->user);
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk) == -1) {
		warn("socketpair");
		return -1;
	}
	program->pid = fork_apart();
	if (program->pid == 0)
		child(options, user, init, talk[1]);
	close(talk[1]);
	close(init);
	if (program->pid == -1 || read(talk[0], &ready, 1) != 1 ||
	    open_pty(program, &number) == -1 ||
	    write(talk[0], &number, sizeof number) != sizeof number) {
		warn("cannot start the program");
		if (program->pid > 0)
			kill(program->pid, SIGKILL);
		close(talk[0]);
		return -1;
	}
	close(talk[0]);
	return 0;
}
