/*
 * Works through text scripts for the terminal: one command a line.
 *
 *	# a comment
 *	!one case begins: a fresh terminal of 25 rows and 80 columns
 *	SIZE rows cols [scrollback [bytes]]  a fresh one of this size instead
 *	PUSH "text"			bytes; with \e \r \n \t \b \" \\ \xHH
 *	REPEAT n "text"			the same, n times
 *	RESIZE rows cols
 *	COPY				goes on from a copy of the block
 *	RESTORE				goes on from its ANSI snapshot
 *	?cursor = col,row
 *	?row n = "text"			without blanks at the end
 *	?history = n
 *	?wrapped n = 0 or 1
 *	?attr row,col = "bold fg=1"
 *	?mode name = 0 or 1
 *	?title = "text"
 *	?replies = "text"		since the last time it was asked
 *	?text = "lines"			the whole screen
 *	?html = "text", ?json = "text"	a part of that rendering
 *	?ajaxterm = "text", ?mono = "text"	the same, of AjaxTerm's document
 *	?changed = "rows"		since the last time it was asked
 *	?memory = 1			the block has not grown, and is sound
 *
 * Prints TAP: a line for each case.
 */
#include "screen/emulator.h"
#include "screen/render_ajaxterm.h"
#include "screen/render_ansi.h"
#include "screen/render_html.h"
#include "screen/render_json.h"
#include "screen/render_text.h"
#include "screen/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 65536
#define GUARD	     64 /* bytes behind the block, which must stay as they are */

struct text {
	char *bytes;
	size_t len, room;
};

struct script {
	const char *path;
	int line, cases, failures;
	char name[256];
	bool in_case, failed;
	struct emulator_limits limits;
	struct emulator *e;
	struct text replies;
	uint64_t seen; /* generation, by ?changed */
};

static void
add(void *user, const char *bytes, size_t len)
{
	struct text *t = user;

	if (t->room - t->len < len + 1) {
		t->room = (t->room + len + 1) * 2;
		t->bytes = realloc(t->bytes, t->room);
		if (!t->bytes)
			abort();
	}
	memcpy(t->bytes + t->len, bytes, len);
	t->len += len;
	t->bytes[t->len] = '\0';
}

static void
add_string(struct text *t, const char *string)
{
	add(t, string, strlen(string));
}

__attribute__((format(printf, 2, 3))) static void
fail(struct script *s, const char *format, ...)
{
	va_list args;

	printf("# %s:%d: ", s->path, s->line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	s->failed = true;
}

/* --- terminals ----------------------------------------------------------- */

static struct emulator *
make(const struct script *s, uint32_t rows, uint32_t cols)
{
	size_t size = emulator_size(&s->limits);
	char *block = size ? malloc(size + GUARD) : NULL;

	if (!block)
		abort();
	memset(block + size, 0x5a, GUARD);
	return emulator_init(block, &s->limits, rows, cols);
}

static void
renew(struct script *s, uint32_t rows, uint32_t cols, uint32_t scrollback,
    size_t bytes)
{
	free(s->e);
	s->limits = (struct emulator_limits){.rows = rows < 100 ? 100 : rows,
	    .cols = cols < 200 ? 200 : cols,
	    .scrollback = scrollback,
	    .scrollback_bytes = bytes};
	s->e = make(s, rows, cols);
	s->replies.len = 0;
	s->seen = 0;
}

static void
on_reply(void *user, const char *bytes, size_t len)
{
	struct script *s = user;

	add(&s->replies, bytes, len);
}

static void
push(struct script *s, const struct text *t)
{
	const struct emulator_replies replies = {on_reply, s};

	emulator_write(s->e, t->bytes, t->len, &replies);
}

static void
restore(struct script *s)
{
	struct text t = {0};
	struct emulator *fresh =
	    make(s, emulator_rows(s->e), emulator_cols(s->e));

	render_ansi(s->e, add, &t);
	emulator_write(fresh, t.bytes, t.len, NULL);
	free(t.bytes);
	free(s->e);
	s->e = fresh;
}

static void
copy(struct script *s)
{
	struct emulator *e = make(s, emulator_rows(s->e), emulator_cols(s->e));

	memcpy(e, s->e, emulator_block_size(s->e));
	free(s->e);
	s->e = e;
}

/* --- reading the script -------------------------------------------------- */

static int
hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* The quoted text that begins at *p; false when it does not end. */
static bool
read_text(const char *p, struct text *t)
{
	static const char from[] = "ernbtav", to[] = "\033\r\n\b\t\a\v";

	t->len = 0;
	add(t, "", 0);
	if (*p++ != '"')
		return false;
	for (; *p && *p != '"'; p++) {
		const char *escape;
		char c = *p;

		if (c == '\\') {
			c = *++p;
			escape = c ? strchr(from, c) : NULL;
			if (escape) {
				c = to[escape - from];
			} else if (c == 'x' && hex(p[1]) >= 0 &&
				   hex(p[2]) >= 0) {
				c = (char)(hex(p[1]) << 4 | hex(p[2]));
				p += 2;
			}
		}
		add(t, &c, 1);
	}
	return *p == '"';
}

/* Where the value of "?what = value" begins. */
static const char *
value_of(const char *line)
{
	const char *p = strstr(line, " = ");

	return p ? p + 3 : "";
}

/* --- asking -------------------------------------------------------------- */

static void
expect(struct script *s, const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail(s, "got \"%s\", wanted \"%s\"", got, want);
}

static void
row_text(const struct emulator *e, int32_t row, struct text *t)
{
	uint32_t len = emulator_row_length(e, row);

	for (uint32_t x = 0; x < len; x++) {
		struct emulator_cell cell;
		char bytes[4];

		emulator_cell(e, row, x, &cell);
		for (uint8_t i = 0; i < cell.count; i++)
			add(t, bytes, utf8_put(bytes, cell.chars[i]));
		if (cell.count == 0 && cell.width > 0)
			add_string(t, " ");
	}
	while (t->len > 0 && t->bytes[t->len - 1] == ' ')
		t->bytes[--t->len] = '\0';
}

static void
add_colour(struct text *t, const char *key, uint32_t colour)
{
	char text[32];

	if (colour == 0)
		return;
	snprintf(text, sizeof text,
	    colour >> 24 == EMULATOR_RGB ? " %s=#%06x" : " %s=%u", key,
	    colour & 0xffffff);
	add_string(t, text);
}

static void
attr_text(const struct emulator *e, int32_t row, uint32_t col, struct text *t)
{
	static const char *const flags[] = {"bold", "dim", "italic", NULL,
	    "blink", "inverse", "invisible", "strike", "overline", "protected"};
	struct emulator_cell cell;
	char text[32];

	emulator_cell(e, row, col, &cell);
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (!flags[i] || !(cell.attr.flags >> i & 1))
			continue;
		add_string(t, " ");
		add_string(t, flags[i]);
	}
	if (cell.attr.style) {
		snprintf(text, sizeof text, " underline=%u", cell.attr.style);
		add_string(t, text);
	}
	add_colour(t, "fg", cell.attr.fg);
	add_colour(t, "bg", cell.attr.bg);
	add_colour(t, "line", cell.attr.line);
}

