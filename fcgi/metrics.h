/*
 * Numbers for Prometheus, in its text format.
 *
 * No label has a value that a guest, a user or a client chooses: the number of
 * series is fixed.
 */
#ifndef XENTERM_METRICS_H
#define XENTERM_METRICS_H

struct evbuffer;
struct worker;

void metrics_write(const struct worker *w, struct evbuffer *out);

#endif
