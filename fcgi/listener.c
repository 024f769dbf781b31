#define _GNU_SOURCE
#include "fcgi/listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A browser reconnecting after a restart is one of thousands. */
#define BACKLOG 4096

/* Somebody accepts connections at this address. */
static int
is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int alive;

	if (fd < 0)
		return 0;
	alive = connect(fd, (const struct sockaddr *)address,
		    sizeof *address) == 0 ||
		errno == EAGAIN;
	close(fd);
	return alive;
}

/* Bound under a narrow umask: nobody gets in before mode and group stand. */
static int
bind_narrow(int fd, const struct sockaddr_un *address)
{
	mode_t old = umask(0177);
	int status =
	    bind(fd, (const struct sockaddr *)address, sizeof *address);

	umask(old);
	return status;
}

int
listener_open(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, error;

	if (strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	if (is_alive(&address))
		return -EADDRINUSE;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind_narrow(fd, &address) < 0 || lchown(path, uid, gid) < 0 ||
	    chmod(path, mode) < 0 || listen(fd, BACKLOG) < 0) {
		error = errno;
		close(fd);
		return -error;
	}
	return fd;
}
