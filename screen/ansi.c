#include "screen/ansi.h"

#include "screen/attr.h"

#include <stdarg.h>
#include <stdio.h>

void
ansi_printf(struct ansi *a, const char *format, ...)
{
	char text[128];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	assert(len >= 0 && (size_t)len < sizeof text);
	render_put(&a->r, text, (size_t)len);
}

bool
ansi_same_attr(const struct emulator_attr *a, const struct emulator_attr *b)
{
	return a->fg == b->fg && a->bg == b->bg && a->line == b->line &&
	       a->flags == b->flags && a->style == b->style;
}

/* A colour as parameters of SGR: base is 30 for text, 40 for the ground. */
static void
put_colour(struct ansi *a, uint32_t colour, int base)
{
	uint32_t value = colour & 0xffffff;

	switch (colour >> 24) {
	case EMULATOR_DEFAULT:
		break;
	case EMULATOR_PALETTE16:
		ansi_printf(a, ";%u",
		    value < 8 ? (uint32_t)base + value
			      : (uint32_t)base + 60 + value - 8);
		break;
	case EMULATOR_PALETTE256:
		ansi_printf(a, ";%d;5;%u", base + 8, value);
		break;
	case EMULATOR_RGB:
		ansi_printf(a, ";%d;2;%u;%u;%u", base + 8, value >> 16,
		    value >> 8 & 255, value & 255);
		break;
	}
}

/* With colons: who does not know it must not take it for something else. */
static void
put_line_colour(struct ansi *a, uint32_t line)
{
	uint32_t value = line & 0xffffff;

	if (line >> 24 == EMULATOR_PALETTE256)
		ansi_printf(a, ";58:5:%u", value);
	else if (line >> 24 == EMULATOR_RGB)
		ansi_printf(a, ";58:2::%u:%u:%u", value >> 16, value >> 8 & 255,
		    value & 255);
}

/* All but underline and protected. */
static void
put_flags(struct ansi *a, uint16_t flags)
{
	static const struct {
		uint16_t flag, code;
	} codes[] = {
	    {EMULATOR_BOLD, 1},
	    {EMULATOR_DIM, 2},
	    {EMULATOR_ITALIC, 3},
	    {EMULATOR_BLINK, 5},
	    {EMULATOR_INVERSE, 7},
	    {EMULATOR_INVISIBLE, 8},
	    {EMULATOR_STRIKE, 9},
	    {EMULATOR_OVERLINE, 53},
	};

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		if (flags & codes[i].flag)
			ansi_printf(a, ";%u", codes[i].code);
}

/* line: a pen that does not underline may have a colour for it as well. */
static void
put_attr(struct ansi *a, const struct emulator_attr *attr, uint32_t line)
{
	ansi_printf(a, "\033[0");
	put_flags(a, attr->flags);
	if (attr->style == EMULATOR_LINE_SINGLE)
		ansi_printf(a, ";4");
	else if (attr->style)
		ansi_printf(a, ";4:%u", attr->style);
	put_colour(a, attr->fg, 30);
	put_colour(a, attr->bg, 40);
	put_line_colour(a, line);
	ansi_printf(a, "m");
	if (attr->flags & EMULATOR_PROTECTED)
		ansi_printf(a, "\033[1\"q");
	a->attr = *attr;
}

void
ansi_attr_anew(struct ansi *a, const struct emulator_attr *attr)
{
	put_attr(a, attr, attr->line);
}

void
ansi_pen(struct ansi *a, const struct pen *pen)
{
	struct emulator_attr attr = attr_of_pen(pen);

	put_attr(a, &attr, pen->line);
}

void
ansi_attr(struct ansi *a, const struct emulator_attr *attr)
{
	if (!ansi_same_attr(&a->attr, attr))
		ansi_attr_anew(a, attr);
}

void
ansi_plain(struct ansi *a)
{
	static const struct emulator_attr plain;

	ansi_attr(a, &plain);
}

void
ansi_column(struct ansi *a, int32_t x)
{
	if (a->x != x)
		ansi_printf(a, "\033[%dG", x + 1);
	a->x = x;
}

void
ansi_place(struct ansi *a, int32_t x, int32_t y)
{
	ansi_printf(a, "\033[%d;%dH", y + 1, x + 1);
	a->x = x;
}

void
ansi_behind_end(struct ansi *a, int32_t y, bool far)
{
	ansi_printf(a, "\033[?47h\033[%d;%dHx", y + 1, a->e->cols);
	/* A sequence in between, so that it has nothing to join. */
	if (far)
		ansi_printf(a, "\033[?47h\xcc\x81");
	ansi_printf(a, "\033[?47l");
	a->x = a->e->cols;
}
