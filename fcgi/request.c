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

#define JSON_DEPTH 4

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

/*
 * What json-c does not mind even in strict mode: several members with one
 * name, of which it keeps the last, and names in single quotes.  All values
 * here are plain, so outside of strings there is one colon for each member.
 */
static bool
is_exact(const uint8_t *text, size_t len, size_t members)
{
	bool in_string = false;
	size_t colons = 0;

	for (size_t i = 0; i < len; i++) {
		if (in_string && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (text[i] == ':' && !in_string)
			colons++;
		else if (text[i] == '\'' && !in_string)
			return false;
	}
	return colons == members;
}

static struct json_object *
parse_object(const uint8_t *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
	struct json_object *obj;

	if (!tokener)
		return NULL;
	while (len > 0 && memchr(" \t\r\n", text[len - 1], 4))
		len--;
	json_tokener_set_flags(
	    tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	obj = json_tokener_parse_ex(tokener, (const char *)text, (int)len);
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) != len ||
	    !json_object_is_type(obj, json_type_object)) {
		json_object_put(obj);
		obj = NULL;
	}
	json_tokener_free(tokener);
	return obj;
}

bool
request_parse_json(struct request *r, const char *const *allowed)
{
	r->members = parse_object(r->body, r->body_len);
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
	if (!is_exact(r->body, r->body_len,
		(size_t)json_object_object_length(r->members))) {
		reply_problem(r->conn, 400, "bad-body",
		    "A member of the JSON object is given twice, or not in "
		    "double quotes.");
		return false;
	}
	return true;
}

bool
request_member_text(struct request *r, const char *name, const char **value)
{
	struct json_object *member;

	if (json_object_object_get_ex(r->members, name, &member) &&
	    json_object_is_type(member, json_type_string)) {
		*value = json_object_get_string(member);
		/* strlen: a NUL inside makes them differ. */
		if (strlen(*value) ==
			(size_t)json_object_get_string_len(member) &&
		    text_is_clean(*value, LIMIT_STRING))
			return true;
	}
	reply_problem(r->conn, 400, "bad-body",
	    "The member %s must be text of 1 to %d bytes without control "
	    "characters.",
	    name, LIMIT_STRING);
	return false;
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
