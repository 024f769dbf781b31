#define _GNU_SOURCE
#include "fcgi/screen.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/ring.h"
#include "common/timer.h"
#include "fcgi/memory.h"
#include "fcgi/spawner.h"

/* Processes that end one after the other without getting further: from which
 * on the checkpoint is not trusted, and from which on there is none. */
#define CRASHES_AFRESH 2
#define CRASHES_FAILED 4

/* So much later an end has nothing to do with the one before.  Until then the
 * next process waits a little: a guest that can end its process must not have
 * the machine fork without a pause. */
#define CRASH_MEMORY_SECONDS 60
#define CRASH_PAUSE_MS	     100

/* When there was no memory or no descriptor for a process, the next try comes
 * so much later; then twice that, up to the second. */
#define SHORTAGE_FIRST_MS 100
#define SHORTAGE_MAX_MS	  2000

/* Output is fed so much later: its viewers are told first, and what comes in
 * pieces wakes the process once.  More than a quarter of the ring is fed at
 * once. */
#define FEED_DELAY_MS 10

/* Messages taken in one turn of the loop. */
#define MESSAGES_PER_TURN 64

enum process {
	PROCESS_NONE,
	PROCESS_RUNS,
	PROCESS_STOPS, /* it saves its state, and ends */
	PROCESS_FAILS, /* there shall be none */
};

/* A process is asked one thing at a time. */
enum asked {
	ASKED_NOTHING,
	ASKED_AT,    /* START, FEED or RESIZE */
	ASKED_IMAGE, /* the first of the jobs */
};

struct screen {
	struct event_base *base;
	struct spawner *spawner;
	const struct screen_owner *owner;
	const struct ring *ring;
	int ring_fd, checkpoint_fd;
	unsigned rows, cols;
	bool watched, size_due;
	uint64_t size_from; /* the offset from which the size holds */

	enum process process;
	enum asked asked;
	uint32_t id;
	int fd;
	struct event *readable;
	struct event *late;  /* it has not answered */
	struct event *again; /* time for the next one */
	struct event *soon;  /* time to feed it */
	bool feed_due;
	/* The process has worked through, has saved, and has been answered
	 * for the output up to here; and it is to get so far now. */
	uint64_t offset, saved, answered, due;
	uint64_t skipped;

	unsigned crashes;
	uint64_t crashed_at; /* offset of the last end */
	time_t crash_time;
	uint64_t failed_end;  /* of the ring, as it was then */
	unsigned shortage_ms; /* until the next try; 0: the last one was good */

	struct screen_job *jobs;
	size_t njobs;
	uint64_t last_job;
	struct screen_wish wish; /* what was asked for */
	struct evbuffer *data;	 /* of the rendering that comes */
};

static void step(struct screen *s);

/* ---- the process -------------------------------------------------------- */

static void
close_process(struct screen *s)
{
	if (s->fd < 0)
		return;
	if (s->readable)
		event_free(s->readable);
	s->readable = NULL;
	close(s->fd);
	s->fd = -1;
	event_del(s->late);
	event_del(s->soon);
	s->feed_due = false;
	s->asked = ASKED_NOTHING;
	s->process = PROCESS_NONE;
	evbuffer_drain(s->data, evbuffer_get_length(s->data));
}

static void
remove_job(struct screen *s, struct screen_job *job)
{
	DL_DELETE(s->jobs, job);
	s->njobs--;
	job->screen = NULL;
}

static void
end_job(struct screen *s, struct screen_job *job, int error,
    const struct screen_image *image)
{
	remove_job(s, job);
	job->done(job, error, image, s->data);
}

/* Not those who ask again upon it. */
static void
end_jobs(struct screen *s)
{
	for (size_t n = s->njobs; n > 0 && s->jobs; n--)
		end_job(s, s->jobs, -EIO, NULL);
}

/* Those who wait are told from the loop: some ask while this happens. */
static void
fail(struct screen *s)
{
	const struct timeval now = {0};

	log_error("console %s: has no screen until its present output has left "
		  "the ring; viewers get raw output",
	    s->owner->name);
	s->process = PROCESS_FAILS;
	s->failed_end = ring_end(s->ring) + 1;
	timer_start(s->again, &now);
}

static void
start_later(struct screen *s, unsigned ms)
{
	const struct timeval delay = {.tv_usec = (suseconds_t)ms * 1000};

	timer_start(s->again, &delay);
}

