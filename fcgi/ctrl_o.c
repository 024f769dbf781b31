#include "fcgi/ctrl_o.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/console_key.h"
#include "fcgi/console.h"

bool
ctrl_o_is_sysrq(const struct config *config, const struct console *c)
{
	const struct console_key *key = console_key_of(c);

	return key->kind == CONSOLE_PV && key->number == 0 &&
	       config_ctrl_o_is_sysrq(config, console_guest(c));
}

/* to has room for twice as many.  Returns how many there are now. */
static size_t
copy_doubled(uint8_t *to, const uint8_t *bytes, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		to[n++] = bytes[i];
		if (bytes[i] == CTRL_O)
			to[n++] = CTRL_O;
	}
	return n;
}

int
ctrl_o_type(const struct config *config, struct console *c,
    const uint8_t *bytes, size_t len, const struct input_by *by)
{
	uint8_t *doubled;
	int error;

	if (!memchr(bytes, CTRL_O, len) || !ctrl_o_is_sysrq(config, c))
		return console_type(c, bytes, len, by);
	doubled = malloc(2 * len);
	if (!doubled)
		return -ENOMEM;
	error = console_type(c, doubled, copy_doubled(doubled, bytes, len), by);
	free(doubled);
	return error;
}
