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

#include "broker/procfs.h"

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

/* The name goes first, while the lock still keeps others from the file. */
static void
lock_free(struct locks *locks, struct lock *lock)
{
	char path[PATH_MAX];

	lock_path(locks, lock->domid, path);
	unlink(path);
	close(lock->fd);
	HASH_DEL(locks->held, lock);
	free(lock);
}

void
locks_destroy(struct locks *locks)
{
	struct lock *lock, *next;

	if (!locks)
		return;
	HASH_ITER (hh, locks->held, lock, next)
		lock_free(locks, lock);
	free(locks);
}

/* One try.  -ESTALE: the file was removed before the lock came. */
static int
lock_file(const char *path, char holder[LIMIT_HOLDER + 1])
{
	/* Anybody may make files in the lock directory: no links, and only
	 * root's. */
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat mine, named;
	int status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &mine) < 0) {
		status = -errno;
	} else if (!S_ISREG(mine.st_mode) || mine.st_uid != 0) {
		status = -EPERM;
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		pid_t pid = 0;

		status = errno == EWOULDBLOCK ? -EBUSY : -errno;
		if (status == -EBUSY)
			pid = procfs_flock_holder(mine.st_dev, mine.st_ino);
		if (pid > 0)
			procfs_describe(pid, holder, LIMIT_HOLDER + 1);
	} else if (lstat(path, &named) < 0 || named.st_ino != mine.st_ino ||
		   named.st_dev != mine.st_dev) {
		status = -ESTALE;
	} else {
		return fd;
	}
	close(fd);
	return status;
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
	lock = calloc(1, sizeof *lock);
	if (!lock) {
		unlink(path);
		close(fd);
		return -ENOMEM;
	}
	lock->domid = domid;
	lock->users = 1;
	lock->fd = fd;
	HASH_ADD(hh, locks->held, domid, sizeof lock->domid, lock);
	return 0;
}

void
locks_drop(struct locks *locks, uint32_t domid)
{
	struct lock *lock;

	HASH_FIND(hh, locks->held, &domid, sizeof domid, lock);
	if (lock && --lock->users == 0)
		lock_free(locks, lock);
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
