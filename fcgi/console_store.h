/*
 * What a worker leaves to the next one of a console, beside its ring: the grid,
 * the events told, and what is to be typed.
 *
 * It lies in a memfd that the broker makes with the ring and keeps, and never
 * reads.  Each field changes at once or is guarded by one that does, so that
 * what a killed worker has left can be gone on with as it is.  While nothing
 * waits to be typed it is one page, which each console has.
 */
#ifndef XENTERM_CONSOLE_STORE_H
#define XENTERM_CONSOLE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/limits.h"
#include "fcgi/input_queue.h"

/* What can happen beside output; each is told as one event. */
enum console_news {
	NEWS_STATE,
	NEWS_VIEWERS,
	NEWS_SIZE,
	NEWS_MODE,  /* console_take_over(); nothing at first */
	NEWS_INPUT, /* what was typed is lost; nothing at first */
	NEWS_COUNT,
};

/* Why what was taken to be typed was not, or perhaps not. */
enum input_loss {
	LOSS_GUEST_ENDED, /* its guest has ended, or was rebooted */
	LOSS_RELEASED,	  /* the console was handed to somebody else */
	LOSS_UNCERTAIN,	  /* the worker was killed while it wrote them */
	LOSS_REVOKED,	  /* who typed them may not type any more */
};

struct console_store {
	uint32_t magic, layout;
	_Atomic uint32_t grid; /* rows << 16 | columns */
	uint32_t input_domid;  /* whose the queue is */
	_Atomic uint64_t size_from;
	_Atomic uint64_t event, changed[NEWS_COUNT];
	uint64_t lost_bytes;
	uint32_t lost_why;
	_Atomic uint32_t has_taker; /* the names are whole */
	char taker[LIMIT_USER + 1], taker_session[LIMIT_VIEWER_NAME + 1];
	uint8_t reserved[615];
	struct input_queue queue;
};

/* Memory of its own, to begin with.  NULL when out of memory. */
struct console_store *console_store_create(void);

/*
 * Maps fd, which stays the caller's.  What is blank, of another layout (name
 * is the console's, to say so) or not whole gets the values of `from`; else it
 * has the events of both.  NULL with errno set.
 */
struct console_store *console_store_map(
    int fd, const struct console_store *from, const char *name);

/* Of both kinds; `from` may be NULL. */
void console_store_free(struct console_store *store);

#endif
