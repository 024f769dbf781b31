#include "broker/keep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "broker/nodes.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/number.h"
#include "common/service.h"

struct name {
	uint32_t kind, number;
};

struct kept {
	struct name name;
	int fd; /* -1: two had this name, and neither is believed */
	UT_hash_handle hh;
};

struct keep {
	struct kept *all;
};

/* What stands before the number, and the largest number. */
static const struct kind {
	char letter;
	uint32_t max;
} kinds[KEEP_KINDS] = {
    [KEEP_STATE] = {'b', 0},
    [KEEP_RING] = {'r', LIMIT_CONSOLES - 1},
    [KEEP_CHECKPOINT] = {'c', LIMIT_CONSOLES - 1},
    [KEEP_STORE] = {'s', LIMIT_CONSOLES - 1},
    [KEEP_TTY] = {'t', LIMIT_CONSOLES - 1},
    [KEEP_LOCK] = {'l', NODES_DOMID_END - 1},
    [KEEP_SESSIONS] = {'w', 0},
};

#define NAME 16 /* a letter, five digits and the end */

_Static_assert(LIMIT_SERVICE_FDS * sizeof("r2047") < 128 * 1024,
    "the names fit into one variable, with their ':' in between");

static void
format_name(enum keep_kind kind, uint32_t number, char out[NAME])
{
	snprintf(out, NAME, "%c%" PRIu32, kinds[kind].letter, number);
}

static bool
parse_name(const char *text, struct name *out)
{
	for (uint32_t kind = 0; kind < KEEP_KINDS; kind++) {
		uint64_t number;

		if (*text != kinds[kind].letter ||
		    !number_parse(text + 1, 0, kinds[kind].max, &number))
			continue;
		*out = (struct name){kind, (uint32_t)number};
		return true;
	}
	return false;
}

static struct kept *
find(const struct keep *keep, enum keep_kind kind, uint32_t number)
{
	const struct name name = {kind, number};
	struct kept *kept;

	HASH_FIND(hh, keep->all, &name, sizeof name, kept);
	return kept;
}

static void
give_up(int fd, const char *text, const char *why)
{
	log_warn("descriptor %s of the service manager: %s", text, why);
	if (fd >= 0)
		close(fd);
	service_unstore(text);
}

/* False: no memory. */
static bool
add(struct keep *keep, const char *text, int fd)
{
	struct name name;
	struct kept *kept;

	if (!parse_name(text, &name)) {
		give_up(fd, text, "of no use");
		return true;
	}
	kept = find(keep, name.kind, name.number);
	if (kept) {
		give_up(fd, text, "there are two of this name; neither counts");
		if (kept->fd >= 0)
			close(kept->fd);
		kept->fd = -1;
		return true;
	}
	kept = calloc(1, sizeof *kept);
	if (!kept) {
		close(fd);
		return false;
	}
	kept->name = name;
	kept->fd = fd;
	HASH_ADD(hh, keep->all, name, sizeof kept->name, kept);
	if (!kept->hh.tbl) {
		close(fd);
		free(kept);
		return false;
	}
	return true;
}

struct keep *
keep_create(void)
{
	struct keep *keep = calloc(1, sizeof *keep);
	char text[SERVICE_NAME];
	int fd;

	if (!keep)
		return NULL;
	while ((fd = service_take(NULL, text)) >= 0) {
		if (add(keep, text, fd))
			continue;
		keep_destroy(keep);
		return NULL;
	}
	return keep;
}

static void
forget(struct keep *keep, struct kept *kept)
{
	HASH_DEL(keep->all, kept);
	free(kept);
}

void
keep_destroy(struct keep *keep)
{
	struct kept *kept, *next;

	if (!keep)
		return;
	HASH_ITER (hh, keep->all, kept, next) {
		char text[NAME];

		format_name(kept->name.kind, kept->name.number, text);
		if (kept->fd >= 0)
			give_up(kept->fd, text, "belongs to nothing any more");
		forget(keep, kept);
	}
	free(keep);
}

int
keep_take(struct keep *keep, enum keep_kind kind, uint32_t number)
{
	struct kept *kept = find(keep, kind, number);
	int fd = kept ? kept->fd : -1;

	if (kept)
		forget(keep, kept);
	return fd < 0 ? -ENOENT : fd;
}

bool
keep_find(const struct keep *keep, enum keep_kind kind, uint32_t *number)
{
	const struct kept *kept;

	for (kept = keep->all; kept; kept = kept->hh.next)
		if (kept->name.kind == kind) {
			*number = kept->name.number;
			return true;
		}
	return false;
}

void
keep_store(enum keep_kind kind, uint32_t number, int fd)
{
	char text[NAME];
	int error;

	format_name(kind, number, text);
	error = service_store(text, &fd, 1);
	if (error < 0 && error != -ENOTCONN)
		log_warn("descriptor %s: the service manager does not take "
			 "it: %s",
		    text, strerror(-error));
}

void
keep_drop(enum keep_kind kind, uint32_t number)
{
	char text[NAME];
	int error;

	format_name(kind, number, text);
	error = service_unstore(text);
	if (error < 0 && error != -ENOTCONN)
		log_warn("descriptor %s: the service manager still has it: %s",
		    text, strerror(-error));
}

bool
keep_is_on(void)
{
	return service_is_there();
}
