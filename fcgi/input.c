#include "fcgi/input.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "common/limits.h"

/* Sent at once after a pause: more than a person types, less than the 1,024
 * bytes of the console ring's input half (xen: public/io/console.h). */
#define BURST 256

/* Then hvc's 16 bytes every millisecond, a piece at a time. */
#define BYTES_PER_MS 16
#define TICK_MS	     10

struct input {
	int fd;
	struct evbuffer *queue;
	struct event_base *base;
	struct event *writable, *tick;
	bool broken;	   /* fd takes no more: its guest has gone */
	size_t budget;	   /* bytes that may go now */
	uint64_t budgeted; /* when that was so, in ms */
};

static void pump(struct input *input);

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	pump(arg);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Time that has passed is worth bytes, up to a whole burst. */
static void
refill(struct input *input)
{
	uint64_t now = now_ms(), worth = (now - input->budgeted) * BYTES_PER_MS;

	if (worth > BURST - input->budget)
		worth = BURST - input->budget;
	input->budget += worth;
	input->budgeted = now;
}

static void
pump(struct input *input)
{
	const struct timeval tick = {.tv_usec = TICK_MS * 1000};

	refill(input);
	while (input_pending(input) > 0 && input->budget > 0) {
		int n = evbuffer_write_atmost(
		    input->queue, input->fd, (ev_ssize_t)input->budget);

		if (n <= 0 && errno == EAGAIN) {
			event_add(input->writable, NULL);
			return;
		}
		if (n <= 0) {
			input->broken = true;
			return;
		}
		input->budget -= (size_t)n;
	}
	if (input_pending(input) > 0)
		event_add(input->tick, &tick);
}

struct input *
input_create(struct event_base *base)
{
	struct input *input = calloc(1, sizeof *input);

	if (!input)
		return NULL;
	input->fd = -1;
	input->base = base;
	input->budget = BURST;
	input->queue = evbuffer_new();
	input->tick = evtimer_new(base, on_tick, input);
	if (!input->queue || !input->tick) {
		input_destroy(input);
		return NULL;
	}
	return input;
}

void
input_destroy(struct input *input)
{
	if (!input)
		return;
	if (input->writable)
		event_free(input->writable);
	if (input->tick)
		event_free(input->tick);
	if (input->queue)
		evbuffer_free(input->queue);
	free(input);
}

void
input_set_fd(struct input *input, int fd)
{
	if (input->writable)
		event_free(input->writable);
	input->writable = NULL;
	event_del(input->tick);
	evbuffer_drain(input->queue, evbuffer_get_length(input->queue));
	input->fd = fd;
	input->broken = false;
	if (fd >= 0)
		input->writable =
		    event_new(input->base, fd, EV_WRITE, on_writable, input);
	if (!input->writable)
		input->fd = -1;
}

int
input_add(struct input *input, const void *bytes, size_t len)
{
	if (input->fd < 0 || input->broken)
		return -ENOTCONN;
	if (evbuffer_get_length(input->queue) + len > LIMIT_INPUT_QUEUE)
		return -ENOBUFS;
	if (evbuffer_add(input->queue, bytes, len) < 0)
		return -ENOMEM;
	pump(input);
	/* Nothing of it was written, and nothing will be. */
	if (input->broken && input_pending(input) >= len)
		return -ENOTCONN;
	return 0;
}

size_t
input_pending(const struct input *input)
{
	return evbuffer_get_length(input->queue);
}
