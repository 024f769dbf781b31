/* Giving up root, for good. */
#ifndef XENTERM_PRIVDROP_H
#define XENTERM_PRIVDROP_H

#include <stddef.h>
#include <sys/types.h>

/* Looks a user up.  0, or -ENOENT when there is no such user. */
int privdrop_lookup(const char *user, uid_t *uid, gid_t *gid);

/*
 * These are for start-up, while there is one thread.  Each asks the kernel
 * afterwards whether it is so, and ends the program when it is not.
 */

/* Becomes uid and gid, without further groups; verified also by trying to get
 * root back. */
void privdrop_to(uid_t uid, gid_t gid);

struct privdrop_capability {
	unsigned number; /* CAP_… */
	const char *name;
	const char *reason; /* "to …" */
};

/* Keeps these capabilities, all of which it must have, and no others in any
 * set; verified also by trying to get more. */
void privdrop_keep(const struct privdrop_capability *kept, size_t count);

/* No new privileges by exec, no core file, no ptrace by the same user. */
void privdrop_harden(void);

#endif
