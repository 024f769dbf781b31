/*
 * A screen process, in a thread and unconfined, under a worker that says
 * anything: messages of all kinds and sizes, while the ring gets bytes.
 */
#undef NDEBUG

#include "screen/process.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/ring.h"
#include "common/screen_proto.h"
#include "screen/confine.h"
#include "tests/fuzz/input.h"

struct screen {
	int sock, ring, checkpoint;
};

/* Stands in for confine.c: the fuzzer goes on after the process. */
int
process_confine(size_t mapped)
{
	(void)mapped;
	return 0;
}

static void *
run_process(void *arg)
{
	const struct screen *screen = arg;
	enum process_status status =
	    process_run(screen->sock, screen->ring, screen->checkpoint);

	assert(status == PROCESS_DONE || status == PROCESS_MISTAKEN ||
	       status == PROCESS_MEMORY);
	close(screen->sock);
	return NULL;
}

/* What it says so far, so that it does not wait for us; false: it is over. */
static bool
drain(int sock, int flags)
{
	static uint8_t bytes[SCREEN_DATA_MAX + 64];
	ssize_t n;

	while ((n = recv(sock, bytes, sizeof bytes, flags)) > 0)
		;
	return n < 0 && errno == EAGAIN;
}

static bool
say(int sock, const void *msg, size_t size)
{
	while (send(sock, msg, size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		if (errno != EAGAIN || !drain(sock, MSG_DONTWAIT))
			return false;
	return drain(sock, MSG_DONTWAIT);
}

/* Several times over, so that short inputs make rings wrap. */
static void
print(struct ring *ring, struct input *in)
{
	uint8_t bytes[128];
	size_t n = take(in, bytes, next(in) & 127);
	unsigned times = 1u << (next(in) & 7);

	while (times-- > 0) {
		size_t space;

		memcpy(ring_space(ring, &space), bytes, n);
		ring_commit(ring, n);
	}
}

/* Sizes in range, and a few that are not. */
static uint32_t
size_from(struct input *in, uint32_t max)
{
	uint8_t n = next(in);

	return n == 0 ? 0 : n == 255 ? UINT32_MAX : n * max / 254;
}

static bool
one(int sock, struct ring *ring, struct input *in)
{
	uint8_t raw[64];

	switch (next(in) % 7) {
	case 0:
	case 1:
		print(ring, in);
		return true;
	case 2: {
		const struct screen_start msg = {SCREEN_START, next(in) & 1,
		    size_from(in, LIMIT_ROWS), size_from(in, LIMIT_COLS),
		    next(in) * 100u};

		return say(sock, &msg, sizeof msg);
	}
	case 3: {
		const struct screen_msg msg = {SCREEN_FEED};

		return say(sock, &msg, sizeof msg);
	}
	case 4: {
		const struct screen_resize msg = {.type = SCREEN_RESIZE,
		    .rows = size_from(in, LIMIT_ROWS),
		    .cols = size_from(in, LIMIT_COLS),
		    .offset = next(in) * 100u};

		return say(sock, &msg, sizeof msg);
	}
	case 5: {
		const struct screen_wish msg = {.type = SCREEN_RENDER,
		    .format = next(in) % (SCREEN_FORMATS + 1),
		    .history = next(in) * 10u,
		    .since = next(in) & 1 ? UINT64_MAX : next(in)};

		return say(sock, &msg, sizeof msg);
	}
	default:
		return say(sock, raw, take(in, raw, next(in) % sizeof raw));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = {data, data + len};
	const struct screen_start start = {SCREEN_START, 0, 24, 80, 0};
	struct screen screen;
	int ends[2], fd = ring_make(LIMIT_RING_MIN);
	struct ring *ring = ring_map(fd);
	pthread_t thread;

	assert(ring && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	screen.sock = ends[1];
	screen.ring = memfd_reopen_read_only(fd);
	screen.checkpoint = memfd_make("fuzz", LIMIT_CHECKPOINT, NULL, 0);
	assert(screen.ring >= 0 && screen.checkpoint >= 0);
	assert(pthread_create(&thread, NULL, run_process, &screen) == 0);
	if (len == 0 || (data[0] & 1) == 0 ||
	    say(ends[0], &start, sizeof start))
		while (in.at < in.end && one(ends[0], ring, &in))
			;
	shutdown(ends[0], SHUT_WR);
	drain(ends[0], 0);
	pthread_join(thread, NULL);
	close(ends[0]);
	ring_unmap(ring);
	close(fd);
	return 0;
}
