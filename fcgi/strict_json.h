/*
 * JSON as nobody can read it in two ways: one object in UTF-8, each name in
 * double quotes and once.
 */
#ifndef XENTERM_STRICT_JSON_H
#define XENTERM_STRICT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* What all of text is, but for white space behind it, at most depth deep; it
 * is the caller's.  NULL: it is no JSON, or there was no memory. */
struct json_object *strict_json_parse(
    const uint8_t *text, size_t len, int depth);

/* The object that all of text is, but for white space behind it; it is the
 * caller's.  NULL: it is none. */
struct json_object *strict_json_object(const uint8_t *text, size_t len);

/* No value of obj is an object or a list. */
bool strict_json_is_plain(struct json_object *obj);

/* The text of obj, which is plain, has each name once and in double quotes:
 * json-c does not mind. */
bool strict_json_is_exact(
    struct json_object *obj, const uint8_t *text, size_t len);

/* A member that is text of 1 to max bytes without control characters; it
 * lives as long as obj.  NULL: there is none. */
const char *strict_json_text(
    struct json_object *obj, const char *name, size_t max);

#endif
