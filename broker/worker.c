#define _GNU_SOURCE
#include "broker/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/console.h"
#include "broker/memory.h"
#include "broker/power.h"
#include "common/log.h"
#include "common/msg.h"

/* Packets taken in one turn of the loop. */
#define PACKETS_PER_TURN 64

struct worker {
	struct event_base *base;
	struct consoles *consoles;
	struct powers *powers;
	uid_t uid;
	struct event *acceptable;
	int fd; /* -1: nobody is there */
	pid_t pid;
	struct event *readable, *writable;
	const char *broken; /* which rule */
	bool greeted, told_sessions, synced;
	int sessions; /* the memfd that a worker keeps its sessions in */
	/* MSG_WANT for what does not exist, to be answered. */
	struct console_key unknown[LIMIT_CONSOLES];
	size_t nunknown;
	void (*reload)(void *ctx);
	void *reload_ctx;
	/* A configuration that is due: type 0: none. */
	struct msg_config config;
	int config_fds[CONFIG_FDS];
};

static void
forget_config(struct worker *worker)
{
	if (worker->config.type == MSG_CONFIG) {
		close(worker->config_fds[CONFIG_FD_FILES]);
		if (worker->config.has_audit)
			close(worker->config_fds[CONFIG_FD_AUDIT]);
	}
	worker->config.type = 0;
}

static void
drop(struct worker *worker, const char *why)
{
	log_info("worker (pid %d): %s", (int)worker->pid, why);
	forget_config(worker);
	event_free(worker->readable);
	event_free(worker->writable);
	close(worker->fd);
	worker->fd = -1;
	if (worker->greeted) {
		consoles_worker_left(worker->consoles);
		powers_worker_left(worker->powers);
	}
}

/* ---- what the worker says ----------------------------------------------- */

static void
on_hello(void *ctx, struct packet *packet)
{
	struct worker *worker = ctx;

	if (packet->msg.hello.version != PROTO_VERSION) {
		worker->broken = "speaks another version of the protocol";
		return;
	}
	worker->greeted = true;
	consoles_worker_came(worker->consoles);
	worker_wake(worker);
}

static void
on_want(void *ctx, struct packet *packet)
{
	struct worker *worker = ctx;
	const struct console_key *key = &packet->msg.key.key;

	if (consoles_want(worker->consoles, key))
		return;
	if (worker->nunknown == LIMIT_CONSOLES) {
		worker->broken = "wants too much that does not exist";
		return;
	}
	worker->unknown[worker->nunknown++] = *key;
	worker_wake(worker);
}

/* These may cross with the news that the console is forgotten. */
static void
on_unwant(void *ctx, struct packet *packet)
{
	struct worker *worker = ctx;

	consoles_unwant(worker->consoles, &packet->msg.key.key);
}

static void
on_release(void *ctx, struct packet *packet)
{
	struct worker *worker = ctx;

	consoles_release(worker->consoles, &packet->msg.key.key);
}

static void
on_hangup(void *ctx, struct packet *packet)
{
	struct worker *worker = ctx;

	consoles_hangup(worker->consoles, &packet->msg.hangup.key,
	    packet->msg.hangup.serial);
}

static void
on_reload(void *ctx, struct packet *packet)
{
	struct worker *worker = ctx;

	(void)packet;
	worker->reload(worker->reload_ctx);
}

static void
on_power(void *ctx, struct packet *packet)
{
	struct worker *worker = ctx;

	if (!powers_ask(worker->powers, &packet->msg.power))
		worker->broken = "asks for what no guest can be asked";
}

/* All that a worker can do: at first the one, then the others. */
static const struct msg_rule greeting[] = {
    {MSG_HELLO, sizeof(struct msg_hello), 0, on_hello},
};

