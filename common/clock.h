/* The clock that no administrator sets: it only goes on. */
#ifndef XENTERM_CLOCK_H
#define XENTERM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Since some moment before the machine's start; the same in all processes. */
time_t clock_seconds(void);
uint64_t clock_ms(void);

#endif
