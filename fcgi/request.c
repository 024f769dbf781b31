#include "fcgi/request.h"

#include <event2/http.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "common/limits.h"
#include "common/number.h"
#include "common/text.h"
#include "fcgi/reply.h"
#include "fcgi/server.h"
#include "fcgi/strict_json.h"

static bool
is_allowed(const char *name, const char *const *allowed)
{
	for (; allowed && *allowed; allowed++)
		if (strcmp(*allowed, name) == 0)
			return true;
	return false;
}

static bool
is_repeated(const struct evkeyvalq *query, const struct evkeyval *first)
{
	const struct evkeyval *other;

	TAILQ_FOREACH (other, query, next)
		if (other != first && strcmp(other->key, first->key) == 0)
			return true;
	return false;
}

bool
request_has_user(struct request *r)
{
	if (*r->user)
		return true;
	reply_problem(r->conn, 401, "no-identity",
	    "The web server has not said who you are: log in, or have its "
	    "authentication set up.");
	return false;
}

/* What of it may be shown in an answer. */
static const char *
shown(const char *name)
{
	return text_is_clean(name, LIMIT_STRING) ? name : "?";
}

bool
request_parse_query(struct request *r, const char *const *allowed)
{
	const char *text = conn_param(r->conn, "QUERY_STRING");
	const struct evkeyval *pair;

	if (!*text)
		return true;
	/* A %00 would end the value for whoever reads it as a string. */
	if (strlen(text) > LIMIT_QUERY || strstr(text, "%00") ||
	    evhttp_parse_query_str(text, &r->query) < 0) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The query string is not NAME=VALUE&… of at most %d "
		    "bytes.",
		    LIMIT_QUERY);
		return false;
	}
	TAILQ_FOREACH (pair, &r->query, next) {
		if (!is_allowed(pair->key, allowed)) {
			reply_problem(r->conn, 400, "bad-parameter",
			    "This call has no parameter %s.", shown(pair->key));
			return false;
		}
		if (is_repeated(&r->query, pair)) {
			reply_problem(r->conn, 400, "bad-parameter",
			    "The parameter %s is given twice.", pair->key);
			return false;
		}
	}
	return true;
}

void
request_finish(struct request *r)
{
	evhttp_clear_headers(&r->query);
	json_object_put(r->members);
	r->members = NULL;
}

const char *
request_query(const struct request *r, const char *name)
{
	return evhttp_find_header(&r->query, name);
}

bool
request_number(struct request *r, const char *name, bool required, uint64_t min,
    uint64_t max, uint64_t *value)
{
	const char *text = request_query(r, name);

	if (!text && !required)
		return true;
	if (text && number_parse(text, min, max, value))
		return true;
	reply_problem(r->conn, 400, "bad-parameter",
	    "The parameter %s %s a whole number from %" PRIu64 " to %" PRIu64
	    ".",
	    name, text ? "must be" : "is missing:", min, max);
	return false;
}

bool
request_parse_json(struct request *r, const char *const *allowed)
{
	r->members = strict_json_object(r->body, r->body_len);
	if (!r->members) {
		reply_problem(r->conn, 400, "bad-body",
		    "The body must be one JSON object in UTF-8.");
		return false;
	}
	json_object_object_foreach(r->members, name, value)
	{
		if (!is_allowed(name, allowed)) {
			reply_problem(r->conn, 400, "bad-body",
			    "This call has no member %s.", shown(name));
			return false;
		}
		if (json_object_is_type(value, json_type_object) ||
		    json_object_is_type(value, json_type_array)) {
			reply_problem(r->conn, 400, "bad-body",
			    "The member %s must be a plain value.", name);
			return false;
		}
	}
	if (!strict_json_is_exact(r->members, r->body, r->body_len)) {
		reply_problem(r->conn, 400, "bad-body",
		    "A member of the JSON object is given twice, or not in "
		    "double quotes.");
		return false;
	}
	return true;
}

static bool
member_text(struct request *r, const char *name, int max, const char **value)
{
	*value = strict_json_text(r->members, name, (size_t)max);
	if (*value)
		return true;
	reply_problem(r->conn, 400, "bad-body",
	    "The member %s must be text of 1 to %d bytes without control "
	    "characters.",
	    name, max);
	return false;
}

bool
request_member_text(struct request *r, const char *name, const char **value)
{
	return member_text(r, name, LIMIT_STRING, value);
}

bool
request_member_ticket(struct request *r, const char *name, const char **value)
{
	return member_text(r, name, LIMIT_TICKET, value);
}

bool
request_has_member(const struct request *r, const char *name)
{
	return json_object_object_get_ex(r->members, name, NULL);
}

bool
request_member_number(struct request *r, const char *name, int64_t min,
    int64_t max, int64_t *value)
{
	struct json_object *member;

	if (json_object_object_get_ex(r->members, name, &member) &&
	    json_object_is_type(member, json_type_int)) {
		*value = json_object_get_int64(member);
		if (*value >= min && *value <= max)
			return true;
	}
	reply_problem(r->conn, 400, "bad-body",
	    "The member %s must be a whole number from %" PRId64 " to %" PRId64
	    ".",
	    name, min, max);
	return false;
}

bool
request_member_bool(struct request *r, const char *name, bool *value)
{
	struct json_object *member;

	if (!json_object_object_get_ex(r->members, name, &member))
		return true;
	if (json_object_is_type(member, json_type_boolean)) {
		*value = json_object_get_boolean(member);
		return true;
	}
	reply_problem(r->conn, 400, "bad-body",
	    "The member %s must be true or false.", name);
	return false;
}
