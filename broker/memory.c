#include "broker/memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "broker/keep.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/ring.h"

static int
make_checkpoint(void)
{
	return memfd_make("xenterm-checkpoint", LIMIT_CHECKPOINT, NULL, 0);
}

static int
make_store(void)
{
	return memfd_make("xenterm-console", LIMIT_CONSOLE_STORE, NULL, 0);
}

static int
make_sessions(void)
{
	return memfd_make("xenterm-sessions", LIMIT_SESSION_STORE, NULL, 0);
}

/* Memory of which only the size is known here. */
struct part {
	enum keep_kind kind;
	enum tty_fd fd;
	int (*make)(void);
	size_t size;
	const char *name;
};

/* What there is of each console beside the ring. */
static const struct part parts[] = {
    {KEEP_CHECKPOINT, TTY_CHECKPOINT, make_checkpoint, LIMIT_CHECKPOINT,
	"state of the screen"},
    {KEEP_STORE, TTY_STORE, make_store, LIMIT_CONSOLE_STORE,
	"store of the worker"},
};

#define NPARTS (sizeof parts / sizeof *parts)

void
memory_init(struct memory *memory, uint32_t slot)
{
	*memory = (struct memory){.slot = slot};
	for (int i = 0; i < TTY_FDS; i++)
		memory->fds[i] = -1;
}

void
memory_close(struct memory *memory)
{
	for (int i = 0; i < TTY_FDS; i++)
		if (memory->fds[i] >= 0)
			close(memory->fds[i]);
	memory_init(memory, memory->slot);
}

void
memory_drop(struct memory *memory)
{
	if (memory->run != 0) {
		keep_drop(KEEP_RING, memory->slot);
		for (size_t i = 0; i < NPARTS; i++)
			keep_drop(parts[i].kind, memory->slot);
	}
	memory_close(memory);
}

/* The one that came, if it is what it should be, or a new one. */
static int
find_or_make(struct keep *keep, const struct part *part, uint32_t number,
    const char *name)
{
	int fd = keep ? keep_take(keep, part->kind, number) : -ENOENT;

	if (fd >= 0 && memfd_is_sealed(fd, part->size))
		return fd;
	if (fd >= 0) {
		log_warn("%s: the %s that was kept is not sealed, or of "
			 "another size: it begins anew",
		    name, part->name);
		close(fd);
		keep_drop(part->kind, number);
	}
	fd = part->make();
	if (fd >= 0)
		keep_store(part->kind, number, fd);
	return fd;
}

/* The ring is there; takes it, and all that goes with it. */
static int
complete(struct memory *memory, int ring, struct keep *keep, const char *name)
{
	int error = ring_identify(ring, &memory->run);

	memory->fds[TTY_RING] = ring;
	memory->fds[TTY_RING_READ_ONLY] = memfd_reopen_read_only(ring);
	if (memory->fds[TTY_RING_READ_ONLY] < 0)
		error = memory->fds[TTY_RING_READ_ONLY];
	for (size_t i = 0; error == 0 && i < NPARTS; i++) {
		int fd = find_or_make(keep, &parts[i], memory->slot, name);

		memory->fds[parts[i].fd] = fd;
		error = fd < 0 ? fd : 0;
	}
	if (error)
		memory_drop(memory);
	return error;
}

int
memory_make(struct memory *memory, size_t ring_size)
{
	int ring;

	if (memory->run != 0)
		return 0;
	ring = ring_make(ring_size);
	if (ring < 0)
		return ring;
	keep_store(KEEP_RING, memory->slot, ring);
	return complete(memory, ring, NULL, NULL);
}

static const char *
objection(int ring, uint64_t run)
{
	uint64_t has;

	switch (ring_identify(ring, &has)) {
	case 0:
		return has == run ? NULL : "is not the one it should be";
	case -EPROTONOSUPPORT:
		return "is of another version";
	default:
		return "is none";
	}
}

int
memory_adopt(
    struct memory *memory, struct keep *keep, uint64_t run, const char *name)
{
	int ring = keep_take(keep, KEEP_RING, memory->slot);
	const char *why;

	if (ring < 0)
		return ring;
	why = objection(ring, run);
	if (!why)
		return complete(memory, ring, keep, name);
	log_warn("%s: the history that was kept %s: it begins anew", name, why);
	close(ring);
	keep_drop(KEEP_RING, memory->slot);
	return -EPROTO;
}

int
memory_sessions(struct keep *keep)
{
	static const struct part sessions = {.kind = KEEP_SESSIONS,
	    .make = make_sessions,
	    .size = LIMIT_SESSION_STORE,
	    .name = "table of sessions"};

	return find_or_make(keep, &sessions, 0, "worker");
}
