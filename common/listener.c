#define _GNU_SOURCE
#include "common/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The browsers that come back after a restart are thousands. */
#define BACKLOG 4096

static int
make_socket(int type)
{
	return socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static bool
somebody_answers(const struct sockaddr_un *address, int type)
{
	int fd = make_socket(type);
	bool connected;

	if (fd < 0)
		return false;
	connected = connect(fd, (const struct sockaddr *)address,
			sizeof *address) == 0 ||
		    errno == EAGAIN; /* its backlog is full */
	close(fd);
	return connected;
}

int
listener_open(const char *path, int type, const struct listener_access *access)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *fresh = address.sun_path;
	const size_t size = sizeof address.sun_path;
	int fd, error;

	if ((size_t)snprintf(fresh, size, "%s", path) >= size)
		return -ENAMETOOLONG;
	if (somebody_answers(&address, type))
		return -EADDRINUSE;
	if ((size_t)snprintf(fresh, size, "%s.new", path) >= size)
		return -ENAMETOOLONG;
	fd = make_socket(type);
	if (fd < 0)
		return -errno;
	/* Nobody finds it before it is whose it is to be, and answers. */
	unlink(fresh);
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
	    /* In this order CAP_CHOWN is enough. */
	    chmod(fresh, access->mode) == 0 &&
	    lchown(fresh, access->uid, access->gid) == 0 &&
	    listen(fd, BACKLOG) == 0 && rename(fresh, path) == 0)
		return fd;
	error = errno;
	unlink(fresh);
	close(fd);
	return -error;
}

static bool
has_option(int fd, int option, int value)
{
	int is = -1;
	socklen_t size = sizeof is;

	return getsockopt(fd, SOL_SOCKET, option, &is, &size) == 0 &&
	       is == value;
}

int
listener_check(int fd, int type)
{
	int flags;

	if (!has_option(fd, SO_DOMAIN, AF_UNIX) ||
	    !has_option(fd, SO_TYPE, type) || !has_option(fd, SO_ACCEPTCONN, 1))
		return -EPROTOTYPE;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}
