#define _GNU_SOURCE
#include "common/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
msg_send(int sock, const void *msg, size_t size, const int *fds, int nfds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * PROTO_MAX_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = size};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (nfds > 0) {
		memset(&control, 0, sizeof control);
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	if (sendmsg(sock, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return -errno;
	return 0;
}

/* Takes the descriptors out of header; those beyond the bound are closed. */
static int
collect(struct msghdr *header, struct packet *packet)
{
	struct cmsghdr *cmsg;
	int status = 0;

	for (cmsg = CMSG_FIRSTHDR(header); cmsg;
	     cmsg = CMSG_NXTHDR(header, cmsg)) {
		size_t n;

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof fd, sizeof fd);
			if (packet->nfds < PROTO_MAX_FDS) {
				packet->fds[packet->nfds++] = fd;
			} else {
				close(fd);
				status = -EPROTO;
			}
		}
	}
	return status;
}

int
msg_receive(int sock, struct packet *packet)
{
	/* Room for more than allowed, so that what is too much is seen. */
	union {
		char bytes[CMSG_SPACE(sizeof(int) * (PROTO_MAX_FDS + 2))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {&packet->msg, sizeof packet->msg};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	ssize_t n;
	int status;

	packet->nfds = 0;
	n = recvmsg(sock, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	status = collect(&header, packet);
	if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		status = -EPROTO;
	if (n == 0 && status == 0) {
		packet_close(packet); /* an empty packet may bring some, too */
		return 0;
	}
	if (status == 0 && (size_t)n < sizeof packet->msg.type)
		status = -EPROTO;
	if (status < 0) {
		packet_close(packet);
		return status;
	}
	packet->size = (size_t)n;
	return 1;
}

void
packet_close(struct packet *packet)
{
	for (int i = 0; i < packet->nfds; i++)
		if (packet->fds[i] >= 0)
			close(packet->fds[i]);
	packet->nfds = 0;
}

int
msg_dispatch(const struct msg_rule *rules, size_t nrules, void *ctx,
    struct packet *packet)
{
	for (size_t i = 0; i < nrules; i++) {
		if (rules[i].type != packet->msg.type)
			continue;
		if (rules[i].size != packet->size ||
		    rules[i].nfds != packet->nfds)
			break;
		rules[i].handler(ctx, packet);
		packet_close(packet);
		return 0;
	}
	packet_close(packet);
	return -EPROTO;
}
