#include "cli/filter.h"

#include <stdbool.h>
#include <string.h>

enum {
	PLAIN,
	LEAD,	    /* 0xc2: a C1 control may follow */
	ESCAPE,	    /* ESC, and intermediate characters */
	CSI,	    /* ESC [ */
	OSC,	    /* ESC ] */
	OSC_ESCAPE, /* an ESC in there */
	STRING,	    /* DCS, SOS, PM, APC: left out */
	STRING_ESCAPE,
};

#define ESC 0x1b
#define BEL 0x07
#define ENQ 0x05
#define CAN 0x18
#define SUB 0x1a

static bool
has(const struct filter *f, char c)
{
	return memchr(f->held, c, f->n) != NULL;
}

/* Modes that change what is shown, or how the mouse and a paste are told: each
 * is undone by FILTER_RESET.  Others lock the keyboard, change what keys send
 * or the window, or make another terminal of it. */
static bool
mode_is_harmless(bool private, unsigned long mode)
{
	static const unsigned short known[] = {1, 5, 6, 7, 9, 12, 25, 45, 47,
	    66, 69, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1047, 1048,
	    1049, 2004, 2026};

	if (!private)
		return mode == 4 || mode == 20;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i] == mode)
			return true;
	return false;
}

/* All that one h or l sets or resets. */
static bool
modes_are_harmless(const struct filter *f)
{
	bool private = f->held[2] == '?';
	const char *at = f->held + (private ? 3 : 2);
	const char *last = f->held + f->n - 1;

	if (f->n == FILTER_MAX)
		return false; /* there was more */
	for (;; at++) {
		unsigned long mode = 0;
		const char *from = at;

		for (; *at >= '0' && *at <= '9' && at - from < 5; at++)
			mode = 10 * mode + (unsigned long)(*at - '0');
		if (at == from || !mode_is_harmless(private, mode))
			return false;
		if (at == last)
			return true;
		if (*at != ';')
			return false;
	}
}

/* Questions: what are you (c), how are you (n), your parameters (x), your
 * modes ($p), version (>q), window (t), colours (#R, #|), graphics (?S) and
 * locator ('|); printer (i), keys (>m, ?u, ...), window ($|, *|). */
static bool
csi_is_harmless(const struct filter *f, char final)
{
	switch (final) {
	case 'c':
	case 'n':
	case 'x':
	case 't':
	case 'i':
	case 'u':
		/* Without parameters 'u' puts the cursor back. */
		return final == 'u' && f->n == 3;
	case 'p':
		return has(f, '!');
	case 'q':
		return !has(f, '>');
	case 'm':
		return !has(f, '>') && !has(f, '?');
	case 'h':
	case 'l':
		return modes_are_harmless(f);
	case 'r':
	case 's':
	case 'S':
		return !has(f, '?');
	case 'R':
	case 'w':
	case 'y':
	case '|':
		return false;
	default:
		return true;
	}
}

/* Titles, and nothing that is asked. */
static bool
osc_is_harmless(const struct filter *f)
{
	return f->n > 4 && f->held[2] >= '0' && f->held[2] <= '2' &&
	       f->held[3] == ';';
}

/* ESC Z asks what the terminal is; ESC % ... leaves UTF-8. */
static bool
escape_is_harmless(const struct filter *f, char final)
{
	return final != 'Z' && !has(f, '%');
}

static void
hold(struct filter *f, char c)
{
	/* A sequence that is longer is left out: it has no end to look at. */
	if (f->n < FILTER_MAX)
		f->held[f->n++] = c;
}

/* Ends the sequence; true: what is held is to be shown. */
static bool
end(struct filter *f, bool harmless)
{
	f->state = PLAIN;
	return harmless && f->n < FILTER_MAX;
}

/* A byte behind ESC. */
static bool
take_escape(struct filter *f, unsigned char c)
{
	if (f->n == 2 && c == '[') {
		f->state = CSI;
	} else if (f->n == 2 && c == ']') {
		f->state = OSC;
	} else if (f->n == 2 && c != 0 && strchr("PX^_", c)) {
		f->state = STRING;
	} else if (c >= 0x30 && c < 0x7f) {
		return end(f, escape_is_harmless(f, (char)c));
	} else if (c < 0x20 || c >= 0x7f) {
		f->state = PLAIN;
	}
	return false;
}

static bool
take_sequence(struct filter *f, unsigned char c)
{
	switch (f->state) {
	case LEAD:
		return end(f, c < 0x80 || c > 0x9f);
	case ESCAPE:
		return take_escape(f, c);
	case CSI:
		if (c >= 0x40 && c < 0x7f)
			return end(f, csi_is_harmless(f, (char)c));
		if (c >= 0x80)
			f->state = PLAIN;
		return false;
	case OSC:
		if (c == BEL)
			return end(f, osc_is_harmless(f));
		if (c == ESC)
			f->state = OSC_ESCAPE;
		return false;
	case OSC_ESCAPE:
		return end(f, c == '\\' && osc_is_harmless(f));
	case STRING:
		if (c == ESC)
			f->state = STRING_ESCAPE;
		return false;
	default:
		if (c != ESC)
			f->state = c == '\\' ? PLAIN : STRING;
		return false;
	}
}

/* A byte that is in no sequence; true: it is to be shown. */
static bool
take_plain(struct filter *f, unsigned char c)
{
	f->n = 0;
	hold(f, (char)c);
	if (c == ESC)
		f->state = ESCAPE;
	else if (c == 0xc2)
		f->state = LEAD;
	return f->state == PLAIN && c != ENQ;
}

size_t
filter_take(struct filter *f, const char *bytes, size_t len, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		bool show;

		/* What breaks a sequence off; an ESC begins the next one. */
		if (f->state != PLAIN && (c == CAN || c == SUB))
			f->state = PLAIN;
		if (c == ESC &&
		    (f->state == ESCAPE || f->state == CSI || f->state == LEAD))
			f->state = PLAIN;
		if (f->state == PLAIN) {
			show = take_plain(f, c);
		} else {
			hold(f, (char)c);
			show = take_sequence(f, c);
		}
		if (show) {
			memcpy(out + n, f->held, f->n);
			n += f->n;
		}
	}
	return n;
}
