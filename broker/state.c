#define _GNU_SOURCE
#include "broker/state.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "broker/keep.h"
#include "broker/nodes.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/text.h"

/* A layout's number stands last in its magic: the next one is "XTERMBS2". */
#define STATE_MAGIC  "XTERMBS1"
#define STATE_NAME   7 /* bytes of the magic without the number */
#define STATE_HEADER 4096

struct header {
	char magic[8];
	uint32_t slots, slot_size;
	_Atomic uint32_t serial; /* the last one given */
};

struct slot {
	_Atomic uint32_t
	    current; /* 0: free; else 1 + the index of what holds */
	uint32_t unused;
	struct state_console copy[2];
};

_Static_assert(sizeof(struct state_console) == 56 + LIMIT_NAME + 1,
    "no padding, the same in each broker of this layout");
_Static_assert(sizeof(struct slot) == 8 + 2 * sizeof(struct state_console),
    "no padding either");

#define STATE_SIZE (STATE_HEADER + LIMIT_CONSOLES * sizeof(struct slot))

struct state {
	struct header *header;
	struct slot *slots;
	bool taken[LIMIT_CONSOLES];
};

/* Why fd is no state of this broker's; NULL: it is. */
static const char *
objection(int fd)
{
	struct header header;

	if (pread(fd, &header, sizeof header, 0) != sizeof header ||
	    memcmp(header.magic, STATE_MAGIC, STATE_NAME) != 0)
		return "is none";
	if (memcmp(header.magic, STATE_MAGIC, sizeof header.magic) != 0 ||
	    header.slots != LIMIT_CONSOLES ||
	    header.slot_size != sizeof(struct slot))
		return "is of another version";
	if (!memfd_is_sealed(fd, STATE_SIZE))
		return "is not sealed, or of another size";
	return NULL;
}

static struct state *
map(int fd)
{
	struct state *state = calloc(1, sizeof *state);
	uint8_t *base;

	if (!state)
		return NULL;
	base =
	    mmap(NULL, STATE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		free(state);
		return NULL;
	}
	state->header = (struct header *)base;
	state->slots = (struct slot *)(base + STATE_HEADER);
	for (uint32_t i = 0; i < LIMIT_CONSOLES; i++)
		state->taken[i] = atomic_load(&state->slots[i].current) != 0;
	return state;
}

/* The descriptor of the state that came, or of a new one. */
static int
find_or_make(struct keep *keep)
{
	struct header header = {.magic = STATE_MAGIC,
	    .slots = LIMIT_CONSOLES,
	    .slot_size = sizeof(struct slot)};
	int fd = keep_take(keep, KEEP_STATE, 0);
	uint32_t serial;
	const char *why;

	if (fd >= 0) {
		why = objection(fd);
		if (!why)
			return fd;
		log_warn("what the broker before this one has left %s: "
			 "consoles begin a new history",
		    why);
		close(fd);
		keep_drop(KEEP_STATE, 0);
	}
	/* A worker may still know numbers that another state has given. */
	if (getrandom(&serial, sizeof serial, 0) != sizeof serial)
		return -1;
	header.serial = serial;
	fd = memfd_make("xenterm-broker", STATE_SIZE, &header, sizeof header);
	if (fd >= 0)
		keep_store(KEEP_STATE, 0, fd);
	return fd;
}

struct state *
state_create(struct keep *keep)
{
	int fd = find_or_make(keep);
	struct state *state;

	if (fd < 0)
		return NULL;
	state = map(fd);
	close(fd);
	return state;
}

void
state_destroy(struct state *state)
{
	if (!state)
		return;
	munmap(state->header, STATE_SIZE);
	free(state);
}

uint32_t
state_take(struct state *state)
{
	uint32_t slot = 0;

	while (slot < LIMIT_CONSOLES && state->taken[slot])
		slot++;
	if (slot < LIMIT_CONSOLES)
		state->taken[slot] = true;
	return slot;
}

void
state_put(
    struct state *state, uint32_t slot, const struct state_console *console)
{
	struct slot *s = &state->slots[slot];
	uint32_t current = atomic_load(&s->current);
	uint32_t other = current == 1 ? 1 : 0;

	if (current != 0 &&
	    memcmp(&s->copy[!other], console, sizeof *console) == 0)
		return;
	s->copy[other] = *console;
	atomic_store(&s->current, other + 1);
}

static bool
is_possible(const struct state_console *console)
{
	return nodes_console(&console->key) != NODES_CONSOLES &&
	       console->domid < NODES_DOMID_END &&
	       console->tty_domid < NODES_DOMID_END &&
	       memchr(console->name, '\0', sizeof console->name) &&
	       text_is_clean(console->name, LIMIT_NAME);
}

bool
state_get(const struct state *state, uint32_t slot, struct state_console *out)
{
	const struct slot *s = &state->slots[slot];
	uint32_t current = atomic_load(&s->current);

	if (current != 1 && current != 2)
		return false;
	*out = s->copy[current - 1];
	return is_possible(out);
}

void
state_free(struct state *state, uint32_t slot)
{
	atomic_store(&state->slots[slot].current, 0);
	state->taken[slot] = false;
}

uint32_t
state_serial(struct state *state)
{
	uint32_t serial = 0;

	while (serial == 0)
		serial = atomic_fetch_add(&state->header->serial, 1) + 1;
	return serial;
}
