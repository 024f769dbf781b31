/*
 * One stand-in guest: the kernel's end of a PV console (or of an emulated
 * serial port), and behind it either a program on a pty or one of the built-in
 * behaviours that tests and benches want. The toolstack starts one process per
 * domain; the process is the domain's life.
 *
 * Event driven: one epoll, edge triggered, and a deadline only while ending.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest_exit.h"
#include "line.h"
#include "numbers.h"
#include "program.h"

/* How long an ending guest waits for xenconsoled to take its last words. */
#define LAST_WORDS_MS 1000
/* Turns without looking at signals; a ring's worth of work, bounded. */
#define TURNS_MAX 16

#define KEY_SYSRQ     0x0f /* Ctrl-O */
#define KEY_INTERRUPT 0x03 /* Ctrl-C */

struct bytes {
	char data[4096];
	size_t at, end;
};

struct guest {
	struct line *line;
	/* One step of work; false when there is none now. */
	bool (*turn)(struct guest *guest);
	struct bytes out;	/* on its way to the line */
	struct bytes in;	/* on its way to the program */
	struct program program; /* pid 0: none */
	bool hvc;   /* the console is the PV one, not a serial port */
	bool sysrq; /* Ctrl-O was typed, its key follows */
	int file;   /* --file: not yet all read; else -1 */
	bool flooding;
	unsigned long lines;
	struct numbers *numbers; /* --numbers */
	bool ending;
	int status;
	struct timespec deadline;
};

static bool
is_empty(const struct bytes *bytes)
{
	return bytes->at == bytes->end;
}

static void
fill(struct bytes *bytes, ssize_t n)
{
	bytes->at = 0;
	bytes->end = n > 0 ? (size_t)n : 0;
}

/* Adds to what goes out, as far as there is room. */
static void
say_bytes(struct guest *guest, const char *bytes, size_t n)
{
	if (is_empty(&guest->out))
		fill(&guest->out, 0);
	if (n > sizeof guest->out.data - guest->out.end)
		n = sizeof guest->out.data - guest->out.end;
	memcpy(guest->out.data + guest->out.end, bytes, n);
	guest->out.end += n;
}

static void
say(struct guest *guest, const char *text)
{
	say_bytes(guest, text, strlen(text));
}

/* True when nothing waits any more. */
static bool
flush_out(struct guest *guest)
{
	struct bytes *out = &guest->out;

	while (!is_empty(out)) {
		size_t n = line_write(
		    guest->line, out->data + out->at, out->end - out->at);

		if (n == 0)
			return false;
		out->at += n;
	}
	return true;
}

/* The domain's life ends with this status once its output is taken. */
static void
end(struct guest *guest, int status)
{
	if (guest->ending)
		return;
	guest->ending = true;
	guest->status = status;
	clock_gettime(CLOCK_MONOTONIC, &guest->deadline);
	guest->deadline.tv_sec += LAST_WORDS_MS / 1000;
	if (guest->program.pid > 0)
		kill(guest->program.pid, SIGKILL);
}

/* One that counts says nothing else. */
static void
end_saying(struct guest *guest, int status)
{
	if (guest->numbers != NULL) {
		end(guest, status);
		return;
	}
	switch (status) {
	case GUEST_REBOOT:
		say(guest, "\r\nreboot: Restarting system\r\n");
		break;
	case GUEST_CRASH:
		say(guest, "\r\nKernel panic - not syncing: "
			   "sysrq triggered crash (stand-in guest)\r\n");
		break;
	default:
		say(guest, "\r\nreboot: Power down\r\n");
	}
	end(guest, status);
}

/* --- Behaviours ------------------------------------------------------- */

/* drivers/tty/sysrq.c in short, and as it says it: the keys that mean something
 * here. Any other one gets the help. */
static void
sysrq_key(struct guest *guest, char key)
{
	switch (key) {
	case 'b':
		say(guest, "sysrq: Resetting\r\n");
		end(guest, GUEST_REBOOT);
		break;
	case 'o':
		say(guest, "sysrq: Power Off\r\n");
		end_saying(guest, GUEST_POWEROFF);
		break;
	case 'c':
		say(guest, "sysrq: Trigger a crash\r\n");
		end_saying(guest, GUEST_CRASH);
		break;
	case 's':
		say(guest, "sysrq: Emergency Sync\r\n");
		break;
	default:
		say(guest, "sysrq: HELP : reboot(b) crash(c) poweroff(o) "
			   "sync(s)\r\n");
	}
}

