#include "screen/csi.h"

#include "screen/attr.h"
#include "screen/cursor.h"
#include "screen/erase.h"
#include "screen/grid.h"
#include "screen/modes.h"
#include "screen/print.h"
#include "screen/reply.h"
#include "screen/sgr.h"

/* No screen and no sequence needs more; with it, sums cannot overflow. */
#define COUNT_MAX 65535

typedef void csi_handler(struct emulator *e, const struct params *p);

/* A count: 1 when it is missing or 0. */
static int32_t
count_at(const struct params *p, int i)
{
	int32_t value = i < p->count ? p->value[i] : 0;

	return value == 0 ? 1 : min_of(value, COUNT_MAX);
}

static int32_t
count(const struct params *p)
{
	return count_at(p, 0);
}

/* --- the cursor ---------------------------------------------------------- */

static void
cuu(struct emulator *e, const struct params *p)
{
	cursor_up(e, count(p));
}

static void
cud(struct emulator *e, const struct params *p)
{
	cursor_down(e, count(p));
}

static void
cuf(struct emulator *e, const struct params *p)
{
	cursor_move(e, count(p), 0);
}

static void
cub(struct emulator *e, const struct params *p)
{
	cursor_move(e, -count(p), 0);
}

static void
cnl(struct emulator *e, const struct params *p)
{
	cursor_down(e, count(p));
	state_active(e)->x = 0;
}

static void
cpl(struct emulator *e, const struct params *p)
{
	cursor_up(e, count(p));
	state_active(e)->x = 0;
}

static void
cha(struct emulator *e, const struct params *p)
{
	cursor_set(e, count(p) - 1, state_active(e)->y);
}

static void
cup(struct emulator *e, const struct params *p)
{
	cursor_set(e, count_at(p, 1) - 1, count(p) - 1);
}

static void
vpa(struct emulator *e, const struct params *p)
{
	cursor_set(e, state_active(e)->x, count(p) - 1);
}

static void
vpr(struct emulator *e, const struct params *p)
{
	cursor_move(e, 0, count(p));
}

static void
cht(struct emulator *e, const struct params *p)
{
	struct buffer *b = state_active(e);

	if (b->x >= e->cols)
		return;
	for (int32_t n = min_of(count(p), e->cols); n > 0; n--)
		b->x = grid_tab_after(e, b, b->x);
}

static void
cbt(struct emulator *e, const struct params *p)
{
	struct buffer *b = state_active(e);

	if (b->x >= e->cols)
		return;
	for (int32_t n = min_of(count(p), e->cols); n > 0; n--)
		b->x = grid_tab_before(e, b, b->x);
}

static void
tbc(struct emulator *e, const struct params *p)
{
	struct buffer *b = state_active(e);
	uint8_t *tabs = state_at(e, b->tabs);

	if (p->value[0] == 0)
		tabs[b->x] = 0;
	else if (p->value[0] == 3)
		for (uint32_t x = 0; x < e->limits.cols + 2; x++)
			tabs[x] = 0;
}

static void
scosc(struct emulator *e, const struct params *p)
{
	(void)p;
	cursor_save(e);
}

static void
scorc(struct emulator *e, const struct params *p)
{
	(void)p;
	cursor_restore(e);
}

/* --- lines and characters ------------------------------------------------ */

static void
ed(struct emulator *e, const struct params *p)
{
	erase_display(e, p->value[0], false);
}

static void
decsed(struct emulator *e, const struct params *p)
{
	erase_display(e, p->value[0], true);
}

static void
el(struct emulator *e, const struct params *p)
{
	erase_line(e, p->value[0], false);
}

static void
decsel(struct emulator *e, const struct params *p)
{
	erase_line(e, p->value[0], true);
}

static void
ech(struct emulator *e, const struct params *p)
{
	erase_chars(e, count(p));
}

static void
il(struct emulator *e, const struct params *p)
{
	erase_insert_lines(e, count(p));
}

static void
dl(struct emulator *e, const struct params *p)
{
	erase_delete_lines(e, count(p));
}

static void
ich(struct emulator *e, const struct params *p)
{
	erase_insert_chars(e, count(p));
}

static void
dch(struct emulator *e, const struct params *p)
{
	erase_delete_chars(e, count(p));
}

static void
su(struct emulator *e, const struct params *p)
{
	erase_scroll_up(e, count(p));
}

static void
sd(struct emulator *e, const struct params *p)
{
	erase_scroll_down(e, count(p));
}

static void
sl(struct emulator *e, const struct params *p)
{
	erase_delete_columns(e, 0, count(p));
}

static void
sr(struct emulator *e, const struct params *p)
{
	erase_insert_columns(e, 0, count(p));
}

static void
decic(struct emulator *e, const struct params *p)
{
	erase_insert_columns(
	    e, min_of(state_active(e)->x, e->cols - 1), count(p));
}

