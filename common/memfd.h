/* Shared memory that a peer cannot take away: sealed memfds. */
#ifndef XENTERM_MEMFD_H
#define XENTERM_MEMFD_H

#include <stdbool.h>
#include <stddef.h>

/* The seals: it neither grows nor shrinks, and that stays so. */
#define MEMFD_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

/* A memfd of size bytes, all zero and none of them in memory yet.  head_size
 * bytes are written to its start.  Returns it, or a negative errno. */
int memfd_make(
    const char *name, size_t size, const void *head, size_t head_size);

/* Another descriptor of fd that cannot be written to or mapped for writing.
 * Returns it, or a negative errno. */
int memfd_reopen_read_only(int fd);

/* It is sealed, and has exactly this size. */
bool memfd_is_sealed(int fd, size_t size);

#endif
