#define _GNU_SOURCE
#include "keeper/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/service.h"

/* The first descriptor that a program gets (SD_LISTEN_FDS_START). */
#define FIRST 3

/* A variable of the environment, with what stands before it (MAX_ARG_STRLEN of
 * Linux). */
#define VARIABLE (128 * 1024 - sizeof "LISTEN_FDNAMES=")

struct entry {
	char *name;
	int fd;
	bool stays;
};

struct store {
	size_t max, count, names; /* bytes of all names, with a ':' each */
	struct entry *entries;
};

struct store *
store_create(size_t max)
{
	struct store *store = calloc(1, sizeof *store);

	if (!store)
		return NULL;
	store->max = max;
	store->entries = calloc(max, sizeof *store->entries);
	if (store->entries)
		return store;
	free(store);
	return NULL;
}

void
store_destroy(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->count; i++) {
		close(store->entries[i].fd);
		free(store->entries[i].name);
	}
	free(store->entries);
	free(store);
}

static int
add(struct store *store, const char *name, int fd, bool stays)
{
	struct entry entry = {.stays = stays};

	if (store->count == store->max ||
	    store->names + strlen(name) + 1 > VARIABLE)
		return -ENOSPC;
	entry.name = strdup(name);
	if (!entry.name)
		return -ENOMEM;
	entry.fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST + (int)store->max);
	if (entry.fd < 0) {
		int error = -errno;

		free(entry.name);
		return error;
	}
	store->names += strlen(name) + 1;
	store->entries[store->count++] = entry;
	return 0;
}

int
store_add(struct store *store, const char *name, int fd, bool stays)
{
	int error = add(store, name, fd, stays);

	close(fd);
	return error;
}

void
store_remove(struct store *store, const char *name)
{
	size_t left = 0;

	for (size_t i = 0; i < store->count; i++) {
		struct entry entry = store->entries[i];

		if (entry.stays || strcmp(entry.name, name) != 0) {
			store->entries[left++] = entry;
			continue;
		}
		store->names -= strlen(name) + 1;
		close(entry.fd);
		free(entry.name);
	}
	store->count = left;
}

size_t
store_count(const struct store *store)
{
	return store->count;
}

static int
set_number(const char *variable, long number)
{
	char text[32];

	snprintf(text, sizeof text, "%ld", number);
	return setenv(variable, text, 1) < 0 ? -errno : 0;
}

static int
set_names(const struct store *store)
{
	char *names = malloc(store->names + 1), *end = names;
	int error = 0;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < store->count; i++)
		end += sprintf(end, "%s:", store->entries[i].name);
	/* Not the last ':'. */
	*(end > names ? end - 1 : end) = '\0';
	if (setenv("LISTEN_FDNAMES", names, 1) < 0)
		error = -errno;
	free(names);
	return error;
}

int
store_place(const struct store *store)
{
	int error;

	for (size_t i = 0; i < store->count; i++)
		if (dup2(store->entries[i].fd, FIRST + (int)i) < 0)
			return -errno;
	error = set_names(store);
	if (error == 0)
		error = set_number("LISTEN_FDS", (long)store->count);
	return error ? error : set_number("LISTEN_PID", getpid());
}