static void
decdc(struct emulator *e, const struct params *p)
{
	erase_delete_columns(
	    e, min_of(state_active(e)->x, e->cols - 1), count(p));
}

static void
rep(struct emulator *e, const struct params *p)
{
	print_repeat(e, count(p));
}

/* --- modes and the rest -------------------------------------------------- */

static void
sm(struct emulator *e, const struct params *p)
{
	for (int i = 0; i < p->count; i++)
		modes_set(e, p->value[i], true);
}

static void
rm(struct emulator *e, const struct params *p)
{
	for (int i = 0; i < p->count; i++)
		modes_set(e, p->value[i], false);
}

static void
decset(struct emulator *e, const struct params *p)
{
	for (int i = 0; i < p->count; i++)
		modes_set_private(e, p->value[i], true);
}

static void
decrst(struct emulator *e, const struct params *p)
{
	for (int i = 0; i < p->count; i++)
		modes_set_private(e, p->value[i], false);
}

static void
decstbm(struct emulator *e, const struct params *p)
{
	struct buffer *b = state_active(e);
	int32_t top = count(p), bottom = p->count < 2 ? 0 : p->value[1];

	if (bottom == 0 || bottom > e->rows)
		bottom = e->rows;
	if (bottom <= top)
		return;
	b->top = top - 1;
	b->bottom = bottom - 1;
	cursor_set(e, 0, 0);
}

static void
decsca(struct emulator *e, const struct params *p)
{
	if (p->value[0] == 1)
		e->pen.flags |= EMULATOR_PROTECTED;
	else if (p->value[0] == 0 || p->value[0] == 2)
		e->pen.flags &= (uint16_t)~EMULATOR_PROTECTED;
	e->pen_changed = true;
}

static void
decscusr(struct emulator *e, const struct params *p)
{
	modes_cursor_style(e, p->value[0]);
}

static void
decstr(struct emulator *e, const struct params *p)
{
	(void)p;
	modes_soft_reset(e);
}

static void
da1(struct emulator *e, const struct params *p)
{
	if (p->value[0] == 0)
		reply_device(e);
}

static void
da2(struct emulator *e, const struct params *p)
{
	if (p->value[0] == 0)
		reply_device_version(e);
}

static void
dsr(struct emulator *e, const struct params *p)
{
	if (p->value[0] == 5)
		reply_status(e);
	else if (p->value[0] == 6)
		reply_cursor(e);
}

/* --- the tables ---------------------------------------------------------- */

/* Those with nothing but parameters, by their final byte. */
static csi_handler *const plain[] = {
    ['@' - '@'] = ich,
    ['A' - '@'] = cuu,
    ['B' - '@'] = cud,
    ['C' - '@'] = cuf,
    ['D' - '@'] = cub,
    ['E' - '@'] = cnl,
    ['F' - '@'] = cpl,
    ['G' - '@'] = cha,
    ['H' - '@'] = cup,
    ['I' - '@'] = cht,
    ['J' - '@'] = ed,
    ['K' - '@'] = el,
    ['L' - '@'] = il,
    ['M' - '@'] = dl,
    ['P' - '@'] = dch,
    ['S' - '@'] = su,
    ['T' - '@'] = sd,
    ['X' - '@'] = ech,
    ['Z' - '@'] = cbt,
    ['`' - '@'] = cha,
    ['a' - '@'] = cuf,
    ['b' - '@'] = rep,
    ['c' - '@'] = da1,
    ['d' - '@'] = vpa,
    ['e' - '@'] = vpr,
    ['f' - '@'] = cup,
    ['g' - '@'] = tbc,
    ['h' - '@'] = sm,
    ['l' - '@'] = rm,
    ['m' - '@'] = sgr_apply,
    ['n' - '@'] = dsr,
    ['r' - '@'] = decstbm,
    ['s' - '@'] = scosc,
    ['u' - '@'] = scorc,
    ['~' - '@'] = NULL,
};

/* Those with a prefix or an intermediate. */
static const struct {
	char collect, final;
	csi_handler *handler;
} marked[] = {
    {'?', 'h', decset},
    {'?', 'l', decrst},
    {'?', 'J', decsed},
    {'?', 'K', decsel},
    {'>', 'c', da2},
    {' ', 'q', decscusr},
    {'"', 'q', decsca},
    {'!', 'p', decstr},
    {' ', '@', sl},
    {' ', 'A', sr},
    {'\'', '}', decic},
    {'\'', '~', decdc},
};

void
csi_dispatch(struct emulator *e, uint32_t collect, char final)
{
	const struct params *p = &e->parser.params;

	if (collect == 0) {
		csi_handler *handler = plain[final - '@'];

		if (handler)
			handler(e, p);
		return;
	}
	for (size_t i = 0; i < sizeof marked / sizeof *marked; i++)
		if (collect == (uint32_t)marked[i].collect &&
		    final == marked[i].final) {
			marked[i].handler(e, p);
			return;
		}
}
