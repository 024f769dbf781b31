/*
 * Memory that is given back is zero.
 *
 * Tokens, tickets, passwords and what is typed go through buffers of libfcgi,
 * libevent and json-c, none of which wipes them.  These take the place of the C
 * library's for the whole program, so that what an attacker can read of its
 * memory is what is in use.  What is refused is counted: fcgi/memory.h.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/memory.h"

#ifndef WITH_ASAN /* whose own they would replace */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void __libc_free(void *memory);

void *
malloc(size_t size)
{
	void *memory = __libc_malloc(size);

	return memory ? memory : memory_refused(size);
}

void *
calloc(size_t n, size_t size)
{
	void *memory = __libc_calloc(n, size);

	if (memory || __builtin_mul_overflow(n, size, &size))
		return memory;
	memory = memory_refused(size);
	return memory ? memset(memory, 0, size) : NULL;
}

static size_t
size_of(void *memory)
{
	return memory_is_reserve(memory) ? memory_reserve_size(memory)
					 : malloc_usable_size(memory);
}

void
free(void *memory)
{
	if (memory)
		explicit_bzero(memory, size_of(memory));
	if (memory_is_reserve(memory))
		memory_reserve_free(memory);
	else
		__libc_free(memory);
}

void *
realloc(void *memory, size_t size)
{
	size_t had = memory ? size_of(memory) : 0;
	void *other;

	/* It may stay where it is; the rest of it is then wiped at its end. */
	if (memory && size > 0 && size <= had && size >= had / 2)
		return memory;
	if (memory && size == 0) {
		free(memory);
		return NULL;
	}
	other = malloc(size);
	if (other && memory) {
		memcpy(other, memory, had < size ? had : size);
		free(memory);
	}
	return other;
}

#endif
