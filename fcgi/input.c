#include "fcgi/input.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/timer.h"
#include "fcgi/input_queue.h"

/* Sent at once after a pause: more than a person types, less than the 1,024
 * bytes of the console ring's input half (xen: public/io/console.h). */
#define BURST 256

/* Then hvc's 16 bytes every millisecond, a piece at a time. */
#define BYTES_PER_MS 16
#define TICK_MS	     10

struct input {
	int fd;
	struct input_queue *queue;
	size_t pending;
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

/* Time that has passed is worth bytes, up to a whole burst. */
static void
refill(struct input *input)
{
	uint64_t now = clock_ms(),
		 worth = (now - input->budgeted) * BYTES_PER_MS;

	if (worth > BURST - input->budget)
		worth = BURST - input->budget;
	input->budget += worth;
	input->budgeted = now;
}

/* Writes what may go of one piece.  False: that was all for now. */
static bool
write_piece(struct input *input)
{
	size_t len;
	const uint8_t *bytes = input_queue_next(input->queue, &len);
	const struct timeval tick = {.tv_usec = TICK_MS * 1000};
	ssize_t n;

	if (len > input->budget)
		len = input->budget;
	if (len == 0)
		return false;
	input_queue_begin(input->queue, len);
	n = write(input->fd, bytes, len);
	input_queue_end(input->queue, n > 0 ? (size_t)n : 0);
	if (n <= 0) {
		input->broken = !(n < 0 && errno == EAGAIN);
		if (!input->broken && event_add(input->writable, NULL) < 0)
			timer_start(input->tick, &tick);
		return false;
	}
	input->pending -= (size_t)n;
	input->budget -= (size_t)n;
	return true;
}

static void
pump(struct input *input)
{
	const struct timeval tick = {.tv_usec = TICK_MS * 1000};

	refill(input);
	while (write_piece(input))
		;
	if (input->pending > 0 && input->budget == 0 && !input->broken)
		timer_start(input->tick, &tick);
}

struct input *
input_create(struct event_base *base, struct input_queue *queue)
{
	struct input *input = calloc(1, sizeof *input);

	if (!input)
		return NULL;
	input->fd = -1;
	input->base = base;
	input->budget = BURST;
	input->tick = evtimer_new(base, on_tick, input);
	if (!input->tick) {
		input_destroy(input);
		return NULL;
	}
	input_set_queue(input, queue);
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
	free(input);
}

void
input_set_queue(struct input *input, struct input_queue *queue)
{
	input->queue = queue;
	input->pending = input_queue_pending(queue);
}

int
input_set_fd(struct input *input, int fd)
{
	if (input->writable)
		event_free(input->writable);
	input->writable = NULL;
	event_del(input->tick);
	input->fd = fd;
	input->broken = false;
	if (fd >= 0)
		input->writable =
		    event_new(input->base, fd, EV_WRITE, on_writable, input);
	if (!input->writable)
		input->fd = -1;
	else if (input->pending > 0)
		pump(input);
	return input->fd == fd ? 0 : -ENOMEM;
}

/* Nothing of the last request was written, and nothing will be: it was not
 * taken. */
static bool
take_back(struct input *input, size_t len, const struct input_by *by)
{
	if (!input->broken || !input_queue_undo(input->queue, len))
		return false;
	input->pending -= len;
	if (by)
		atomic_store_explicit(
		    by->last, by->seq - 1, memory_order_release);
	return true;
}

int
input_add(struct input *input, const void *bytes, size_t len,
    const struct input_by *by)
{
	if (input->fd < 0 || input->broken)
		return -ENOTCONN;
	if (input->pending + len > LIMIT_INPUT_QUEUE)
		return -ENOBUFS;
	if (len == 0)
		return 0;
	if (!input_queue_add(input->queue, bytes, len, by))
		return -ENOBUFS;
	/* Before the first byte of it can have gone: a worker that finds it in
	 * the queue knows its number too. */
	if (by)
		atomic_store_explicit(by->last, by->seq, memory_order_release);
	input->pending += len;
	pump(input);
	return take_back(input, len, by) ? -ENOTCONN : 0;
}

size_t
input_cancel(struct input *input, const unsigned char *session)
{
	size_t n = input_queue_cancel(input->queue, session);

	input->pending -= n;
	return n;
}

size_t
input_pending(const struct input *input)
{
	return input->pending;
}
