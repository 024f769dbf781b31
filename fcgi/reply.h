/* What the worker says to a request: status, headers, body. */
#ifndef XENTERM_REPLY_H
#define XENTERM_REPLY_H

#include <stdbool.h>
#include <stddef.h>

struct conn;
struct evbuffer;
struct json_object;

/* The calls below end the request: conn is no more afterwards. */

/* Takes ownership of body; NULL: there was no memory for it.  False: 503 was
 * answered in its place. */
bool reply_json(struct conn *conn, int status, struct json_object *body);
/* 204; needs no memory. */
void reply_done(struct conn *conn);
/* 503, code no-memory; needs none. */
void reply_no_memory(struct conn *conn);

/* One more header of a problem, "" for none: "Retry-After: 1". */
#define REPLY_RETRY "Retry-After: 1\r\n"

/* RFC 9457: code for programs, the sentence for people.  What is the client's
 * mistake is answered with no-memory where memory was refused before. */
void reply_problem(struct conn *conn, int status, const char *code,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same with headers, each with its CRLF, and members of its own, of
 * which it takes ownership; NULL: none. */
void reply_problem_with(struct conn *conn, int status, const char *code,
    const char *headers, struct json_object *members, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

#define REPLY_RESTART \
	"The worker is being restarted; the session goes on. Ask again."
/* 503: the worker ends, and the next one goes on with the session. */
void reply_restart(struct conn *conn);

/* For replies built by hand, one at a time: begin, add headers, end of headers,
 * body. */
struct evbuffer *reply_begin(int status);
void reply_header(struct evbuffer *reply, const char *name, const char *value);
void reply_body(struct evbuffer *reply, const char *type);
/* Nothing was left out of it for lack of memory.  NULL: it was. */
bool reply_is_whole(const struct evbuffer *reply);
/* Sends and frees reply.  False: it was not whole, and 503 was answered. */
bool reply_send(struct conn *conn, struct evbuffer *reply);

#endif
