/* What the worker has counted since it started, for metrics.c.  Of the
 * reactor's thread only. */
#ifndef XENTERM_COUNTERS_H
#define XENTERM_COUNTERS_H

#include <stdint.h>

enum counter {
	COUNT_OUTPUT_BYTES, /* read from guests */
	COUNT_INPUT_BYTES,  /* taken to be typed */
	COUNT_INPUT_LOST,   /* of these, then not typed, or perhaps not */
	COUNT_REQUESTS,	    /* of both interfaces */
	COUNT_PROBLEMS,	    /* of these, answered with one */
	COUNT_SESSIONS,	    /* made */
	COUNTERS,
};

void counters_add(enum counter counter, uint64_t n);
uint64_t counters_get(enum counter counter);

#endif
