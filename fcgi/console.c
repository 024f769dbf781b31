#include "fcgi/console.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/ring.h"
#include "common/timer.h"
#include "fcgi/counters.h"
#include "fcgi/input.h"
#include "fcgi/screen.h"
#include "fcgi/snapshot.h"
#include "fcgi/waiters.h"

#define ROWS_DEFAULT 24
#define COLS_DEFAULT 80

/* A reader that got less has most likely got all: the next wake-up tells. */
#define SHORT_READ 2048

/* Comings and goings within this time are told as one event, so that a
 * thousand viewers arriving do not wake each other a million times. */
#define VIEWERS_DELAY_MS 250

/* Somebody who goes on looking is noted again after so long. */
#define LOOK_SECONDS 60

struct console {
	struct console_key key;
	struct event_base *base;
	const struct console_owner *owner;
	char id[CONSOLE_KEY_TEXT];
	char guest[LIMIT_NAME + 1];
	char name[LIMIT_NAME + CONSOLE_KEY_TEXT];
	char holder[LIMIT_HOLDER + 1];
	uint32_t state, domid, flags;

	struct ring *ring;
	int fd;
	uint32_t serial;
	bool ended; /* the tty with this serial has been read to its end */
	bool listed;
	struct event *readable;
	struct input *input;
	struct console_store *kept; /* shared, once it was held */

	struct waiters *waiters;
	struct screen *screen;
	struct screen_owner screen_owner;
	struct snapshot *snapshot;
	struct viewer *viewers;
	size_t nviewers, ntypists, naway;
	struct event *viewers_told;
	size_t revoked; /* bytes of input, not told of yet */
	char *looker;	/* who looked without a session last, or NULL */
	time_t looked;
};

/* Those who wait are asked, and the owner is told. */
static void
tell(struct console *c)
{
	waiters_settle(c->waiters);
	if (c->owner->news)
		c->owner->news(c->owner->ctx, c);
}

static void
happened(struct console *c, enum console_news kind)
{
	uint64_t number = atomic_load(&c->kept->event) + 1;

	atomic_store(&c->kept->changed[kind], number);
	atomic_store(&c->kept->event, number);
	tell(c);
}

static void
input_lost(struct console *c, size_t bytes, enum input_loss why)
{
	static const char *const texts[] = {
	    [LOSS_GUEST_ENDED] = "its guest has ended",
	    [LOSS_RELEASED] = "it was handed to somebody else",
	    [LOSS_UNCERTAIN] = "perhaps: the worker ended while it wrote",
	    [LOSS_REVOKED] = "who typed it may not any more",
	};

	if (bytes == 0)
		return;
	log_info("console %s: %zu bytes of input are not typed: %s", c->id,
	    bytes, texts[why]);
	counters_add(COUNT_INPUT_LOST, bytes);
	c->kept->lost_bytes = bytes;
	c->kept->lost_why = why;
	happened(c, NEWS_INPUT);
}

