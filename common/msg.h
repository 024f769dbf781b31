/* One message with its descriptors over a SOCK_SEQPACKET socket. */
#ifndef XENTERM_MSG_H
#define XENTERM_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"

/* What came in one packet. */
struct packet {
	union msg msg;
	size_t size; /* bytes of msg */
	int fds[PROTO_MAX_FDS];
	int nfds;
};

/* One row of what a side takes: the whole right of its peer is the table. */
struct msg_rule {
	uint32_t type;
	size_t size; /* exact */
	int nfds;    /* exact */
	void (*handler)(void *ctx, struct packet *packet);
};

/* Sends size bytes of msg and nfds descriptors, which stay the caller's.
 * Returns 0 or a negative errno; -EAGAIN: the peer does not read. */
int msg_send(int sock, const void *msg, size_t size, const int *fds, int nfds);

/*
 * Receives one packet.  1: it is in *packet, and its descriptors are the
 * caller's.  0: the peer has closed.  -EAGAIN: nothing there.  -EPROTO: the
 * packet was cut short or brought too many descriptors; all are closed.
 */
int msg_receive(int sock, struct packet *packet);

/* Closes those descriptors of packet that nobody has taken (set to -1). */
void packet_close(struct packet *packet);

/* Hands packet to its rule's handler.  -EPROTO when no rule fits it: the
 * peer is then to be dropped, not argued with. */
int msg_dispatch(const struct msg_rule *rules, size_t nrules, void *ctx,
    struct packet *packet);

#endif
