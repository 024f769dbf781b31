/* What the worker says to a request: status, headers, body. */
#ifndef XENTERM_REPLY_H
#define XENTERM_REPLY_H

#include <stddef.h>

struct conn;
struct evbuffer;
struct json_object;

/* The calls below end the request: conn is no more afterwards. */

/* Takes ownership of body. */
void reply_json(struct conn *conn, int status, struct json_object *body);
/* A status without a body, such as 204. */
void reply_empty(struct conn *conn, int status);

/* One more header of a problem, "" for none: "Retry-After: 1". */
#define REPLY_RETRY "Retry-After: 1\r\n"

/* RFC 9457: code for programs, the sentence for people. */
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

/* For replies built by hand: begin, add headers, end of headers, body. */
struct evbuffer *reply_begin(int status);
void reply_header(struct evbuffer *reply, const char *name, const char *value);
void reply_body(struct evbuffer *reply, const char *type);
/* Sends and frees reply; NULL (out of memory) closes the connection. */
void reply_send(struct conn *conn, struct evbuffer *reply);

/* The text of obj, without spaces, as long as obj lives. */
const char *reply_json_text(struct json_object *obj, size_t *len);

#endif
