#include "screen/parser.h"

#include "screen/csi.h"
#include "screen/esc.h"
#include "screen/osc.h"
#include "screen/params.h"
#include "screen/print.h"

enum action {
	IGNORE,
	PRINT,
	EXECUTE,
	CLEAR,
	COLLECT,
	PARAM,
	ESC_DISPATCH,
	CSI_DISPATCH,
	DCS_UNHOOK,
	OSC_BEGIN,
	OSC_PUT,
	OSC_END
};

/* All printable characters beyond ASCII go one way. */
#define BEYOND (PARSER_CODES - 1)

struct rule {
	uint8_t first, last; /* codes */
	uint8_t action, next;
};

/* What a code does in every state, unless the state says otherwise. */
static const struct rule anywhere[] = {
    {0x18, 0x18, EXECUTE, PARSER_GROUND}, /* CAN */
    {0x1a, 0x1a, EXECUTE, PARSER_GROUND}, /* SUB */
    {0x1b, 0x1b, CLEAR, PARSER_ESCAPE},
    {0x80, 0x8f, EXECUTE, PARSER_GROUND},
    {0x90, 0x90, CLEAR, PARSER_DCS_ENTRY},
    {0x91, 0x97, EXECUTE, PARSER_GROUND},
    {0x98, 0x98, IGNORE, PARSER_STRING},
    {0x99, 0x9a, EXECUTE, PARSER_GROUND},
    {0x9b, 0x9b, CLEAR, PARSER_CSI_ENTRY},
    {0x9c, 0x9c, IGNORE, PARSER_GROUND}, /* ST */
    {0x9d, 0x9d, OSC_BEGIN, PARSER_OSC},
    {0x9e, 0x9f, IGNORE, PARSER_STRING},
};

#define C0(action, next)                                        \
	{0x00, 0x17, action, next}, {0x19, 0x19, action, next}, \
	{                                                       \
		0x1c, 0x1f, action, next                        \
	}

static const struct rule ground[] = {
    C0(EXECUTE, PARSER_GROUND),
    {0x20, 0x7e, PRINT, PARSER_GROUND},
    {BEYOND, BEYOND, PRINT, PARSER_GROUND},
};

static const struct rule escape[] = {
    C0(EXECUTE, PARSER_ESCAPE),
    {0x20, 0x2f, COLLECT, PARSER_ESCAPE_INTERMEDIATE},
    {0x30, 0x7e, ESC_DISPATCH, PARSER_GROUND},
    {'P', 'P', CLEAR, PARSER_DCS_ENTRY},
    {'X', 'X', IGNORE, PARSER_STRING},
    {'[', '[', CLEAR, PARSER_CSI_ENTRY},
    {']', ']', OSC_BEGIN, PARSER_OSC},
    {'^', '_', IGNORE, PARSER_STRING},
    {0x7f, 0x7f, IGNORE, PARSER_ESCAPE},
};

static const struct rule escape_intermediate[] = {
    C0(EXECUTE, PARSER_ESCAPE_INTERMEDIATE),
    {0x20, 0x2f, COLLECT, PARSER_ESCAPE_INTERMEDIATE},
    {0x30, 0x7e, ESC_DISPATCH, PARSER_GROUND},
    {0x7f, 0x7f, IGNORE, PARSER_ESCAPE_INTERMEDIATE},
};

static const struct rule csi_entry[] = {
    C0(EXECUTE, PARSER_CSI_ENTRY),
    {0x20, 0x2f, COLLECT, PARSER_CSI_INTERMEDIATE},
    {0x30, 0x3b, PARAM, PARSER_CSI_PARAM},
    {0x3c, 0x3f, COLLECT, PARSER_CSI_PARAM},
    {0x40, 0x7e, CSI_DISPATCH, PARSER_GROUND},
    {0x7f, 0x7f, IGNORE, PARSER_CSI_ENTRY},
};

