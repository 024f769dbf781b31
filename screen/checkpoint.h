/*
 * The last saved state of one console's terminal, in shared memory.
 *
 *	memfd: | header, one page | slot | slot |
 *
 * A slot holds a copy of the emulator's block.  A new state goes into the slot
 * that does not count, and counts once it is whole; so who is killed while it
 * saves leaves the one before.  The broker makes the memfd and keeps it with
 * the ring; screen processes load and save.
 */
#ifndef XENTERM_SCREEN_CHECKPOINT_H
#define XENTERM_SCREEN_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checkpoint;

/* The memory of checkpoint_map(). */
size_t checkpoint_mapped_size(void);

/* Maps fd, which stays the caller's.  NULL with errno set: EPROTO when it is
 * not made for checkpoints. */
struct checkpoint *checkpoint_map(int fd);
/* NULL is fine. */
void checkpoint_unmap(struct checkpoint *cp);

/*
 * Copies the state saved last to block, of size bytes, which are all zero.
 * False when there is none of this size, run and layout, or it is not of the
 * output up to end: block is then as it was.  *offset: up to where it is.
 */
bool checkpoint_load(struct checkpoint *cp, uint64_t run, void *block,
    size_t size, uint64_t end, uint64_t *offset);

/* Saves the state after the output up to offset. */
void checkpoint_save(struct checkpoint *cp, uint64_t run, uint64_t offset,
    const void *block, size_t size);

/*
 * Gives back the memory of all but the state saved last, of which pages of
 * nothing but zeros then take none.  Until then another state's memory stays,
 * for the next one.
 */
void checkpoint_tidy(struct checkpoint *cp);

#endif
