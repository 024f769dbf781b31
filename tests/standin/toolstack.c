/*
 * The toolstack of the stand-in: what `xl` does, as far as consoles see it.
 * `create` leaves a monitor process behind, as xl does, which waits for the
 * domain's end and restarts it after a reboot.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xenstore.h>

#include "domain.h"
#include "guest_exit.h"
#include "state.h"

/* xl_vmcontrol.c: create_domain sleeps this long before it restarts one. */
#define REBOOT_DELAY_MS 2000
/*
 * libxl takes about this long from a shutdown to the hangup of the console
 * (seen on real Xen); a prompt reader has the last words by then.
 */
#define TEARDOWN_MS    100
#define GUEST_ARGS_MAX 64

static struct xs_handle *
open_store(void)
{
	/* Never the kernel's device: there is no kernel behind it here. */
	setenv("XENSTORED_PATH", "/var/run/xenstored/socket", 0);
	signal(SIGPIPE, SIG_IGN);
	return xs_open(XS_UNWATCH_FILTER);
}

static struct xs_handle *
need_store(void)
{
	struct xs_handle *xs = open_store();

	if (xs == NULL)
		err(1, "xenstored");
	return xs;
}

/* --- The guest's process ------------------------------------------------ */

struct guest {
	pid_t pid;
	int talk;	 /* see guest_exit.h */
	char serial[64]; /* its serial port's tty, or empty */
};

static const char *
beside_me(const char *program)
{
	static char path[PATH_MAX];
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n < 0)
		err(1, "/proc/self/exe");
	self[n] = '\0';
	if ((size_t)snprintf(path, sizeof path, "%s/%s", dirname(self),
		program) >= sizeof path)
		errx(1, "path too long");
	return path;
}

/*
 * For what outlives the command: a log instead of its caller's descriptors,
 * so that a caller that reads them to their end does not wait for ever.
 */
static void
leave_terminal(void)
{
	const char *dir = getenv("STANDIN_LOG");
	char path[PATH_MAX];
	int fd = -1;

	if (dir != NULL && (size_t)snprintf(path, sizeof path,
			       "%s/toolstack.log", dir) < sizeof path)
		fd =
		    open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd == -1)
		fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(fd, 1);
	dup2(fd, 2);
	close(fd);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	dup2(fd, 0);
	close(fd);
}

static void
exec_guest(
    uint32_t domid, const struct domain_config *config, char **extra, int talk)
{
	char number[16], port[16], *argv[GUEST_ARGS_MAX];
	int n = 0;

	snprintf(number, sizeof number, "%u", domid);
	snprintf(port, sizeof port, "%d", DOMAIN_CONSOLE_PORT);
	argv[n++] = (char *)"guest";
	argv[n++] = (char *)"--domid";
	argv[n++] = number;
	argv[n++] = (char *)"--port";
	argv[n++] = port;
	argv[n++] = (char *)"--name";
	argv[n++] = (char *)config->name;
	argv[n++] = (char *)"--held";
	if (config->hvm_serial)
		argv[n++] = (char *)"--serial";
	while (*extra != NULL && n < GUEST_ARGS_MAX - 1)
		argv[n++] = *extra++;
	argv[n] = NULL;
	if (*extra != NULL)
		errx(2, "too many guest arguments");
	leave_terminal();
	if (talk != GUEST_TALK_FD)
		dup2(talk, GUEST_TALK_FD);
	else
		fcntl(talk, F_SETFD, 0);
	execv(beside_me("guest"), argv);
	err(127, "guest");
}

