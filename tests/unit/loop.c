#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/stubs.h"

/* How often a condition is looked at that no event brings about. */
#define LOOK_US 1000

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

void
loop_until(
    struct event_base *base, bool (*done)(void *arg), void *arg, int seconds)
{
	const struct timeval most = {.tv_sec = seconds};
	const struct timeval look = {.tv_usec = LOOK_US};
	bool late = false, looked;
	struct event *end = evtimer_new(base, on_time, &late);
	struct event *tick = event_new(base, -1, EV_PERSIST, on_time, &looked);
	bool is_done;

	event_add(end, &most);
	event_add(tick, &look);
	while (!(is_done = done(arg)) && !late)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(end);
	event_free(tick);
	assert_true(is_done);
}