static const struct rule csi_param[] = {
    C0(EXECUTE, PARSER_CSI_PARAM),
    {0x20, 0x2f, COLLECT, PARSER_CSI_INTERMEDIATE},
    {0x30, 0x3b, PARAM, PARSER_CSI_PARAM},
    {0x3c, 0x3f, IGNORE, PARSER_CSI_IGNORE},
    {0x40, 0x7e, CSI_DISPATCH, PARSER_GROUND},
    {0x7f, 0x7f, IGNORE, PARSER_CSI_PARAM},
};

static const struct rule csi_intermediate[] = {
    C0(EXECUTE, PARSER_CSI_INTERMEDIATE),
    {0x20, 0x2f, COLLECT, PARSER_CSI_INTERMEDIATE},
    {0x30, 0x3f, IGNORE, PARSER_CSI_IGNORE},
    {0x40, 0x7e, CSI_DISPATCH, PARSER_GROUND},
    {0x7f, 0x7f, IGNORE, PARSER_CSI_INTERMEDIATE},
};

static const struct rule csi_ignore[] = {
    C0(EXECUTE, PARSER_CSI_IGNORE),
    {0x20, 0x3f, IGNORE, PARSER_CSI_IGNORE},
    {0x40, 0x7e, IGNORE, PARSER_GROUND},
    {0x7f, 0x7f, IGNORE, PARSER_CSI_IGNORE},
    {BEYOND, BEYOND, IGNORE, PARSER_CSI_IGNORE},
};

static const struct rule string[] = {
    C0(IGNORE, PARSER_STRING),
    {0x20, 0x7f, IGNORE, PARSER_STRING},
};

static const struct rule osc[] = {
    C0(IGNORE, PARSER_OSC),
    {0x07, 0x07, OSC_END, PARSER_GROUND}, /* BEL */
    {0x18, 0x18, OSC_END, PARSER_GROUND},
    {0x1a, 0x1a, OSC_END, PARSER_GROUND},
    {0x1b, 0x1b, OSC_END, PARSER_ESCAPE},
    {0x20, 0x7f, OSC_PUT, PARSER_OSC},
    {0x9c, 0x9c, OSC_END, PARSER_GROUND},
    {BEYOND, BEYOND, OSC_PUT, PARSER_OSC},
};

static const struct rule dcs_entry[] = {
    C0(IGNORE, PARSER_DCS_ENTRY),
    {0x20, 0x2f, COLLECT, PARSER_DCS_INTERMEDIATE},
    {0x30, 0x3b, PARAM, PARSER_DCS_PARAM},
    {0x3c, 0x3f, COLLECT, PARSER_DCS_PARAM},
    {0x40, 0x7e, IGNORE, PARSER_DCS_PASSTHROUGH},
    {0x7f, 0x7f, IGNORE, PARSER_DCS_ENTRY},
};

static const struct rule dcs_param[] = {
    C0(IGNORE, PARSER_DCS_PARAM),
    {0x20, 0x2f, COLLECT, PARSER_DCS_INTERMEDIATE},
    {0x30, 0x3b, PARAM, PARSER_DCS_PARAM},
    {0x3c, 0x3f, IGNORE, PARSER_DCS_IGNORE},
    {0x40, 0x7e, IGNORE, PARSER_DCS_PASSTHROUGH},
    {0x7f, 0x7f, IGNORE, PARSER_DCS_PARAM},
};

static const struct rule dcs_intermediate[] = {
    C0(IGNORE, PARSER_DCS_INTERMEDIATE),
    {0x20, 0x2f, COLLECT, PARSER_DCS_INTERMEDIATE},
    {0x30, 0x3f, IGNORE, PARSER_DCS_IGNORE},
    {0x40, 0x7e, IGNORE, PARSER_DCS_PASSTHROUGH},
    {0x7f, 0x7f, IGNORE, PARSER_DCS_INTERMEDIATE},
};