/* Starts the process, which builds its end of the console and then waits. */
static bool
guest_spawn(struct guest *guest, uint32_t domid,
    const struct domain_config *config, char **extra)
{
	int talk[2];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, talk) == -1)
		err(1, "socketpair");
	guest->pid = fork();
	if (guest->pid == 0)
		exec_guest(domid, config, extra, talk[1]);
	close(talk[1]);
	guest->talk = talk[0];
	if (guest->pid == -1) {
		close(talk[0]);
		return false;
	}
	n = read(talk[0], guest->serial, sizeof guest->serial - 1);
	guest->serial[n > 0 ? n : 0] = '\0';
	guest->serial[strcspn(guest->serial, "\n")] = '\0';
	return n > 0;
}

static void
guest_go(struct guest *guest)
{
	if (write(guest->talk, "", 1) != 1)
		warn("guest");
	close(guest->talk);
}

/* --- Create, and the monitor that stays -------------------------------- */

static bool
build_locked(struct xs_handle *xs, uint32_t domid, struct guest *guest,
    const struct domain_config *config, char **extra)
{
	if (!domain_build(xs, domid, config))
		return false;
	if (!guest_spawn(guest, domid, config, extra)) {
		warnx("%s: the guest does not start", config->name);
		return false;
	}
	domain_set_pid(domid, guest->pid);
	if (guest->serial[0] != '\0' &&
	    !domain_add_serial(xs, domid, guest->serial, guest->pid))
		return false;
	return domain_add_console(xs, domid);
}

static bool
build(struct xs_handle *xs, uint32_t *domid, struct guest *guest,
    const struct domain_config *config, char **extra)
{
	bool built = false;

	domains_lock();
	if (domain_find(config->name) != 0) {
		warnx("a domain named %s exists", config->name);
		domains_unlock();
		return false;
	}
	*domid = domain_allocate();
	built = build_locked(xs, *domid, guest, config, extra);
	if (!built)
		domain_destroy(xs, *domid);
	domains_unlock();
	return built;
}

/*
 * libxl unpauses a domain only when its console has a tty
 * (domcreate_attach_devices), so a reader can have all of the boot log.
 */
static bool
start(const struct domain_config *config, char **extra, uint32_t *domid,
    struct guest *guest)
{
	struct xs_handle *xs = open_store();
	bool started;

	if (xs == NULL) {
		warn("xenstored");
		return false;
	}
	started = build(xs, domid, guest, config, extra);
	if (started) {
		if (!domain_wait_tty(xs, *domid))
			warnx("%s: no tty from xenconsoled", config->name);
		guest_go(guest);
	}
	xs_close(xs);
	return started;
}

/* linux: drivers/xen/manage.c, shutdown_handler. */
static void
act_on_control(struct xs_handle *xs, uint32_t domid, pid_t pid)
{
	char *word = domain_read(xs, domid, "control/shutdown");
	int signal = 0;

	if (word != NULL && strcmp(word, "poweroff") == 0)
		signal = GUEST_SIGNAL_POWEROFF;
	if (word != NULL && strcmp(word, "reboot") == 0)
		signal = GUEST_SIGNAL_REBOOT;
	free(word);
	if (signal != 0 && domain_write(xs, domid, "control/shutdown", ""))
		kill(pid, signal);
}

/* The guest's kernel at its other work, until the guest's process ends. */
static void
serve_control(uint32_t domid, pid_t pid)
{
	struct xs_handle *xs = open_store();
	struct pollfd fds[2] = {
	    {.fd = pidfd_open(pid, 0), .events = POLLIN},
	    {.events = POLLIN},
	};

	if (xs == NULL || fds[0].fd == -1)
		err(1, "control");
	domain_write(xs, domid, "control/feature-poweroff", "1");
	domain_write(xs, domid, "control/feature-reboot", "1");
	domain_watch(xs, domid, "control/shutdown");
	fds[1].fd = xs_fileno(xs);
	while (poll(fds, 2, -1) > 0 && fds[0].revents == 0) {
		char **event = xs_check_watch(xs);

		if (event != NULL)
			act_on_control(xs, domid, pid);
		free(event);
	}
	close(fds[0].fd);
	xs_close(xs);
}

