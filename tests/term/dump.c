/*
 * Works through records of bytes, resizes and snapshots, and prints what the
 * terminal is then: one line of JSON for each.  Both formats:
 * tests/term/oracle/FORMAT.md.
 *
 * It reads the state itself, not the public view of it: what cannot be seen
 * must be right as well, because it will be seen later.
 */
#include "screen/attr.h"
#include "screen/charset.h"
#include "screen/emulator.h"
#include "screen/grid.h"
#include "screen/marks.h"
#include "screen/render_ansi.h"
#include "screen/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
die(const char *why)
{
	fprintf(stderr, "dump: %s\n", why);
	exit(2);
}

/* --- text that grows ----------------------------------------------------- */

struct text {
	char *bytes;
	size_t len, room;
};

static void
add_bytes(struct text *t, const char *bytes, size_t len)
{
	if (t->room - t->len < len) {
		t->room = (t->room + len) * 2;
		t->bytes = realloc(t->bytes, t->room);
		if (!t->bytes)
			die("out of memory");
	}
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
}

static void
sink(void *user, const char *bytes, size_t len)
{
	add_bytes(user, bytes, len);
}

static void
put_base64(const char *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t n = 0;

		for (size_t k = 0; k < 3; k++)
			n = n << 8 |
			    (i + k < len ? (unsigned char)bytes[i + k] : 0);
		putchar(digits[n >> 18]);
		putchar(digits[n >> 12 & 63]);
		putchar(i + 1 < len ? digits[n >> 6 & 63] : '=');
		putchar(i + 2 < len ? digits[n & 63] : '=');
	}
}

/* --- the state as JSON --------------------------------------------------- */

static const char *
word(bool value)
{
	return value ? "true" : "false";
}

static void
put_char(uint32_t code)
{
	char bytes[4];

	if (code == '"' || code == '\\')
		putchar('\\');
	if (code < 0x20)
		printf("\\u%04x", code);
	else
		fwrite(bytes, 1, utf8_put(bytes, code), stdout);
}

static void
put_colour(uint32_t colour)
{
	printf("%u,%u", colour >> 24, colour & 0xffffff);
}

static void
put_attr(const struct emulator_attr *a, uint32_t line)
{
	put_colour(a->fg);
	putchar(',');
	put_colour(a->bg);
	printf(",%u,%u,%u", a->flags, a->style, line);
}

/* The object is left open. */
static void
put_charsets(const uint8_t *charsets, uint8_t glevel)
{
	fputs("\"charsets\":{\"g\":[", stdout);
	for (int i = 0; i < CHARSETS; i++)
		printf("%s\"%c\"", i > 0 ? "," : "", charset_name(charsets[i]));
	printf("],\"gl\":%u", glevel);
}

static void
put_row(const struct emulator *e, struct row r)
{
	int32_t len = r.line->len;

	while (len > 0 && r.cells[len - 1].content == CELL_NULL &&
	       r.cells[len - 1].attr == 0)
		len--;
	printf("{\"w\":%s,\"c\":[", word(r.line->wrapped));
	for (int32_t x = 0; x < len; x++) {
		uint32_t chars[1 + EMULATOR_MARKS_MAX];
		const struct cell *c = &r.cells[x];
		uint8_t n = marks_chars(e, c->content, chars);
		struct emulator_attr a = attr_unpack(e, c->attr);

		fputs(x > 0 ? ",[\"" : "[\"", stdout);
		for (uint8_t i = 0; i < n; i++)
			put_char(chars[i]);
		printf("\",%u,", cell_width(c));
		put_attr(&a, a.line);
		putchar(']');
	}
	fputs("]}", stdout);
}

static void
put_rows(
    const struct emulator *e, const struct buffer *b, int32_t from, int32_t to)
{
	for (int32_t y = from; y < to; y++) {
		if (y > from)
			putchar(',');
		if (b->ybase + y < b->length)
			put_row(e, grid_row(e, b, y));
		else
			fputs("null", stdout);
	}
}

