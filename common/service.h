/*
 * The service manager that started this program, systemd or what speaks as it
 * does: sd_notify(3)'s messages, sd_listen_fds(3)'s descriptors, a watchdog.
 *
 * Without one, what is here does nothing, and says so by its result.
 *
 * A message waits at most a second for a manager that is busy, and is dropped
 * then.
 */
#ifndef XENTERM_SERVICE_H
#define XENTERM_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;

/* Bytes of a descriptor's name with its end; systemd's FDNAME_MAX. */
#define SERVICE_NAME 256

/* A descriptor's name, as it stands in a list and in a message: printable
 * ASCII without blanks and ':', not empty. */
bool service_is_name(const char *name);

/* Descriptors of one name in one message: SCM_MAX_FD of Linux. */
#define SERVICE_MAX_FDS 253

/*
 * Takes what the manager has said in the environment out of it, so that no
 * program started from here believes that it was meant: the address for
 * messages, the watchdog, and descriptors, which are closed on exec from now
 * on.  Once, before the program starts any other.
 */
void service_start(void);

/*
 * The next descriptor that came, of this name or (NULL) of any, in the order
 * in which they came; it is the caller's then.  name_out, if not NULL, has
 * SERVICE_NAME bytes.  -ENOENT: there is none (any more).
 */
int service_take(const char *name, char *name_out);

/* Closes those that nobody has taken, and returns how many. */
size_t service_close_rest(void);

/* Goes to the manager: it is ready (also: has its new configuration), reads
 * its configuration anew, ends in order. */
void service_ready(void);
void service_reloading(void);
void service_stopping(void);

/* One line for `systemctl status`. */
void service_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * The manager keeps duplicates of these under this name over our death, and
 * gives them to whoever comes after us, until service_unstore(name) (which
 * closes all of the name) or the unit is stopped.  They are kept when their
 * other end hangs up.  0 when the message is sent, which does not say that the
 * manager has taken them (FileDescriptorStoreMax= of the unit); -ENOTCONN
 * without a manager, -EINVAL for a name with ':' or not of printable ASCII or
 * too long, or more than SERVICE_MAX_FDS; -EAGAIN when it is too busy.
 */
int service_store(const char *name, const int *fds, size_t nfds);
int service_unstore(const char *name);

/* There is a manager to talk to. */
bool service_is_there(void);

/* Tells the manager, twice in the time that it asks for, that base turns.
 * Without a watchdog nothing is done.  Returns 0 or a negative errno. */
int service_watchdog_start(struct event_base *base);
void service_watchdog_stop(void);

#endif
