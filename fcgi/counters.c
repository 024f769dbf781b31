#include "fcgi/counters.h"

static uint64_t counts[COUNTERS];

void
counters_add(enum counter counter, uint64_t n)
{
	counts[counter] += n;
}

uint64_t
counters_get(enum counter counter)
{
	return counts[counter];
}