static void
put_saved(const struct emulator *e, const struct buffer *b)
{
	const struct saved_cursor *s = &b->saved;
	struct emulator_attr pen = attr_of_pen(&s->pen);
	int32_t y = max_of(s->y - b->ybase, 0);

	printf("\"saved\":{\"x\":%d,\"y\":%d,\"pen\":[", min_of(s->x, e->cols),
	    min_of(y, e->rows - 1));
	put_attr(&pen, s->pen.line);
	fputs("],", stdout);
	put_charsets(s->charsets, s->glevel);
	fputs("}},", stdout);
}

static void
put_buffer(const struct emulator *e, const struct buffer *b)
{
	bool shown = b == &e->normal || e->alternate_active;
	const uint8_t *tabs = state_at(e, b->tabs);
	const char *comma = "";
	int32_t extra = b->length - b->ybase - e->rows;

	printf("{\"x\":%d,\"y\":%d,\"top\":%d,\"bottom\":%d,\"tabs\":[",
	    shown ? b->x : 0, shown ? b->y : 0, b->top, b->bottom);
	for (int32_t x = 0; x < e->cols; x++) {
		if (!tabs[x])
			continue;
		printf("%s%d", comma, x);
		comma = ",";
	}
	fputs("],", stdout);
	put_saved(e, b);
	fputs("\"scrollback\":[", stdout);
	if (shown)
		put_rows(e, b, -b->ybase, 0);
	fputs("],\"lines\":[", stdout);
	if (shown)
		put_rows(e, b, 0, e->rows);
	putchar(']');
	if (shown && extra > 0)
		printf(",\"extra\":%d", extra);
	putchar('}');
}

static void
put_cursor(const struct emulator *e)
{
	static const char *const styles[] = {
	    "null", "\"block\"", "\"underline\"", "\"bar\""};
	const struct buffer *b =
	    e->alternate_active ? &e->alternate : &e->normal;
	const struct emulator_modes *m = &e->modes;

	printf("\"cursor\":{\"x\":%d,\"y\":%d,\"hidden\":%s,\"style\":%s,"
	       "\"blink\":%s,\"blinkOption\":%s},",
	    b->x, b->y, word(m->cursor_hidden), styles[m->cursor_style],
	    m->cursor_blink < 0 ? "null" : word(m->cursor_blink),
	    word(m->cursor_blink_option));
}

static void
put_modes(const struct emulator_modes *m)
{
	static const char *const mice[] = {
	    "none", "x10", "vt200", "drag", "any"};
	static const char *const encodings[] = {"DEFAULT", "SGR", "SGR_PIXELS"};

	printf("\"modes\":{\"applicationCursorKeysMode\":%s,"
	       "\"applicationKeypadMode\":%s,\"bracketedPasteMode\":%s,"
	       "\"insertMode\":%s,\"mouseTrackingMode\":\"%s\","
	       "\"mouseEncoding\":\"%s\",\"originMode\":%s,",
	    word(m->application_cursor), word(m->application_keypad),
	    word(m->bracketed_paste), word(m->insert), mice[m->mouse],
	    encodings[m->mouse_encoding], word(m->origin));
	printf("\"reverseWraparoundMode\":%s,\"sendFocusMode\":%s,"
	       "\"synchronizedOutputMode\":%s,\"wraparoundMode\":%s,"
	       "\"newlineMode\":%s},",
	    word(m->reverse_wraparound), word(m->send_focus),
	    word(m->synchronized), word(m->wraparound), word(m->newline));
}

static void
put_pen(const struct emulator *e)
{
	struct emulator_attr a = attr_of_pen(&e->pen);

	fputs("\"pen\":[", stdout);
	put_attr(&a, e->pen.line);
	printf("],\"join\":%u,", e->parser.join);
	put_charsets(e->charsets, e->glevel);
	printf(",\"now\":\"%c\"},", charset_name(e->charset));
}

static void
put_list(const struct text *list)
{
	for (size_t i = 0; i < list->len;) {
		size_t len = strlen(list->bytes + i);

		fputs(i > 0 ? ",\"" : "\"", stdout);
		put_base64(list->bytes + i, len);
		putchar('"');
		i += len + 1;
	}
}