static void
changed_rows(struct script *s, struct text *t)
{
	char text[16];

	for (uint32_t y = 0; y < emulator_rows(s->e); y++) {
		if (emulator_row_generation(s->e, y) <= s->seen)
			continue;
		snprintf(text, sizeof text, t->len ? " %u" : "%u", y);
		add_string(t, text);
	}
	s->seen = emulator_generation(s->e);
}

static int
mode_value(const struct emulator *e, const char *name)
{
	const struct emulator_modes *m = emulator_modes(e);
	const struct {
		const char *name;
		int value;
	} modes[] = {
	    {"alternate", emulator_on_alternate(e)},
	    {"application_cursor", m->application_cursor},
	    {"application_keypad", m->application_keypad},
	    {"bracketed_paste", m->bracketed_paste},
	    {"insert", m->insert},
	    {"newline", m->newline},
	    {"reverse_wraparound", m->reverse_wraparound},
	    {"send_focus", m->send_focus},
	    {"synchronized", m->synchronized},
	    {"origin", m->origin},
	    {"wraparound", m->wraparound},
	    {"cursor_hidden", m->cursor_hidden},
	    {"cursor_style", m->cursor_style},
	    {"cursor_blink", m->cursor_blink},
	    {"mouse", m->mouse},
	    {"mouse_encoding", m->mouse_encoding},
	};

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (strncmp(name, modes[i].name, strlen(modes[i].name)) == 0 &&
		    name[strlen(modes[i].name)] == ' ')
			return modes[i].value;
	return -1;
}

/* The guard behind the block, and renderings that get through. */
static bool
is_sound(const struct script *s)
{
	const char *guard = (const char *)s->e + emulator_block_size(s->e);
	struct text t = {0};

	render_ansi(s->e, add, &t);
	render_html(s->e, 1000000, add, &t);
	render_json(s->e, 1000000, 0, add, &t);
	render_ajaxterm(s->e, true, add, &t);
	free(t.bytes);
	for (int i = 0; i < GUARD; i++)
		if (guard[i] != 0x5a)
			return false;
	return true;
}

/* What is asked for with a quoted text as its answer. */
static bool
ask_text(struct script *s, const char *what, struct text *got)
{
	int row, col;

	if (sscanf(what, "row %d", &row) == 1)
		row_text(s->e, row, got);
	else if (sscanf(what, "attr %d,%d", &row, &col) == 2)
		attr_text(s->e, row, (uint32_t)col, got);
	else if (strncmp(what, "title", 5) == 0)
		add_string(got, emulator_title(s->e));
	else if (strncmp(what, "text", 4) == 0)
		render_text(s->e, 0, true, add, got);
	else if (strncmp(what, "html", 4) == 0)
		render_html(s->e, 0, add, got);
	else if (strncmp(what, "json", 4) == 0)
		render_json(s->e, 0, 0, add, got);
	else if (strncmp(what, "ajaxterm", 8) == 0)
		render_ajaxterm(s->e, true, add, got);
	else if (strncmp(what, "mono", 4) == 0)
		render_ajaxterm(s->e, false, add, got);
	else if (strncmp(what, "changed", 7) == 0)
		changed_rows(s, got);
	else if (strncmp(what, "replies", 7) == 0)
		add(got, s->replies.bytes ? s->replies.bytes : "",
		    s->replies.len);
	else
		return false;
	return true;
}

