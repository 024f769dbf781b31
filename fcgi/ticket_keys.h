/* The keys of the configuration's ticket_key sections, read from their files
 * while the worker may still open files, or brought with it. */
#ifndef XENTERM_TICKET_KEYS_H
#define XENTERM_TICKET_KEYS_H

struct config;
struct config_files;
struct config_ticket_key;
struct jwt_key;
struct ticket_keys;

/* files NULL: opens them.  NULL when a key cannot be had, which has been
 * logged.  config is borrowed, files only read. */
struct ticket_keys *ticket_keys_load(
    const struct config *config, const struct config_files *files);
/* And forgets them.  NULL is fine. */
void ticket_keys_free(struct ticket_keys *keys);

/* The key of a name, and its section; NULL: there is none. */
const struct jwt_key *ticket_keys_find(const struct ticket_keys *keys,
    const char *name, const struct config_ticket_key **section);

#endif
