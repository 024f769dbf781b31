#include "cli/escape.h"

#define CTRL_BRACKET 0x1d

/* What follows a '~' at the beginning of a line. */
static enum escape_found
after_tilde(struct escape *e, char key, char *out, size_t *n)
{
	e->tilde = false;
	if (key == '.')
		return ESCAPE_END;
	if (key == '?') {
		e->later = false;
		return ESCAPE_HELP;
	}
	out[(*n)++] = '~';
	if (key != '~')
		out[(*n)++] = key;
	e->later = key != '\r' && key != '\n';
	return ESCAPE_NONE;
}

enum escape_found
escape_take(
    struct escape *e, const char *typed, size_t len, char *out, size_t *n)
{
	enum escape_found found = ESCAPE_NONE;

	*n = 0;
	for (size_t i = 0; i < len; i++) {
		char key = typed[i];

		if (!e->off && key == CTRL_BRACKET)
			return ESCAPE_END;
		if (e->tilde) {
			enum escape_found this = after_tilde(e, key, out, n);

			if (this == ESCAPE_END)
				return this;
			if (this == ESCAPE_HELP)
				found = this;
			continue;
		}
		if (!e->off && !e->later && key == '~') {
			e->tilde = true;
			continue;
		}
		out[(*n)++] = key;
		e->later = key != '\r' && key != '\n';
	}
	return found;
}
