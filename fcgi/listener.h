/* Listening unix sockets, made while the worker is still root. */
#ifndef XENTERM_LISTENER_H
#define XENTERM_LISTENER_H

#include <sys/types.h>

/*
 * Listens at path, with this mode, owner and group ((uid_t)-1, (gid_t)-1:
 * as they come).  A socket that a dead worker left is replaced.  Returns the
 * descriptor, non-blocking, or a negative errno: -EADDRINUSE when somebody
 * answers there.
 */
int listener_open(const char *path, mode_t mode, uid_t uid, gid_t gid);

#endif
