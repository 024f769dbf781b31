#define _GNU_SOURCE
#include "keeper/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/service.h"
#include "keeper/handover.h"

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

int
store_add(struct store *store, const char *name, int fd, bool stays)
{
	struct entry entry = {.fd = fd, .stays = stays};
	int error = -ENOSPC;

	if (store->count < store->max &&
	    store->names + strlen(name) + 1 <= HANDOVER_NAMES) {
		entry.name = strdup(name);
		error = entry.name ? 0 : -ENOMEM;
	}
	if (error) {
		close(fd);
		return error;
	}
	store->names += strlen(name) + 1;
	store->entries[store->count++] = entry;
	return 0;
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

/* The names of count entries from the first on, and their descriptors; the
 * length of the names. */
static size_t
gather(const struct entry *first, size_t count, char *names, int *fds)
{
	char *end = names;

	for (size_t i = 0; i < count; i++) {
		end += sprintf(end, "%s:", first[i].name);
		fds[i] = first[i].fd;
	}
	return (size_t)(end - names);
}

int
store_send(const struct store *store, int sock)
{
	static char names[SERVICE_MAX_FDS * SERVICE_NAME + 1];
	int fds[SERVICE_MAX_FDS], error = 0;
	size_t n;

	for (size_t i = 0; error == 0 && i < store->count; i += n) {
		n = store->count - i;
		if (n > SERVICE_MAX_FDS)
			n = SERVICE_MAX_FDS;
		error = handover_send(sock, names,
		    gather(&store->entries[i], n, names, fds), fds, n);
	}
	return error;
}