/* Both lists: texts, each with its NUL. */
static void
put_state(const struct emulator *e, const struct text *replies,
    const struct text *snapshots)
{
	printf("{\"rows\":%d,\"cols\":%d,", e->rows, e->cols);
	put_cursor(e);
	printf("\"alt\":%s,", word(e->alternate_active));
	put_modes(&e->modes);
	fputs("\"title\":\"", stdout);
	for (const char *c = e->title; *c; c++) {
		if (*c == '"' || *c == '\\')
			putchar('\\');
		putchar(*c);
	}
	fputs("\",", stdout);
	put_pen(e);
	fputs("\"normal\":", stdout);
	put_buffer(e, &e->normal);
	fputs(",\"alternate\":", stdout);
	put_buffer(e, &e->alternate);
	fputs(",\"replies\":[", stdout);
	put_list(replies);
	if (snapshots->len > 0) {
		fputs("],\"snapshots\":[", stdout);
		put_list(snapshots);
	}
	fputs("]}\n", stdout);
	fflush(stdout);
}

/* --- records ------------------------------------------------------------- */

struct session {
	struct emulator_limits limits;
	struct emulator *e;
	struct text replies, snapshots; /* each with its NUL */
};

static void
on_reply(void *user, const char *bytes, size_t len)
{
	struct session *s = user;

	add_bytes(&s->replies, bytes, len);
	add_bytes(&s->replies, "", 1);
}

static bool
read_all(void *into, size_t len)
{
	return fread(into, 1, len, stdin) == len;
}

static uint32_t
read_number(void)
{
	uint8_t b[4];

	if (!read_all(b, sizeof b))
		die("input ends early");
	return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 |
	       (uint32_t)b[1] << 8 | b[0];
}

/* Two blocks take turns, with what the one before has left in them: with a
 * sanitizer, new memory would take most of the time. */
static struct emulator *
open_emulator(const struct session *s, uint32_t rows, uint32_t cols)
{
	static struct {
		void *bytes;
		size_t size;
	} blocks[2], *b;
	static int turn;
	size_t size = emulator_size(&s->limits);

	turn = !turn;
	b = &blocks[turn];
	if (b->size < size) {
		free(b->bytes);
		b->bytes = malloc(size);
		b->size = size;
	}
	if (size == 0 || !b->bytes)
		die("no such size");
	return emulator_init(b->bytes, &s->limits, rows, cols);
}

static void
do_bytes(struct session *s, uint32_t len)
{
	const struct emulator_replies replies = {on_reply, s};
	char *bytes = malloc(len + 1);

	if (!bytes || !read_all(bytes, len))
		die("input ends early");
	emulator_write(s->e, bytes, len, &replies);
	free(bytes);
}

static void
do_resize(struct session *s)
{
	uint32_t rows = read_number(), cols = read_number();

	if (emulator_resize(s->e, rows, cols) < 0)
		die("cannot resize");
}

static void
do_snapshot(struct session *s)
{
	const struct emulator_replies replies = {on_reply, s};
	struct emulator *fresh =
	    open_emulator(s, emulator_rows(s->e), emulator_cols(s->e));
	struct text ansi = {0};

	render_ansi(s->e, sink, &ansi);
	/* It must not make the terminal answer. */
	emulator_write(fresh, ansi.bytes, ansi.len, &replies);
	free(ansi.bytes);
	s->e = fresh;
}

static void
do_render(struct session *s)
{
	render_ansi(s->e, sink, &s->snapshots);
	add_bytes(&s->snapshots, "", 1);
}

static void
do_operation(struct session *s)
{
	int kind = getchar();
	uint32_t len = read_number();

	if (kind == 0)
		do_bytes(s, len);
	else if (kind == 1 && len == 8)
		do_resize(s);
	else if (kind == 2 && len == 0)
		do_snapshot(s);
	else if (kind == 3 && len == 0)
		do_render(s);
	else
		die("unknown operation");
}

int
main(void)
{
	int c;

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	while ((c = getchar()) != EOF) {
		struct session s = {0};
		uint32_t rows, cols, count;

		ungetc(c, stdin);
		rows = read_number();
		cols = read_number();
		s.limits = (struct emulator_limits){.rows = 1000, .cols = 1000};
		s.limits.scrollback = read_number();
		count = read_number();
		s.e = open_emulator(&s, rows, cols);
		for (; count > 0; count--)
			do_operation(&s);
		put_state(s.e, &s.replies, &s.snapshots);
		free(s.replies.bytes);
		free(s.snapshots.bytes);
	}
	return 0;
}
