#include "logger/plain.h"

#include <string.h>

enum {
	GROUND,
	LEAD,	    /* 0xc2: a C1 control may follow */
	ESCAPE,	    /* ESC, and intermediate characters */
	CSI,	    /* ESC [ */
	STRING,	    /* OSC, DCS, SOS, PM, APC */
	STRING_ESC, /* an ESC in there */
};

#define BEL 0x07
#define BS  0x08
#define CAN 0x18
#define SUB 0x1a
#define ESC 0x1b
#define DEL 0x7f

struct taker {
	struct plain *p;
	plain_line told;
	void *ctx;
};

static void
end_line(const struct taker *t, bool piece)
{
	struct plain *p = t->p;

	t->told(t->ctx, p->line, p->len, p->piece);
	p->len = 0;
	p->piece = piece;
	p->clean = p->at;
}

/* The line ends, if there is anything of one. */
static void
break_line(const struct taker *t)
{
	if (t->p->len > 0)
		end_line(t, false);
	t->p->piece = false;
}

static void
add(const struct taker *t, uint8_t c)
{
	struct plain *p = t->p;

	/* Not within a character. */
	if (p->len >= PLAIN_LINE - 4 &&
	    ((c & 0xc0) != 0x80 || p->len == PLAIN_LINE))
		end_line(t, true);
	p->line[p->len++] = (char)c;
}

static void
take_back(struct plain *p)
{
	while (p->len > 0 && ((uint8_t)p->line[--p->len] & 0xc0) == 0x80)
		;
}

static void
take_final(const struct taker *t, uint8_t c)
{
	if (memchr("ABEFHdf", c, 7))
		break_line(t);
	else if ((c == 'C' || c == 'G') && t->p->len > 0)
		add(t, ' ');
}

static void
take_control(const struct taker *t, uint8_t c)
{
	struct plain *p = t->p;

	if (c == '\n') {
		end_line(t, false);
		p->cr = false;
	} else if (c == '\r') {
		p->cr = true;
	} else if (c == BS) {
		take_back(p);
	} else if (c == '\t') {
		add(t, c);
	} else if (c == ESC) {
		p->state = ESCAPE;
	}
}

static void
take_ground(const struct taker *t, uint8_t c)
{
	struct plain *p = t->p;

	if (p->cr && c != '\n' && c != '\r') {
		p->cr = false;
		break_line(t);
	}
	if (c < 0x20)
		take_control(t, c);
	else if (c == 0xc2)
		p->state = LEAD;
	else if (c != DEL)
		add(t, c);
}

static void
take_lead(const struct taker *t, uint8_t c)
{
	struct plain *p = t->p;

	p->state = GROUND;
	if (c == 0x9b) {
		p->state = CSI;
	} else if (c == 0x90 || c == 0x98 || (c >= 0x9d && c <= 0x9f)) {
		p->state = STRING;
	} else if (c < 0x80 || c > 0x9f) {
		add(t, 0xc2);
		if (c < 0x80)
			take_ground(t, c);
		else
			add(t, c);
	}
}

static void
take_escape(struct plain *p, uint8_t c)
{
	if (c == '[')
		p->state = CSI;
	else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_')
		p->state = STRING;
	else if (c < 0x20 || c > 0x2f)
		p->state = GROUND;
}

/* Within a sequence CAN and SUB break it off; ESC begins another. */
static void
take_sequence(const struct taker *t, uint8_t c)
{
	struct plain *p = t->p;

	if (c == CAN || c == SUB) {
		p->state = GROUND;
	} else if (c == '\n') {
		/* No sequence has one; what never ends hides nothing. */
		p->state = GROUND;
		take_control(t, c);
	} else if (p->state == STRING) {
		if (c == BEL)
			p->state = GROUND;
		else if (c == ESC)
			p->state = STRING_ESC;
	} else if (p->state == STRING_ESC) {
		p->state = GROUND;
		if (c != '\\')
			take_escape(p, c);
	} else if (c == ESC) {
		p->state = ESCAPE;
	} else if (c < 0x20) {
		take_control(t, c); /* is done at once */
	} else if (p->state == ESCAPE) {
		take_escape(p, c);
	} else if (c >= 0x40) {
		p->state = GROUND;
		take_final(t, c);
	}
}

void
plain_take(struct plain *p, const uint8_t *bytes, size_t len, plain_line told,
    void *ctx)
{
	const struct taker t = {p, told, ctx};

	for (size_t i = 0; i < len; i++) {
		if (p->state == GROUND)
			take_ground(&t, bytes[i]);
		else if (p->state == LEAD)
			take_lead(&t, bytes[i]);
		else
			take_sequence(&t, bytes[i]);
		p->at++;
		if (p->state == GROUND && p->len == 0 && !p->cr)
			p->clean = p->at;
	}
}

void
plain_flush(struct plain *p, plain_line told, void *ctx)
{
	const struct taker t = {p, told, ctx};

	if (p->len > 0 && p->state == GROUND && !p->cr)
		end_line(&t, true);
}
