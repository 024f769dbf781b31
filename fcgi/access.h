/* Who may do what, as xenterm.conf says. */
#ifndef XENTERM_ACCESS_H
#define XENTERM_ACCESS_H

#include <stdint.h>

struct config;
struct config_ticket_key;

/* The rights (RIGHT_…) of a user, with the groups nginx vouches for as a
 * comma-separated list, on the consoles of a guest.  Each comes with those
 * before it. */
uint32_t access_rights(const struct config *config, const char *user,
    const char *groups, const char *guest);

/* The rights that tickets signed with a key can have on a guest's consoles. */
uint32_t access_of_key(const struct config_ticket_key *key, const char *guest);

#endif
