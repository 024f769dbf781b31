#define _GNU_SOURCE
#include "fcgi/broker_link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/msg.h"
#include "common/timer.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/memory.h"
#include "fcgi/power.h"
#include "fcgi/reload.h"
#include "fcgi/session.h"
#include "fcgi/session_keep.h"

#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   2000

/* Packets taken in one turn of the loop. */
#define PACKETS_PER_TURN 64

struct broker_link {
	struct event_base *base;
	struct consoles *consoles;
	struct sessions *sessions;
	struct reload *reload;
	struct powers *powers;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int fd;
	struct event *readable, *writable, *retry;
	struct evbuffer *unsent; /* messages of struct unsent */
	unsigned retry_ms;
	bool synced, complained;
};

/* A message that did not fit into the socket. */
struct unsent {
	uint32_t size;
	union msg msg;
};

/* What a console can have to say at a time; more, and the broker is stuck. */
#define UNSENT_MAX (2 * LIMIT_CONSOLES * sizeof(struct unsent))

static void link_connect(struct broker_link *link);

static void
call_again(struct broker_link *link)
{
	const struct timeval delay = {.tv_sec = link->retry_ms / 1000,
	    .tv_usec = link->retry_ms % 1000 * 1000};

	timer_start(link->retry, &delay);
	link->retry_ms *= 2;
	if (link->retry_ms > RETRY_MAX_MS)
		link->retry_ms = RETRY_MAX_MS;
}

static void
link_close(struct broker_link *link)
{
	if (link->readable)
		event_free(link->readable);
	if (link->writable)
		event_free(link->writable);
	link->readable = link->writable = NULL;
	evbuffer_drain(link->unsent, evbuffer_get_length(link->unsent));
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	link->synced = false;
}

static void
lost(struct broker_link *link, const char *why)
{
	if (!link->complained)
		log_warn(
		    "broker: %s: %s; open consoles go on", link->path, why);
	link->complained = true;
	link_close(link);
	if (link->powers)
		powers_lost(link->powers);
	call_again(link);
}

/* Keeps a message until the socket takes it: hundreds of consoles are asked
 * for at once when a broker comes back. */
