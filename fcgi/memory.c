#include "fcgi/memory.h"

#include <stdalign.h>

#include "common/limits.h"

/*
 * What libfcgi asks for while it reads one request (fcgiapp.c, FCGX_Accept_r):
 * a block for each parameter, of which the shortest take two bytes of the
 * request; a list of them that it grows by doubling, which adds up to twice
 * the longest; and 17 KiB for its streams.
 */
#define PARAMETERS (LIMIT_REQUEST / 2)
#define BLOCK	   (2 * alignof(max_align_t))
#define FOR_LIBFCGI                           \
	(PARAMETERS * BLOCK + LIMIT_REQUEST + \
	    4 * PARAMETERS * sizeof(char *) + 64 * 1024)

/*
 * What json-c asks for while it parses a body or a ticket: most for a list of
 * "{},", each of which has a table with room for 16 members; and the list.
 */
#define FOR_JSON (LIMIT_BODY / 3 * 1024 + LIMIT_BODY * sizeof(void *))

/* Costs nothing until it is used: no page of it has been touched. */
#define RESERVE (FOR_LIBFCGI > FOR_JSON ? FOR_LIBFCGI : FOR_JSON)

/* Before each block: its size. */
#define HEAD alignof(max_align_t)

static alignas(max_align_t) uint8_t reserve[RESERVE];
static size_t taken, blocks;

static uint64_t refusals;
static bool open;

uint64_t
memory_refusals(void)
{
	return refusals;
}

void
memory_reserve_begin(void)
{
	open = true;
}

void
memory_reserve_end(void)
{
	open = false;
}

void *
memory_refused(size_t size)
{
	uint8_t *memory = reserve + taken + HEAD;

	refusals++;
	if (!open || size > sizeof reserve)
		return NULL;
	size = (size + HEAD - 1) / HEAD * HEAD;
	if (size + HEAD > sizeof reserve - taken)
		return NULL;
	*(size_t *)(reserve + taken) = size;
	taken += HEAD + size;
	blocks++;
	return memory;
}

bool
memory_is_reserve(const void *memory)
{
	const uint8_t *at = memory;

	return at >= reserve && at < reserve + sizeof reserve;
}

size_t
memory_reserve_size(const void *memory)
{
	return *(const size_t *)((const uint8_t *)memory - HEAD);
}

/* Its place is had again when all of them are. */
void
memory_reserve_free(void *memory)
{
	(void)memory;
	if (--blocks == 0)
		taken = 0;
}
