/*
 * How the descriptors get from the keeper into the process that becomes the
 * program: packets with descriptors and their names, each with ':' behind it,
 * until the sender closes its end.
 */
#ifndef XENTERM_HANDOVER_H
#define XENTERM_HANDOVER_H

#include <stddef.h>
#include <sys/types.h>

/* All names, in a variable of the environment, with what stands before them
 * (MAX_ARG_STRLEN of Linux). */
#define HANDOVER_NAMES (128 * 1024 - sizeof "LISTEN_FDNAMES=")

/* One packet, with at most SERVICE_MAX_FDS descriptors, which stay the
 * caller's.  0 or a negative errno. */
int handover_send(
    int sock, const void *bytes, size_t size, const int *fds, size_t nfds);

/* One packet with at most one descriptor, which is the caller's and closed on
 * exec; *fd is -1 without one.  Its size; 0: the other end is closed; -1: it is
 * not as it should be. */
ssize_t handover_recv(int sock, void *bytes, size_t size, int *fd);

/* In the process: takes count descriptors from sock, puts them where a program
 * looks for them (sd_listen_fds(3)), closes all others but 0, 1 and 2, and says
 * so in the environment.  A negative errno: it cannot be. */
int handover_receive(int sock, size_t count);

#endif
