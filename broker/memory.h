/*
 * The shared memory of one console: its history and what belongs to it, which
 * the worker fills and the broker keeps.  To the broker these are memfds and no
 * more, but for the header of the ring.
 */
#ifndef XENTERM_MEMORY_H
#define XENTERM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"

struct keep;

struct memory {
	uint32_t slot;	  /* by which broker/keep.h keeps it */
	uint64_t run;	  /* the ring's; 0: nothing is made yet */
	int fds[TTY_FDS]; /* all but TTY_PTY, or none: -1 */
};

void memory_init(struct memory *memory, uint32_t slot);

/* Makes it, with a ring of at least so many bytes; nothing if it is made. */
int memory_make(struct memory *memory, size_t ring_size);

/*
 * Takes over what the broker before this one has made, if its ring has this
 * run number; name is for the log.  What is missing or wrong
 * beside the ring is made anew.  A negative errno: there is none to take.
 */
int memory_adopt(
    struct memory *memory, struct keep *keep, uint64_t run, const char *name);

/* The memfd of the workers' table of sessions, the caller's: that of the broker
 * before this one, or a new one.  A negative errno. */
int memory_sessions(struct keep *keep);

/* Closes it; whoever comes after us may have it. */
void memory_close(struct memory *memory);
/* It is gone for good. */
void memory_drop(struct memory *memory);

#endif
