/*
 * xenterm-broker: follows xenstore, finds, verifies, locks and opens guests'
 * console ttys, and keeps them and their history while the worker changes.
 * Runs as root; never looks at what a guest prints.
 */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/console.h"
#include "broker/domains.h"
#include "broker/lock.h"
#include "broker/worker.h"
#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/privdrop.h"

#ifndef XENTERM_CONF
#define XENTERM_CONF "/etc/xenterm/xenterm.conf"
#endif

/* A ring, a tty and a lock for each console, the same in flight to the
 * worker, and our own. */
#define DESCRIPTORS (6 * LIMIT_CONSOLES + 64)

struct options {
	const char *conf;
	bool foreground, debug, check;
};

struct broker {
	struct event_base *base;
	struct locks *locks;
	struct worker *worker;
	struct consoles *consoles;
	struct domains *domains;
};

static void
usage(FILE *out)
{
	fprintf(out, "usage: xenterm-broker [-dfhtV] [-c FILE]\n"
		     "  -c FILE  configuration (" XENTERM_CONF ")\n"
		     "  -d       log more\n"
		     "  -f       stay in the foreground, log to stderr\n"
		     "  -t       check the configuration and exit\n"
		     "  -V       print the version\n");
}

static void
parse_options(int argc, char **argv, struct options *options)
{
	int c;

	while ((c = getopt(argc, argv, "c:dfhtV")) != -1) {
		switch (c) {
		case 'c':
			options->conf = optarg;
			break;
		case 'd':
			options->debug = true;
			break;
		case 'f':
			options->foreground = true;
			break;
		case 't':
			options->check = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		case 'V':
			puts("xenterm-broker " PACKAGE_VERSION);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc) {
		usage(stderr);
		exit(2);
	}
}

static void
raise_descriptors(void)
{
	struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("cannot have %d descriptors: %s", DESCRIPTORS,
		    strerror(errno));
}

/* Before daemon(3), so that who starts us sees the failure. */
static int
listen_for_worker(const struct config *config, char *path, uid_t *uid)
{
	gid_t gid;
	int fd;

	if (privdrop_lookup(config->user, uid, &gid) < 0)
		log_fatal("there is no user \"%s\"", config->user);
	if (mkdir(config->run_dir, 0755) < 0 && errno != EEXIST)
		log_fatal("%s: %s", config->run_dir, strerror(errno));
	if (config_socket(config, "broker.sock", path, PATH_MAX) < 0)
		log_fatal("%s: too long for a socket", config->run_dir);
	fd = worker_listen(path, gid);
	if (fd == -EADDRINUSE)
		log_fatal("%s: a broker is already running", path);
	if (fd < 0)
		log_fatal("%s: %s", path, strerror(-fd));
	return fd;
}

static void
go_to_background(const struct options *options)
{
	if (options->foreground)
		return;
	if (daemon(0, 0) < 0)
		log_fatal("daemon: %s", strerror(errno));
	log_init("xenterm-broker", false, options->debug);
}

static void
on_signal(evutil_socket_t signum, short what, void *arg)
{
	(void)signum;
	(void)what;
	event_base_loopbreak(arg);
}

static void
assemble(
    struct broker *broker, const struct config *config, int listener, uid_t uid)
{
	broker->base = event_base_new();
	if (!broker->base)
		log_fatal("no event loop");
	broker->locks = locks_create(config->lock_dir);
	broker->worker = worker_create(broker->base, listener, uid);
	if (!broker->locks || !broker->worker)
		log_fatal("no memory");
	broker->consoles = consoles_create(
	    broker->base, config, broker->locks, worker_wake, broker->worker);
	if (!broker->consoles)
		log_fatal("no memory");
	broker->domains = domains_create(
	    broker->base, config, consoles_listener(broker->consoles));
	if (!broker->domains)
		log_fatal("no memory");
	worker_set_consoles(broker->worker, broker->consoles);
	consoles_set_domains(broker->consoles, broker->domains);
}

static void
run(struct broker *broker)
{
	struct event *terminate =
	    evsignal_new(broker->base, SIGTERM, on_signal, broker->base);
	struct event *interrupt =
	    evsignal_new(broker->base, SIGINT, on_signal, broker->base);

	if (!terminate || !interrupt || event_add(terminate, NULL) < 0 ||
	    event_add(interrupt, NULL) < 0)
		log_fatal("no memory");
	domains_start(broker->domains);
	event_base_dispatch(broker->base);
	event_free(terminate);
	event_free(interrupt);
}

static void
take_apart(struct broker *broker)
{
	worker_destroy(broker->worker);
	domains_destroy(broker->domains);
	consoles_destroy(broker->consoles);
	locks_destroy(broker->locks);
	event_base_free(broker->base);
}

int
main(int argc, char **argv)
{
	struct options options = {.conf = XENTERM_CONF};
	struct broker broker;
	struct config *config;
	char path[PATH_MAX];
	uid_t uid;
	int listener;

	parse_options(argc, argv, &options);
	config = config_load(options.conf);
	if (!config)
		return 2;
	if (options.check) {
		config_free(config);
		return 0;
	}
	log_init("xenterm-broker", true, options.debug);
	/* libxenstore writes to a socket that may be dead, and changes the
	 * signal's action for the whole process around it otherwise. */
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	listener = listen_for_worker(config, path, &uid);
	go_to_background(&options);
	assemble(&broker, config, listener, uid);
	run(&broker);
	take_apart(&broker);
	unlink(path);
	close(listener);
	config_free(config);
	return 0;
}
