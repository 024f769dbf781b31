#define _GNU_SOURCE
#include "fcgi/pool.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

struct pool {
	pthread_mutex_t mutex;
	pthread_cond_t work;
	struct pool_job *waiting, *finished; /* under mutex */
	bool stop;			     /* under mutex */
	int wakeup; /* eventfd: something is finished */
	struct event *event;
	unsigned nthreads;
	pthread_t threads[];
};

static struct pool_job *
next_job(struct pool *pool)
{
	struct pool_job *job;

	pthread_mutex_lock(&pool->mutex);
	while (!pool->waiting && !pool->stop)
		pthread_cond_wait(&pool->work, &pool->mutex);
	job = pool->waiting;
	if (job)
		LL_DELETE(pool->waiting, job);
	pthread_mutex_unlock(&pool->mutex);
	return job;
}

static void *
thread_main(void *arg)
{
	const uint64_t one = 1;
	struct pool *pool = arg;
	struct pool_job *job;

	while ((job = next_job(pool)) != NULL) {
		job->work(job);
		pthread_mutex_lock(&pool->mutex);
		LL_APPEND(pool->finished, job);
		pthread_mutex_unlock(&pool->mutex);
		/* Can fail only when 2^64 wake-ups are pending. */
		if (write(pool->wakeup, &one, sizeof one) < 0)
			abort();
	}
	return NULL;
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
	struct pool *pool = arg;
	struct pool_job *jobs, *job, *next;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof count) < 0)
		return;
	pthread_mutex_lock(&pool->mutex);
	jobs = pool->finished;
	pool->finished = NULL;
	pthread_mutex_unlock(&pool->mutex);
	LL_FOREACH_SAFE (jobs, job, next)
		job->done(job);
}

/* Signals are the reactor's: the threads are started with all blocked. */
static int
start_threads(struct pool *pool, unsigned threads)
{
	sigset_t all, old;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (pool->nthreads < threads && error == 0) {
		error = pthread_create(
		    &pool->threads[pool->nthreads], NULL, thread_main, pool);
		if (error == 0)
			pool->nthreads++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return error;
}

struct pool *
pool_create(struct event_base *base, unsigned threads)
{
	struct pool *pool;
	int error;

	pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
	if (!pool)
		return NULL;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->work, NULL);
	pool->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pool->event = event_new(
	    base, pool->wakeup, EV_READ | EV_PERSIST, on_finished, pool);
	error = ENOMEM;
	if (pool->wakeup < 0 || !pool->event || event_add(pool->event, NULL))
		goto fail;
	error = start_threads(pool, threads);
	if (error == 0)
		return pool;
fail:
	pool_destroy(pool);
	errno = error;
	return NULL;
}

void
pool_destroy(struct pool *pool)
{
	struct pool_job *job, *next;

	if (!pool)
		return;
	pthread_mutex_lock(&pool->mutex);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->mutex);
	for (unsigned i = 0; i < pool->nthreads; i++)
		pthread_join(pool->threads[i], NULL);
	LL_FOREACH_SAFE (pool->finished, job, next)
		job->done(job);
	if (pool->event)
		event_free(pool->event);
	if (pool->wakeup >= 0)
		close(pool->wakeup);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
}

void
pool_submit(struct pool *pool, struct pool_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&pool->mutex);
	LL_APPEND(pool->waiting, job);
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->mutex);
}
