/*
 * xenterm-fcgi: the FastCGI worker behind nginx.
 *
 * Starts as root to make its sockets, then becomes its own user for good.
 * It opens no files and no ptys: those come from xenterm-broker.
 */
#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/config.h"
#include "common/limits.h"
#include "common/listener.h"
#include "common/log.h"
#include "common/privdrop.h"
#include "common/program.h"
#include "fcgi/admin.h"
#include "fcgi/audit.h"
#include "fcgi/broker_link.h"
#include "fcgi/confine.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/failures.h"
#include "fcgi/feed.h"
#include "fcgi/power.h"
#include "fcgi/reload.h"
#include "fcgi/route.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/session_keep.h"
#include "fcgi/spawner.h"
#include "fcgi/ticket_keys.h"
#include "fcgi/tickets.h"
#include "fcgi/worker.h"

/* Requests, for each console what the broker sends and the socket to its
 * screen process, and our own. */
#define DESCRIPTORS (LIMIT_CONNS + TTY_FDS * LIMIT_CONSOLES + 64)

#define SOCKET_PATH sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct sockets {
	int fcgi, admin, feed;
	char broker[SOCKET_PATH];
};

/* Whose the sockets are and whom we become; all -1 when we are not root. */
struct identity {
	uid_t uid, logger;
	gid_t gid, nginx, loggers;
};

static struct identity
find_identity(const struct config *config)
{
	struct identity id = {
	    (uid_t)-1, (uid_t)-1, (gid_t)-1, (gid_t)-1, (gid_t)-1};
	struct group *group;

	if (geteuid() != 0)
		return id;
	if (privdrop_lookup(config->user, &id.uid, &id.gid) < 0)
		log_fatal("there is no user %s", config->user);
	if (privdrop_lookup(config->log_user, &id.logger, &id.loggers) < 0)
		log_fatal("there is no user %s", config->log_user);
	group = getgrnam(config->socket_group);
	if (!group)
		log_fatal("there is no group %s", config->socket_group);
	id.nginx = group->gr_gid;
	return id;
}

static void
open_sockets(const struct config *config, const struct identity *id,
    struct sockets *sockets)
{
	const struct listener_access for_nginx = {0660, id->uid, id->nginx};
	const struct listener_access for_root = {0600, (uid_t)-1, (gid_t)-1};
	const struct listener_access for_logger = {
	    0600, id->logger, id->loggers};
	char path[SOCKET_PATH];

	sockets->fcgi = program_listen(
	    config, "fcgi.sock", SOCK_STREAM, &for_nginx, path, sizeof path);
	sockets->admin = program_listen(
	    config, "admin.sock", SOCK_STREAM, &for_root, path, sizeof path);
	sockets->feed = program_listen(
	    config, "feed.sock", SOCK_STREAM, &for_logger, path, sizeof path);
	if (config_socket(config, "broker.sock", sockets->broker,
		sizeof sockets->broker) < 0)
		log_fatal(
		    "run_dir is too long for a socket: %s", config->run_dir);
}

static void
on_hangup(void *ctx, struct console *c, uint32_t serial)
{
	broker_link_hangup(((struct worker *)ctx)->broker, c, serial);
}

static void
on_wanted(void *ctx, struct console *c)
{
	struct worker *w = ctx;

	/* Not while the worker goes down: the broker then keeps what it has
	 * for the next one. */
	if (w->broker)
		broker_link_wanted(w->broker, c);
}

static void
on_news(void *ctx, struct console *c)
{
	feed_news(((struct worker *)ctx)->feed, c);
}

static void
on_typed(void *ctx, struct console *c, const void *bytes, size_t len)
{
	feed_typed(((struct worker *)ctx)->feed, c, bytes, len);
}

static void
on_had_typed(void *ctx, const struct input_by *by)
{
	sessions_had_typed(((struct worker *)ctx)->sessions, by);
}

static void
on_removed(void *ctx, struct console *c)
{
	feed_removed(((struct worker *)ctx)->feed, c);
}

