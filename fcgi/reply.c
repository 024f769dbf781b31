#include "fcgi/reply.h"

#include <event2/buffer.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/counters.h"
#include "fcgi/server.h"

#define DETAIL_MAX 512

static const char *
status_text(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 201:
		return "Created";
	case 204:
		return "No Content";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Content Too Large";
	case 415:
		return "Unsupported Media Type";
	case 421:
		return "Misdirected Request";
	case 429:
		return "Too Many Requests";
	case 503:
		return "Service Unavailable";
	default:
		return "Unknown";
	}
}

struct evbuffer *
reply_begin(int status)
{
	struct evbuffer *reply = evbuffer_new();

	if (reply)
		evbuffer_add_printf(reply,
		    "Status: %d %s\r\nCache-Control: no-store\r\n", status,
		    status_text(status));
	return reply;
}

static void
add_text(struct evbuffer *reply, const char *text)
{
	evbuffer_add(reply, text, strlen(text));
}

void
reply_header(struct evbuffer *reply, const char *name, const char *value)
{
	if (!reply)
		return;
	add_text(reply, name);
	add_text(reply, ": ");
	add_text(reply, value);
	add_text(reply, "\r\n");
}

void
reply_body(struct evbuffer *reply, const char *type)
{
	if (!reply)
		return;
	if (type) {
		reply_header(reply, "Content-Type", type);
		reply_header(reply, "X-Content-Type-Options", "nosniff");
	}
	add_text(reply, "\r\n");
}

void
reply_send(struct conn *conn, struct evbuffer *reply)
{
	struct evbuffer *empty;

	if (reply) {
		conn_finish(conn, reply);
		evbuffer_free(reply);
		return;
	}
	/* nginx answers 502 to an empty reply, and the client comes again. */
	empty = evbuffer_new();
	if (empty) {
		conn_finish(conn, empty);
		evbuffer_free(empty);
	}
}

const char *
reply_json_text(struct json_object *obj, size_t *len)
{
	return json_object_to_json_string_length(
	    obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, len);
}

static void
add_json(struct evbuffer *reply, struct json_object *obj)
{
	size_t len;
	const char *text = reply_json_text(obj, &len);

	if (reply && text)
		evbuffer_add(reply, text, len);
}

void
reply_json(struct conn *conn, int status, struct json_object *body)
{
	struct evbuffer *reply = reply_begin(status);

	reply_body(reply, "application/json");
	add_json(reply, body);
	json_object_put(body);
	reply_send(conn, reply);
}

void
reply_empty(struct conn *conn, int status)
{
	struct evbuffer *reply = reply_begin(status);

	reply_body(reply, NULL);
	reply_send(conn, reply);
}

static void
problem(struct conn *conn, int status, const char *code, const char *headers,
    struct json_object *body, const char *detail)
{
	struct evbuffer *reply = reply_begin(status);

	counters_add(COUNT_PROBLEMS, 1);
	json_object_object_add(
	    body, "type", json_object_new_string("about:blank"));
	json_object_object_add(
	    body, "title", json_object_new_string(status_text(status)));
	json_object_object_add(body, "status", json_object_new_int(status));
	json_object_object_add(body, "code", json_object_new_string(code));
	json_object_object_add(body, "detail", json_object_new_string(detail));
	if (reply)
		evbuffer_add_printf(reply, "%s", headers);
	reply_body(reply, "application/problem+json");
	add_json(reply, body);
	json_object_put(body);
	reply_send(conn, reply);
}

void
reply_problem(
    struct conn *conn, int status, const char *code, const char *fmt, ...)
{
	char detail[DETAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	problem(conn, status, code, "", json_object_new_object(), detail);
}

void
reply_problem_with(struct conn *conn, int status, const char *code,
    const char *headers, struct json_object *members, const char *fmt, ...)
{
	char detail[DETAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	if (!members)
		members = json_object_new_object();
	problem(conn, status, code, headers, members, detail);
}

void
reply_restart(struct conn *conn)
{
	reply_problem_with(
	    conn, 503, "overload", REPLY_RETRY, NULL, "%s", REPLY_RESTART);
}
