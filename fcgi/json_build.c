#include "fcgi/json_build.h"

#include <json-c/json.h>

#include "fcgi/memory.h"

/* A member's name that is copied is lost when json-c cannot grow its table. */
#define NEW_CONSTANT \
	(JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT)

static void
fail(struct json_object **to, struct json_object *value)
{
	json_object_put(value);
	json_object_put(*to);
	*to = NULL;
}

void
json_put(struct json_object **to, const char *name, struct json_object *value)
{
	if (!*to || !value ||
	    json_object_object_add_ex(*to, name, value, NEW_CONSTANT) != 0)
		fail(to, value);
}

void
json_put_text(struct json_object **to, const char *name, const char *text)
{
	json_put(to, name, json_object_new_string(text));
}

void
json_put_number(struct json_object **to, const char *name, uint64_t number)
{
	json_put(to, name, json_object_new_uint64(number));
}

void
json_put_bool(struct json_object **to, const char *name, bool value)
{
	json_put(to, name, json_object_new_boolean(value));
}

void
json_append(struct json_object **to, struct json_object *value)
{
	if (!*to || !value || json_object_array_add(*to, value) != 0)
		fail(to, value);
}

void
json_append_null(struct json_object **to)
{
	if (!*to || json_object_array_add(*to, NULL) != 0)
		fail(to, NULL);
}

/* json-c leaves out what it has no room for, and does not say so. */
const char *
json_text(struct json_object *obj, size_t *len)
{
	const uint64_t refusals = memory_refusals();
	const char *text;

	if (!obj)
		return NULL;
	text = json_object_to_json_string_length(
	    obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, len);
	return memory_refusals() == refusals ? text : NULL;
}