static const struct msg_rule rules[] = {
    {MSG_WANT, sizeof(struct msg_key), 0, on_want},
    {MSG_UNWANT, sizeof(struct msg_key), 0, on_unwant},
    {MSG_RELEASE, sizeof(struct msg_key), 0, on_release},
    {MSG_HANGUP, sizeof(struct msg_hangup), 0, on_hangup},
    {MSG_RELOAD, sizeof(struct msg_hello), 0, on_reload},
    {MSG_POWER, sizeof(struct msg_power), 0, on_power},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	struct packet packet;
	int status;

	(void)what;
	for (int i = 0; i < PACKETS_PER_TURN; i++) {
		status = msg_receive(fd, &packet);
		if (status == -EAGAIN)
			return;
		if (status == 0 || status == -ECONNRESET) {
			drop(worker, "has gone; its consoles stay held");
			return;
		}
		if (status == 1 && worker->greeted)
			status =
			    msg_dispatch(rules, COUNT(rules), worker, &packet);
		else if (status == 1)
			status = msg_dispatch(
			    greeting, COUNT(greeting), worker, &packet);
		if (status < 0)
			worker->broken = "breaks the rules of the protocol";
		if (worker->broken) {
			drop(worker, worker->broken);
			return;
		}
	}
}

/* ---- what it is told ---------------------------------------------------- */

static int
send_to(void *ctx, const void *msg, size_t size, const int *fds, int nfds)
{
	const struct worker *worker = ctx;

	return msg_send(worker->fd, msg, size, fds, nfds);
}

static int
tell_config(struct worker *worker)
{
	const struct msg_hello kept = {MSG_CONFIG_KEPT, PROTO_VERSION};
	int status;

	if (worker->config.type == MSG_CONFIG)
		status = send_to(worker, &worker->config, sizeof worker->config,
		    worker->config_fds, CONFIG_FDS);
	else
		status = send_to(worker, &kept, sizeof kept, NULL, 0);
	if (status == 0)
		forget_config(worker);
	return status;
}

static int
tell_sessions(struct worker *worker)
{
	const struct msg_hello msg = {MSG_SESSIONS, PROTO_VERSION};
	int status = 0;

	if (!worker->told_sessions)
		status =
		    send_to(worker, &msg, sizeof msg, &worker->sessions, 1);
	worker->told_sessions = status == 0;
	return status;
}

static int
tell(struct worker *worker)
{
	const struct msg_hello synced = {MSG_SYNCED, PROTO_VERSION};
	int status = tell_sessions(worker);

	if (status == 0)
		status = consoles_tell(worker->consoles, send_to, worker);
	if (status == 0 && !worker->synced) {
		status = send_to(worker, &synced, sizeof synced, NULL, 0);
		worker->synced = status == 0;
	}
	if (status == 0)
		status = powers_tell(worker->powers, send_to, worker);
	if (status == 0 && worker->config.type != 0)
		status = tell_config(worker);
	while (status == 0 && worker->nunknown > 0) {
		const struct msg_key removed = {
		    MSG_REMOVED, worker->unknown[worker->nunknown - 1]};

		status = send_to(worker, &removed, sizeof removed, NULL, 0);
		if (status == 0)
			worker->nunknown--;
	}
	return status;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	int status = tell(worker);

	(void)fd;
	(void)what;
	if (status == -EAGAIN && event_add(worker->writable, NULL) < 0)
		status = -ENOMEM;
	if (status < 0 && status != -EAGAIN)
		drop(worker, strerror(-status));
}

void
worker_set_reload(struct worker *worker, void (*reload)(void *ctx), void *ctx)
{
	worker->reload = reload;
	worker->reload_ctx = ctx;
}

void
worker_give_config(struct worker *worker, int files, uint32_t size, int audit)
{
	forget_config(worker);
	worker->config = (struct msg_config){MSG_CONFIG, size, audit >= 0};
	worker->config_fds[CONFIG_FD_FILES] = files;
	worker->config_fds[CONFIG_FD_AUDIT] = audit >= 0 ? audit : files;
	if (worker->fd >= 0 && worker->greeted)
		worker_wake(worker);
	else
		forget_config(worker);
}

