#include <config.h>

#include "common/program.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "common/config_report.h"
#include "common/listener.h"
#include "common/log.h"
#include "common/service.h"

struct options {
	const char *config;
	bool foreground, debug, test;
};

static char config_path[PATH_MAX];
static const char *program_name;
static struct options options = {.config = XENTERM_CONF};

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: %s [-dfhtV] [-c FILE]\n"
	    "  -c FILE  configuration (" XENTERM_CONF ")\n"
	    "  -d       log more\n"
	    "  -f       stay in the foreground and log to stderr\n"
	    "  -h       print this\n"
	    "  -t       check the configuration and exit\n"
	    "  -V       print the version\n",
	    program_name);
}

static void
parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:dfhtV")) != -1) {
		switch (c) {
		case 'c':
			options.config = optarg;
			break;
		case 'd':
			options.debug = true;
			break;
		case 'f':
			options.foreground = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		case 't':
			options.test = true;
			break;
		case 'V':
			printf("%s %s\n", program_name, PACKAGE_VERSION);
			exit(0);
		default:
			usage(stderr);
			exit(PROGRAM_EXIT_USAGE);
		}
	}
	if (optind < argc) {
		usage(stderr);
		exit(PROGRAM_EXIT_USAGE);
	}
}

/* The signals that program_run() takes. */
static void
hold_signals(int how)
{
	sigset_t both;

	sigemptyset(&both);
	sigaddset(&both, SIGTERM);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGHUP);
	sigprocmask(how, &both, NULL);
}

struct config *
program_start(const char *name, int argc, char **argv)
{
	struct config *config;

	program_name = name;
	parse_options(argc, argv);
	config = config_load(options.config);
	if (!config)
		exit(PROGRAM_EXIT_USAGE);
	if (options.test) {
		config_free(config);
		exit(0);
	}
	log_init(name, true, options.debug);
	config_reports_to_log();
	if (!realpath(options.config, config_path))
		log_fatal("%s: %s", options.config, strerror(errno));
	service_start();
	/* Peers close sockets while they are written to.  libxenstore would
	 * otherwise change this for the whole process around each request. */
	signal(SIGPIPE, SIG_IGN);
	/* One that comes while the program starts waits for program_run(). */
	hold_signals(SIG_BLOCK);
	return config;
}

const char *
program_config_path(void)
{
	return config_path;
}

void
program_raise_files(size_t count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_max < count)
		limit.rlim_max = count;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return;
	log_warn("cannot have %zu descriptors: %s", count, strerror(errno));
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* A socket that the service manager has made: whose it is is the manager's
 * business, and that it stays.  -ENOENT: there is none. */
static int
take_socket(const char *name, int type)
{
	int fd = service_take(name, NULL), error;

	if (fd < 0)
		return fd;
	error = listener_check(fd, type);
	if (error < 0)
		log_fatal(
		    "the service manager's %s: %s", name, strerror(-error));
	return fd;
}

int
program_listen(const struct config *config, const char *name, int type,
    const struct listener_access *access, char *path, size_t size)
{
	int fd = take_socket(name, type);

	if (fd >= 0) {
		*path = '\0';
		return fd;
	}
	if (mkdir(config->run_dir, 0755) < 0 && errno != EEXIST)
		log_fatal("%s: %s", config->run_dir, strerror(errno));
	if (config_socket(config, name, path, size) < 0)
		log_fatal(
		    "run_dir is too long for a socket: %s", config->run_dir);
	fd = listener_open(path, type, access);
	if (fd == -EADDRINUSE)
		log_fatal("%s: another %s is running", path, program_name);
	if (fd < 0)
		log_fatal("%s: %s", path, strerror(-fd));
	return fd;
}

void
program_close_rest(void)
{
	size_t n = service_close_rest();

	if (n > 0)
		log_warn(
		    "%zu descriptors of the service manager are of no use", n);
}

void
program_background(void)
{
	if (options.foreground)
		return;
	if (daemon(0, 0) < 0)
		log_fatal("daemon: %s", strerror(errno));
	log_init(program_name, false, options.debug);
}

static void
on_signal(evutil_socket_t signum, short what, void *arg)
{
	(void)what;
	log_info("ends on signal %d", (int)signum);
	event_base_loopbreak(arg);
}

static void
on_hangup(evutil_socket_t signum, short what, void *arg)
{
	const struct program_reload *reload = arg;

	(void)signum;
	(void)what;
	reload->run(reload->ctx);
}

static struct event *
watch_signal(
    struct event_base *base, int signum, event_callback_fn run, void *ctx)
{
	struct event *event = evsignal_new(base, signum, run, ctx);

	if (!event || event_add(event, NULL) < 0)
		log_fatal("out of memory");
	return event;
}

void
program_run(struct event_base *base, const struct program_reload *reload)
{
	struct event *terminate = watch_signal(base, SIGTERM, on_signal, base);
	struct event *interrupt = watch_signal(base, SIGINT, on_signal, base);
	struct event *hangup =
	    watch_signal(base, SIGHUP, on_hangup, (void *)reload);

	if (service_watchdog_start(base) < 0)
		log_fatal("out of memory");
	hold_signals(SIG_UNBLOCK);
	service_ready();
	event_base_dispatch(base);
	service_stopping();
	/* A second one must not cut the orderly end short. */
	hold_signals(SIG_BLOCK);
	service_watchdog_stop();
	event_free(terminate);
	event_free(interrupt);
	event_free(hangup);
}