static void
ask_number(struct script *s, const char *what)
{
	const char *value = value_of(what);
	int n, got = -1, want = atoi(value);
	uint32_t x, y;

	emulator_cursor(s->e, &x, &y);
	if (strncmp(what, "cursor", 6) == 0) {
		char text[32];

		snprintf(text, sizeof text, "%u,%u", x, y);
		expect(s, text, value);
		return;
	}
	if (sscanf(what, "wrapped %d", &n) == 1)
		got = emulator_row_wrapped(s->e, n);
	else if (strncmp(what, "mode ", 5) == 0)
		got = mode_value(s->e, what + 5);
	else if (strncmp(what, "history", 7) == 0)
		got = (int)emulator_history(s->e);
	else if (strncmp(what, "memory", 6) == 0)
		got = is_sound(s);
	if (got != want)
		fail(s, "?%s: got %d", what, got);
}

static void
ask(struct script *s, const char *what)
{
	struct text got = {0}, want = {0};

	add(&got, "", 0);
	if (*value_of(what) != '"') {
		ask_number(s, what);
	} else if (!read_text(value_of(what), &want) ||
		   !ask_text(s, what, &got)) {
		fail(s, "not understood: %s", what);
	} else {
		const char *text = got.bytes;

		if (strncmp(what, "attr", 4) == 0 && *text == ' ')
			text++;
		/* Of these only a part is asked for. */
		if (strncmp(what, "html", 4) == 0 ||
		    strncmp(what, "json", 4) == 0 ||
		    strncmp(what, "ajaxterm", 8) == 0 ||
		    strncmp(what, "mono", 4) == 0) {
			if (!strstr(text, want.bytes))
				fail(
				    s, "no \"%s\" in \"%s\"", want.bytes, text);
		} else {
			expect(s, text, want.bytes);
		}
	}
	if (strncmp(what, "replies", 7) == 0)
		s->replies.len = 0;
	free(got.bytes);
	free(want.bytes);
}

/* --- commands ------------------------------------------------------------ */

static void
end_case(struct script *s)
{
	if (!s->in_case)
		return;
	s->cases++;
	s->failures += s->failed;
	printf("%sok %d - %s: %s\n", s->failed ? "not " : "", s->cases, s->path,
	    s->name);
	s->in_case = s->failed = false;
}

static void
do_push(struct script *s, const char *text, unsigned count)
{
	struct text t = {0};

	if (!read_text(text, &t))
		fail(s, "not understood: %s", text);
	for (; count > 0; count--)
		push(s, &t);
	free(t.bytes);
}

static void
command(struct script *s, const char *line)
{
	unsigned a, b, c = EMULATOR_SCROLLBACK, d = 0;
	int at = 0;

	if (*line == '!') {
		end_case(s);
		snprintf(s->name, sizeof s->name, "%.200s", line + 1);
		s->in_case = true;
		renew(s, 25, 80, EMULATOR_SCROLLBACK, 0);
	} else if (sscanf(line, "SIZE %u %u %u %u", &a, &b, &c, &d) >= 2) {
		renew(s, a, b, c, d);
	} else if (sscanf(line, "RESIZE %u %u", &a, &b) == 2) {
		if (emulator_resize(s->e, a, b) < 0)
			fail(s, "not resized");
	} else if (sscanf(line, "REPEAT %u %n", &a, &at) == 1 && at > 0) {
		do_push(s, line + at, a);
	} else if (strncmp(line, "PUSH ", 5) == 0) {
		do_push(s, line + 5, 1);
	} else if (strcmp(line, "COPY") == 0) {
		copy(s);
	} else if (strcmp(line, "RESTORE") == 0) {
		restore(s);
	} else if (*line == '?') {
		ask(s, line + 1);
	} else {
		fail(s, "not understood: %s", line);
	}
}

static bool
run(const char *path, int *cases)
{
	static char line[LINE_MAX_LEN];
	struct script s = {.path = path, .cases = *cases};
	FILE *f = fopen(path, "r");

	if (!f) {
		perror(path);
		return false;
	}
	while (fgets(line, sizeof line, f)) {
		s.line++;
		line[strcspn(line, "\n")] = '\0';
		if (*line && *line != '#')
			command(&s, line);
	}
	fclose(f);
	end_case(&s);
	free(s.e);
	free(s.replies.bytes);
	*cases = s.cases;
	return s.failures == 0;
}

int
main(int argc, char **argv)
{
	bool fine = argc > 1;
	int cases = 0;

	for (int i = 1; i < argc; i++)
		fine = run(argv[i], &cases) && fine;
	printf("1..%d\n", cases);
	return fine && cases > 0 ? 0 : 1;
}
