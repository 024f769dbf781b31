/* Text from outside that is to be shown to people. */
#ifndef XENTERM_TEXT_H
#define XENTERM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Valid UTF-8, not empty, at most max bytes, no control characters. */
bool text_is_clean(const char *text, size_t max);

/* A copy of bytes (NULL is fine when there are none), of *n bytes and a NUL,
 * in which what is not UTF-8 is U+FFFD; the caller frees it.  NULL when out of
 * memory. */
char *text_repair(const uint8_t *bytes, size_t len, size_t *n);

/* A name as that of a file: letters, digits, '_', '-', and '.' but not at the
 * beginning; all else is %XX.  Cut off where out is full. */
void text_as_file_name(const char *name, char *out, size_t size);

/* A copy of JSON (NULL is fine when it has no byte) in which what is not ASCII
 * is escaped, of *n bytes and a NUL; the caller frees it.  NULL when that is
 * not UTF-8, or stands where JSON has no such thing, behind a backslash; or out
 * of memory. */
char *text_escape_json(const uint8_t *json, size_t len, size_t *n);

#endif
