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
struct input_by;
struct input_queue;

/* queue is borrowed and has been checked.  NULL when out of memory. */
struct input *input_create(struct event_base *base, struct input_queue *queue);
/* The queue stays as it is.  NULL is fine. */
void input_destroy(struct input *input);

/* The same requests lie elsewhere now. */
void input_set_queue(struct input *input, struct input_queue *queue);

/* The pty to write to, borrowed: what is queued goes on there.  -1: there is
 * none, it waits.  0; -ENOMEM: it is as for -1. */
int input_set_fd(struct input *input, int fd);

/* Queues all of bytes, or nothing: -ENOBUFS when the guest does not drain,
 * -ENOTCONN without a pty.  by NULL: no session's. */
int input_add(struct input *input, const void *bytes, size_t len,
    const struct input_by *by);

/* Forgets what one session (NULL: anybody) has queued; how many bytes. */
size_t input_cancel(struct input *input, const unsigned char *session);

/* Bytes not yet written. */
size_t input_pending(const struct input *input);

#endif
