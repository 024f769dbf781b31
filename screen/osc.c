#include "screen/osc.h"

#include "screen/utf8.h"

#include <string.h>

/* A longer command is ignored as a whole, as in xterm.js. */
#define UNITS_MAX 10000000u

#define ID_MAX 1000000u /* beyond this it is none we know */

void
osc_start(struct emulator *e)
{
	struct osc *o = &e->parser.osc;

	o->state = OSC_ID;
	o->has_id = false;
	o->id = o->units = o->chars = o->bytes = 0;
}

/* True while the code belongs to the number. */
static bool
put_id(struct osc *o, uint32_t code)
{
	if (code == ';')
		o->state = OSC_PAYLOAD;
	else if (code < '0' || code > '9')
		o->state = OSC_ABORT;
	else if (o->id < ID_MAX)
		o->id = o->id * 10 + code - '0';
	if (code >= '0' && code <= '9')
		o->has_id = true;
	return o->state == OSC_ID;
}

void
osc_put(struct emulator *e, uint32_t code)
{
	struct osc *o = &e->parser.osc;

	if (o->state == OSC_ID) {
		put_id(o, code);
		return;
	}
	if (o->state != OSC_PAYLOAD)
		return;
	if (o->units <= UNITS_MAX)
		o->units += code > 0xffff ? 2 : 1;
	if (o->chars < EMULATOR_TITLE_MAX) {
		o->bytes += utf8_put(o->text + o->bytes, code);
		o->chars++;
	}
}

void
osc_end(struct emulator *e, bool done)
{
	struct osc *o = &e->parser.osc;
	bool title = o->has_id && (o->id == 0 || o->id == 2);

	if (done && title && o->units <= UNITS_MAX &&
	    (o->state == OSC_ID || o->state == OSC_PAYLOAD)) {
		memcpy(e->title, o->text, o->bytes);
		e->title[o->bytes] = '\0';
	}
	o->state = OSC_START;
}
