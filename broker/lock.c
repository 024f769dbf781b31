#define _GNU_SOURCE
#include "broker/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "broker/keep.h"
#include "broker/procfs.h"
#include "common/log.h"

#define TRIES 8 /* each lost against a holder that ended just then */

struct lock {
	uint32_t domid;
	unsigned users;
	int fd;
	UT_hash_handle hh;
};

struct locks {
	const char *dir;
	struct lock *held;
};

struct locks *
locks_create(const char *dir)
{
	struct locks *locks = calloc(1, sizeof *locks);

	if (locks)
		locks->dir = dir;
	return locks;
}

static void
lock_path(const struct locks *locks, uint32_t domid, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/xenconsole.%u", locks->dir, domid);
}

static void
lock_free(struct locks *locks, struct lock *lock)
{
	HASH_DEL(locks->held, lock);
	close(lock->fd);
	free(lock);
}

/* The file at path is still the one that was opened. */
static bool
is_named(int fd, const char *path)
{
	struct stat mine, named;

	return fstat(fd, &mine) == 0 && lstat(path, &named) == 0 &&
	       named.st_ino == mine.st_ino && named.st_dev == mine.st_dev;
}

/* The name goes first, while the lock still keeps others from the file.  And
 * the service manager may be slow to close its duplicate. */
static void
give_back(struct locks *locks, struct lock *lock)
{
	char path[PATH_MAX];

	lock_path(locks, lock->domid, path);
	if (is_named(lock->fd, path))
		unlink(path);
	flock(lock->fd, LOCK_UN);
	keep_drop(KEEP_LOCK, lock->domid);
	lock_free(locks, lock);
}

void
locks_destroy(struct locks *locks)
{
	struct lock *lock, *next;

	if (!locks)
		return;
	HASH_ITER (hh, locks->held, lock, next)
		if (keep_is_on())
			lock_free(locks, lock);
		else
			give_back(locks, lock);
	free(locks);
}

/* NULL when out of memory. */
static struct lock *
add(struct locks *locks, uint32_t domid, int fd)
{
	struct lock *lock = calloc(1, sizeof *lock);

	if (!lock)
		return NULL;
	lock->domid = domid;
	lock->fd = fd;
	HASH_ADD(hh, locks->held, domid, sizeof lock->domid, lock);
	if (!lock->hh.tbl) {
		free(lock);
		return NULL;
	}
	return lock;
}

/* Locks fd, which is to be the file at path; or it is locked already, by the
 * same open file.  -ESTALE: it is not that file (any more). */
static int
lock_fd(int fd, const char *path, char holder[LIMIT_HOLDER + 1])
{
	struct stat mine;

	if (fstat(fd, &mine) < 0)
		return -errno;
	if (!S_ISREG(mine.st_mode) || mine.st_uid != 0)
		return -EPERM;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int status = errno == EWOULDBLOCK ? -EBUSY : -errno;
		pid_t pid = 0;

		if (status == -EBUSY)
			pid = procfs_flock_holder(mine.st_dev, mine.st_ino);
		if (pid > 0)
			procfs_describe(pid, holder, LIMIT_HOLDER + 1);
		return status;
	}
	return is_named(fd, path) ? 0 : -ESTALE;
}

/* One try.  -ESTALE: the file was removed before the lock came. */
static int
lock_file(const char *path, char holder[LIMIT_HOLDER + 1])
{
	/* Anybody may make files in the lock directory: no links, and only
	 * root's. */
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int status;

	if (fd < 0)
		return -errno;
	status = lock_fd(fd, path, holder);
	if (status == 0)
		return fd;
	close(fd);
	return status;
}

static void
adopt(struct locks *locks, uint32_t domid, int fd)
{
	char path[PATH_MAX], holder[LIMIT_HOLDER + 1];
	int status;

	lock_path(locks, domid, path);
	status = lock_fd(fd, path, holder);
	if (status == 0 && add(locks, domid, fd))
		return;
	log_warn("lock of domain %u: what was kept is not it: %s", domid,
	    strerror(status ? -status : ENOMEM));
	close(fd);
	keep_drop(KEEP_LOCK, domid);
}

void
locks_adopt(struct locks *locks, struct keep *keep)
{
	uint32_t domid;

	while (keep_find(keep, KEEP_LOCK, &domid)) {
		int fd = keep_take(keep, KEEP_LOCK, domid);

		if (fd >= 0)
			adopt(locks, domid, fd);
	}
}

void
locks_sweep(struct locks *locks)
{
	struct lock *lock, *next;

	HASH_ITER (hh, locks->held, lock, next)
		if (lock->users == 0)
			give_back(locks, lock);
}

int
locks_take(struct locks *locks, uint32_t domid, char holder[LIMIT_HOLDER + 1])
{
	char path[PATH_MAX];
	struct lock *lock;
	int fd = -ESTALE;

	holder[0] = '\0';
	HASH_FIND(hh, locks->held, &domid, sizeof domid, lock);
	if (lock) {
		lock->users++;
		return 0;
	}
	lock_path(locks, domid, path);
	for (int i = 0; fd == -ESTALE && i < TRIES; i++)
		fd = lock_file(path, holder);
	if (fd < 0)
		return fd == -ESTALE ? -EBUSY : fd;
	lock = add(locks, domid, fd);
	if (!lock) {
		unlink(path);
		close(fd);
		return -ENOMEM;
	}
	lock->users = 1;
	keep_store(KEEP_LOCK, domid, fd);
	return 0;
}

void
locks_drop(struct locks *locks, uint32_t domid)
{
	struct lock *lock;

	HASH_FIND(hh, locks->held, &domid, sizeof domid, lock);
	if (lock && lock->users > 0 && --lock->users == 0)
		give_back(locks, lock);
}

pid_t
lock_parse_uucp(const char *text)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (end == text || errno != 0 || (*end != '\n' && *end != '\0') ||
	    pid <= 0 || pid > INT_MAX)
		return 0;
	return (pid_t)pid;
}

bool
locks_uucp_held(
    struct locks *locks, unsigned pts, char holder[LIMIT_HOLDER + 1])
{
	char path[PATH_MAX], text[32];
	struct stat st;
	ssize_t n;
	pid_t pid;
	int fd;

	snprintf(path, sizeof path, "%s/LCK.._pts_%u", locks->dir, pts);
	/* O_NONBLOCK: whoever made this might have made it a fifo. */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = fstat(fd, &st) == 0 && st.st_uid == 0
		? read(fd, text, sizeof text - 1)
		: -1;
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	pid = lock_parse_uucp(text);
	if (pid == 0 || (kill(pid, 0) < 0 && errno == ESRCH))
		return false;
	procfs_describe(pid, holder, LIMIT_HOLDER + 1);
	return true;
}