static int
keep_unsent(struct broker_link *link, const void *msg, size_t size)
{
	struct unsent unsent = {.size = (uint32_t)size};

	if (evbuffer_get_length(link->unsent) >= UNSENT_MAX)
		return -ENOBUFS;
	memcpy(&unsent.msg, msg, size);
	if (evbuffer_add(link->unsent, &unsent, sizeof unsent) < 0 ||
	    event_add(link->writable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static bool
send_msg(struct broker_link *link, const void *msg, size_t size)
{
	int error = -EAGAIN;

	if (link->fd < 0)
		return false;
	if (evbuffer_get_length(link->unsent) == 0)
		error = msg_send(link->fd, msg, size, NULL, 0);
	if (error == -EAGAIN)
		error = keep_unsent(link, msg, size);
	if (error == 0)
		return true;
	lost(link, strerror(-error));
	return false;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct broker_link *link = arg;
	struct unsent unsent;
	int error = 0;

	(void)what;
	while (error == 0 &&
	       evbuffer_copyout(link->unsent, &unsent, sizeof unsent) > 0) {
		error = msg_send(fd, &unsent.msg, unsent.size, NULL, 0);
		if (error == 0)
			evbuffer_drain(link->unsent, sizeof unsent);
	}
	if (error == -EAGAIN && event_add(link->writable, NULL) < 0)
		error = -ENOMEM;
	if (error && error != -EAGAIN)
		lost(link, strerror(-error));
}

static bool
send_key(struct broker_link *link, uint32_t type, const struct console *c)
{
	const struct msg_key msg = {type, *console_key_of(c)};

	return send_msg(link, &msg, sizeof msg);
}

static void
forget(struct broker_link *link, struct console *c)
{
	log_info("console %s: forgotten", console_id(c));
	sessions_close_console(link->sessions, c);
	consoles_remove(link->consoles, c);
}

static void
on_console(void *ctx, struct packet *packet)
{
	struct broker_link *link = ctx;
	struct msg_console *msg = &packet->msg.console;
	const uint64_t refusals = memory_refusals();
	struct console *c = consoles_add(link->consoles, &msg->key);

	if (!c) {
		/* The broker says all again to who comes again. */
		if (memory_refusals() != refusals)
			lost(link, strerror(ENOMEM));
		return;
	}
	msg->name[LIMIT_NAME] = '\0';
	msg->holder[LIMIT_HOLDER] = '\0';
	console_update(c, msg);
	consoles_renamed(link->consoles);
}

static void
on_tty(void *ctx, struct packet *packet)
{
	struct broker_link *link = ctx;
	const struct msg_tty *msg = &packet->msg.tty;
	struct console *c = consoles_find(link->consoles, &msg->key);
	int error;

	if (!c)
		return;
	error = console_attach(c, packet->fds, msg);
	if (error)
		log_error("console %s: cannot take its tty: %s", console_id(c),
		    strerror(-error));
	if (error == -ENOMEM)
		lost(link, strerror(ENOMEM));
}

static void
on_sessions(void *ctx, struct packet *packet)
{
	struct broker_link *link = ctx;
	int error = sessions_take_store(link->sessions, packet->fds[0]);

	if (error)
		log_error(
		    "sessions will end with the worker: %s", strerror(-error));
	if (error == -ENOMEM)
		lost(link, strerror(ENOMEM));
}

static void
on_removed(void *ctx, struct packet *packet)
{
	struct broker_link *link = ctx;
	struct console *c = consoles_find(link->consoles, &packet->msg.key.key);

	if (c)
		forget(link, c);
}

/* A viewer could wait for it: the broker is to hold it, or to say that there
 * is no such console. */
static bool
is_missed(const struct console *c)
{
	return !console_is_listed(c) ||
	       (console_state(c) == STATE_UP && !console_is_open(c));
}

/* The broker has told all it knows. */
static void
compare(struct broker_link *link)
{
	struct console *c, *next;

	for (c = consoles_next(link->consoles, NULL); c; c = next) {
		next = consoles_next(link->consoles, c);
		if (console_nviewers(c) > 0 && is_missed(c))
			send_key(link, MSG_WANT, c);
		else if (console_nviewers(c) == 0 && !console_is_listed(c))
			consoles_remove(link->consoles, c);
	}
}

static void
on_synced(void *ctx, struct packet *packet)
{
	struct broker_link *link = ctx;

	(void)packet;
	if (!sessions_restore(link->sessions, link->consoles)) {
		lost(link, strerror(ENOMEM));
		return;
	}
	link->synced = true;
	link->complained = false;
	link->retry_ms = RETRY_FIRST_MS;
	log_info(
	    "broker: connected, %zu consoles", consoles_count(link->consoles));
	compare(link);
}

static void
on_config(void *ctx, struct packet *packet)
{
	struct broker_link *link = ctx;
	const struct msg_config *msg = &packet->msg.config;
	int audit = -1;

	if (msg->has_audit) {
		audit = packet->fds[CONFIG_FD_AUDIT];
		packet->fds[CONFIG_FD_AUDIT] = -1;
	}
	reload_take(
	    link->reload, packet->fds[CONFIG_FD_FILES], msg->size, audit);
}

static void
on_config_kept(void *ctx, struct packet *packet)
{
	(void)ctx;
	(void)packet;
	log_error("configuration: not taken; xenterm-broker's log says why");
}

static void
on_powered(void *ctx, struct packet *packet)
{
	const struct broker_link *link = ctx;

	powers_answer(link->powers, packet->msg.powered.number,
	    packet->msg.powered.outcome);
}

static const struct msg_rule rules[] = {
    {MSG_CONSOLE, sizeof(struct msg_console), 0, on_console},
    {MSG_TTY, sizeof(struct msg_tty), TTY_FDS, on_tty},
    {MSG_REMOVED, sizeof(struct msg_key), 0, on_removed},
    {MSG_SESSIONS, sizeof(struct msg_hello), 1, on_sessions},
    {MSG_SYNCED, sizeof(struct msg_hello), 0, on_synced},
    {MSG_CONFIG, sizeof(struct msg_config), CONFIG_FDS, on_config},
    {MSG_CONFIG_KEPT, sizeof(struct msg_hello), 0, on_config_kept},
    {MSG_POWERED, sizeof(struct msg_powered), 0, on_powered},
};

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct broker_link *link = arg;

	(void)what;
	for (int i = 0; i < PACKETS_PER_TURN && link->fd == fd; i++) {
		struct packet packet;
		int status = msg_receive(fd, &packet);

		if (status == -EAGAIN)
			return;
		if (status == 1)
			status = msg_dispatch(rules,
			    sizeof rules / sizeof rules[0], link, &packet);
		else if (status == 0)
			status = -ECONNRESET;
		if (status < 0) {
			lost(link, strerror(-status));
			return;
		}
	}
}

/*
 * Says hello, which ttys have ended and what is wanted: a broker that is new
 * does not know what happened while there was none.  A console that was
 * released is not taken back by that.
 */
static void
introduce(struct broker_link *link)
{
	const struct msg_hello hello = {MSG_HELLO, PROTO_VERSION};
	struct console *c;
	uint32_t serial;

	send_msg(link, &hello, sizeof hello);
	for (c = consoles_next(link->consoles, NULL); c;
	     c = consoles_next(link->consoles, c)) {
		console_unlist(c);
		if (console_has_ended(c, &serial))
			broker_link_hangup(link, c, serial);
		if (console_nviewers(c) > 0 &&
		    console_state(c) != STATE_RELEASED)
			send_key(link, MSG_WANT, c);
	}
}

static void
link_connect(struct broker_link *link)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof address.sun_path, "%s", link->path);
	link->fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd < 0 || connect(link->fd, (struct sockaddr *)&address,
				sizeof address) < 0) {
		lost(link, strerror(errno));
		return;
	}
	link->readable = event_new(
	    link->base, link->fd, EV_READ | EV_PERSIST, on_readable, link);
	link->writable =
	    event_new(link->base, link->fd, EV_WRITE, on_writable, link);
	if (!link->readable || !link->writable ||
	    event_add(link->readable, NULL) < 0) {
		lost(link, strerror(ENOMEM));
		return;
	}
	introduce(link);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	link_connect(arg);
}

