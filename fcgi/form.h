/*
 * The fields of a form (application/x-www-form-urlencoded), as AjaxTerm's
 * pages send them: also with escape()'s %uXXXX, and with a NUL among the keys.
 */
#ifndef XENTERM_FORM_H
#define XENTERM_FORM_H

#include <stddef.h>

/*
 * Decodes the field with this name into value, which has room for size bytes;
 * a NUL follows what *len counts.  '+' is a space, %XX that byte, %uXXXX that
 * character in UTF-8.  Names are compared as they stand.  Returns 0; -ENOENT:
 * there is none; -EINVAL: a % without its digits, half a surrogate pair, or
 * the field is there twice; -EMSGSIZE: it does not fit.
 */
int form_field(const char *text, size_t text_len, const char *name, char *value,
    size_t size, size_t *len);

#endif
