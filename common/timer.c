#include "common/timer.h"

#include <event2/event.h>

void
timer_start(struct event *timer, const struct timeval *delay)
{
	if (event_add(timer, delay) < 0)
		event_active(timer, EV_TIMEOUT, 0);
}
