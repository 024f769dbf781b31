/*
 * A typed view of one request, for the handlers.
 *
 * The router has checked what its table says before a handler sees it, so a
 * handler asks only for what is its own to judge.
 */
#ifndef XENTERM_REQUEST_H
#define XENTERM_REQUEST_H

#include <event2/keyvalq_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/limits.h"

struct conn;
struct console;
struct json_object;
struct session;

struct request {
	struct conn *conn;
	const char *user, *groups;   /* as nginx vouches for them; "" */
	struct session *session;     /* of the token, if the route needs it */
	struct console *console;     /* the session's, or the one named */
	char name[LIMIT_PATH + 1];   /* what the path has for a route's '*' */
	struct evkeyvalq query;	     /* decoded */
	struct json_object *members; /* of a JSON body, or NULL */
	const uint8_t *body;
	size_t body_len;
	bool wants_json;  /* Accept: application/json */
	bool same_site;	  /* it says that a page of this site makes it */
	int token_status; /* what a token that is not good is answered with */
};

/*
 * The calls below answer the request with a problem themselves when they
 * return false: the handler then only returns.
 */

/* nginx has said who is asking. */
bool request_has_user(struct request *r);

/* Splits QUERY_STRING; all names must be in allowed, each once. */
bool request_parse_query(struct request *r, const char *const *allowed);
/* The body is one JSON object; its members must be in allowed, each once,
 * and none an object or a list. */
bool request_parse_json(struct request *r, const char *const *allowed);
/* Frees what the two have made. */
void request_finish(struct request *r);

/* Both are said in a problem's sentence as "parameter NAME". */
bool request_number(struct request *r, const char *name, bool required,
    uint64_t min, uint64_t max, uint64_t *value);
/* NULL when absent. */
const char *request_query(const struct request *r, const char *name);

bool request_member_text(
    struct request *r, const char *name, const char **value);
/* Up to LIMIT_TICKET bytes. */
bool request_member_ticket(
    struct request *r, const char *name, const char **value);
bool request_member_number(struct request *r, const char *name, int64_t min,
    int64_t max, int64_t *value);
bool request_has_member(const struct request *r, const char *name);
/* Stays as it is when absent. */
bool request_member_bool(struct request *r, const char *name, bool *value);

#endif