/* It is not the screen's fault: there is no process for a while. */
static void
run_short(struct screen *s, int error)
{
	struct timeval delay;

	if (s->shortage_ms == 0)
		log_warn("console %s: no screen process at present: %s",
		    s->owner->name, strerror(-error));
	s->shortage_ms =
	    s->shortage_ms ? 2 * s->shortage_ms : SHORTAGE_FIRST_MS;
	if (s->shortage_ms > SHORTAGE_MAX_MS)
		s->shortage_ms = SHORTAGE_MAX_MS;
	if (s->fd >= 0)
		spawner_kill(s->spawner, s->id);
	close_process(s);
	delay = (struct timeval){
	    s->shortage_ms / 1000, (suseconds_t)(s->shortage_ms % 1000) * 1000};
	timer_start(s->again, &delay);
}

static bool
is_shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM ||
	       error == -ENOBUFS || error == -EAGAIN || error == -ETOOMANYREFS;
}

/* The process has ended, or is ended, without having been asked to. */
static void
crashed(struct screen *s, const char *why)
{
	time_t now = clock_seconds();
	bool again =
	    s->crash_time != 0 && now - s->crash_time <= CRASH_MEMORY_SECONDS;

	log_warn(
	    "console %s: screen process %u %s", s->owner->name, s->id, why);
	spawner_kill(s->spawner, s->id);
	close_process(s);
	if (s->offset > s->crashed_at || !again)
		s->crashes = 0;
	s->crashes++;
	s->crashed_at = s->offset;
	s->crash_time = now;
	if (s->crashes >= CRASHES_FAILED)
		fail(s);
	else
		start_later(s, again ? CRASH_PAUSE_MS : 0);
}

static bool
ask(struct screen *s, const void *msg, size_t size, enum asked what)
{
	const struct timeval delay = {.tv_sec = LIMIT_SCREEN_SECONDS};

	if (send(s->fd, msg, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		crashed(s, "does not take its messages");
		return false;
	}
	s->asked = what;
	event_add(s->late, &delay);
	return true;
}

static void
on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	crashed(arg, "does not answer");
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct screen *s = arg;

	(void)fd;
	(void)what;
	if (s->process == PROCESS_FAILS) {
		end_jobs(s);
		s->owner->failed(s->owner->ctx);
		return;
	}
	/* By now they are better told to come again. */
	if (s->shortage_ms == SHORTAGE_MAX_MS)
		end_jobs(s);
	step(s);
}

static void
on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct screen *s = arg;

	(void)fd;
	(void)what;
	s->feed_due = true;
	step(s);
}

/* ---- what it says ------------------------------------------------------- */

union message {
	uint32_t type;
	struct screen_at at;
	struct screen_reply reply;
	struct screen_image image;
	struct {
		uint32_t type;
		uint8_t bytes[SCREEN_DATA_MAX];
	} data;
};

static void
answered(struct screen *s)
{
	s->asked = ASKED_NOTHING;
	event_del(s->late);
}

static bool
on_at(struct screen *s, const struct screen_at *msg, size_t size)
{
	if (size != sizeof *msg || s->asked != ASKED_AT ||
	    msg->offset < s->due || msg->offset > ring_end(s->ring) ||
	    msg->checkpoint > msg->offset)
		return false;
	if (msg->skipped > s->skipped)
		log_debug("console %s: its screen skipped %llu bytes",
		    s->owner->name,
		    (unsigned long long)(msg->skipped - s->skipped));
	s->skipped = msg->skipped;
	s->shortage_ms = 0;
	s->offset = msg->offset;
	s->saved = msg->checkpoint;
	if (s->process == PROCESS_RUNS)
		answered(s); /* else its end is waited for */
	return true;
}

static bool
on_reply(struct screen *s, const struct screen_reply *msg, size_t size)
{
	if (size != sizeof *msg || msg->len == 0 ||
	    msg->len > SCREEN_REPLY_MAX || msg->offset <= s->answered ||
	    msg->offset > ring_end(s->ring))
		return false;
	s->answered = msg->offset;
	s->owner->reply(s->owner->ctx, msg->bytes, msg->len);
	return true;
}

static bool
on_data(struct screen *s, const uint8_t *bytes, size_t len)
{
	return s->asked == ASKED_IMAGE && len > 0 &&
	       evbuffer_get_length(s->data) + len <= LIMIT_RENDERING &&
	       evbuffer_add(s->data, bytes, len) == 0;
}

/*
 * An image answers all who wished the same by now; that nothing has changed
 * only those who know that generation.
 */
static struct screen_job *
find_answered(
    struct screen *s, const struct screen_image *image, uint64_t number)
{
	struct screen_job *job;

	DL_FOREACH (s->jobs, job)
		if (job->number <= number && job->format == s->wish.format &&
		    job->history == s->wish.history &&
		    (job->since == image->generation) ==
			(image->unchanged != 0))
			break;
	return job;
}