struct broker_link *
broker_link_create(struct event_base *base, const char *path,
    struct consoles *consoles, struct sessions *sessions)
{
	struct broker_link *link = calloc(1, sizeof *link);

	if (!link)
		return NULL;
	link->base = base;
	link->consoles = consoles;
	link->sessions = sessions;
	link->fd = -1;
	link->retry_ms = RETRY_FIRST_MS;
	snprintf(link->path, sizeof link->path, "%s", path);
	link->retry = evtimer_new(base, on_retry, link);
	link->unsent = evbuffer_new();
	if (!link->retry || !link->unsent) {
		broker_link_destroy(link);
		return NULL;
	}
	link_connect(link);
	return link;
}

void
broker_link_destroy(struct broker_link *link)
{
	if (!link)
		return;
	if (link->unsent) {
		link_close(link);
		evbuffer_free(link->unsent);
	}
	if (link->retry)
		event_free(link->retry);
	free(link);
}

bool
broker_link_synced(const struct broker_link *link)
{
	return link->synced;
}

void
broker_link_wanted(struct broker_link *link, struct console *c)
{
	send_key(link, console_nviewers(c) > 0 ? MSG_WANT : MSG_UNWANT, c);
}

void
broker_link_hangup(struct broker_link *link, struct console *c, uint32_t serial)
{
	const struct msg_hangup msg = {MSG_HANGUP, serial, *console_key_of(c)};

	send_msg(link, &msg, sizeof msg);
}

bool
broker_link_release(struct broker_link *link, struct console *c)
{
	return send_key(link, MSG_RELEASE, c);
}

bool
broker_link_hold(struct broker_link *link, struct console *c)
{
	return send_key(link, MSG_WANT, c);
}

void
broker_link_power(struct broker_link *link, const struct msg_power *msg)
{
	send_msg(link, msg, sizeof *msg);
}

void
broker_link_set_powers(struct broker_link *link, struct powers *powers)
{
	link->powers = powers;
}

bool
broker_link_reload(struct broker_link *link)
{
	const struct msg_hello msg = {MSG_RELOAD, PROTO_VERSION};

	return link->synced && send_msg(link, &msg, sizeof msg);
}

void
broker_link_set_reload(struct broker_link *link, struct reload *reload)
{
	link->reload = reload;
}