/* Waits for the end, but leaves the process to be reaped under the lock. */
static int
wait_for_end(pid_t pid)
{
	siginfo_t how;

	while (waitid(P_PID, (id_t)pid, &how, WEXITED | WNOWAIT) == -1)
		if (errno != EINTR)
			err(1, "waitid");
	if (how.si_code == CLD_EXITED &&
	    (how.si_status == GUEST_POWEROFF || how.si_status == GUEST_REBOOT))
		return how.si_status;
	return GUEST_CRASH;
}

/* A rename since the start shall outlive the reboot. */
static void
learn_name(struct xs_handle *xs, uint32_t domid, struct domain_config *config)
{
	char *name = domain_read(xs, domid, "name");

	if (name != NULL)
		snprintf(config->name, sizeof config->name, "%s", name);
	free(name);
}

static void
pause_ms(long ms)
{
	struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

/* First everybody sees the shutdown: @releaseDomain, the domain still there. */
static bool
mark_ended(uint32_t domid, int status)
{
	unsigned int flags;
	bool exists;

	domains_lock();
	exists = state_domain_read(domid, &flags);
	if (exists) {
		domain_set_pid(domid, 0);
		flags |= STATE_SHUTDOWN;
		if (status == GUEST_CRASH)
			flags |= STATE_CRASHED;
		domain_set_flags(domid, flags);
	}
	domains_unlock();
	return exists;
}

/* Then it is destroyed, unless somebody else has done that meanwhile. */
static bool
clear_away(struct domain_config *config, uint32_t domid)
{
	struct xs_handle *xs;
	unsigned int flags;
	bool exists;

	domains_lock();
	exists = state_domain_read(domid, &flags);
	if (exists) {
		xs = open_store();
		if (xs != NULL)
			learn_name(xs, domid, config);
		domain_destroy(xs, domid);
		if (xs != NULL)
			xs_close(xs);
	}
	domains_unlock();
	return exists;
}

/*
 * What xl's monitor does at a domain's end. A crashed domain is kept, as with
 * on_crash="preserve". True when the domain shall start again.
 */
static bool
handle_end(struct domain_config *config, uint32_t domid, pid_t pid, int status)
{
	bool exists = mark_ended(domid, status);

	/* Now that nobody can look it up any more. */
	waitpid(pid, NULL, 0);
	if (!exists || status == GUEST_CRASH)
		return false;
	pause_ms(TEARDOWN_MS);
	return clear_away(config, domid) && status == GUEST_REBOOT;
}

static void
reboot_delay(void)
{
	const char *given = getenv("STANDIN_REBOOT_MS");

	pause_ms(given != NULL ? strtol(given, NULL, 10) : REBOOT_DELAY_MS);
}

static void
monitor(struct domain_config *config, char **extra, int report)
{
	struct guest guest;
	uint32_t domid;
	int status;

	setsid();
	if (!start(config, extra, &domid, &guest))
		exit(1);
	leave_terminal();
	dprintf(report, "%u\n", domid);
	close(report);
	for (;;) {
		if (config->control)
			serve_control(domid, guest.pid);
		status = wait_for_end(guest.pid);
		if (!handle_end(config, domid, guest.pid, status))
			exit(0);
		reboot_delay();
		if (!start(config, extra, &domid, &guest))
			exit(1);
	}
}

static void
random_uuid(char uuid[DOMAIN_UUID_LEN + 1])
{
	FILE *f = fopen("/proc/sys/kernel/random/uuid", "re");

	if (f == NULL || fgets(uuid, DOMAIN_UUID_LEN + 1, f) == NULL)
		err(1, "uuid");
	fclose(f);
}

static void
check_uuid(const char *uuid)
{
	if (strlen(uuid) != DOMAIN_UUID_LEN ||
	    strspn(uuid, "0123456789abcdef-") != DOMAIN_UUID_LEN)
		errx(2, "%s: not a (lower-case) uuid", uuid);
}

static void
check_name(const char *name)
{
	if (name[0] == '\0' || strlen(name) > DOMAIN_NAME_MAX)
		errx(2, "a name has 1 to %d bytes", DOMAIN_NAME_MAX);
}

/* create NAME [--uuid U] [--hvm-serial] [--control] [-- guest args]; argv[0] is
 * NAME. */
static char **
parse_create(struct domain_config *config, char **argv)
{
	check_name(argv[0]);
	snprintf(config->name, sizeof config->name, "%s", argv[0]);
	for (argv++; *argv != NULL; argv++) {
		if (strcmp(*argv, "--") == 0)
			return argv + 1;
		if (strcmp(*argv, "--hvm-serial") == 0)
			config->hvm_serial = true;
		else if (strcmp(*argv, "--control") == 0)
			config->control = true;
		else if (strcmp(*argv, "--uuid") == 0 && argv[1] != NULL) {
			argv++;
			check_uuid(*argv);
			memcpy(config->uuid, *argv, sizeof config->uuid);
		} else
			errx(2, "create: %s?", *argv);
	}
	return argv;
}

/* Prints the new domid when the domain is up. */
static int
create(char **argv)
{
	static struct domain_config config;
	char **extra = parse_create(&config, argv), answer[16];
	int report[2];
	ssize_t n;
	pid_t pid;

	if (config.uuid[0] == '\0')
		random_uuid(config.uuid);
	if (pipe2(report, O_CLOEXEC) == -1)
		err(1, "pipe");
	pid = fork();
	if (pid == 0) {
		close(report[0]);
		monitor(&config, extra, report[1]);
	}
	close(report[1]);
	n = read(report[0], answer, sizeof answer);
	if (pid == -1 || n <= 0)
		return 1;
	return write(STDOUT_FILENO, answer, (size_t)n) == n ? 0 : 1;
}

/* --- The other commands -------------------------------------------------- */

static uint32_t
need_domain(const char *name)
{
	uint32_t domid = domain_find(name);

	if (domid == 0)
		errx(1, "no domain %s", name);
	return domid;
}

static int
destroy(char **argv)
{
	struct xs_handle *xs = open_store(); /* may be dead: by domid then */

	domains_lock();
	domain_destroy(xs, need_domain(argv[0]));
	domains_unlock();
	if (xs != NULL)
		xs_close(xs);
	return 0;
}

static int
rename_domain(char **argv)
{
	struct xs_handle *xs = need_store();
	uint32_t domid;

	check_name(argv[1]);
	domains_lock();
	domid = need_domain(argv[0]);
	if (domain_find(argv[1]) != 0)
		errx(1, "a domain named %s exists", argv[1]);
	if (!domain_rename(xs, domid, argv[1]))
		err(1, "rename");
	domains_unlock();
	xs_close(xs);
	return 0;
}

/* Asks the guest, as `xl reboot` does: it does not wait for the answer. */
static int
signal_guest(const char *name, int signal)
{
	pid_t pid;

	domains_lock();
	pid = domain_pid(need_domain(name));
	if (pid == 0)
		errx(1, "%s has ended", name);
	if (kill(pid, signal) == -1)
		err(1, "%s", name);
	domains_unlock();
	return 0;
}

static int
reboot_domain(char **argv)
{
	return signal_guest(argv[0], GUEST_SIGNAL_REBOOT);
}

static int
shut_down(char **argv)
{
	return signal_guest(argv[0], GUEST_SIGNAL_POWEROFF);
}

static int
crash(char **argv)
{
	return signal_guest(argv[0], GUEST_SIGNAL_CRASH);
}

static int
set_paused(const char *name, bool paused)
{
	unsigned int flags;
	uint32_t domid;
	pid_t pid;

	domains_lock();
	domid = need_domain(name);
	pid = domain_pid(domid);
	state_domain_read(domid, &flags);
	flags = paused ? flags | STATE_PAUSED : flags & ~STATE_PAUSED;
	if (pid == 0 || kill(pid, paused ? SIGSTOP : SIGCONT) == -1)
		errx(1, "%s has ended", name);
	if (state_domain_write(domid, flags) == -1)
		err(1, "%s", name);
	domains_unlock();
	return 0;
}

static int
pause_domain(char **argv)
{
	return set_paused(argv[0], true);
}

static int
unpause_domain(char **argv)
{
	return set_paused(argv[0], false);
}

/* As `xl list`: r-unning, p-aused, s-hut down, c-rashed, d-ying. */
static void
list_one(struct xs_handle *xs, uint32_t domid, unsigned int flags)
{
	bool running =
	    (flags & (STATE_PAUSED | STATE_SHUTDOWN | STATE_DYING)) == 0;
	char *name = domain_read(xs, domid, "name");
	char *vm = domain_read(xs, domid, "vm");

	printf("%-32s %5u %c%c%c%c%c %s\n", name != NULL ? name : "-", domid,
	    running ? 'r' : '-', flags & STATE_PAUSED ? 'p' : '-',
	    flags & STATE_SHUTDOWN ? 's' : '-',
	    flags & STATE_CRASHED ? 'c' : '-', flags & STATE_DYING ? 'd' : '-',
	    vm != NULL && strncmp(vm, "/vm/", 4) == 0 ? vm + 4 : "-");
	free(name);
	free(vm);
}

static int
list(char **argv)
{
	struct xs_handle *xs = need_store();
	uint32_t domid, last = state_domid_end();
	unsigned int flags;

	(void)argv;
	printf("%-32s %5s %-5s %s\n", "Name", "ID", "State", "UUID");
	for (domid = 0; domid < last; domid++)
		if (state_domain_read(domid, &flags))
			list_one(xs, domid, flags);
	xs_close(xs);
	return 0;
}

static int
print_domid(char **argv)
{
	printf("%u\n", need_domain(argv[0]));
	return 0;
}

/* The tty that `xl console` would take (libxl__primary_console_find). */
static int
print_tty(char **argv)
{
	struct xs_handle *xs = need_store();
	uint32_t domid = need_domain(argv[0]);
	char *tty = domain_read(xs, domid, "serial/0/tty");

	if (tty == NULL)
		tty = domain_read(xs, domid, "console/tty");
	if (tty == NULL || tty[0] == '\0')
		errx(1, "%s has no tty", argv[0]);
	puts(tty);
	free(tty);
	xs_close(xs);
	return 0;
}

static const struct command {
	const char *name, *arguments;
	int at_least;
	int (*run)(char **argv);
} commands[] = {
    {"create", "NAME [--uuid U] [--hvm-serial] [--control] [-- guest args]", 1,
	create},
    {"destroy", "NAME|ID", 1, destroy},
    {"reboot", "NAME|ID", 1, reboot_domain},
    {"shutdown", "NAME|ID", 1, shut_down},
    {"crash", "NAME|ID", 1, crash},
    {"rename", "OLD|ID NEW", 2, rename_domain},
    {"pause", "NAME|ID", 1, pause_domain},
    {"unpause", "NAME|ID", 1, unpause_domain},
    {"list", "", 0, list},
    {"domid", "NAME", 1, print_domid},
    {"tty", "NAME|ID", 1, print_tty},
};

static void
usage(void)
{
	size_t i;

	for (i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(stderr, "%s toolstack %s %s\n",
		    i == 0 ? "usage:" : "      ", commands[i].name,
		    commands[i].arguments);
	exit(2);
}

int
main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		usage();
	for (i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(argv[1], commands[i].name) == 0) {
			if (argc - 2 < commands[i].at_least)
				usage();
			return commands[i].run(argv + 2);
		}
	usage();
}
