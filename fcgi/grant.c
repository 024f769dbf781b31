#include "fcgi/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "fcgi/access.h"

int
grant_set(struct grant *grant, enum grant_kind kind, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	grant_clear(grant);
	*grant = (struct grant){kind, copy};
	return 0;
}

void
grant_clear(struct grant *grant)
{
	free(grant->text);
	*grant = (struct grant){GRANT_ROOT, NULL};
}

uint32_t
grant_rights(const struct grant *grant, const struct config *config,
    const char *user, const char *guest)
{
	switch (grant->kind) {
	case GRANT_LOGIN:
		return access_rights(config, user, grant->text, guest);
	case GRANT_KEY:
		for (size_t i = 0; i < config->nticket_keys; i++)
			if (strcmp(config->ticket_keys[i].name, grant->text) ==
			    0)
				return access_of_key(
				    &config->ticket_keys[i], guest);
		return 0;
	case GRANT_ROOT:
	case GRANT_TICKET:
		return RIGHT_LIST | RIGHT_WATCH | RIGHT_TYPE | RIGHT_JOIN |
		       RIGHT_FORCE;
	}
	/* A worker before this one has left it, and it is none we know. */
	return 0;
}
