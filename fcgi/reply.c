#include "fcgi/reply.h"

#include <event2/buffer.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/counters.h"
#include "fcgi/json_build.h"
#include "fcgi/memory.h"
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

/* Refusals of memory before the reply that is being built was begun. */
static uint64_t refusals;

struct evbuffer *
reply_begin(int status)
{
	struct evbuffer *reply;

	refusals = memory_refusals();
	reply = evbuffer_new();
	if (reply)
		evbuffer_add_printf(reply,
		    "Status: %d %s\r\nCache-Control: no-store\r\n", status,
		    status_text(status));
	return reply;
}

bool
reply_is_whole(const struct evbuffer *reply)
{
	return reply && memory_refusals() == refusals;
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
reply_no_memory(struct conn *conn)
{
	counters_add(COUNT_PROBLEMS, 1);
	conn_finish_text(conn,
	    "Status: 503 Service Unavailable\r\n"
	    "Cache-Control: no-store\r\n"
	    "Retry-After: 1\r\n"
	    "Content-Type: application/problem+json\r\n"
	    "X-Content-Type-Options: nosniff\r\n\r\n"
	    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
	    "\"status\":503,\"code\":\"no-memory\",\"detail\":\"The worker had "
	    "no memory to answer; what was asked for may have been done "
	    "all the same.\"}");
}

bool
reply_send(struct conn *conn, struct evbuffer *reply)
{
	bool sent = reply_is_whole(reply) && conn_finish(conn, reply);

	if (!sent)
		reply_no_memory(conn);
	if (reply)
		evbuffer_free(reply);
	return sent;
}

/* Ends reply with obj, of which it takes ownership, and sends it. */
static bool
send_json(struct conn *conn, struct evbuffer *reply, const char *type,
    struct json_object *obj)
{
	size_t len;
	const char *text = json_text(obj, &len);

	reply_body(reply, type);
	if (reply && text)
		evbuffer_add(reply, text, len);
	json_object_put(obj);
	if (text)
		return reply_send(conn, reply);
	if (reply)
		evbuffer_free(reply);
	reply_no_memory(conn);
	return false;
}

bool
reply_json(struct conn *conn, int status, struct json_object *body)
{
	return send_json(conn, reply_begin(status), "application/json", body);
}

void
reply_done(struct conn *conn)
{
	conn_finish_text(
	    conn, "Status: 204 No Content\r\nCache-Control: no-store\r\n\r\n");
}

static void
problem(struct conn *conn, int status, const char *code, const char *headers,
    struct json_object *body, const char *detail)
{
	struct evbuffer *reply;

	/* What looks wrong with a request may be what there was no memory
	 * for. */
	if (status < 500 && conn_was_refused(conn)) {
		json_object_put(body);
		reply_no_memory(conn);
		return;
	}
	counters_add(COUNT_PROBLEMS, 1);
	json_put_text(&body, "type", "about:blank");
	json_put_text(&body, "title", status_text(status));
	json_put_number(&body, "status", (uint64_t)status);
	json_put_text(&body, "code", code);
	json_put_text(&body, "detail", detail);
	reply = reply_begin(status);
	if (reply)
		evbuffer_add_printf(reply, "%s", headers);
	send_json(conn, reply, "application/problem+json", body);
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
	problem(conn, status, code, headers,
	    members ? members : json_object_new_object(), detail);
}

void
reply_restart(struct conn *conn)
{
	reply_problem_with(
	    conn, 503, "overload", REPLY_RETRY, NULL, "%s", REPLY_RESTART);
}