/* Starts above every number that a worker before this one can have used. */
static uint64_t
first_event(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
on_viewers_told(evutil_socket_t fd, short what, void *arg)
{
	struct console *c = arg;
	size_t revoked = c->revoked;

	(void)fd;
	(void)what;
	c->revoked = 0;
	input_lost(c, revoked, LOSS_REVOKED);
	happened(c, NEWS_VIEWERS);
}

/* The terminal answers, once, while somebody is there who may type. */
static void
on_screen_reply(void *ctx, const void *bytes, size_t len)
{
	struct console *c = ctx;

	if (c->ntypists > 0 && input_pending(c->input) < LIMIT_REPLIES)
		console_type(c, bytes, len, NULL);
}

static void
on_screen(void *ctx)
{
	struct console *c = ctx;

	waiters_settle(c->waiters);
}

static struct console_store *
new_store(void)
{
	struct console_store *kept = console_store_create();

	if (!kept)
		return NULL;
	kept->grid = ROWS_DEFAULT << 16 | COLS_DEFAULT;
	kept->event = first_event();
	for (int i = 0; i < NEWS_COUNT; i++)
		kept->changed[i] = kept->event;
	kept->changed[NEWS_MODE] = kept->changed[NEWS_INPUT] = 0;
	return kept;
}

struct console *
console_create(struct event_base *base, const struct console_key *key,
    const struct console_owner *owner)
{
	struct console *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->key = *key;
	c->base = base;
	c->owner = owner;
	console_key_format(key, c->id);
	c->state = STATE_WAITING;
	c->fd = -1;
	c->kept = new_store();
	if (!c->kept) {
		free(c);
		return NULL;
	}
	c->input = input_create(base, &c->kept->queue);
	c->waiters = waiters_create(base);
	c->viewers_told = evtimer_new(base, on_viewers_told, c);
	c->screen_owner =
	    (struct screen_owner){on_screen_reply, on_screen, c, c->id};
	c->screen = screen_create(base, owner->spawner, &c->screen_owner);
	if (c->screen)
		c->snapshot = snapshot_create(base, c->screen, on_screen, c);
	if (!c->input || !c->waiters || !c->viewers_told || !c->snapshot) {
		console_destroy(c);
		return NULL;
	}
	screen_resize(c->screen, ROWS_DEFAULT, COLS_DEFAULT);
	return c;
}

static void
close_pty(struct console *c)
{
	if (c->fd < 0)
		return;
	input_set_fd(c->input, -1);
	event_free(c->readable);
	c->readable = NULL;
	close(c->fd);
	c->fd = -1;
}

void
console_destroy(struct console *c)
{
	if (!c)
		return;
	if (c->owner->removed)
		c->owner->removed(c->owner->ctx, c);
	close_pty(c);
	if (c->viewers)
		log_error("console %s: destroyed with viewers", c->id);
	snapshot_destroy(c->snapshot);
	screen_destroy(c->screen);
	c->screen = NULL;
	if (c->waiters)
		waiters_close(c->waiters, NULL, WAKE_CLOSED);
	waiters_destroy(c->waiters);
	if (c->viewers_told)
		event_free(c->viewers_told);
	input_destroy(c->input);
	console_store_free(c->kept);
	ring_unmap(c->ring);
	free(c->looker);
	free(c);
}

/* Bytes that one read() gets. */
static size_t
available(int fd)
{
	int n;

	if (ioctl(fd, FIONREAD, &n) < 0 || n < 0)
		return 0;
	return n < LIMIT_READ ? (size_t)n : LIMIT_READ;
}

/*
 * As read(), which tells how a tty ends, but so that what is read is not lost
 * when this process is killed just then.
 */
static ssize_t
read_to_ring(struct console *c)
{
	struct pollfd tty = {.fd = c->fd, .events = POLLIN};
	size_t space, n = available(c->fd);
	uint8_t *to = ring_space(c->ring, &space);

	if (n == 0 && poll(&tty, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	if (n == 0)
		n = available(c->fd);
	if (n == 0)
		return read(c->fd, to, LIMIT_READ);
	ring_expect(c->ring, n);
	return read(c->fd, to, n);
}

/*
 * Reads what is there into the ring, in turns, so that a flooding guest
 * leaves time for the others; whole: until nothing is left.  False: the tty has
 * ended (a hangup shows as end of file or as EIO, docs/xen-notes.md).
 */
static bool
drain(struct console *c, bool whole)
{
	int reads = whole ? LIMIT_READS_TO_END : LIMIT_READS_PER_TURN;

	while (reads-- > 0) {
		ssize_t n = read_to_ring(c);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0)
			return false;
		ring_commit(c->ring, (size_t)n);
		counters_add(COUNT_OUTPUT_BYTES, (uint64_t)n);
		if (n < SHORT_READ && !whole)
			return true;
	}
	return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct console *c = arg;

	(void)fd;
	(void)what;
	if (drain(c, false)) {
		tell(c);
		screen_output(c->screen);
		return;
	}
	screen_output(c->screen);
	log_info("console %s: tty hung up", c->id);
	close_pty(c);
	c->ended = true;
	if (c->state == STATE_UP)
		c->state = STATE_WAITING;
	happened(c, NEWS_STATE);
	c->owner->hangup(c->owner->ctx, c, c->serial);
}

void
console_update(struct console *c, const struct msg_console *msg)
{
	bool changed = c->state != msg->state || c->domid != msg->domid ||
		       c->flags != msg->flags ||
		       strcmp(c->guest, msg->name) != 0 ||
		       strcmp(c->holder, msg->holder) != 0;

	c->listed = true;
	c->state = msg->state;
	c->domid = msg->domid;
	c->flags = msg->flags;
	snprintf(c->guest, sizeof c->guest, "%s", msg->name);
	snprintf(c->holder, sizeof c->holder, "%s", msg->holder);
	if (console_is_default(c))
		snprintf(c->name, sizeof c->name, "%s", c->guest);
	else
		snprintf(c->name, sizeof c->name, "%s/%s%u", c->guest,
		    console_kind_name(c->key.kind), c->key.number);
	/* Released: the tty is somebody else's to read from now on. */
	if (c->state == STATE_RELEASED || c->state == STATE_BUSY) {
		close_pty(c);
		input_lost(c, input_cancel(c->input, NULL), LOSS_RELEASED);
	}
	if (changed)
		happened(c, NEWS_STATE);
	else
		waiters_settle(c->waiters);
}

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* What was left to be typed goes on, as far as that can be. */
static void
take_input(struct console *c)
{
	size_t uncertain = input_queue_settle(&c->kept->queue);

	input_set_queue(c->input, &c->kept->queue);
	input_lost(c, uncertain, LOSS_UNCERTAIN);
	if (c->owner->had_typed)
		input_queue_each(
		    &c->kept->queue, c->owner->had_typed, c->owner->ctx);
}

static int
take_store(struct console *c, int fd)
{
	struct console_store *old = c->kept;
	struct console_store *kept = console_store_map(fd, old, c->id);
	unsigned rows, cols;

	if (!kept)
		return -errno;
	c->kept = kept;
	take_input(c);
	console_store_free(old);
	console_size(c, &rows, &cols);
	screen_resize(c->screen, rows, cols);
	return 0;
}

/* A broker that has taken over from the one before tells what it has: the
 * same ring, and the same tty by its serial. */
static bool
has_already(const struct console *c, int ring, uint32_t serial)
{
	uint64_t run;

	return c->ring && c->serial == serial && (c->fd >= 0 || c->ended) &&
	       ring_identify(ring, &run) == 0 && run == ring_run(c->ring);
}

/* Maps the ring, if it is not the one that is mapped already. */
static int
take_ring(struct console *c, int fds[TTY_FDS])
{
	struct ring *ring = ring_map(fds[TTY_RING]);
	int error;

	if (!ring)
		return -errno;
	if (c->ring && ring_run(c->ring) == ring_run(ring)) {
		ring_unmap(ring);
		return 0;
	}
	/* Offsets of another ring are none of this one. */
	if (c->ring)
		atomic_store(&c->kept->size_from, 0);
	error = take_store(c, fds[TTY_STORE]);
	if (error) {
		ring_unmap(ring);
		return error;
	}
	snapshot_drop(c->snapshot);
	screen_set_ring(
	    c->screen, ring, fds[TTY_RING_READ_ONLY], fds[TTY_CHECKPOINT]);
	fds[TTY_RING_READ_ONLY] = fds[TTY_CHECKPOINT] = -1;
	ring_unmap(c->ring);
	c->ring = ring;
	return 0;
}

static int
take_pty(struct console *c, int fds[TTY_FDS])
{
	int pty = fds[TTY_PTY];

	c->readable =
	    event_new(c->base, pty, EV_READ | EV_PERSIST, on_readable, c);
	if (!c->readable || event_add(c->readable, NULL) < 0) {
		if (c->readable)
			event_free(c->readable);
		c->readable = NULL;
		return -ENOMEM;
	}
	fds[TTY_PTY] = -1;
	c->fd = pty;
	return 0;
}

int
console_attach(struct console *c, int fds[TTY_FDS], const struct msg_tty *msg)
{
	bool known = has_already(c, fds[TTY_RING], msg->serial);
	int error = 0;

	/* What the old tty still holds comes before the new one's bytes. */
	if (!known && c->fd >= 0)
		drain(c, true);
	if (!known) {
		close_pty(c);
		error = take_ring(c, fds);
	}
	if (!known && error == 0)
		error = take_pty(c, fds);
	for (int i = TTY_RING_READ_ONLY; i < TTY_FDS; i++)
		close_fd(&fds[i]);
	if (known || error)
		return error;
	c->serial = msg->serial;
	c->ended = false;
	c->domid = msg->domid;
	c->state = STATE_UP;
	if (c->kept->input_domid != c->domid)
		input_lost(c, input_cancel(c->input, NULL), LOSS_GUEST_ENDED);
	c->kept->input_domid = c->domid;
	if (input_set_fd(c->input, c->fd) < 0) {
		close_pty(c);
		c->state = STATE_WAITING;
		return -ENOMEM;
	}
	happened(c, NEWS_STATE);
	return 0;
}

bool
console_has_ended(const struct console *c, uint32_t *serial)
{
	*serial = c->serial;
	return c->ended;
}

void
console_unlist(struct console *c)
{
	c->listed = false;
}

bool
console_is_listed(const struct console *c)
{
	return c->listed;
}

bool
console_is_open(const struct console *c)
{
	return c->fd >= 0;
}

bool
console_is_settled(const struct console *c)
{
	return console_is_open(c) || c->state != STATE_UP;
}

int
console_type(
    struct console *c, const void *bytes, size_t len, const struct input_by *by)
{
	int error;

	/* While it is not up the tty, if any, is that of a guest that ended. */
	if (c->state != STATE_UP)
		return -ENOTCONN;
	error = input_add(c->input, bytes, len, by);
	if (error)
		return error;
	counters_add(COUNT_INPUT_BYTES, len);
	if (c->owner->typed)
		c->owner->typed(c->owner->ctx, c, bytes, len);
	return 0;
}

static void
viewers_changed(struct console *c)
{
	const struct timeval delay = {.tv_usec = VIEWERS_DELAY_MS * 1000};

	if (!evtimer_pending(c->viewers_told, NULL))
		timer_start(c->viewers_told, &delay);
}

size_t
console_cancel(struct console *c, const uint8_t session[INPUT_SESSION_LEN])
{
	return input_cancel(c->input, session);
}

void
console_revoke(struct console *c, const uint8_t session[INPUT_SESSION_LEN])
{
	c->revoked += console_cancel(c, session);
	if (c->revoked > 0)
		viewers_changed(c);
}

uint64_t
console_lost(const struct console *c, enum input_loss *why)
{
	*why = c->kept->lost_why;
	return c->kept->lost_bytes;
}

void
console_resize(struct console *c, unsigned rows, unsigned cols)
{
	uint32_t grid = rows << 16 | cols;

	if (atomic_load(&c->kept->grid) == grid)
		return;
	atomic_store(&c->kept->grid, grid);
	atomic_store(&c->kept->size_from, c->ring ? ring_end(c->ring) : 0);
	snapshot_drop(c->snapshot);
	screen_resize(c->screen, rows, cols);
	happened(c, NEWS_SIZE);
}

bool
console_look(struct console *c, const char *user)
{
	const time_t now = clock_seconds();

	if (c->looker && strcmp(c->looker, user) == 0 &&
	    now - c->looked < LOOK_SECONDS)
		return false;
	free(c->looker);
	c->looker = strdup(user); /* or the next look is a first one */
	c->looked = now;
	return true;
}

void
console_join(struct console *c, struct viewer *viewer)
{
	DL_APPEND(c->viewers, viewer);
	c->nviewers++;
	c->ntypists += viewer->may_type;
	viewers_changed(c);
	if (c->nviewers > 1)
		return;
	screen_watch(c->screen, true);
	c->owner->wanted(c->owner->ctx, c);
}

void
console_leave(struct console *c, struct viewer *viewer)
{
	DL_DELETE(c->viewers, viewer);
	c->nviewers--;
	c->ntypists -= viewer->may_type;
	c->naway -= viewer->away;
	viewers_changed(c);
	if (c->nviewers > 0)
		return;
	snapshot_drop(c->snapshot);
	screen_watch(c->screen, false);
	c->owner->wanted(c->owner->ctx, c);
}

void
console_set_away(struct console *c, struct viewer *viewer, bool away)
{
	if (viewer->away == away)
		return;
	viewer->away = away;
	if (away)
		c->naway++;
	else
		c->naway--;
	viewers_changed(c);
}

void
console_take_over(struct console *c, const struct viewer *viewer)
{
	struct console_store *kept = c->kept;
	struct viewer *v;

	atomic_store(&kept->has_taker, 0);
	snprintf(kept->taker, sizeof kept->taker, "%s", viewer->user);
	snprintf(kept->taker_session, sizeof kept->taker_session, "%s",
	    viewer->session);
	atomic_store(&kept->has_taker, 1);
	DL_FOREACH (c->viewers, v) {
		if (v == viewer || !v->may_type)
			continue;
		v->may_type = false;
		c->ntypists--;
	}
	viewers_changed(c);
	happened(c, NEWS_MODE);
}

void
console_narrow(struct console *c, struct viewer *viewer)
{
	viewer->may_type = false;
	viewer->narrowed = console_event(c);
	c->ntypists--;
	viewers_changed(c);
}

void
console_taker(const struct console *c, const char **user, const char **session)
{
	bool whole = atomic_load(&c->kept->has_taker);

	*user = whole ? c->kept->taker : "";
	*session = whole ? c->kept->taker_session : "";
}

const char *
console_typist(const struct console *c, const char *user)
{
	const struct viewer *v;

	DL_FOREACH (c->viewers, v)
		if (v->may_type && !v->away && strcmp(v->user, user) != 0)
			return v->user;
	return NULL;
}

size_t
console_npresent(const struct console *c)
{
	return c->nviewers - c->naway;
}

size_t
console_nviewers(const struct console *c)
{
	return c->nviewers;
}

const struct viewer *
console_viewers(const struct console *c)
{
	return c->viewers;
}

const struct console_key *
console_key_of(const struct console *c)
{
	return &c->key;
}

const char *
console_id(const struct console *c)
{
	return c->id;
}

const char *
console_name(const struct console *c)
{
	return c->name;
}

const char *
console_guest(const struct console *c)
{
	return c->guest;
}

uint32_t
console_state(const struct console *c)
{
	return c->state;
}

uint32_t
console_domid(const struct console *c)
{
	return c->domid;
}

bool
console_is_default(const struct console *c)
{
	return c->flags & CONSOLE_DEFAULT;
}

const char *
console_holder(const struct console *c)
{
	return c->holder;
}

const struct ring *
console_ring(const struct console *c)
{
	return c->ring;
}

void
console_size(const struct console *c, unsigned *rows, unsigned *cols)
{
	uint32_t grid = atomic_load(&c->kept->grid);

	*rows = grid >> 16;
	*cols = grid & 0xffff;
}

uint64_t
console_size_from(const struct console *c)
{
	return atomic_load(&c->kept->size_from);
}

struct screen *
console_screen(const struct console *c)
{
	return c->screen;
}

const struct snapshot_image *
console_snapshot(const struct console *c)
{
	unsigned rows, cols;

	console_size(c, &rows, &cols);
	return c->ring ? snapshot_get(c->snapshot, c->ring, rows, cols) : NULL;
}

bool
console_has_screen(const struct console *c)
{
	return c->ring && !screen_has_failed(c->screen);
}

struct waiters *
console_waiters(const struct console *c)
{
	return c->waiters;
}

uint64_t
console_event(const struct console *c)
{
	return atomic_load(&c->kept->event);
}

uint64_t
console_changed(const struct console *c, enum console_news kind)
{
	return atomic_load(&c->kept->changed[kind]);
}
