/*
 * The socket on which a program tells its service manager how it is: the
 * datagrams of sd_notify(3), of which nothing is believed that does not come
 * from the program itself.
 */
#ifndef XENTERM_NOTIFY_H
#define XENTERM_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/service.h"

/* What one datagram says; all else in it is passed over. */
struct notify_message {
	bool ready, watchdog;
	bool store, remove; /* the descriptors, or those of this name */
	char name[SERVICE_NAME];
	size_t nfds;
	int fds[SERVICE_MAX_FDS]; /* the caller's */
};

/* Binds it to path, for root alone, where one that is left over is taken away;
 * what is started from now on finds path in its environment.  -EADDRINUSE:
 * another keeper has it; or another negative errno. */
int notify_open(const char *path);

/*
 * Takes one datagram.  1: it is in *message.  0: it was not from pid, or no
 * such message, and is gone.  -EAGAIN: there is none.
 */
int notify_receive(int sock, pid_t pid, struct notify_message *message);

/* What len bytes of a datagram say; nfds and fds are left alone.  False: it is
 * none of ours. */
bool notify_parse(const char *text, size_t len, struct notify_message *out);

#endif