void
worker_keep_config(struct worker *worker)
{
	forget_config(worker);
	if (worker->fd < 0 || !worker->greeted)
		return;
	worker->config.type = MSG_CONFIG_KEPT;
	worker_wake(worker);
}

/* ---- connections -------------------------------------------------------- */

void
worker_wake(void *ctx)
{
	struct worker *worker = ctx;

	/* Nobody is told that a console does not exist only because xenstore
	 * has not been read yet. */
	if (consoles_ready(worker->consoles))
		event_add(worker->acceptable, NULL);
	if (worker->fd >= 0 && worker->greeted &&
	    event_add(worker->writable, NULL) < 0)
		event_active(worker->writable, EV_WRITE, 0);
}

/* Why this peer is not let in; NULL: it is. */
static const char *
objection(struct worker *worker, const struct ucred *peer)
{
	struct pollfd pollfd = {.fd = worker->fd};

	if (peer->uid != worker->uid && peer->uid != 0)
		return "is not the configured user's";
	/* The one before may have ended without being read to its end. */
	if (worker->fd >= 0 && poll(&pollfd, 1, 0) == 1 &&
	    (pollfd.revents & POLLHUP))
		drop(worker, "has gone; its consoles stay held");
	if (worker->fd >= 0)
		return "there is a worker already";
	return NULL;
}

static bool
welcome(struct worker *worker, int fd, pid_t pid)
{
	worker->readable = event_new(
	    worker->base, fd, EV_READ | EV_PERSIST, on_readable, worker);
	worker->writable =
	    event_new(worker->base, fd, EV_WRITE, on_writable, worker);
	if (!worker->readable || !worker->writable ||
	    event_add(worker->readable, NULL) < 0) {
		if (worker->readable)
			event_free(worker->readable);
		if (worker->writable)
			event_free(worker->writable);
		return false;
	}
	worker->fd = fd;
	worker->pid = pid;
	worker->broken = NULL;
	worker->greeted = worker->told_sessions = worker->synced = false;
	worker->nunknown = 0;
	return true;
}

static void
on_acceptable(evutil_socket_t listener, short what, void *arg)
{
	struct worker *worker = arg;
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t size = sizeof peer;
	const char *why;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		why = strerror(errno);
	else
		why = objection(worker, &peer);
	if (!why && !welcome(worker, fd, peer.pid))
		why = "no memory";
	if (why) {
		log_warn("worker (pid %d, uid %u): refused: %s", (int)peer.pid,
		    peer.uid, why);
		close(fd);
	} else {
		log_info("worker (pid %d): connected", (int)peer.pid);
	}
}

struct worker *
worker_create(
    struct event_base *base, int listener, uid_t uid, struct keep *keep)
{
	struct worker *worker = calloc(1, sizeof *worker);

	if (!worker)
		return NULL;
	worker->base = base;
	worker->uid = uid;
	worker->fd = -1;
	worker->sessions = memory_sessions(keep);
	worker->acceptable = event_new(
	    base, listener, EV_READ | EV_PERSIST, on_acceptable, worker);
	if (worker->sessions < 0 || !worker->acceptable) {
		worker_destroy(worker);
		return NULL;
	}
	return worker;
}

void
worker_destroy(struct worker *worker)
{
	if (!worker)
		return;
	if (worker->fd >= 0)
		drop(worker, "dropped: the broker ends");
	if (worker->acceptable)
		event_free(worker->acceptable);
	if (worker->sessions >= 0)
		close(worker->sessions);
	free(worker);
}

void
worker_set_powers(struct worker *worker, struct powers *powers)
{
	worker->powers = powers;
}

void
worker_set_consoles(struct worker *worker, struct consoles *consoles)
{
	worker->consoles = consoles;
}
