#include "screen/reply.h"

#include <stdio.h>
#include <string.h>

static void
say(struct emulator *e, const char *text)
{
	if (e->replies && e->replies->reply)
		e->replies->reply(e->replies->user, text, strlen(text));
}

void
reply_device(struct emulator *e)
{
	say(e, "\033[?1;2c");
}

void
reply_device_version(struct emulator *e)
{
	say(e, "\033[>0;276;0c");
}

void
reply_status(struct emulator *e)
{
	say(e, "\033[0n");
}

void
reply_cursor(struct emulator *e)
{
	const struct buffer *b = state_active(e);
	char text[32];

	snprintf(text, sizeof text, "\033[%d;%dR", b->y + 1, b->x + 1);
	say(e, text);
}
