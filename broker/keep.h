/*
 * The descriptors that outlive the broker: the service manager keeps duplicates
 * of them, and hands them to the broker that comes next.
 *
 * There a descriptor's name is its kind and a number, and no more, since all
 * names together come in one variable of the environment, which Linux limits to
 * 128 KiB (MAX_ARG_STRLEN).  Whose they are is in broker/state.h.
 */
#ifndef XENTERM_KEEP_H
#define XENTERM_KEEP_H

#include <stdbool.h>
#include <stdint.h>

struct keep;

enum keep_kind {
	KEEP_STATE,	 /* number 0: the memfd of broker/state.h */
	KEEP_RING,	 /* by slot of the state, as those below */
	KEEP_CHECKPOINT, /* the screen's checkpoints */
	KEEP_STORE,	 /* what a worker leaves to the next one */
	KEEP_TTY,
	KEEP_LOCK,     /* by domid */
	KEEP_SESSIONS, /* number 0: the workers' table of sessions */
	KEEP_KINDS,
};

/* Takes what has come from the service manager (common/service.h), all of it;
 * what has no name of ours, or one that another has too, is given up with a
 * warning.  NULL when out of memory. */
struct keep *keep_create(void);
/* Gives up what nobody has taken.  NULL is fine. */
void keep_destroy(struct keep *keep);

/* The descriptor of this name, the caller's from now on; -ENOENT. */
int keep_take(struct keep *keep, enum keep_kind kind, uint32_t number);
/* The number of one of this kind that has not been taken.  False: no more. */
bool keep_find(const struct keep *keep, enum keep_kind kind, uint32_t *number);

/* The manager keeps fd too, until keep_drop(), or not any more.  Without a
 * manager these do nothing. */
void keep_store(enum keep_kind kind, uint32_t number, int fd);
void keep_drop(enum keep_kind kind, uint32_t number);

/* There is a manager: what is stored outlives us. */
bool keep_is_on(void);

#endif