static const struct rule dcs_ignore[] = {
    C0(IGNORE, PARSER_DCS_IGNORE),
    {0x20, 0x7f, IGNORE, PARSER_DCS_IGNORE},
    {BEYOND, BEYOND, IGNORE, PARSER_DCS_IGNORE},
};

/* No device control string is acted on. */
static const struct rule dcs_passthrough[] = {
    C0(IGNORE, PARSER_DCS_PASSTHROUGH),
    {0x18, 0x18, DCS_UNHOOK, PARSER_GROUND},
    {0x1a, 0x1a, DCS_UNHOOK, PARSER_GROUND},
    {0x1b, 0x1b, DCS_UNHOOK, PARSER_ESCAPE},
    {0x20, 0x7f, IGNORE, PARSER_DCS_PASSTHROUGH},
    {0x9c, 0x9c, DCS_UNHOOK, PARSER_GROUND},
    {BEYOND, BEYOND, IGNORE, PARSER_DCS_PASSTHROUGH},
};

#define RULES(table)                                   \
	{                                              \
		table, sizeof(table) / sizeof *(table) \
	}

static const struct {
	const struct rule *rules;
	size_t count;
} states[PARSER_STATES] = {
    [PARSER_GROUND] = RULES(ground),
    [PARSER_ESCAPE] = RULES(escape),
    [PARSER_ESCAPE_INTERMEDIATE] = RULES(escape_intermediate),
    [PARSER_CSI_ENTRY] = RULES(csi_entry),
    [PARSER_CSI_PARAM] = RULES(csi_param),
    [PARSER_CSI_INTERMEDIATE] = RULES(csi_intermediate),
    [PARSER_CSI_IGNORE] = RULES(csi_ignore),
    [PARSER_STRING] = RULES(string),
    [PARSER_OSC] = RULES(osc),
    [PARSER_DCS_ENTRY] = RULES(dcs_entry),
    [PARSER_DCS_PARAM] = RULES(dcs_param),
    [PARSER_DCS_IGNORE] = RULES(dcs_ignore),
    [PARSER_DCS_INTERMEDIATE] = RULES(dcs_intermediate),
    [PARSER_DCS_PASSTHROUGH] = RULES(dcs_passthrough),
};

/* The last rule that fits counts; a code that has none ends the sequence. */
static struct rule
find_rule(uint8_t state, uint32_t code)
{
	struct rule found = {0, 0, IGNORE, PARSER_GROUND};

	for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++)
		if (code >= anywhere[i].first && code <= anywhere[i].last)
			found = anywhere[i];
	for (size_t i = 0; i < states[state].count; i++) {
		const struct rule *rule = &states[state].rules[i];

		if (code >= rule->first && code <= rule->last)
			found = *rule;
	}
	return found;
}

static void
clear(struct parser *p)
{
	params_reset(&p->params);
	p->collect = 0;
}

#define RULE_ACTION 4
#define RULE_NEXT   15

void
parser_init(struct emulator *e)
{
	for (uint8_t state = 0; state < PARSER_STATES; state++)
		for (uint32_t code = 0; code <= BEYOND; code++) {
			struct rule rule = find_rule(state, code);

			e->rules[state][code] =
			    (uint8_t)(rule.action << RULE_ACTION | rule.next);
		}
	parser_reset(e);
}

static void
act(struct emulator *e, enum action action, uint32_t code)
{
	struct parser *p = &e->parser;

	switch (action) {
	case PRINT:
		print_code(e, code);
		return;
	case EXECUTE:
		esc_control(e, code);
		break;
	case CLEAR:
		clear(p);
		return;
	case COLLECT:
		p->collect = p->collect << 8 | code;
		return;
	case PARAM:
		params_put(&p->params, code);
		return;
	case ESC_DISPATCH:
		esc_dispatch(e, p->collect, (char)code);
		break;
	case CSI_DISPATCH:
		csi_dispatch(e, p->collect, (char)code);
		break;
	case OSC_BEGIN:
		osc_start(e);
		return;
	case OSC_PUT:
		osc_put(e, code);
		return;
	case OSC_END:
		osc_end(e, code != 0x18 && code != 0x1a);
		clear(p);
		break;
	case DCS_UNHOOK:
		clear(p);
		break;
	case IGNORE:
		return;
	}
	/* Something was done: a combining character has nothing to join. */
	p->join = 0;
}

