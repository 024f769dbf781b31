/*
 * The program behind a stand-in guest's console: on a pty of its own, as an
 * unprivileged user, in namespaces of its own (processes, mounts, host name,
 * network), so that a demo's visitor meets neither the host nor its
 * neighbours. Its end is the end of everything it has started.
 */
#ifndef STANDIN_PROGRAM_H
#define STANDIN_PROGRAM_H

#include <sys/types.h>

struct program {
	pid_t pid;
	int master; /* the pty: non-blocking */
	int slave;  /* held open, so that the master never says EIO */
};

struct program_options {
	const char *hostname;
	const char *user;
	const char *init; /* script to run when argv is empty */
	char **argv;
};

/* 0, or -1 with a message on stderr. */
int program_start(
    struct program *program, const struct program_options *options);

#endif
