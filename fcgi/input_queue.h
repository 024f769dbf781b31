/*
 * The requests that are to be typed into one guest, in shared memory.
 *
 * The memory belongs to the broker and outlives the worker, so what was taken
 * is typed once, whatever becomes of the worker: where the queue begins and
 * ends, and how much of its first request is written, is one word that changes
 * at once.  The next worker finds either the old or the new one.
 *
 * Writing to the tty and saying so are two steps.  A worker that is killed in
 * between leaves bytes of which nobody can know whether the guest has them:
 * input_queue_settle() counts them as written, and tells how many they are.
 */
#ifndef XENTERM_INPUT_QUEUE_H
#define XENTERM_INPUT_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Requests take as many bytes as they have, and 32, in steps of 32. */
#define INPUT_QUEUE_AREA  (128 * 1024)
#define INPUT_SESSION_LEN 8

/* A slot that is none: the session is not kept. */
#define INPUT_NO_SLOT UINT32_MAX

/* Who types: a session by its id, where it is kept (session_store.h), and the
 * number of its request, which goes to *last when that has been taken. */
struct input_by {
	uint8_t session[INPUT_SESSION_LEN];
	uint32_t slot;
	uint64_t seq;
	_Atomic uint64_t *last; /* NULL from input_queue_each() */
};

/* All zero: an empty queue. */
struct input_queue {
	_Atomic uint64_t state;	  /* see input_queue.c */
	_Atomic uint64_t writing; /* the state that is being left, or 0 */
	_Atomic uint64_t length;  /* by writing so many bytes */
	uint64_t reserved;
	uint8_t area[INPUT_QUEUE_AREA];
};

_Static_assert(sizeof(struct input_queue) == 32 + INPUT_QUEUE_AREA,
    "the same in every worker");

/* What is found there is a queue.  False: it was made empty. */
bool input_queue_check(struct input_queue *q);

/* Takes all of bytes, at least one; by NULL: no session's.  False: there is no
 * room, and nothing has happened. */
bool input_queue_add(struct input_queue *q, const void *bytes, size_t len,
    const struct input_by *by);
/* Takes the last request back.  False: some of it has been written. */
bool input_queue_undo(struct input_queue *q, size_t len);

/* Bytes that are not written yet. */
size_t input_queue_pending(const struct input_queue *q);

/* The next bytes in one piece; *len 0: there are none. */
const uint8_t *input_queue_next(struct input_queue *q, size_t *len);
/* Around a write of up to len of these, of which `written` were. */
void input_queue_begin(struct input_queue *q, size_t len);
void input_queue_end(struct input_queue *q, size_t written);
/* After the death of who wrote: see above. */
size_t input_queue_settle(struct input_queue *q);

/* Forgets what is not written of one session's; session NULL: of all.  Returns
 * how many bytes that were. */
size_t input_queue_cancel(
    struct input_queue *q, const uint8_t session[INPUT_SESSION_LEN]);

/* Calls each() for the requests in the queue of sessions that are kept. */
void input_queue_each(const struct input_queue *q,
    void (*each)(void *ctx, const struct input_by *by), void *ctx);

#endif
