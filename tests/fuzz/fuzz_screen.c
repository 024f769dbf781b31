/*
 * The worker's side of a screen process that a guest has taken over: it says
 * anything, at any time, and ends when it likes.
 */
#undef NDEBUG

#include "fcgi/screen.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/ring.h"
#include "fcgi/snapshot.h"
#include "fcgi/spawner.h"
#include "tests/fuzz/input.h"

#define JOBS 4

static struct event_base *base;
static struct screen *screen;
static struct snapshot *snapshot;
static struct ring *ring;
static int process = -1; /* its end of the socket */
static unsigned answers, alive, snapshots;
static struct screen_job jobs[JOBS];
static bool waits[JOBS];

/* Stands in for spawner.c. */
int
spawner_screen(
    struct spawner *spawner, int memory, int checkpoint, uint32_t *id)
{
	int ends[2];

	(void)spawner;
	(void)memory;
	(void)checkpoint;
	*id = ++alive;
	if (process >= 0)
		close(process);
	assert(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	process = ends[1];
	return ends[0];
}

void
spawner_kill(struct spawner *spawner, uint32_t id)
{
	(void)spawner;
	assert(id == alive);
}

/* And for log.c. */
void
log_warn(const char *fmt, ...)
{
	(void)fmt;
}

void
log_error(const char *fmt, ...)
{
	(void)fmt;
}

void
log_debug(const char *fmt, ...)
{
	(void)fmt;
}

static void
on_reply(void *ctx, const void *bytes, size_t len)
{
	(void)ctx;
	(void)bytes;
	assert(len > 0 && len <= SCREEN_REPLY_MAX);
	answers++;
}

static void
on_failed(void *ctx)
{
	(void)ctx;
	assert(screen_has_failed(screen));
}

static void
on_arrived(void *ctx)
{
	(void)ctx;
	if (snapshot_get(snapshot, ring, 24, 80))
		snapshots++;
}

static void
on_done(struct screen_job *job, int error, const struct screen_image *image,
    struct evbuffer *bytes)
{
	assert(waits[job - jobs]);
	waits[job - jobs] = false;
	assert(error < 0 || evbuffer_get_length(bytes) == image->len);
}

static const struct screen_owner owner = {on_reply, on_failed, NULL, "fuzz"};

static void
wish(struct input *in)
{
	uint8_t n = next(in);
	struct screen_job *job = &jobs[n % JOBS];

	if (waits[n % JOBS]) {
		screen_cancel(job);
		waits[n % JOBS] = false;
		return;
	}
	*job = (struct screen_job){.format = (n >> 4) % SCREEN_FORMATS,
	    .history = n >> 6,
	    .since = n & 8 ? UINT64_MAX : next(in),
	    .done = on_done};
	waits[n % JOBS] = true;
	if (screen_render(screen, job) < 0)
		waits[n % JOBS] = false;
}

static void
say(struct input *in)
{
	static union {
		uint8_t bytes[SCREEN_DATA_MAX + 64];
		struct screen_at at;
		struct screen_reply reply;
		struct screen_image image;
		uint32_t type;
	} msg;
	uint8_t kind = next(in);
	size_t size = 0;

	memset(&msg, 0, 512);
	switch (kind % 6) {
	case 0:
		msg.at = (struct screen_at){.type = SCREEN_AT,
		    .offset = ring_end(ring) - (int8_t)next(in),
		    .checkpoint = next(in)};
		size = sizeof msg.at;
		break;
	case 1:
		msg.reply = (struct screen_reply){.type = SCREEN_REPLY,
		    .len = next(in) * 2u,
		    .offset = ring_end(ring) - (int8_t)next(in)};
		size = sizeof msg.reply;
		break;
	case 2:
		msg.type = SCREEN_DATA;
		size = sizeof msg.type + next(in) * 128u;
		break;
	case 3:
		msg.image = (struct screen_image){.type = SCREEN_IMAGE,
		    .format = next(in) % SCREEN_FORMATS,
		    .rows = 24,
		    .cols = 80,
		    .offset = ring_end(ring) - (int8_t)next(in),
		    .generation = next(in),
		    .len = next(in) * 128u,
		    .unchanged = next(in) & 1};
		size = sizeof msg.image;
		break;
	default:
		size = take(in, msg.bytes, next(in) * 2u);
	}
	if (kind & 64)
		size += next(in) & 7;
	if (process >= 0)
		send(process, &msg, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
hear(void)
{
	uint8_t bytes[512];

	if (process >= 0)
		while (recv(process, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
			;
}

static void
one(struct input *in)
{
	uint8_t what = next(in);

	switch (what & 7) {
	case 0:
		ring_commit(ring, next(in) * 64u);
		screen_output(screen);
		break;
	case 1:
		screen_watch(screen, what & 8);
		break;
	case 2:
		screen_resize(screen, next(in) % LIMIT_ROWS + 1,
		    next(in) % (LIMIT_COLS - 1) + 2);
		break;
	case 3:
		wish(in);
		break;
	case 4:
		snapshot_get(snapshot, ring, 24, 80);
		break;
	case 5:
		if (process >= 0)
			close(process);
		process = -1;
		break;
	default:
		say(in);
	}
	hear();
	event_base_loop(base, EVLOOP_NONBLOCK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = {data, data + len};
	int fd = ring_make(LIMIT_RING_MIN);
	uint8_t spawner;

	ring = ring_map(fd);
	base = event_base_new();
	assert(base && ring);
	screen = screen_create(base, (struct spawner *)&spawner, &owner);
	snapshot = snapshot_create(base, screen, on_arrived, NULL);
	screen_resize(screen, 24, 80);
	screen_set_ring(screen, ring, -1, -1);
	screen_watch(screen, true);
	while (in.at < in.end)
		one(&in);
	snapshot_destroy(snapshot);
	screen_destroy(screen);
	for (int i = 0; i < JOBS; i++)
		assert(!waits[i]);
	if (process >= 0)
		close(process);
	process = -1;
	event_base_free(base);
	ring_unmap(ring);
	close(fd);
	return 0;
}
