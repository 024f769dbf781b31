/*
 * What the keeper hands to each program that it starts: the sockets that it
 * was started with, and what the programs have stored, by name.
 */
#ifndef XENTERM_STORE_H
#define XENTERM_STORE_H

#include <stdbool.h>
#include <stddef.h>

struct store;

/* Of at most max descriptors.  NULL when out of memory. */
struct store *store_create(size_t max);
/* Closes all it has.  NULL is fine. */
void store_destroy(struct store *store);

/* Takes ownership of fd.  One that stays is no program's to remove.  -ENOSPC
 * when it is full, or another negative errno; fd is closed then. */
int store_add(struct store *store, const char *name, int fd, bool stays);
/* All of this name. */
void store_remove(struct store *store, const char *name);
size_t store_count(const struct store *store);

/* Sends all, in the order in which they came (keeper/handover.h).  0 or a
 * negative errno. */
int store_send(const struct store *store, int sock);

#endif
