#define _GNU_SOURCE
#include "keeper/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/service.h"

/* The first descriptor that a program gets (SD_LISTEN_FDS_START). */
#define FIRST 3

union control {
	char bytes[CMSG_SPACE(sizeof(int) * SERVICE_MAX_FDS)];
	struct cmsghdr align;
};

int
handover_send(
    int sock, const void *bytes, size_t size, const int *fds, size_t nfds)
{
	union control control = {.bytes = {0}};
	struct iovec iov = {(void *)bytes, size};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = CMSG_SPACE(sizeof(int) * nfds)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
	memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	while (sendmsg(sock, &header, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* The packet's size; *nfds have room for SERVICE_MAX_FDS.  -1: it is cut short,
 * or there is none; descriptors that came are in fds in any case. */
static ssize_t
receive(int sock, void *bytes, size_t size, int flags, int *fds, size_t *nfds)
{
	union control control;
	struct iovec iov = {bytes, size};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	struct cmsghdr *cmsg;
	ssize_t n;

	*nfds = 0;
	do
		n = recvmsg(sock, &header, flags);
	while (n < 0 && errno == EINTR);
	cmsg = n < 0 ? NULL : CMSG_FIRSTHDR(&header);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SCM_RIGHTS) {
		*nfds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
		memcpy(fds, CMSG_DATA(cmsg), *nfds * sizeof *fds);
	}
	return header.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -1 : n;
}

ssize_t
handover_recv(int sock, void *bytes, size_t size, int *fd)
{
	int fds[SERVICE_MAX_FDS];
	size_t nfds;
	ssize_t n = receive(sock, bytes, size, MSG_CMSG_CLOEXEC, fds, &nfds);

	*fd = -1;
	if (nfds == 1) {
		*fd = fds[0];
		return n;
	}
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	return nfds > 0 ? -1 : n;
}

static int
set_number(const char *variable, long number)
{
	char text[32];

	snprintf(text, sizeof text, "%ld", number);
	return setenv(variable, text, 1) < 0 ? -errno : 0;
}

static int
set_variables(char *names, size_t len, size_t count)
{
	int error;

	/* Not the last ':'. */
	names[len > 0 ? len - 1 : 0] = '\0';
	if (setenv("LISTEN_FDNAMES", names, 1) < 0)
		return -errno;
	error = set_number("LISTEN_FDS", (long)count);
	return error ? error : set_number("LISTEN_PID", getpid());
}

int
handover_receive(int sock, size_t count)
{
	static char names[HANDOVER_NAMES];
	int high = fcntl(sock, F_DUPFD_CLOEXEC, FIRST + (int)count);
	size_t len = 0, got = 0;
	ssize_t n;

	if (high < 0)
		return -errno;
	/* Below it all is free now, and given out from below. */
	if (close_range(FIRST, (unsigned)high - 1, 0) < 0 ||
	    close_range((unsigned)high + 1, ~0u, 0) < 0)
		return -errno;
	do {
		int fds[SERVICE_MAX_FDS];
		size_t nfds;

		n = receive(
		    high, names + len, sizeof names - len, 0, fds, &nfds);
		if (n < 0)
			return -EPROTO;
		for (size_t i = 0; i < nfds; i++)
			if (fds[i] != FIRST + (int)got++)
				return -EPROTO;
		len += (size_t)n;
	} while (n > 0);
	return got == count ? set_variables(names, len, count) : -EPROTO;
}
