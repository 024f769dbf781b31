#include "fcgi/position.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/number.h"

void
position_format(const struct position *pos, char out[POSITION_TEXT])
{
	snprintf(out, POSITION_TEXT, "%" PRIu64 ".%" PRIu64 ".%" PRIu64,
	    pos->run, pos->offset, pos->event);
}

bool
position_parse(const char *text, struct position *out)
{
	out->event = POSITION_NO_EVENT;
	if (!number_take(&text, &out->run) || *text++ != '.' ||
	    !number_take(&text, &out->offset))
		return false;
	if (*text == '.') {
		text++;
		if (!number_take(&text, &out->event) ||
		    out->event == POSITION_NO_EVENT)
			return false;
	}
	return *text == '\0';
}
