/* What /proc tells of other processes. */
#ifndef XENTERM_PROCFS_H
#define XENTERM_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* "xenconsole (pid 4711)", or "pid 4711" when it has just ended. */
void procfs_describe(pid_t pid, char *out, size_t size);

/* The process has the master of /dev/pts/<pts> open. */
bool procfs_has_master(pid_t pid, unsigned pts);

/*
 * Some process of root, whose program has one of these names (a list that
 * ends with NULL), has the master of /dev/pts/<pts> open.  Quick for one that
 * was seen before, or that follows the last one; else it looks through all.
 */
bool procfs_program_has_master(const char *const *programs, unsigned pts);

/* Who holds the flock(2) of this file; 0 when nobody is found. */
pid_t procfs_flock_holder(dev_t dev, ino_t ino);

/* A line of /proc/locks is about a held flock of this file. */
bool procfs_parse_lock(const char *line, dev_t dev, ino_t ino, pid_t *holder);

/* A text as in /proc/PID/status says that all of its user ids are root's. */
bool procfs_parse_root(const char *status);

/* A text as in /proc/PID/fdinfo/N is of the master of /dev/pts/<*pts>. */
bool procfs_parse_master(const char *fdinfo, unsigned *pts);

#endif
