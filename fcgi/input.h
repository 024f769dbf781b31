/*
 * What is to be typed into one guest: a bounded queue, paced.
 *
 * The pace is there because a guest's hvc driver takes 16 bytes at a time
 * and its line discipline throws away what comes faster than somebody reads
 * (linux: drivers/tty/hvc/hvc_console.c, N_INBUF).  A key or a short line
 * goes at once; a paste follows at the pace, or as slowly as the pty drains.
 */
#ifndef XENTERM_INPUT_H
#define XENTERM_INPUT_H

#include <stddef.h>

struct event_base;
struct input;

/* NULL when out of memory. */
struct input *input_create(struct event_base *base);
/* What is queued is forgotten.  NULL is fine. */
void input_destroy(struct input *input);

/* The pty to write to, borrowed; -1: there is none, and what was queued for
 * the last one is forgotten. */
void input_set_fd(struct input *input, int fd);

/* Queues all of bytes, or nothing: -ENOBUFS when the guest does not drain,
 * -ENOMEM, -ENOTCONN without a pty. */
int input_add(struct input *input, const void *bytes, size_t len);

/* Bytes not yet written. */
size_t input_pending(const struct input *input);

#endif
