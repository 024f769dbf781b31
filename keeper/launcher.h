/*
 * The process that starts the program.
 *
 * What has given up all privileges cannot start a program that needs some: by
 * no exec are there more than before.  So the keeper forks this process before
 * it confines itself.  It reads nothing that the program says, and takes two
 * orders of a fixed size from the keeper alone.
 */
#ifndef XENTERM_LAUNCHER_H
#define XENTERM_LAUNCHER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct launcher;
struct store;

/* Forks it, with the environment as it is now; command ends with NULL.
 * watchdog: what the program is told, in seconds; 0: none.  Ends the program
 * when that fails. */
struct launcher *launcher_create(char **command, unsigned watchdog);
/* It has ended when this returns, and has told what it had started to end.
 * NULL is fine. */
void launcher_destroy(struct launcher *launcher);

/* Readable when there is something for launcher_hear(). */
int launcher_fd(const struct launcher *launcher);

/* Starts the program with what the store has.  Its pid, or a negative errno;
 * -EBUSY: there is one already. */
pid_t launcher_start(struct launcher *launcher, const struct store *store);
/* The program gets this signal, if there is one. */
void launcher_signal(struct launcher *launcher, int signum);

/* 1: the program has ended, with *status as waitpid(2) has it.  -EAGAIN:
 * nothing is new.  Another negative errno: the launcher has gone. */
int launcher_hear(struct launcher *launcher, int *status);

#endif
