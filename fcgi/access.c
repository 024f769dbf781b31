#include "fcgi/access.h"

#include <fnmatch.h>
#include <stdbool.h>
#include <string.h>

#include "common/config.h"

/* Is group one of the comma-separated groups? */
static bool
in_groups(const char *group, const char *groups)
{
	size_t len = strlen(group);

	while (*groups) {
		size_t n = strcspn(groups, ",");

		if (n == len && memcmp(groups, group, n) == 0)
			return len > 0;
		groups += n;
		groups += strspn(groups, ", ");
	}
	return false;
}

static bool
names_user(char *const *users, const char *user, const char *groups)
{
	for (; *users; users++) {
		if (strcmp(*users, "*") == 0)
			return true;
		if (**users == '@' ? in_groups(*users + 1, groups)
				   : strcmp(*users, user) == 0)
			return true;
	}
	return false;
}

static bool
names_guest(char *const *patterns, const char *guest)
{
	for (; *patterns; patterns++)
		if (fnmatch(*patterns, guest, 0) == 0)
			return true;
	return false;
}

/* Each right includes the one before it: who may type beside others may type;
 * what is typed is answered, so who types reads; and who reads may know that
 * the console is there.  The right log stands by itself. */
static uint32_t
complete(uint32_t rights)
{
	if (rights & RIGHT_FORCE)
		rights |= RIGHT_JOIN;
	if (rights & RIGHT_JOIN)
		rights |= RIGHT_TYPE;
	if (rights & RIGHT_TYPE)
		rights |= RIGHT_WATCH;
	return rights ? rights | RIGHT_LIST : 0;
}

uint32_t
access_rights(const struct config *config, const char *user, const char *groups,
    const char *guest)
{
	uint32_t rights = 0;

	for (size_t i = 0; i < config->naccess; i++) {
		const struct config_access *rule = &config->access[i];

		if (names_user(rule->users, user, groups) &&
		    names_guest(rule->consoles, guest))
			rights |= rule->rights;
	}
	return complete(rights);
}

uint32_t
access_of_key(const struct config_ticket_key *key, const char *guest)
{
	return names_guest(key->consoles, guest) ? complete(key->rights) : 0;
}
