#include "fcgi/waiters.h"

#include <event2/event.h>
#include <stdlib.h>
#include <utlist.h>

#include "fcgi/server.h"

struct waiters {
	struct event_base *base;
	struct waiter *head;
};

struct waiters *
waiters_create(struct event_base *base)
{
	struct waiters *list = calloc(1, sizeof *list);

	if (list)
		list->base = base;
	return list;
}

void
waiters_destroy(struct waiters *list)
{
	free(list);
}

static void
take_out(struct waiter *w)
{
	DL_DELETE(w->list->head, w);
	event_free(w->deadline);
	w->deadline = NULL;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct waiter *w = arg;

	(void)fd;
	(void)what;
	take_out(w);
	w->class->answer(w, WAKE_TIMEOUT);
}

static void
on_gone(void *ctx)
{
	struct waiter *w = ctx;

	take_out(w);
	w->conn = NULL;
	w->class->gone(w);
}

bool
waiters_add(struct waiters *list, struct waiter *w, unsigned ms)
{
	const struct timeval delay = {
	    .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	w->list = list;
	w->deadline = evtimer_new(list->base, on_deadline, w);
	if (!w->deadline || event_add(w->deadline, &delay) < 0) {
		if (w->deadline)
			event_free(w->deadline);
		return false;
	}
	if (w->class->first)
		DL_PREPEND(list->head, w);
	else
		DL_APPEND(list->head, w);
	conn_park(w->conn, on_gone, w);
	return true;
}

void
waiters_remove(struct waiter *w)
{
	take_out(w);
}

void
waiters_settle(struct waiters *list)
{
	struct waiter *w, *next;

	DL_FOREACH_SAFE (list->head, w, next) {
		if (!w->class->ready(w))
			continue;
		if (!w->class->stays)
			take_out(w);
		w->class->answer(w, WAKE_READY);
	}
}

void
waiters_close(struct waiters *list, const void *owner, enum wake why)
{
	struct waiter *w, *next;

	DL_FOREACH_SAFE (list->head, w, next) {
		if (owner && w->owner != owner)
			continue;
		take_out(w);
		w->class->answer(w, why);
	}
}
