/* Threads for work that may block, so that the reactor never does. */
#ifndef XENTERM_POOL_H
#define XENTERM_POOL_H

struct event_base;
struct pool;

/* A piece of work; embedded in what it works on. */
struct pool_job {
	void (*work)(struct pool_job *job); /* in a thread of the pool */
	void (*done)(struct pool_job *job); /* in the reactor, afterwards */
	struct pool_job *next;
};

/* NULL with errno set. */
struct pool *pool_create(struct event_base *base, unsigned threads);
/* Waits for the jobs under way; done() is called for all.  NULL is fine. */
void pool_destroy(struct pool *pool);
/* job stays where it is until its done() is called. */
void pool_submit(struct pool *pool, struct pool_job *job);

#endif