static void
take_code(struct emulator *e, uint32_t code)
{
	uint8_t rule = e->rules[e->parser.state][code < BEYOND ? code : BEYOND];
	enum action action = rule >> RULE_ACTION;

	if (action != PRINT)
		print_end(e);
	act(e, action, code);
	e->parser.state = rule & RULE_NEXT;
}

/* The first byte of a character beyond ASCII; others are skipped. */
static void
begin_utf8(struct parser *p, uint8_t byte)
{
	if ((byte & 0xe0) == 0xc0)
		p->utf8_need = 2;
	else if ((byte & 0xf0) == 0xe0)
		p->utf8_need = 3;
	else if ((byte & 0xf8) == 0xf0)
		p->utf8_need = 4;
	else
		return;
	p->utf8[0] = byte;
	p->utf8_have = 1;
}

/* Overlong forms, surrogates, the byte order mark and what is beyond Unicode
 * are skipped. */
static bool
is_character(uint32_t code, uint8_t len)
{
	if (len == 2)
		return code >= 0x80;
	if (len == 3)
		return code >= 0x800 && (code < 0xd800 || code > 0xdfff) &&
		       code != 0xfeff;
	return code >= 0x10000 && code <= 0x10ffff;
}

static void
end_utf8(struct emulator *e)
{
	struct parser *p = &e->parser;
	uint32_t code = p->utf8[0] & (0x7fu >> p->utf8_need);

	for (uint8_t i = 1; i < p->utf8_need; i++)
		code = code << 6 | (p->utf8[i] & 0x3f);
	p->utf8_have = 0;
	if (is_character(code, p->utf8_need))
		take_code(e, code);
}

static void
take_byte(struct emulator *e, uint8_t byte)
{
	struct parser *p = &e->parser;

	if (p->utf8_have && (byte & 0xc0) == 0x80) {
		p->utf8[p->utf8_have++] = byte;
		if (p->utf8_have == p->utf8_need)
			end_utf8(e);
		return;
	}
	p->utf8_have = 0; /* a character that was not finished is skipped */
	if (byte < 0x80)
		take_code(e, byte);
	else
		begin_utf8(p, byte);
}

static bool
is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f;
}

/* Most of what comes is text and the numbers of control sequences: both are
 * taken by the piece. Returns where the piece ends, or bytes. */
static const uint8_t *
take_piece(struct emulator *e, const uint8_t *bytes, const uint8_t *end)
{
	struct parser *p = &e->parser;
	const uint8_t *from = bytes;

	if (p->utf8_have)
		return bytes;
	if (p->state == PARSER_GROUND) {
		while (bytes < end && is_plain(*bytes))
			bytes++;
		if (bytes > from)
			print_ascii(e, from, (size_t)(bytes - from));
	} else if (p->state == PARSER_CSI_PARAM ||
		   p->state == PARSER_CSI_ENTRY) {
		bytes = params_take(&p->params, bytes, end);
		if (bytes > from)
			p->state = PARSER_CSI_PARAM;
	}
	return bytes;
}

void
parser_write(struct emulator *e, const uint8_t *bytes, size_t len)
{
	const uint8_t *end = bytes + len;

	while (bytes < end) {
		const uint8_t *piece = take_piece(e, bytes, end);

		if (piece > bytes)
			bytes = piece;
		else
			take_byte(e, *bytes++);
	}
	if (e->parser.in_run)
		print_settle(e);
}

void
parser_reset(struct emulator *e)
{
	e->parser.state = PARSER_GROUND;
	e->parser.osc.state = OSC_START;
	clear(&e->parser);
	e->parser.join = 0;
}