/*
 * hvc_console.c: __hvc_poll takes Ctrl-O and the key after it for SysRq, before
 * any program sees them; Ctrl-O twice is one Ctrl-O. A serial port's driver
 * does not.
 */
static size_t
take_sysrq(struct guest *guest, char *data, size_t n)
{
	size_t from, to = 0;

	if (!guest->sysrq && memchr(data, KEY_SYSRQ, n) == NULL)
		return n;
	for (from = 0; from < n; from++) {
		char c = data[from];

		if (c == KEY_SYSRQ) {
			guest->sysrq = !guest->sysrq;
			if (guest->sysrq)
				continue;
		} else if (guest->sysrq) {
			guest->sysrq = false;
			sysrq_key(guest, c);
			continue;
		}
		data[to++] = c;
	}
	return to;
}

/* What was typed, as far as the kernel leaves it to programs. False: nothing
 * was typed. */
static bool
take_input(struct guest *guest, struct bytes *in)
{
	size_t n = line_read(guest->line, in->data, sizeof in->data);

	if (n == 0) {
		fill(in, 0);
		return false;
	}
	if (guest->hvc)
		n = take_sysrq(guest, in->data, n);
	fill(in, (ssize_t)n);
	return true;
}

static bool
turn_program(struct guest *guest)
{
	struct bytes *in = &guest->in, *out = &guest->out;
	bool moved = false;
	ssize_t n;

	if (flush_out(guest)) {
		n = read(guest->program.master, out->data, sizeof out->data);
		fill(out, n);
		moved |= n > 0;
		flush_out(guest);
	}
	if (is_empty(in))
		moved |= take_input(guest, in);
	if (!is_empty(in)) {
		n = write(
		    guest->program.master, in->data + in->at, in->end - in->at);
		if (n > 0)
			in->at += (size_t)n;
		moved |= n > 0;
	}
	return moved;
}

static bool
turn_echo(struct guest *guest)
{
	struct bytes *in = &guest->in;

	if (!flush_out(guest) || !take_input(guest, in))
		return false;
	say_bytes(guest, in->data, in->end);
	flush_out(guest);
	return true;
}

static bool
turn_file(struct guest *guest)
{
	struct bytes *out = &guest->out;

	if (!flush_out(guest))
		return false;
	fill(out, read(guest->file, out->data, sizeof out->data));
	if (is_empty(out)) {
		close(guest->file);
		guest->turn = turn_echo;
	}
	return true;
}

static bool
turn_deaf(struct guest *guest)
{
	flush_out(guest);
	return false;
}

static bool
turn_numbers(struct guest *guest)
{
	return !guest->ending && numbers_turn(guest->numbers, guest->line);
}

/* Ctrl-C throws away what the terminal has not sent yet, as a tty does. */
static void
flood_input(struct guest *guest)
{
	char typed[256];
	size_t i, n = line_read(guest->line, typed, sizeof typed);

	for (i = 0; i < n; i++)
		if (typed[i] == KEY_INTERRUPT && guest->flooding) {
			guest->flooding = false;
			fill(&guest->out, 0);
			say(guest, "^C\r\n$ ");
		} else if (typed[i] == '\r' && !guest->flooding) {
			guest->flooding = true;
			say(guest, "\r\n");
		}
}

static bool
turn_flood(struct guest *guest)
{
	struct bytes *out = &guest->out;
	int n;

	flood_input(guest);
	if (!flush_out(guest) || !guest->flooding)
		return false;
	fill(out, 0);
	while (out->end + 80 < sizeof out->data) {
		n = snprintf(out->data + out->end, 80,
		    "%012lu the quick brown "
		    "fox jumps over the lazy dog 0123456789\r\n",
		    guest->lines++);
		out->end += (size_t)n;
	}
	return flush_out(guest);
}

/* --- Signals: what the toolstack, or the program's end, asks for ------- */

