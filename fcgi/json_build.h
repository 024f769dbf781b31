/*
 * JSON that is whole, or is not there at all.
 *
 * Each call adds to what *to is and takes ownership of what it adds.  When
 * there is no memory for it, or it is NULL because there was none, *to is freed
 * and becomes NULL; to NULL nothing more is added.  So who builds something
 * looks once, at its end.
 */
#ifndef XENTERM_JSON_BUILD_H
#define XENTERM_JSON_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

/* Members of an object that has none of this name yet.  Only the pointer to
 * name is kept. */
void json_put(
    struct json_object **to, const char *name, struct json_object *value);
void json_put_text(struct json_object **to, const char *name, const char *text);
void json_put_number(
    struct json_object **to, const char *name, uint64_t number);
void json_put_bool(struct json_object **to, const char *name, bool value);

/* The text of obj, without spaces, as long as obj lives.  NULL: there was no
 * memory for all of it, or obj is NULL. */
const char *json_text(struct json_object *obj, size_t *len);

/* An element of a list. */
void json_append(struct json_object **to, struct json_object *value);
/* null */
void json_append_null(struct json_object **to);

#endif
