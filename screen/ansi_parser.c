#include "screen/ansi.h"

/* What has been collected: a prefix and intermediates, the first one first. */
static void
put_collected(struct ansi *a, bool prefix)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		uint32_t byte = a->e->parser.collect >> shift & 255;

		if (byte && (byte >= 0x3c) == prefix)
			render_code(&a->r, byte);
	}
}

static void
put_params(struct ansi *a)
{
	const struct params *p = &a->e->parser.params;

	for (uint8_t i = 0; i < p->count; i++) {
		ansi_printf(a, i > 0 ? ";%d" : "%d", p->value[i]);
		for (uint8_t k = p->sub_from[i]; k < p->sub_to[i]; k++) {
			if (p->sub[k] < 0)
				ansi_printf(a, ":");
			else
				ansi_printf(a, ":%d", p->sub[k]);
			/* One too many, so that there are too many. */
			if (k == SUBPARAMS_MAX - 1 && p->reject_sub_digits)
				ansi_printf(a, ":");
		}
	}
	if (p->reject_digits)
		ansi_printf(a, ";");
	if (p->reject_sub_digits && p->digit_is_sub)
		ansi_printf(a, ":");
}

static void
put_osc(struct ansi *a)
{
	const struct osc *o = &a->e->parser.osc;

	ansi_printf(a, "\033]");
	if (o->state == OSC_ABORT) {
		ansi_printf(a, "x");
		return;
	}
	if (o->has_id)
		ansi_printf(a, "%u", o->id);
	if (o->state != OSC_PAYLOAD)
		return;
	ansi_printf(a, ";");
	render_put(&a->r, o->text, o->bytes);
}

static void
put_csi(struct ansi *a)
{
	ansi_printf(a, "\033[");
	put_collected(a, true);
	put_params(a);
	put_collected(a, false);
}

void
ansi_unfinished(struct ansi *a)
{
	const struct parser *p = &a->e->parser;

	switch (p->state) {
	case PARSER_ESCAPE:
	case PARSER_ESCAPE_INTERMEDIATE:
		ansi_printf(a, "\033");
		if (p->state == PARSER_ESCAPE_INTERMEDIATE)
			put_collected(a, false);
		break;
	case PARSER_CSI_ENTRY:
		ansi_printf(a, "\033[");
		break;
	case PARSER_CSI_PARAM:
	case PARSER_CSI_INTERMEDIATE:
		put_csi(a);
		break;
	case PARSER_CSI_IGNORE:
		ansi_printf(a, "\033[0<");
		break;
	case PARSER_STRING:
		ansi_printf(a, "\033_");
		break;
	case PARSER_OSC:
		put_osc(a);
		break;
	case PARSER_DCS_ENTRY:
		ansi_printf(a, "\033P");
		break;
	case PARSER_DCS_PARAM:
		ansi_printf(a, "\033P0");
		break;
	case PARSER_DCS_IGNORE:
		ansi_printf(a, "\033P0<");
		break;
	case PARSER_DCS_INTERMEDIATE:
		ansi_printf(a, "\033P ");
		break;
	case PARSER_DCS_PASSTHROUGH:
		ansi_printf(a, "\033Pz");
		break;
	}
	render_put(&a->r, (const char *)p->utf8, p->utf8_have);
}
