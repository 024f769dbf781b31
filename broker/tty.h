/*
 * Opening the tty that xenstore names for a console, after checking that it
 * really is that console's: a node can be stale or forged, and behind
 * /dev/pts/N may be somebody's login shell.  Never changes a tty's settings,
 * which are xenconsoled's.
 */
#ifndef XENTERM_TTY_H
#define XENTERM_TTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/console_key.h"

/* The longest node path here, the longest name of a tty, a sentence. */
#define TTY_NODE   80
#define TTY_NAME   64
#define TTY_REASON 128

struct xs_conn;

struct tty_checks {
	struct xs_conn *xs;
	bool verify_owner;
	/* Another console has this device open. */
	bool (*taken)(void *ctx, dev_t device);
	void *ctx;
};

/* D/console/tty, D/device/console/N/tty or D/serial/N/tty. */
void tty_node(
    uint32_t domid, uint32_t kind, uint32_t number, char out[TTY_NODE]);

/* name is "/dev/pts/N", exactly. */
bool tty_parse(const char *name, unsigned *pts);

/*
 * Opens the tty `name` of console `kind``number` of domain domid.  The caller
 * closes it.  -EPERM: a check failed, reason is the sentence for the log.
 * -ENOTCONN: xenstored cannot be asked now.
 */
int tty_open(const struct tty_checks *checks, uint32_t domid, uint32_t kind,
    uint32_t number, const char *name, char reason[TTY_REASON]);

/* fd, which was opened before, by us or by the broker before this one, is a
 * pseudo terminal of our /dev/pts, open for reading and writing. */
bool tty_is_pts(int fd, dev_t *device);

/* The device is the one that the name says. */
bool tty_names(const char *name, dev_t device);

/* The checks of tty_open() on one that is open; fd stays the caller's. */
int tty_check(const struct tty_checks *checks, int fd, uint32_t domid,
    uint32_t kind, uint32_t number, const char *name, char reason[TTY_REASON]);

/* backend, as in /libxl/<domid>/device/console/<n>/backend, is in dom0. */
bool tty_backend_is_ours(const char *backend);

#endif