/* What they do then may bring new wishes, or take others back. */
static bool
on_image(struct screen *s, const struct screen_image *msg, size_t size)
{
	uint64_t number = s->last_job;
	struct screen_job *job;

	if (size != sizeof *msg || s->asked != ASKED_IMAGE ||
	    msg->format != s->wish.format || msg->offset < s->offset ||
	    msg->offset > ring_end(s->ring) ||
	    msg->len != evbuffer_get_length(s->data) ||
	    msg->unchanged != (msg->generation == s->wish.since))
		return false;
	s->offset = msg->offset;
	while ((job = find_answered(s, msg, number)))
		end_job(s, job, 0, msg);
	if (s->asked == ASKED_IMAGE)
		answered(s);
	evbuffer_drain(s->data, evbuffer_get_length(s->data));
	return true;
}

static bool
take(struct screen *s, const union message *msg, size_t size)
{
	switch (msg->type) {
	case SCREEN_AT:
		return on_at(s, &msg->at, size);
	case SCREEN_REPLY:
		return on_reply(s, &msg->reply, size);
	case SCREEN_DATA:
		return on_data(s, msg->data.bytes, size - sizeof msg->type);
	case SCREEN_IMAGE:
		return on_image(s, &msg->image, size);
	}
	return false;
}

static void
ended(struct screen *s)
{
	bool expected = s->process == PROCESS_STOPS;

	if (!expected) {
		crashed(s, "has ended");
		return;
	}
	close_process(s);
	step(s);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	static union message msg;
	const uint64_t refusals = memory_refusals();
	struct screen *s = arg;

	(void)what;
	for (int i = 0; i < MESSAGES_PER_TURN && s->fd == fd; i++) {
		ssize_t n = recv(fd, &msg, sizeof msg, MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			ended(s);
			return;
		}
		if ((size_t)n < sizeof msg.type || !take(s, &msg, (size_t)n)) {
			if (memory_refusals() != refusals)
				run_short(s, -ENOMEM);
			else
				crashed(s, "breaks the rules of the protocol");
			return;
		}
	}
	step(s);
}

/* ---- what it is asked --------------------------------------------------- */

static uint64_t
unsaved(const struct screen *s)
{
	return ring_end(s->ring) - s->saved;
}

static bool
is_wanted(const struct screen *s)
{
	return s->watched || s->jobs || unsaved(s) > ring_size(s->ring) / 4 * 3;
}

static void
start(struct screen *s)
{
	struct screen_start msg = {.type = SCREEN_START,
	    .afresh = s->crashes >= CRASHES_AFRESH,
	    .rows = s->rows,
	    .cols = s->cols,
	    .live = s->answered};

	int fd =
	    spawner_screen(s->spawner, s->ring_fd, s->checkpoint_fd, &s->id);

	if (is_shortage(fd)) {
		run_short(s, fd);
		return;
	}
	if (fd < 0) {
		crashed(s, "cannot be started");
		return;
	}
	s->fd = fd;
	s->readable =
	    event_new(s->base, s->fd, EV_READ | EV_PERSIST, on_readable, s);
	s->process = PROCESS_RUNS;
	s->size_due = false; /* START says it */
	s->skipped = 0;
	s->due = ring_end(s->ring);
	if (!s->readable || event_add(s->readable, NULL) < 0) {
		run_short(s, -ENOMEM);
		return;
	}
	ask(s, &msg, sizeof msg, ASKED_AT);
}

static void
ask_size(struct screen *s)
{
	const struct screen_resize msg = {.type = SCREEN_RESIZE,
	    .rows = s->rows,
	    .cols = s->cols,
	    .offset = s->size_from};

	s->size_due = false;
	s->due = s->offset;
	ask(s, &msg, sizeof msg, ASKED_AT);
}

static void
ask_image(struct screen *s)
{
	s->wish = (struct screen_wish){.type = SCREEN_RENDER,
	    .format = s->jobs->format,
	    .history = s->jobs->history,
	    .since = s->jobs->since};
	ask(s, &s->wish, sizeof s->wish, ASKED_IMAGE);
}

static void
ask_feed(struct screen *s)
{
	const struct screen_msg msg = {SCREEN_FEED};

	s->feed_due = false;
	event_del(s->soon);
	/* Or it could be asked the same for ever. */
	s->due = ring_end(s->ring);
	ask(s, &msg, sizeof msg, ASKED_AT);
}

static void
feed(struct screen *s)
{
	const struct timeval delay = {.tv_usec = FEED_DELAY_MS * 1000};
	uint64_t unread = ring_end(s->ring) - s->offset;

	if (s->feed_due || !is_wanted(s) || unread > ring_size(s->ring) / 4)
		ask_feed(s);
	else if (!event_pending(s->soon, EV_TIMEOUT, NULL))
		timer_start(s->soon, &delay);
}