static int
program_status(const siginfo_t *how)
{
	if (how->si_code == CLD_EXITED && how->si_status == 0)
		return GUEST_POWEROFF;
	if (how->si_code == CLD_EXITED && (how->si_status == GUEST_POWEROFF ||
					      how->si_status == GUEST_REBOOT))
		return how->si_status;
	return GUEST_CRASH;
}

static void
program_ended(struct guest *guest)
{
	siginfo_t how = {0};

	if (waitid(P_PID, (id_t)guest->program.pid, &how, WEXITED | WNOHANG) ==
		-1 ||
	    how.si_pid == 0)
		return;
	guest->program.pid = 0;
	end(guest, program_status(&how));
}

static void
take_signals(struct guest *guest, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof info) == sizeof info)
		switch (info.ssi_signo) {
		case SIGCHLD:
			program_ended(guest);
			break;
		case GUEST_SIGNAL_REBOOT:
			end_saying(guest, GUEST_REBOOT);
			break;
		case GUEST_SIGNAL_CRASH:
			end_saying(guest, GUEST_CRASH);
			break;
		case GUEST_SIGNAL_POWEROFF:
			end_saying(guest, GUEST_POWEROFF);
			break;
		}
}

static int
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, GUEST_SIGNAL_REBOOT);
	sigaddset(&set, GUEST_SIGNAL_CRASH);
	sigaddset(&set, GUEST_SIGNAL_POWEROFF);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* --- The loop ---------------------------------------------------------- */

static void
watch(int epoll, int fd)
{
	struct epoll_event event = {
	    .events = EPOLLIN | EPOLLOUT | EPOLLET,
	    .data.fd = fd,
	};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1)
		err(1, "epoll_ctl");
}

/* Milliseconds to the deadline of the last words; 0 when it is over. */
static int
time_left(const struct guest *guest)
{
	struct timespec now;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (guest->deadline.tv_sec - now.tv_sec) * 1000 +
	     (guest->deadline.tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (int)ms : 0;
}

static bool
is_over(struct guest *guest)
{
	if (!guest->ending)
		return false;
	if (guest->program.pid > 0)
		return false; /* SIGCHLD is on its way */
	return time_left(guest) == 0 ||
	       (is_empty(&guest->out) && line_drained(guest->line));
}

static int
live(struct guest *guest, int signals)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	watch(epoll, signals);
	watch(epoll, line_fd(guest->line));
	if (guest->program.pid > 0)
		watch(epoll, guest->program.master);
	if (guest->numbers != NULL)
		watch(epoll, numbers_fd(guest->numbers));
	for (;;) {
		struct epoll_event event;
		int turns, timeout = -1;

		for (turns = 0; turns < TURNS_MAX; turns++)
			if (!guest->turn(guest))
				break;
		line_notify(guest->line);
		if (turns < TURNS_MAX && is_over(guest))
			return guest->status;
		if (guest->ending)
			timeout = time_left(guest);
		if (turns == TURNS_MAX)
			timeout = 0;
		if (epoll_wait(epoll, &event, 1, timeout) != 1)
			continue;
		if (event.data.fd == line_fd(guest->line))
			line_awake(guest->line);
		else if (event.data.fd == signals)
			take_signals(guest, signals);
	}
}

/* --- Start ------------------------------------------------------------- */

/*
 * The domain is built paused: tell the toolstack the name of our serial port
 * (or nothing), then wait for its word, as a vCPU waits for "unpause".
 */
static void
wait_for_go(const char *serial)
{
	char go;

	dprintf(GUEST_TALK_FD, "%s\n", serial != NULL ? serial : "");
	if (read(GUEST_TALK_FD, &go, 1) != 1)
		exit(1);
	close(GUEST_TALK_FD);
}

/* guest-init lies beside this program, unless the host script says where. */
static const char *
default_init(void)
{
	static char path[PATH_MAX];
	const char *given = getenv("STANDIN_INIT");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (given != NULL)
		return given;
	if (n < 0)
		err(1, "/proc/self/exe");
	self[n] = '\0';
	if ((size_t)snprintf(path, sizeof path, "%s/guest-init",
		dirname(self)) >= sizeof path)
		errx(1, "path too long");
	return path;
}

