#include "fcgi/console_store.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "common/log.h"
#include "common/memfd.h"

#define MAGIC  0x53435458u /* "XTCS" */
#define LAYOUT 2

/* Whoever changes the one changes the other. */
_Static_assert(offsetof(struct console_store, queue) == 1024 &&
		   sizeof(struct console_store) == 1024 + 32 + INPUT_QUEUE_AREA,
    "of layout 2");
_Static_assert(sizeof(struct console_store) <= LIMIT_CONSOLE_STORE,
    "what the broker makes");

struct console_store *
console_store_create(void)
{
	struct console_store *store = mmap(NULL, sizeof *store,
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return store == MAP_FAILED ? NULL : store;
}

/* The queue's area counts only as far as it is used. */
static void
copy(struct console_store *to, const struct console_store *from)
{
	memcpy(to, from, offsetof(struct console_store, queue));
	if (input_queue_pending(&from->queue) > 0)
		memcpy(&to->queue, &from->queue, sizeof to->queue);
	to->layout = LAYOUT;
	atomic_thread_fence(memory_order_release);
	to->magic = MAGIC;
}

static bool
is_whole(const struct console_store *store, const char *name)
{
	if (store->magic == 0)
		return false;
	if (store->magic == MAGIC && store->layout == LAYOUT)
		return true;
	log_warn("console %s: what another version of the worker has kept of "
		 "it (layout %u of %08x) is not of layout %u: its size and "
		 "what waits to be typed begin anew",
	    name, store->layout, store->magic, LAYOUT);
	return false;
}

static void
raise_to(_Atomic uint64_t *number, uint64_t other)
{
	if (atomic_load(number) < other)
		atomic_store(number, other);
}

/* Nobody is told of something twice, or not at all. */
static void
merge(struct console_store *to, const struct console_store *from)
{
	for (int i = 0; i < NEWS_COUNT; i++) {
		raise_to(&to->changed[i], atomic_load(&from->changed[i]));
		raise_to(&to->event, atomic_load(&to->changed[i]));
	}
	raise_to(&to->event, atomic_load(&from->event));
}

static void
check(struct console_store *store, const char *name)
{
	uint32_t grid = atomic_load(&store->grid);
	unsigned rows = grid >> 16, cols = grid & 0xffff;

	if (rows < 1 || rows > LIMIT_ROWS || cols < 2 || cols > LIMIT_COLS)
		atomic_store(&store->grid, 24u << 16 | 80u);
	store->taker[sizeof store->taker - 1] = '\0';
	store->taker_session[sizeof store->taker_session - 1] = '\0';
	if (!input_queue_check(&store->queue))
		log_warn("console %s: what waited to be typed is not whole and "
			 "is forgotten",
		    name);
}

struct console_store *
console_store_map(int fd, const struct console_store *from, const char *name)
{
	struct console_store *store;

	if (!memfd_is_sealed(fd, LIMIT_CONSOLE_STORE)) {
		errno = EPROTO;
		return NULL;
	}
	store = mmap(
	    NULL, sizeof *store, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (store == MAP_FAILED)
		return NULL;
	if (is_whole(store, name)) {
		merge(store, from);
		check(store, name);
	} else {
		store->magic = 0;
		memset(&store->queue, 0, offsetof(struct input_queue, area));
		copy(store, from);
	}
	return store;
}

void
console_store_free(struct console_store *store)
{
	if (store)
		munmap(store, sizeof *store);
}
