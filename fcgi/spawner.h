/*
 * The worker's end of xenterm-screen, which starts the screen processes.
 *
 * The worker itself may neither fork nor exec once it runs.  When the spawner
 * has ended no screen process can be started until the worker is.
 */
#ifndef XENTERM_SPAWNER_H
#define XENTERM_SPAWNER_H

#include <stdint.h>

struct event_base;
struct spawner;

/* Opens the program, to be started later with fewer rights: a descriptor, or
 * a negative errno. */
int spawner_open(const char *program);

/* Starts the program, whose descriptor it closes, and waits for its greeting;
 * it has at most max processes.  NULL: that has been logged. */
struct spawner *spawner_start(int program, unsigned max);
/* The program ends.  NULL is fine. */
void spawner_stop(struct spawner *spawner);

/* From now on base watches it.  0 or -ENOMEM. */
int spawner_watch(struct spawner *spawner, struct event_base *base);

/*
 * Starts a screen process for a ring, of which it is handed the read-only
 * descriptor, and its checkpoints.  Both stay the caller's.  Returns the
 * socket to it, which is the caller's, or a negative errno; -EAGAIN: there are
 * as many as there may be, or the spawner is busy.  *id names it.
 */
int spawner_screen(
    struct spawner *spawner, int ring, int checkpoint, uint32_t *id);

/* Ends a process that does not do as it should.  It need not exist. */
void spawner_kill(struct spawner *spawner, uint32_t id);

#endif
