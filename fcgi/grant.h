/*
 * By what somebody has a session, so that his rights can be asked for again
 * when the configuration has changed.
 */
#ifndef XENTERM_GRANT_H
#define XENTERM_GRANT_H

#include <stdint.h>

struct config;

enum grant_kind {
	GRANT_ROOT,   /* the admin interface: nothing of the configuration */
	GRANT_LOGIN,  /* an identity; text: its groups */
	GRANT_TICKET, /* one made on the admin interface */
	GRANT_KEY,    /* a signed ticket; text: the key's name */
};

struct grant {
	enum grant_kind kind;
	char *text; /* NULL: none; ours */
};

/* Takes a copy of text.  0 or -ENOMEM, and it is as before. */
int grant_set(struct grant *grant, enum grant_kind kind, const char *text);
void grant_clear(struct grant *grant);

/* What it is worth at a guest today. */
uint32_t grant_rights(const struct grant *grant, const struct config *config,
    const char *user, const char *guest);

#endif