/* Those who wait are told to come again. */
static void
shut_down(struct worker *w, struct admin *admin, struct spawner *spawner)
{
	struct broker_link *broker = w->broker;

	feed_destroy(w->feed);
	w->feed = NULL;
	w->broker = NULL;
	server_close_listener(w->server);
	sessions_destroy(w->sessions);
	tickets_destroy(w->tickets);
	broker_link_destroy(broker);
	admin_destroy(admin);
	consoles_destroy(w->consoles);
	server_destroy(w->server);
	spawner_stop(spawner);
	event_base_free(w->base);
}

static void
run(struct config *config, const struct sockets *sockets,
    struct ticket_keys *keys, struct spawner *spawner)
{
	struct worker w = {.config = config};
	const struct console_owner owner = {.hangup = on_hangup,
	    .wanted = on_wanted,
	    .ctx = &w,
	    .spawner = spawner,
	    .news = on_news,
	    .typed = on_typed,
	    .had_typed = on_had_typed,
	    .removed = on_removed};
	struct admin *admin;
	int error;

	w.base = event_base_new();
	if (!w.base || spawner_watch(spawner, w.base) < 0)
		log_fatal("no event loop");
	w.consoles = consoles_create(w.base, &owner);
	w.sessions = sessions_create(w.base, config);
	w.tickets = tickets_create(keys);
	w.failures = failures_create();
	w.powers = powers_create();
	if (!w.consoles || !w.sessions || !w.tickets || !w.failures ||
	    !w.powers)
		log_fatal("out of memory");
	w.server = server_create(w.base, sockets->fcgi, route_request, &w);
	admin = admin_create(&w, sockets->admin);
	w.feed = feed_create(&w, sockets->feed);
	w.broker =
	    broker_link_create(w.base, sockets->broker, w.consoles, w.sessions);
	w.reload = reload_create(&w, config, keys);
	if (!w.server || !admin || !w.feed || !w.broker || !w.reload)
		log_fatal("cannot start: %s", strerror(errno));
	broker_link_set_reload(w.broker, w.reload);
	broker_link_set_powers(w.broker, w.powers);
	error = worker_confine();
	if (error)
		log_fatal("seccomp: %s", strerror(-error));
	log_info("ready");
	program_run(w.base, &(struct program_reload){reload_ask, w.reload});
	shut_down(&w, admin, spawner);
	reload_destroy(w.reload);
	failures_destroy(w.failures);
	powers_destroy(w.powers);
}

/* One for each console that somebody can watch, and some. */
static unsigned
screens_of(const struct config *config)
{
	unsigned watched = config->sessions_total < LIMIT_CONSOLES
			       ? config->sessions_total
			       : LIMIT_CONSOLES;

	return watched + LIMIT_SCREENS_SPARE;
}

int
main(int argc, char **argv)
{
	struct config *config = program_start("xenterm-fcgi", argc, argv);
	struct identity id = find_identity(config);
	struct sockets sockets;
	struct spawner *spawner;
	struct ticket_keys *keys;
	int screen, error;

	program_raise_files(DESCRIPTORS);
	if (sodium_init() < 0)
		log_fatal("libsodium does not start");
	screen = spawner_open(config->screen_program);
	if (screen < 0)
		log_fatal("screen_program %s: %s", config->screen_program,
		    strerror(-screen));
	keys = ticket_keys_load(config, NULL);
	if (!keys)
		log_fatal("without its keys the worker does not start");
	error = audit_open(config->audit_file);
	if (error)
		log_fatal(
		    "audit_file %s: %s", config->audit_file, strerror(-error));
	open_sockets(config, &id, &sockets);
	program_close_rest();
	if (geteuid() == 0)
		privdrop_to(id.uid, id.gid);
	privdrop_keep(NULL, 0);
	privdrop_harden();
	program_background();
	spawner = spawner_start(screen, screens_of(config));
	if (!spawner)
		log_fatal("cannot start %s", config->screen_program);
	run(config, &sockets, keys, spawner);
	audit_close();
	libevent_global_shutdown();
	return 0;
}