/* The process saves its state and ends. */
static void
stop(struct screen *s)
{
	const struct timeval delay = {.tv_sec = LIMIT_SCREEN_SECONDS};

	s->process = PROCESS_STOPS;
	s->asked = ASKED_AT;
	event_add(s->late, &delay);
	shutdown(s->fd, SHUT_WR);
}

/* The next process must not trust what the last ones have left. */
static void
recover(struct screen *s)
{
	s->process = PROCESS_NONE;
	s->crashes = CRASHES_AFRESH;
}

/* The next thing to do, if there is any and nothing is under way. */
static void
step(struct screen *s)
{
	if (!s->ring || s->asked != ASKED_NOTHING ||
	    event_pending(s->again, EV_TIMEOUT, NULL))
		return;
	if (s->process == PROCESS_FAILS && s->spawner &&
	    ring_begin(s->ring) >= s->failed_end)
		recover(s);
	if (s->process == PROCESS_NONE) {
		if (is_wanted(s))
			start(s);
		return;
	}
	if (s->process != PROCESS_RUNS)
		return;
	if (s->size_due)
		ask_size(s);
	else if (s->jobs)
		ask_image(s);
	else if (s->offset < ring_end(s->ring))
		feed(s);
	else if (!is_wanted(s))
		stop(s);
}

/* ---- for its owner ------------------------------------------------------ */

bool
screen_has_failed(const struct screen *s)
{
	return s->process == PROCESS_FAILS;
}

struct screen *
screen_create(struct event_base *base, struct spawner *spawner,
    const struct screen_owner *owner)
{
	struct screen *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->base = base;
	s->spawner = spawner;
	s->owner = owner;
	s->fd = s->ring_fd = s->checkpoint_fd = -1;
	s->process = spawner ? PROCESS_NONE : PROCESS_FAILS;
	s->late = evtimer_new(base, on_late, s);
	s->again = evtimer_new(base, on_again, s);
	s->soon = evtimer_new(base, on_soon, s);
	s->data = evbuffer_new();
	if (!s->late || !s->again || !s->soon || !s->data) {
		screen_destroy(s);
		return NULL;
	}
	return s;
}

static void
forget_ring(struct screen *s)
{
	close_process(s);
	if (s->ring_fd >= 0)
		close(s->ring_fd);
	if (s->checkpoint_fd >= 0)
		close(s->checkpoint_fd);
	s->ring = NULL;
	s->ring_fd = s->checkpoint_fd = -1;
}

void
screen_destroy(struct screen *s)
{
	if (!s)
		return;
	if (s->data)
		forget_ring(s);
	while (s->jobs)
		end_job(s, s->jobs, -ECONNRESET, NULL);
	if (s->late)
		event_free(s->late);
	if (s->again)
		event_free(s->again);
	if (s->soon)
		event_free(s->soon);
	if (s->data)
		evbuffer_free(s->data);
	free(s);
}

void
screen_set_ring(
    struct screen *s, const struct ring *ring, int ring_fd, int checkpoint)
{
	forget_ring(s);
	s->ring = ring;
	s->ring_fd = ring_fd;
	s->checkpoint_fd = checkpoint;
	/* What it printed before we knew it is not answered any more. */
	s->answered = ring_end(ring);
	s->offset = s->saved = ring_begin(ring);
	s->crashes = 0;
	s->crashed_at = s->failed_end = 0;
	if (s->spawner)
		s->process = PROCESS_NONE;
	step(s);
}

void
screen_watch(struct screen *s, bool watched)
{
	/* Nobody was there who could have been answered. */
	if (watched && !s->watched && s->ring)
		s->answered = ring_end(s->ring);
	s->watched = watched;
	if (watched && s->process == PROCESS_FAILS && s->spawner &&
	    clock_seconds() - s->crash_time > CRASH_MEMORY_SECONDS)
		recover(s);
	step(s);
}

void
screen_output(struct screen *s)
{
	step(s);
}

void
screen_resize(struct screen *s, unsigned rows, unsigned cols)
{
	s->rows = rows;
	s->cols = cols;
	s->size_due = true;
	s->size_from = s->ring ? ring_end(s->ring) : 0;
	step(s);
}

int
screen_render(struct screen *s, struct screen_job *job)
{
	if (!s->ring || s->process == PROCESS_FAILS)
		return -EIO;
	if (s->njobs >= LIMIT_RENDERINGS)
		return -ENOBUFS;
	job->screen = s;
	job->number = ++s->last_job;
	s->njobs++;
	DL_APPEND(s->jobs, job);
	step(s);
	return 0;
}

void
screen_cancel(struct screen_job *job)
{
	if (!job->screen)
		return;
	remove_job(job->screen, job);
}
