#define _GNU_SOURCE
#include "screen/checkpoint.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "screen/emulator.h"

#define PAGE	    4096
#define SLOTS	    2
#define MAPPED_SIZE LIMIT_CHECKPOINT

/* Of nothing but zeros are the pages that are not marked: to look at them would
 * make them take memory. */
struct slot {
	uint64_t layout, run, offset, size;
	uint8_t pages[LIMIT_SCREEN_STATE / PAGE];
};

/* At the start of the memfd. */
struct header {
	_Atomic uint32_t current; /* 1 + the slot that counts; 0: none */
	uint32_t pad;
	struct slot slots[SLOTS];
};

_Static_assert(sizeof(struct header) <= PAGE, "one page");

struct checkpoint {
	struct header *header;
	uint8_t *base;
	bool untidy; /* the slot that does not count may take memory */
};

size_t
checkpoint_mapped_size(void)
{
	return MAPPED_SIZE;
}

struct checkpoint *
checkpoint_map(int fd)
{
	struct checkpoint *cp;

	if (!memfd_is_sealed(fd, MAPPED_SIZE)) {
		errno = EPROTO;
		return NULL;
	}
	cp = malloc(sizeof *cp);
	if (!cp)
		return NULL;
	cp->base =
	    mmap(NULL, MAPPED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (cp->base == MAP_FAILED) {
		free(cp);
		return NULL;
	}
	cp->header = (struct header *)cp->base;
	cp->untidy = true;
	return cp;
}

void
checkpoint_unmap(struct checkpoint *cp)
{
	if (!cp)
		return;
	munmap(cp->base, MAPPED_SIZE);
	free(cp);
}

static uint8_t *
slot_data(struct checkpoint *cp, uint32_t i)
{
	return cp->base + PAGE + (size_t)i * LIMIT_SCREEN_STATE;
}

/* Bytes of the page at this place of a state. */
static size_t
page_size(size_t at, size_t size)
{
	return size - at < PAGE ? size - at : PAGE;
}

bool
checkpoint_load(struct checkpoint *cp, uint64_t run, void *block, size_t size,
    uint64_t end, uint64_t *offset)
{
	uint32_t current =
	    atomic_load_explicit(&cp->header->current, memory_order_acquire);
	const struct slot *slot;

	if (current == 0 || current > SLOTS)
		return false;
	slot = &cp->header->slots[current - 1];
	if (slot->layout != EMULATOR_LAYOUT || slot->run != run ||
	    slot->size != size || size > LIMIT_SCREEN_STATE ||
	    slot->offset > end)
		return false;
	for (size_t at = 0; at < size; at += PAGE)
		if (slot->pages[at / PAGE])
			memcpy((uint8_t *)block + at,
			    slot_data(cp, current - 1) + at,
			    page_size(at, size));
	*offset = slot->offset;
	return true;
}

/* used: there was something before.  False: it is all zero. */
static bool
save_page(uint8_t *to, const uint8_t *from, size_t n, bool used)
{
	static const uint8_t zeros[PAGE];

	if (memcmp(from, zeros, n) != 0) {
		memcpy(to, from, n);
		return true;
	}
	if (used)
		madvise(to, PAGE, MADV_REMOVE);
	return false;
}

/* The slot that the next state goes to. */
static uint32_t
next_slot(const struct checkpoint *cp)
{
	return atomic_load_explicit(
		   &cp->header->current, memory_order_relaxed) == 1
		   ? 1
		   : 0;
}

/* Over what is there: in a flood the pages are not given back and taken anew
 * for each state, which cost more than the copy. */
void
checkpoint_save(struct checkpoint *cp, uint64_t run, uint64_t offset,
    const void *block, size_t size)
{
	uint32_t next = next_slot(cp);
	struct slot *slot = &cp->header->slots[next];

	if (size > LIMIT_SCREEN_STATE)
		return;
	slot->layout = EMULATOR_LAYOUT;
	slot->run = run;
	slot->offset = offset;
	slot->size = size;
	for (size_t at = 0; at < size; at += PAGE)
		slot->pages[at / PAGE] = save_page(slot_data(cp, next) + at,
		    (const uint8_t *)block + at, page_size(at, size),
		    slot->pages[at / PAGE]);
	atomic_store_explicit(
	    &cp->header->current, next + 1, memory_order_release);
	cp->untidy = true;
}

void
checkpoint_tidy(struct checkpoint *cp)
{
	if (cp->untidy)
		madvise(slot_data(cp, next_slot(cp)), LIMIT_SCREEN_STATE,
		    MADV_REMOVE);
	cp->untidy = false;
}
