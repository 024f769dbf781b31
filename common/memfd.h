/* Shared memory that a peer cannot take away: sealed memfds. */
#ifndef XENTERM_MEMFD_H
#define XENTERM_MEMFD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What programs share in memory is for those of one machine, so its order of
 * bytes is any; but it is the same for all of them, and needs no lock, which
 * would be of one of them alone. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
    "numbers of 32 and 64 bits are written at once");
_Static_assert(_Alignof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint64_t) == 8,
    "a number is at the same place for all, within one cache line");
_Static_assert(sizeof(off_t) == 8, "offsets in files and logs of any size");

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