static void
usage(void)
{
	fputs("usage: guest --domid N [--port N] [--name NAME] [--serial] "
	      "[--held]\n"
	      "             [--echo | --deaf | --flood | --file FILE |\n"
	      "              --numbers FILE [--rate BYTES] |\n"
	      "              [--user USER] [--init SCRIPT] [PROGRAM ...]]\n",
	    stderr);
	exit(2);
}

struct options {
	uint32_t domid, port;
	bool serial, held;
	const char *numbers;
	unsigned rate;
	struct program_options program;
};

enum {
	DOMID = 1,
	PORT,
	NAME,
	SERIAL,
	HELD,
	ECHOES,
	DEAF,
	FLOOD,
	FROM,
	NUMBERS,
	RATE,
	USER,
	INIT
};

static const struct option names[] = {
    {"domid", required_argument, NULL, DOMID},
    {"port", required_argument, NULL, PORT},
    {"name", required_argument, NULL, NAME},
    {"serial", no_argument, NULL, SERIAL},
    {"held", no_argument, NULL, HELD},
    {"echo", no_argument, NULL, ECHOES},
    {"deaf", no_argument, NULL, DEAF},
    {"flood", no_argument, NULL, FLOOD},
    {"file", required_argument, NULL, FROM},
    {"numbers", required_argument, NULL, NUMBERS},
    {"rate", required_argument, NULL, RATE},
    {"user", required_argument, NULL, USER},
    {"init", required_argument, NULL, INIT},
    {NULL, 0, NULL, 0},
};

static void
choose_file(struct guest *guest, const char *path)
{
	guest->file = open(path, O_RDONLY | O_CLOEXEC);
	if (guest->file == -1)
		err(1, "%s", path);
	guest->turn = turn_file;
}

static void
apply_option(struct guest *guest, struct options *o, int option)
{
	switch (option) {
	case DOMID:
		o->domid = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case PORT:
		o->port = (uint32_t)strtoul(optarg, NULL, 10);
		break;
	case NAME:
		o->program.hostname = optarg;
		break;
	case SERIAL:
		o->serial = true;
		break;
	case HELD:
		o->held = true;
		break;
	case ECHOES:
		guest->turn = turn_echo;
		break;
	case DEAF:
		guest->turn = turn_deaf;
		break;
	case FLOOD:
		guest->turn = turn_flood;
		guest->flooding = true;
		break;
	case FROM:
		choose_file(guest, optarg);
		break;
	case NUMBERS:
		guest->turn = turn_numbers;
		o->numbers = optarg;
		break;
	case RATE:
		o->rate = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case USER:
		o->program.user = optarg;
		break;
	case INIT:
		o->program.init = optarg;
		break;
	default:
		usage();
	}
}

static void
parse_options(struct guest *guest, struct options *o, int argc, char **argv)
{
	int option;

	/* "+": what follows the program's name is the program's. */
	while ((option = getopt_long(argc, argv, "+", names, NULL)) != -1)
		apply_option(guest, o, option);
	o->program.argv = argv + optind;
	if (o->domid == 0)
		usage();
	if (o->program.init == NULL)
		o->program.init = default_init();
}

static struct line *
open_line(const struct options *o, const char **serial)
{
	struct line *line;

	if (o->serial) {
		line = line_open_serial(serial);
		/* The port's other end is qemu's; so it looks in ps. */
		prctl(PR_SET_NAME, "qemu-system-i386");
	} else {
		line = line_open_ring(o->domid, o->port);
	}
	if (line == NULL)
		err(1, "console of domain %u", o->domid);
	return line;
}

int
main(int argc, char **argv)
{
	static struct guest guest = {.turn = turn_program, .file = -1};
	struct options o = {
	    .port = 2,
	    .rate = 4096,
	    .program = {.hostname = "guest", .user = "nobody"},
	};
	const char *serial = NULL;
	int signals;

	parse_options(&guest, &o, argc, argv);
	guest.line = open_line(&o, &serial);
	guest.hvc = !o.serial;
	if (o.numbers != NULL) {
		guest.numbers = numbers_open(o.numbers, o.domid, o.rate);
		if (guest.numbers == NULL)
			err(1, "%s", o.numbers);
	}
	signals = open_signals();
	if (o.held)
		wait_for_go(serial);
	if (guest.turn == turn_program &&
	    program_start(&guest.program, &o.program) == -1)
		return GUEST_CRASH;
	return live(&guest, signals);
}
