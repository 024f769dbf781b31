/*
 * Reading the configuration again while the program runs.
 *
 * The worker may open no files, so this is the program that does it for both:
 * it takes what is its own, and hands the text, the keys of tickets and the
 * audit log, opened anew, to the worker.  A configuration with a mistake
 * changes nothing.
 */
#ifndef XENTERM_BROKER_RELOAD_H
#define XENTERM_BROKER_RELOAD_H

struct config;
struct consoles;
struct event_base;
struct reload;
struct worker;

/* All are borrowed; config is changed when it is read again.  NULL when out of
 * memory. */
struct reload *reload_create(struct event_base *base, struct config *config,
    struct consoles *consoles, struct worker *worker);
void reload_destroy(struct reload *reload);

/* Soon, and at most once a second: a worker may ask as often as it likes.  ctx
 * is the struct reload. */
void reload_ask(void *ctx);

#endif
