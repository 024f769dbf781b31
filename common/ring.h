/*
 * The last bytes of one console, in shared memory.
 *
 *   memfd: | header, one page | data, size bytes (a power of two pages) |
 *
 * The broker makes the memfd and keeps it, so that the bytes outlive the
 * worker; the worker maps it and is the only writer.  Offsets are absolute:
 * byte n since the history began lies at n % size.  The data is mapped twice
 * in a row, so that any stretch of it is one piece of memory:
 *
 *   address: | header | data | data again |
 *
 * The memfd is sealed against growing and shrinking: a peer cannot take
 * pages away under a mapping.
 */
#ifndef XENTERM_RING_H
#define XENTERM_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

/* A new, empty ring of at least size bytes with a run number of its own.
 * Returns the memfd, which the caller closes, or a negative errno. */
int ring_make(size_t size);

/* What fd is: 0, and its run number; -EPROTONOSUPPORT: a ring of another
 * layout than ours; -EPROTO: none, or not sealed. */
int ring_identify(int fd, uint64_t *run);

/* Maps fd, which stays the caller's.  NULL with errno set: EPROTO when it is
 * not such a ring. */
struct ring *ring_map(int fd);

/* The same for another process than the one that writes. */
struct ring *ring_map_read_only(int fd);

/* NULL is fine. */
void ring_unmap(struct ring *ring);

/* Names this history: never 0, and different after it began anew. */
uint64_t ring_run(const struct ring *ring);

/* The bytes from ring_begin() up to, not including, ring_end() are held. */
uint64_t ring_begin(const struct ring *ring);
uint64_t ring_end(const struct ring *ring);

/* The bytes from offset on, which must be held; valid until the next
 * ring_commit(). */
const uint8_t *ring_at(const struct ring *ring, uint64_t offset);

/* For who does not write: copies the len bytes from offset on.  False when
 * they are no longer all there. */
bool ring_copy(const struct ring *ring, uint64_t offset, void *to, size_t len);

/* Bytes it can hold. */
size_t ring_size(const struct ring *ring);

/* The next len bytes (LIMIT_READ at most) are there to be read, by one read()
 * to ring_space() that gets all of them.  A process that is killed behind that
 * read() and before ring_commit() has taken them from where they were: the next
 * ring_map() finds them and commits them.  It knows them by the first 64, which
 * are 0xff before: no text has as many of them. */
void ring_expect(struct ring *ring, size_t len);

/* Where the next *len bytes go, LIMIT_READ at a time; they count once
 * ring_commit() says so. */
uint8_t *ring_space(struct ring *ring, size_t *len);
void ring_commit(struct ring *ring, size_t len);

#endif
