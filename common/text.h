/* Text from outside that is to be shown to people. */
#ifndef XENTERM_TEXT_H
#define XENTERM_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Valid UTF-8, not empty, at most max bytes, no control characters. */
bool text_is_clean(const char *text, size_t max);

#endif
