/*
 * Memory that is given back is zero.
 *
 * Tokens, tickets, passwords and what is typed go through buffers of libfcgi,
 * libevent and json-c, none of which wipes them.  These take the place of the C
 * library's for the whole program, so that what an attacker can read of its
 * memory is what is in use.
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#ifndef WITH_ASAN /* whose own they would replace */

extern void __libc_free(void *memory);

void
free(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	__libc_free(memory);
}

void *
realloc(void *memory, size_t size)
{
	size_t had = memory ? malloc_usable_size(memory) : 0;
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
