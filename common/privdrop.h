/* Giving up root, for good. */
#ifndef XENTERM_PRIVDROP_H
#define XENTERM_PRIVDROP_H

#include <sys/types.h>

/* Looks a user up.  0, or -ENOENT when there is no such user. */
int privdrop_lookup(const char *user, uid_t *uid, gid_t *gid);

/*
 * Becomes uid and gid without further groups and capabilities, and can never
 * gain any again.  Verified by trying to get root back.  Only for start-up:
 * ends the program when it does not succeed.
 */
void privdrop_to(uid_t uid, gid_t gid);

/* No new privileges by exec, no core file, no ptrace by the same user. */
void privdrop_harden(void);

#endif
