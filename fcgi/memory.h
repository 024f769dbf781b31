/*
 * Memory that the system refuses.
 *
 * fcgi/wipe.c, the program's malloc(), reports here.  Where nothing else is
 * to be seen of a refusal, as in what json-c has written, the count says that
 * there was one; and what cannot bear it at all, libfcgi where it reads a
 * request and json-c where it parses, gets what it asks for from a reserve.
 *
 * The program has one thread.  In a build with a sanitizer nothing is refused.
 */
#ifndef XENTERM_MEMORY_H
#define XENTERM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How often memory was refused so far. */
uint64_t memory_refusals(void);

/* Between the two, what is refused comes out of a reserve, which
 * is there again when all of it has been freed. */
void memory_reserve_begin(void);
void memory_reserve_end(void);

/* For fcgi/wipe.c.  A refusal: NULL, or memory of the reserve. */
void *memory_refused(size_t size);
bool memory_is_reserve(const void *memory);
size_t memory_reserve_size(const void *memory);
void memory_reserve_free(void *memory);

#endif
