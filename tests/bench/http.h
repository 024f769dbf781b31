/*
 * HTTPS as the benches need it: HTTP/1.1 on connections that stay, requests
 * made by hand, answers taken whole.  One thread; what fails ends the program.
 */
#ifndef XENTERM_BENCH_HTTP_H
#define XENTERM_BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;

struct http_answer {
	int status;
	const uint8_t *body; /* the chunks joined */
	size_t len;
};

/* Where all connections go: 127.0.0.1, and who we say we are there. */
void http_init(uint16_t port, const char *user, const char *password);

/*
 * token may be NULL.  "TOKEN@/h/HOST" is one of a host behind a gateway: what
 * is asked below /xenterm/ is asked below there, and from an address of this
 * connection's own.
 */
struct http *http_open(const char *token);
/* Of bodies; application/octet-stream unless said otherwise. */
void http_set_type(struct http *http, const char *type);
void http_close(struct http *http);
int http_fd(const struct http *http);

/* Sends one request; a body makes it a POST. */
void http_send(
    struct http *http, const char *target, const void *body, size_t len);

/* Takes what has come.  True: the answer is complete, and valid until the next
 * http_send(). */
bool http_receive(struct http *http, struct http_answer *answer);

/* Waits for the answer; the program ends when it takes too long. */
void http_wait(struct http *http, struct http_answer *answer);

/*
 * The answer's body as it comes, at most size bytes of it: for an answer that
 * does not end.  0: nothing more has come.
 */
size_t http_read_body(struct http *http, void *to, size_t size);

/* Makes the connection a WebSocket, of this subprotocol unless it is NULL. What
 * comes and goes from then on are its frames. */
void http_upgrade(struct http *http, const char *target, const char *protocol);
/* At most size of the bytes that have come.  0: nothing has. */
size_t http_read_raw(struct http *http, void *to, size_t size);
/* Few enough for an empty socket buffer. */
void http_write_raw(struct http *http, const void *bytes, size_t len);

/* Bytes on this connection, those of TLS with them, since it was opened. */
struct http_wire {
	uint64_t down, up;
};
struct http_wire http_wire(const struct http *http);

/* The last answer's header, or the program ends. */
void http_header(
    const struct http *http, const char *name, char *value, size_t size);

#endif
