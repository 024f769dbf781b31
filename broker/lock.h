/*
 * xenconsole's lock: one reader for the consoles of a domain.
 *
 * Two readers of one pty would split its bytes, so whoever reads holds the
 * flock(2) of <lock_dir>/xenconsole.<domid>, as xenconsole does
 * (tools/console/client/main.c, console_lock).  It is per domid, so our
 * consoles of one domain share it.
 */
#ifndef XENTERM_LOCK_H
#define XENTERM_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/limits.h"

struct keep;
struct locks;

/* dir stays the caller's and must live as long. */
struct locks *locks_create(const char *dir);

/* NULL is fine.  Gives all locks back, but those that outlive us
 * (broker/keep.h). */
void locks_destroy(struct locks *locks);

/*
 * Takes over what a broker before this one held and the service manager has
 * kept: a flock(2) is of the open file, whoever has it open.  What is no such
 * lock is given up with a warning.
 */
void locks_adopt(struct locks *locks, struct keep *keep);
/* Gives back those taken over that nobody has asked for with locks_take(). */
void locks_sweep(struct locks *locks);

/*
 * Takes the lock of domid, once more if it is ours already.  -EBUSY: another
 * process has it, and holder says which, "" when that is not known.
 */
int locks_take(
    struct locks *locks, uint32_t domid, char holder[LIMIT_HOLDER + 1]);

/* Undoes one locks_take(); the last one removes the file. */
void locks_drop(struct locks *locks, uint32_t domid);

/* A living process has the UUCP lock of /dev/pts/<pts>: libvirt's console
 * (src/conf/virchrdev.c) knows only that one. */
bool locks_uucp_held(
    struct locks *locks, unsigned pts, char holder[LIMIT_HOLDER + 1]);

/* The pid in such a file; 0 when there is none. */
pid_t lock_parse_uucp(const char *text);

#endif
