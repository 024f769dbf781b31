/* Listening unix sockets, made by a program that is still root. */
#ifndef XENTERM_LISTENER_H
#define XENTERM_LISTENER_H

#include <sys/types.h>

/* Whom a socket is for; (uid_t)-1 and (gid_t)-1: as they come. */
struct listener_access {
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

/*
 * Listens at path with a socket of this type (SOCK_STREAM, SOCK_SEQPACKET).
 * A socket that a dead program left is replaced.  Returns the descriptor,
 * non-blocking, or a negative errno: -EADDRINUSE when somebody answers there.
 */
int listener_open(
    const char *path, int type, const struct listener_access *access);

/*
 * A socket from somebody else, non-blocking from now on.  Returns 0, or a
 * negative errno: -EPROTOTYPE when it is no unix socket of this type that
 * listens.
 */
int listener_check(int fd, int type);

#endif
