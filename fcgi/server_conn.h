/*
 * A connection's insides, for server.c and server_reply.c alone: the one takes
 * connections and their requests, the other answers these.
 */
#ifndef XENTERM_SERVER_CONN_H
#define XENTERM_SERVER_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcgiapp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#include "common/limits.h"
#include "fcgi/server.h"

struct stream_reply;

struct server {
	struct event_base *base;
	struct event *listener, *rest;
	int fd;
	server_handler handler;
	void *ctx;
	struct conn *conns;
	struct conn *spare; /* for who comes next, or NULL */
	bool complained;    /* since the last one came */
	size_t nconns, nrequests;
	size_t unsent; /* bytes of replies that wait for their peers */
	/* Common timeouts of libevent. */
	const struct timeval *deadline, *patience;
	uint8_t peek[LIMIT_REQUEST];
};

enum conn_state {
	CONN_READING,  /* a request, or nothing yet */
	CONN_HANDLING, /* the handler has it */
	CONN_PARKED,
	CONN_ENDING, /* the last bytes of a reply are on their way */
};

struct conn {
	struct conn_base base; /* first */
	struct server *server;
	struct conn *prev, *next;
	struct event *event; /* edge-triggered, for as long as it lives */
	struct event place;  /* of that one: nobody is sent away without */
	enum conn_state state;
	time_t begun; /* monotonic seconds; 0: no request is being waited for */
	bool part;    /* some of a request is there */
	bool keep;    /* the peer will send another request */
	bool left;    /* the peer has gone */
	FCGX_Request request;
	uint8_t *body;
	size_t body_len;
	bool body_too_large;
	void (*gone)(void *ctx);
	void *gone_ctx;
	struct stream_reply *stream;
};

static inline const struct conn_class *
class_of(const struct conn *conn)
{
	return ((const struct conn_base *)conn)->class;
}

/* ---- server.c ------------------------------------------------------------ */

/* Closes it, with what its peer has not taken. */
void conn_free(struct conn *conn);
/* Sees to it that what comes, and the peer's leaving, is told.  False: out of
 * memory. */
bool conn_watch(struct conn *conn);
/* A request has been answered; there may be a next one. */
void conn_next(struct conn *conn);

/* ---- server_reply.c ------------------------------------------------------ */

/* What has not been sent is not sent any more.  Nothing without a stream. */
void conn_stream_free(struct conn *conn);
/* Of what has been answered, but not taken yet.  False: that was all. */
bool server_send_more(struct server *server);

#endif
