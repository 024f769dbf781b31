/*
 * xenterm-fcgi: the FastCGI worker behind nginx.
 *
 * Starts as root to make its sockets, then becomes its own user for good.
 * It opens no files and no ptys: those come from xenterm-broker.
 */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "common/privdrop.h"
#include "fcgi/admin.h"
#include "fcgi/broker_link.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/listener.h"
#include "fcgi/route.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/waiters.h"
#include "fcgi/worker.h"

#define EXIT_USAGE 2

/* Threads that finish long answers: nginx reads those at memory's speed. */
#define POOL_THREADS 4

#define SOCKET_PATH sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct options {
	const char *config;
	bool foreground, debug, test;
};

struct sockets {
	int fcgi, admin;
	char broker[SOCKET_PATH];
};

static void
usage(FILE *out)
{
	fputs("usage: xenterm-fcgi [-dfhtV] [-c FILE]\n"
	      "  -c FILE  configuration (" XENTERM_CONF ")\n"
	      "  -d       log more\n"
	      "  -f       stay in the foreground and log to stderr\n"
	      "  -t       check the configuration and exit\n"
	      "  -V       print the version\n"
	      "  -h       print this\n",
	    out);
}

static void
parse_options(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "c:dfhtV")) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'd':
			o->debug = true;
			break;
		case 'f':
			o->foreground = true;
			break;
		case 't':
			o->test = true;
			break;
		case 'V':
			puts(PACKAGE_STRING);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		usage(stderr);
		exit(EXIT_USAGE);
	}
}

/* Every waiting viewer is a descriptor. */
static void
raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_warn("RLIMIT_NOFILE: %s", strerror(errno));
}

static int
open_listener(const struct config *config, const char *name, mode_t mode,
    uid_t uid, gid_t gid)
{
	char path[SOCKET_PATH];
	int fd;

	if (config_socket(config, name, path, sizeof path) < 0)
		log_fatal(
		    "run_dir is too long for a socket: %s", config->run_dir);
	fd = listener_open(path, mode, uid, gid);
	if (fd < 0)
		log_fatal("%s: %s", path,
		    fd == -EADDRINUSE ? "another xenterm-fcgi is running"
				      : strerror(-fd));
	return fd;
}

/* Sockets and identities; not root any more when it returns. */
static void
become(const struct config *config, struct sockets *sockets)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1, nginx = (gid_t)-1;
	struct group *group;

	if (mkdir(config->run_dir, 0755) < 0 && errno != EEXIST)
		log_fatal("%s: %s", config->run_dir, strerror(errno));
	if (config_socket(config, "broker.sock", sockets->broker,
		sizeof sockets->broker) < 0)
		log_fatal(
		    "run_dir is too long for a socket: %s", config->run_dir);
	if (geteuid() == 0) {
		group = getgrnam(config->socket_group);
		if (privdrop_lookup(config->user, &uid, &gid) < 0)
			log_fatal("there is no user %s", config->user);
		if (!group)
			log_fatal("there is no group %s", config->socket_group);
		nginx = group->gr_gid;
	}
	sockets->fcgi = open_listener(config, "fcgi.sock", 0660, uid, nginx);
	sockets->admin =
	    open_listener(config, "admin.sock", 0600, (uid_t)-1, (gid_t)-1);
	if (geteuid() == 0)
		privdrop_to(uid, gid);
	privdrop_harden();
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

	/* Not while the worker comes up or goes down. */
	if (w->broker)
		broker_link_wanted(w->broker, c);
}

static void
on_signal(evutil_socket_t signum, short what, void *arg)
{
	(void)what;
	log_info("ends on signal %d", (int)signum);
	event_base_loopbreak(arg);
}

static void
watch_signal(struct event_base *base, int signum)
{
	struct event *event = evsignal_new(base, signum, on_signal, base);

	if (!event || event_add(event, NULL) < 0)
		log_fatal("out of memory");
}

/* Those who wait are told to come again; their sessions end with us. */
static void
shut_down(struct worker *w, struct admin *admin)
{
	struct broker_link *broker = w->broker;

	w->broker = NULL;
	server_close_listener(w->server);
	sessions_destroy(w->sessions);
	broker_link_destroy(broker);
	admin_destroy(admin);
	consoles_destroy(w->consoles);
	server_destroy(w->server);
}

static void
run(const struct config *config, const struct sockets *sockets)
{
	struct worker w = {.config = config};
	const struct console_owner owner = {on_hangup, on_wanted, &w};
	struct admin *admin;

	w.base = event_base_new();
	if (!w.base)
		log_fatal("no event loop");
	w.consoles = consoles_create(w.base, &owner);
	w.sessions = sessions_create(w.base, config);
	if (!w.consoles || !w.sessions)
		log_fatal("out of memory");
	w.server = server_create(
	    w.base, sockets->fcgi, POOL_THREADS, route_request, &w);
	admin = admin_create(&w, sockets->admin);
	w.broker =
	    broker_link_create(w.base, sockets->broker, w.consoles, w.sessions);
	if (!w.server || !admin || !w.broker)
		log_fatal("cannot start: %s", strerror(errno));
	watch_signal(w.base, SIGTERM);
	watch_signal(w.base, SIGINT);
	log_info("%s: ready", PACKAGE_STRING);
	event_base_dispatch(w.base);
	shut_down(&w, admin);
}

int
main(int argc, char **argv)
{
	struct options options = {.config = XENTERM_CONF};
	struct sockets sockets;
	struct config *config;

	parse_options(argc, argv, &options);
	log_init("xenterm-fcgi", true, options.debug);
	config = config_load(options.config);
	if (!config)
		return EXIT_USAGE;
	if (options.test) {
		config_free(config);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	raise_files();
	if (sodium_init() < 0)
		log_fatal("libsodium does not start");
	if (!options.foreground && daemon(0, 0) < 0)
		log_fatal("daemon: %s", strerror(errno));
	log_init("xenterm-fcgi", options.foreground, options.debug);
	become(config, &sockets);
	run(config, &sockets);
	config_free(config);
	return 0;
}
