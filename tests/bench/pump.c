/*
 * Plays guests from where xenconsoled does, but without the ring that it shares
 * with them and its limit of some 0.3 MB/s for each: takes xenconsoled's own
 * ends of the ptys over while it is stopped.  The guests echo what is typed;
 * Enter begins a flood, as that of `guest --flood`, and Ctrl-C ends it.
 *
 *   pump PID INDEX...    xenconsoled, and the numbers of /dev/pts/INDEX
 *
 * Prints a line when it has all of them.  xenconsoled stays stopped.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GUESTS_MAX 16

/* As xenconsoled: what it has of one console's output at most. */
#define PIECE 4096

#define KEY_INTERRUPT 0x03
#define PROMPT	      "^C\r\n$ "

struct guest {
	int master, index;
	bool flooding;
	unsigned long lines;
	char out[PIECE];
	size_t at, end;
};

/* The tty's number, if this is a pty's master; else -1. */
static int
index_of(int pid, int fd)
{
	char path[64], line[128];
	int index = -1;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, fd);
	f = fopen(path, "re");
	if (!f)
		return -1;
	while (index < 0 && fgets(line, sizeof line, f))
		sscanf(line, "tty-index: %d", &index);
	fclose(f);
	return index;
}

static int
take_master(int pid, int index)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), fd = -1;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	dir = opendir(path);
	if (pidfd < 0 || !dir)
		err(1, "xenconsoled");
	while (fd < 0 && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' &&
		    index_of(pid, atoi(entry->d_name)) == index)
			fd = (int)syscall(
			    SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
	closedir(dir);
	close(pidfd);
	if (fd < 0)
		errx(1, "xenconsoled has not the master of /dev/pts/%d", index);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* The next piece of the flood. */
static void
fill(struct guest *g)
{
	g->at = g->end = 0;
	while (g->end + 80 < sizeof g->out)
		g->end += (size_t)snprintf(g->out + g->end, 80,
		    "%012lu the quick brown "
		    "fox jumps over the lazy dog 0123456789\r\n",
		    g->lines++);
}

static void
take_key(struct guest *g, char key)
{
	if (key == KEY_INTERRUPT && g->flooding) {
		g->flooding = false;
		g->at = 0;
		g->end = sizeof PROMPT - 1;
		memcpy(g->out, PROMPT, g->end);
	} else if (key == '\r') {
		g->flooding = true;
	} else if (!g->flooding && g->end < sizeof g->out) {
		g->out[g->end++] = key;
	}
}

static void
take_keys(struct guest *g)
{
	char keys[256];
	ssize_t n = read(g->master, keys, sizeof keys);

	for (ssize_t i = 0; i < n; i++)
		take_key(g, keys[i]);
}

/* Writes as far as the pty takes it, but lets the others have their turn. */
static void
write_some(struct guest *g)
{
	ssize_t n;

	if (g->at == g->end && g->flooding)
		fill(g);
	if (g->at == g->end)
		return;
	n = write(g->master, g->out + g->at, g->end - g->at);
	if (n > 0)
		g->at += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		err(1, "/dev/pts/%d", g->index);
	if (g->at == g->end)
		g->at = g->end = 0;
}

/* EPOLLOUT only while there is something: an idle pty always takes more. */
static void
watch(int epoll, int how, struct guest *g)
{
	struct epoll_event event = {.data.ptr = g,
	    .events =
		EPOLLIN | (g->flooding || g->at < g->end ? EPOLLOUT : 0u)};

	if (epoll_ctl(epoll, how, g->master, &event) < 0)
		err(1, "epoll_ctl");
}

static void
run(int epoll)
{
	struct epoll_event event;
	bool busy, was_busy;
	struct guest *g;

	for (;;) {
		if (epoll_wait(epoll, &event, 1, -1) != 1)
			continue;
		g = event.data.ptr;
		was_busy = g->flooding || g->at < g->end;
		if (event.events & EPOLLIN)
			take_keys(g);
		write_some(g);
		busy = g->flooding || g->at < g->end;
		if (busy != was_busy)
			watch(epoll, EPOLL_CTL_MOD, g);
	}
}

int
main(int argc, char **argv)
{
	static struct guest guests[GUESTS_MAX];
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int pid = argc > 2 ? atoi(argv[1]) : 0;

	if (pid <= 0 || argc - 2 > GUESTS_MAX)
		errx(2, "usage: pump PID INDEX...");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (kill(pid, SIGSTOP) < 0)
		err(1, "xenconsoled");
	for (int i = 2; i < argc; i++) {
		struct guest *g = &guests[i - 2];

		g->index = atoi(argv[i]);
		g->master = take_master(pid, g->index);
		watch(epoll, EPOLL_CTL_ADD, g);
	}
	printf("%d\n", argc - 2);
	fflush(stdout);
	run(epoll);
}
