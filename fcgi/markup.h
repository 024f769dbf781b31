/* What a screen process, which a guest may have taken over, hands to a browser
 * as markup. */
#ifndef XENTERM_MARKUP_H
#define XENTERM_MARKUP_H

#include <stdbool.h>
#include <stddef.h>

/* It is a document as screen/render_ajaxterm.h describes it: these elements
 * and classes, and in them printable ASCII and numeric references. */
bool markup_is_ajaxterm(const char *text, size_t len);

/* The same of screen/render_html.h: one <pre> of text and of spans with its
 * classes. */
bool markup_is_html(const char *text, size_t len);

#endif
