#define _GNU_SOURCE
#include "numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* It speaks so often, and catches up with at most so many of these after it
 * could not speak. */
#define TICK_MS	  20
#define TICKS_MAX 50

#define LETTERS "abcdefghijklmnopqrstuvwxyzABC"

struct numbers {
	uint32_t domid;
	int timer, typed;
	size_t per_tick, allowed; /* bytes */
	uint64_t *said;		  /* shared with who looks at the file */
};

/* 0, or -1 with errno set. */
static int
open_files(struct numbers *numbers, const char *file)
{
	char name[4096];
	void *said;
	int fd;

	snprintf(name, sizeof name, "%s.%" PRIu32 ".in", file, numbers->domid);
	numbers->typed =
	    open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (numbers->typed == -1)
		return -1;
	snprintf(name, sizeof name, "%s.%" PRIu32 ".out", file, numbers->domid);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd == -1 || ftruncate(fd, sizeof *numbers->said) == -1)
		return -1;
	said = mmap(NULL, sizeof *numbers->said, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	close(fd);
	if (said == MAP_FAILED)
		return -1;
	numbers->said = said;
	return 0;
}

struct numbers *
numbers_open(const char *file, uint32_t domid, unsigned rate)
{
	const struct itimerspec tick = {
	    .it_interval.tv_nsec = TICK_MS * 1000000,
	    .it_value.tv_nsec = TICK_MS * 1000000,
	};
	struct numbers *numbers = calloc(1, sizeof *numbers);

	if (numbers == NULL)
		return NULL;
	numbers->domid = domid;
	numbers->per_tick = (size_t)rate * TICK_MS / 1000;
	numbers->timer =
	    timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (numbers->timer == -1 ||
	    timerfd_settime(numbers->timer, 0, &tick, NULL) == -1 ||
	    open_files(numbers, file) == -1)
		return NULL; /* and the guest ends */
	return numbers;
}

int
numbers_fd(const struct numbers *numbers)
{
	return numbers->timer;
}

static void
take_time(struct numbers *numbers)
{
	uint64_t ticks;

	if (read(numbers->timer, &ticks, sizeof ticks) != sizeof ticks)
		return;
	numbers->allowed += (size_t)ticks * numbers->per_tick;
	if (numbers->allowed > TICKS_MAX * numbers->per_tick)
		numbers->allowed = TICKS_MAX * numbers->per_tick;
}

/* False when the ring takes no more, or all that may be said is. */
static bool
speak(struct numbers *numbers, struct line *line)
{
	char text[2 * NUMBERS_LINE];
	uint64_t at = *numbers->said;
	size_t from = at % NUMBERS_LINE, n;

	n = NUMBERS_LINE - from;
	if (n > numbers->allowed)
		n = numbers->allowed;
	if (n == 0)
		return false;
	snprintf(text, sizeof text,
	    "%05" PRIu32 " %010" PRIu64 " " LETTERS "\r\n", numbers->domid,
	    at / NUMBERS_LINE);
	n = line_write(line, text + from, n);
	*numbers->said += n;
	numbers->allowed -= n;
	return n > 0;
}

static bool
listen_to(struct numbers *numbers, struct line *line)
{
	char typed[1024];
	size_t n = line_read(line, typed, sizeof typed);

	return n > 0 && write(numbers->typed, typed, n) == (ssize_t)n;
}

bool
numbers_turn(struct numbers *numbers, struct line *line)
{
	bool moved = listen_to(numbers, line);

	take_time(numbers);
	return speak(numbers, line) || moved;
}
