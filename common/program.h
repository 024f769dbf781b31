/* What both programs do first and last: options, configuration, background,
 * and running until a signal ends them. */
#ifndef XENTERM_PROGRAM_H
#define XENTERM_PROGRAM_H

#include <stddef.h>
#include <sys/types.h>

struct config;
struct event_base;
struct listener_access;

/* Status of wrong usage, or a mistake in the configuration. */
#define PROGRAM_EXIT_USAGE 2

/*
 * Parses the options (-c -d -f -h -t -V), loads the configuration, and starts
 * the log.  Ends the program where an option asks for it or something is
 * wrong.  The configuration is the caller's.
 */
struct config *program_start(const char *name, int argc, char **argv);

/* May have at least so many descriptors open, if that can be had. */
void program_raise_files(size_t count);

/*
 * Listens at run_dir/name; makes run_dir if it is not there.  Ends the
 * program when that fails.  path, of size bytes, is where; "" when the
 * service manager has made the socket (service.h), and so keeps it.
 */
int program_listen(const struct config *config, const char *name, int type,
    const struct listener_access *access, char *path, size_t size);

/* Closes what has come from the service manager and that nobody has taken, and
 * warns of it. */
void program_close_rest(void);

/* Goes on in the background, unless -f was given: to be called when whoever
 * starts the program may believe that it works. */
void program_background(void);

/* What SIGHUP does. */
struct program_reload {
	void (*run)(void *ctx);
	void *ctx;
};

/* The configuration's whole path. */
const char *program_config_path(void);

/* Runs base until SIGTERM or SIGINT, and tells the service manager, if there
 * is one, when it begins, that it turns, and when it ends. */
void program_run(struct event_base *base, const struct program_reload *reload);

#endif
