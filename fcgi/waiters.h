/*
 * Requests that wait for something to happen on a console.
 *
 * A waiter is embedded in what it stands for.  It is answered exactly once,
 * by its class, or its browser leaves; in both cases it is out of the list
 * before its class is called.  One whose class stays is told each time.
 */
#ifndef XENTERM_WAITERS_H
#define XENTERM_WAITERS_H

#include <stdbool.h>
#include <stddef.h>

struct conn;
struct event;
struct event_base;
struct waiter;
struct waiters;

enum wake {
	WAKE_READY,   /* what it waited for is there */
	WAKE_TIMEOUT, /* its time is over */
	WAKE_CLOSED,  /* its owner has ended */
	WAKE_RESTART, /* the worker ends; its owner goes on with the next */
};

struct waiter_class {
	/* Is there something to answer? */
	bool (*ready)(struct waiter *w);
	/* Finishes w->conn and frees w, or adds it again.  Must not settle a
	 * list, nor close the waiters of another owner. */
	void (*answer)(struct waiter *w, enum wake why);
	/* The browser has left, w->conn is no more: frees w. */
	void (*gone)(struct waiter *w);
	/* Asked before those of other classes. */
	bool first;
	/* WAKE_READY does not end the waiting: it stays in the list.  After
	 * another reason answer() may add it again. */
	bool stays;
};

struct waiter {
	const struct waiter_class *class;
	struct conn *conn;
	const void *owner; /* whom waiters_close() names */
	/* waiters.c's own: */
	struct waiters *list;
	struct event *deadline;
	struct waiter *prev, *next;
};

/* NULL when out of memory. */
struct waiters *waiters_create(struct event_base *base);
/* The list must be empty.  NULL is fine. */
void waiters_destroy(struct waiters *list);

/* Parks w->conn for up to ms milliseconds.  The class, conn and owner of w
 * have been set.  false when out of memory: nothing has happened then. */
bool waiters_add(struct waiters *list, struct waiter *w, unsigned ms);

/* Takes w out unanswered; w->conn stays parked: it is to be finished, or
 * added again, at once. */
void waiters_remove(struct waiter *w);

/* Answers all that are ready. */
void waiters_settle(struct waiters *list);
/* Answers all of one owner; owner NULL: all.  why: WAKE_CLOSED or
 * WAKE_RESTART. */
void waiters_close(struct waiters *list, const void *owner, enum wake why);

#endif
