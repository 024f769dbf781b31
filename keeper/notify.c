#define _GNU_SOURCE
#include "keeper/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

/* The longest datagram that says something here. */
#define MESSAGE 4096

/* A socket, and whoever had it is gone. */
static bool
is_left_over(const struct sockaddr_un *address)
{
	struct stat st;
	int probe;
	bool refused;

	if (lstat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return false;
	refused = connect(probe, (const struct sockaddr *)address,
		      sizeof *address) < 0 &&
		  errno == ECONNREFUSED;
	close(probe);
	return refused;
}

static int
bind_to(int sock, const struct sockaddr_un *address)
{
	const struct sockaddr *a = (const struct sockaddr *)address;
	mode_t before = umask(0177);
	int error = bind(sock, a, sizeof *address) < 0 ? -errno : 0;

	if (error == -EADDRINUSE && is_left_over(address)) {
		unlink(address->sun_path);
		error = bind(sock, a, sizeof *address) < 0 ? -errno : 0;
	}
	umask(before);
	return error;
}

int
notify_open(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int on = 1;
	int sock, error;

	if (*path != '/' || strlen(path) >= sizeof address.sun_path)
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	error = bind_to(sock, &address);
	if (error == 0 &&
	    (setsockopt(sock, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
		setenv("NOTIFY_SOCKET", path, 1) < 0))
		error = -errno;
	if (error == 0)
		return sock;
	close(sock);
	return error;
}

/* False: a name that is none. */
static bool
parse_line(const char *line, struct notify_message *out)
{
	static const char name[] = "FDNAME=";
	size_t skip = sizeof name - 1;

	if (strcmp(line, "READY=1") == 0)
		out->ready = true;
	else if (strcmp(line, "WATCHDOG=1") == 0)
		out->watchdog = true;
	else if (strcmp(line, "FDSTORE=1") == 0)
		out->store = true;
	else if (strcmp(line, "FDSTOREREMOVE=1") == 0)
		out->remove = true;
	else if (strncmp(line, name, skip) == 0 &&
		 !service_is_name(line + skip))
		return false;
	else if (strncmp(line, name, skip) == 0)
		strcpy(out->name, line + skip);
	return true;
}

bool
notify_parse(const char *text, size_t len, struct notify_message *out)
{
	char copy[MESSAGE + 1], *rest = copy, *line;

	out->ready = out->watchdog = false;
	out->store = out->remove = false;
	out->name[0] = '\0';
	if (len > MESSAGE || memchr(text, '\0', len))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (!parse_line(line, out))
			return false;
	/* Without a name they could not be told apart, nor removed. */
	return !(out->store || out->remove) ||
	       (out->name[0] != '\0' && out->store != out->remove);
}

/* Takes descriptors and credentials out of a message; the pid of its sender,
 * which is the kernel's word; 0: unknown. */
static pid_t
take_control(struct msghdr *header, struct notify_message *message)
{
	struct cmsghdr *cmsg;
	pid_t pid = 0;

	message->nfds = 0;
	for (cmsg = CMSG_FIRSTHDR(header); cmsg;
	     cmsg = CMSG_NXTHDR(header, cmsg)) {
		size_t size = cmsg->cmsg_len - CMSG_LEN(0);

		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		if (cmsg->cmsg_type == SCM_RIGHTS) {
			message->nfds = size / sizeof(int);
			memcpy(message->fds, CMSG_DATA(cmsg), size);
		} else if (cmsg->cmsg_type == SCM_CREDENTIALS &&
			   size >= sizeof(struct ucred)) {
			struct ucred peer;

			memcpy(&peer, CMSG_DATA(cmsg), sizeof peer);
			pid = peer.pid;
		}
	}
	return pid;
}

static void
close_all(struct notify_message *message)
{
	while (message->nfds > 0)
		close(message->fds[--message->nfds]);
}

int
notify_receive(int sock, pid_t pid, struct notify_message *message)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * SERVICE_MAX_FDS) +
			   CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	char text[MESSAGE];
	struct iovec iov = {text, sizeof text};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	ssize_t n = recvmsg(sock, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	pid_t sender;
	bool good;

	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : 0;
	sender = take_control(&header, message);
	good = sender == pid &&
	       !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	       notify_parse(text, (size_t)n, message) &&
	       (message->nfds > 0) == message->store;
	if (good)
		return 1;
	log_warn("a message of process %d is not taken", (int)sender);
	close_all(message);
	return 0;
}
