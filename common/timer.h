/* Timers that are started anew. */
#ifndef XENTERM_TIMER_H
#define XENTERM_TIMER_H

struct event;
struct timeval;

/* Without memory for it, it fires at once: too soon rather than never. */
void timer_start(struct event *timer, const struct timeval *delay);

#endif
