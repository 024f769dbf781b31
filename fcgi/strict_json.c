#include "fcgi/strict_json.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "fcgi/memory.h"

#define JSON_DEPTH 4

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

struct json_object *
strict_json_parse(const uint8_t *text, size_t len, int depth)
{
	const uint64_t refusals = memory_refusals();
	struct json_tokener *tokener;
	struct json_object *obj = NULL;
	/* json-c 0.18 takes bytes above 127 for control characters, where
	 * char is signed, and refuses them in strict mode. */
	char *ascii = text_escape_json(text, len, &len);

	if (!ascii)
		return NULL;
	while (len > 0 && memchr(" \t\r\n", ascii[len - 1], 4))
		len--;
	tokener = json_tokener_new_ex(depth);
	if (!tokener)
		goto out;
	json_tokener_set_flags(
	    tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	memory_reserve_begin();
	obj = json_tokener_parse_ex(tokener, ascii, (int)len);
	memory_reserve_end();
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) != len ||
	    memory_refusals() != refusals) {
		json_object_put(obj);
		obj = NULL;
	}
	json_tokener_free(tokener);
out:
	free(ascii);
	return obj;
}

struct json_object *
strict_json_object(const uint8_t *text, size_t len)
{
	struct json_object *obj = strict_json_parse(text, len, JSON_DEPTH);

	if (json_object_is_type(obj, json_type_object))
		return obj;
	json_object_put(obj);
	return NULL;
}

bool
strict_json_is_plain(struct json_object *obj)
{
	json_object_object_foreach(obj, name, value)
	{
		(void)name;
		if (json_object_is_type(value, json_type_object) ||
		    json_object_is_type(value, json_type_array))
			return false;
	}
	return true;
}

bool
strict_json_is_exact(struct json_object *obj, const uint8_t *text, size_t len)
{
	return is_exact(text, len, (size_t)json_object_object_length(obj));
}

const char *
strict_json_text(struct json_object *obj, const char *name, size_t max)
{
	struct json_object *member;
	const char *text;

	if (!json_object_object_get_ex(obj, name, &member) ||
	    !json_object_is_type(member, json_type_string))
		return NULL;
	text = json_object_get_string(member);
	/* strlen: a NUL inside makes them differ. */
	return strlen(text) == (size_t)json_object_get_string_len(member) &&
		       text_is_clean(text, max)
		   ? text
		   : NULL;
}
