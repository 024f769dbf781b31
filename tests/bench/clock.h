/* What the programs of the bench measure with. */
#ifndef XENTERM_BENCH_CLOCK_H
#define XENTERM_BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S 1000000000

/* Nanoseconds since some moment. */
static inline int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

#endif
