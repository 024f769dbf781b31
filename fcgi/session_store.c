#define _DEFAULT_SOURCE
#include "fcgi/session_store.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/log.h"
#include "common/memfd.h"

#define MAGIC  0x53535458u /* "XTSS" */
#define LAYOUT 1

#define RECORD_SIZE    2048
#define SLOTS_PER_PAGE (4096u / RECORD_SIZE)

union slot {
	struct session_record record;
	uint8_t bytes[RECORD_SIZE];
};

/* Pages that nobody has written to take no memory. */
struct table {
	uint32_t magic, layout;
	uint64_t id; /* random: tells one table from another */
	uint8_t key[SESSION_KEY_BYTES];
	uint8_t reserved[4096 - 48];
	_Atomic uint8_t used[LIMIT_SESSIONS];
	union slot slots[LIMIT_SESSIONS];
};

/* Whoever changes the one changes the other. */
_Static_assert(sizeof(struct session_record) == 1424 &&
		   sizeof(struct table) ==
		       4096 + LIMIT_SESSIONS + LIMIT_SESSIONS * RECORD_SIZE,
    "of layout 1");
_Static_assert(
    sizeof(struct table) <= LIMIT_SESSION_STORE, "what the broker makes");

struct session_store {
	struct table *table; /* NULL: none yet */
	uint32_t next;	     /* where a free slot is looked for first */
};

struct session_store *
session_store_create(void)
{
	return calloc(1, sizeof(struct session_store));
}

static void
unmap(struct session_store *store)
{
	if (store->table)
		munmap(store->table, sizeof *store->table);
	store->table = NULL;
}

void
session_store_destroy(struct session_store *store)
{
	if (!store)
		return;
	unmap(store);
	free(store);
}

static bool
is_whole(const struct table *table)
{
	if (table->magic == 0)
		return false;
	if (table->magic == MAGIC && table->layout == LAYOUT)
		return true;
	log_warn("sessions: what another version of the worker has kept "
		 "(layout %u of %08x) is not of layout %u: they have ended",
	    table->layout, table->magic, LAYOUT);
	return false;
}

int
session_store_take(struct session_store *store, int fd)
{
	uint8_t key[SESSION_KEY_BYTES];
	struct table *table;

	if (!memfd_is_sealed(fd, LIMIT_SESSION_STORE))
		return -EPROTO;
	table = mmap(
	    NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (table == MAP_FAILED)
		return -errno;
	if (store->table && is_whole(table) && table->id == store->table->id) {
		munmap(table, sizeof *table);
		return SESSION_STORE_SAME;
	}
	unmap(store);
	store->table = table;
	store->next = 0;
	if (is_whole(table))
		return SESSION_STORE_KEPT;
	randombytes_buf(key, sizeof key);
	session_store_clear(store, key);
	return SESSION_STORE_EMPTY;
}

void
session_store_clear(
    struct session_store *store, const uint8_t key[SESSION_KEY_BYTES])
{
	struct table *table = store->table;

	table->magic = 0;
	atomic_thread_fence(memory_order_release);
	for (uint32_t i = 0; i < LIMIT_SESSIONS; i++)
		if (atomic_load(&table->used[i]))
			atomic_store(&table->used[i], 0);
	memcpy(table->key, key, sizeof table->key);
	randombytes_buf(&table->id, sizeof table->id);
	table->layout = LAYOUT;
	atomic_thread_fence(memory_order_release);
	table->magic = MAGIC;
}

void
session_store_key(
    const struct session_store *store, uint8_t key[SESSION_KEY_BYTES])
{
	memcpy(key, store->table->key, SESSION_KEY_BYTES);
}

uint32_t
session_store_add(
    struct session_store *store, const struct session_record *record)
{
	struct table *table = store->table;

	for (uint32_t i = 0; table && i < LIMIT_SESSIONS; i++) {
		uint32_t slot = (store->next + i) % LIMIT_SESSIONS;

		if (atomic_load(&table->used[slot]))
			continue;
		table->slots[slot].record = *record;
		atomic_store_explicit(
		    &table->used[slot], 1, memory_order_release);
		/* The lowest free one: what was in use once is in memory. */
		store->next = slot + 1;
		return slot;
	}
	return SESSION_NO_SLOT;
}

/* A page of which no slot is in use any more goes back to the system. */
static void
wipe(struct table *table, uint32_t slot)
{
	uint32_t first = slot & ~(SLOTS_PER_PAGE - 1);

	sodium_memzero(&table->slots[slot], RECORD_SIZE);
	for (uint32_t i = 0; i < SLOTS_PER_PAGE; i++)
		if (atomic_load(&table->used[first + i]))
			return;
	madvise(
	    &table->slots[first], SLOTS_PER_PAGE * RECORD_SIZE, MADV_REMOVE);
}

void
session_store_remove(struct session_store *store, uint32_t slot)
{
	if (!session_store_at(store, slot))
		return;
	atomic_store_explicit(
	    &store->table->used[slot], 0, memory_order_release);
	wipe(store->table, slot);
	if (slot < store->next)
		store->next = slot;
}

struct session_record *
session_store_at(const struct session_store *store, uint32_t slot)
{
	if (!store->table || slot >= LIMIT_SESSIONS ||
	    !atomic_load(&store->table->used[slot]))
		return NULL;
	return &store->table->slots[slot].record;
}

void
session_store_typed(struct session_store *store, uint32_t slot,
    const uint8_t id[SESSION_ID_BYTES], uint64_t seq)
{
	struct session_record *r = session_store_at(store, slot);

	if (r && memcmp(r->id, id, sizeof r->id) == 0 &&
	    atomic_load(&r->seq) < seq)
		atomic_store(&r->seq, seq);
}
