#include "screen/sgr.h"

#define PALETTE(mode, n) ((uint32_t)(mode) << 24 | (uint32_t)(n))

/* xterm.js' reading of SGR 59: white, not "as the text". */
#define LINE_UNSET PALETTE(EMULATOR_RGB, 0xffffff)

static void
underline(struct pen *pen, int32_t style)
{
	if (style < 0 || style > EMULATOR_LINE_DASHED)
		style = EMULATOR_LINE_SINGLE;
	pen->style = (uint8_t)style;
	pen->flags |= EMULATOR_UNDERLINE;
	if (style == EMULATOR_LINE_NONE)
		pen->flags &= (uint16_t)~EMULATOR_UNDERLINE;
}

static uint32_t
extended_colour(uint32_t colour, const int32_t *spec)
{
	switch (spec[1]) {
	case 2:
		return PALETTE(EMULATOR_RGB, (spec[3] & 255) << 16 |
						 (spec[4] & 255) << 8 |
						 (spec[5] & 255));
	case 5:
		return PALETTE(EMULATOR_PALETTE256, spec[3] & 255);
	default:
		return colour;
	}
}

/*
 * 38, 48 and 58 in all their spellings: with semicolons, with colons, with
 * and without a colour space, and mixtures.  spec becomes
 *
 *	{38 | 48 | 58, 2 | 5, colour space, red or index, green, blue}
 *
 * Returns how many parameters went into it, beyond the first.
 */
static int32_t
collect_colour(const struct params *p, int32_t at, int32_t *spec)
{
	int32_t space = 0; /* 1: no colour space was given, its place is left */
	int32_t taken = 0;

	do {
		spec[taken + space] = p->value[at + taken];
		if (p->sub_to[at + taken] > p->sub_from[at + taken]) {
			const int32_t *sub = p->sub + p->sub_from[at + taken];
			int32_t n =
			    p->sub_to[at + taken] - p->sub_from[at + taken];
			int32_t i = 0;

			do {
				if (spec[1] == 5)
					space = 1;
				spec[taken + i + 1 + space] = sub[i];
			} while (++i < n && i + taken + 1 + space < 6);
			break;
		}
		if ((spec[1] == 5 && taken + space >= 2) ||
		    (spec[1] == 2 && taken + space >= 5))
			break;
		if (spec[1])
			space = 1;
	} while (++taken + at < p->count && taken + space < 6);
	return taken;
}

static int32_t
colour(struct pen *pen, const struct params *p, int32_t at)
{
	/* One place more than there are: the last write may be beyond. */
	int32_t spec[7] = {0, 0, -1, 0, 0, 0, 0};
	int32_t taken = collect_colour(p, at, spec);

	for (int32_t i = 2; i < 6; i++)
		if (spec[i] == -1)
			spec[i] = 0;
	switch (spec[0]) {
	case 38:
		pen->fg = extended_colour(pen->fg, spec);
		break;
	case 48:
		pen->bg = extended_colour(pen->bg, spec);
		break;
	case 58:
		pen->line = extended_colour(pen->line, spec);
		break;
	}
	return taken;
}

static void
reset(struct pen *pen)
{
	*pen = (struct pen){0};
}

/* The sixteen colours. False when it is none of them. */
static bool
basic_colour(struct pen *pen, int32_t value)
{
	if (value >= 30 && value <= 37)
		pen->fg = PALETTE(EMULATOR_PALETTE16, value - 30);
	else if (value >= 40 && value <= 47)
		pen->bg = PALETTE(EMULATOR_PALETTE16, value - 40);
	else if (value >= 90 && value <= 97)
		pen->fg = PALETTE(EMULATOR_PALETTE16, (value - 90) | 8);
	else if (value >= 100 && value <= 107)
		pen->bg = PALETTE(EMULATOR_PALETTE16, (value - 100) | 8);
	else
		return false;
	return true;
}

/* What is one flag, by parameter. */
static const struct {
	uint16_t set, clear;
} flags[] = {
    [1] = {EMULATOR_BOLD, 0},
    [2] = {EMULATOR_DIM, 0},
    [3] = {EMULATOR_ITALIC, 0},
    [5] = {EMULATOR_BLINK, 0},
    [7] = {EMULATOR_INVERSE, 0},
    [8] = {EMULATOR_INVISIBLE, 0},
    [9] = {EMULATOR_STRIKE, 0},
    [22] = {0, EMULATOR_BOLD | EMULATOR_DIM},
    [23] = {0, EMULATOR_ITALIC},
    [25] = {0, EMULATOR_BLINK},
    [27] = {0, EMULATOR_INVERSE},
    [28] = {0, EMULATOR_INVISIBLE},
    [29] = {0, EMULATOR_STRIKE},
    [53] = {EMULATOR_OVERLINE, 0},
    [55] = {0, EMULATOR_OVERLINE},
};

static void
flag(struct pen *pen, int32_t value)
{
	if (value < (int32_t)(sizeof flags / sizeof *flags)) {
		pen->flags |= flags[value].set;
		pen->flags &= (uint16_t)~flags[value].clear;
	}
}

/* One parameter; returns how many more it took. */
static int32_t
apply(struct pen *pen, const struct params *p, int32_t at)
{
	int32_t value = p->value[at];

	switch (value) {
	case 0:
		reset(pen);
		break;
	case 4:
		underline(pen, p->sub_to[at] > p->sub_from[at]
				   ? p->sub[p->sub_from[at]]
				   : EMULATOR_LINE_SINGLE);
		break;
	case 21:
		underline(pen, EMULATOR_LINE_DOUBLE);
		break;
	case 24:
		underline(pen, EMULATOR_LINE_NONE);
		break;
	case 38:
	case 48:
	case 58:
		return colour(pen, p, at);
	case 39:
		pen->fg = 0;
		break;
	case 49:
		pen->bg = 0;
		break;
	case 59:
		pen->line = LINE_UNSET;
		break;
	default:
		if (!basic_colour(pen, value))
			flag(pen, value);
	}
	return 0;
}

void
sgr_apply(struct emulator *e, const struct params *p)
{
	for (int32_t i = 0; i < p->count; i++)
		i += apply(&e->pen, p, i);
	e->pen_changed = true;
}
