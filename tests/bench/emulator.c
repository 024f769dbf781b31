/*
 * How fast terminals work through bytes: ours, and beside it libvterm and
 * libtsm as measuring sticks, in one run.
 *
 *	emulator [-s SECONDS] NAME ROWS COLS FILE...
 *
 * prints one line for each terminal: NAME, the terminal, MB/s.  The files are
 * one stream; it is written again and again, 16 KB at a time, as a console
 * comes in.  NAME "hostile" without files makes its own stream.
 */
#include "screen/emulator.h"

#include <libtsm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vterm.h>

#define CHUNK 16384

struct stream {
	char *bytes;
	size_t len;
};

struct terminal {
	const char *name;
	void *(*open)(int rows, int cols);
	void (*write)(void *terminal, const char *bytes, size_t len);
	void (*close)(void *terminal);
};

static void
die(const char *why)
{
	fprintf(stderr, "emulator: %s\n", why);
	exit(1);
}

/* --- ours ---------------------------------------------------------------- */

static struct emulator_limits
limits_for(int rows, int cols)
{
	return (struct emulator_limits){.rows = (uint32_t)rows,
	    .cols = (uint32_t)cols,
	    .scrollback = EMULATOR_SCROLLBACK};
}

static void *
ours_open(int rows, int cols)
{
	struct emulator_limits limits = limits_for(rows, cols);
	void *block = malloc(emulator_size(&limits));

	if (!block)
		die("out of memory");
	return emulator_init(block, &limits, limits.rows, limits.cols);
}

static void
ours_write(void *terminal, const char *bytes, size_t len)
{
	emulator_write(terminal, bytes, len, NULL);
}

/* --- libvterm, with its screen and what a scrollback would be told ------- */

static void *
vterm_open(int rows, int cols)
{
	static const VTermScreenCallbacks callbacks;
	VTerm *vt = vterm_new(rows, cols);
	VTermScreen *screen = vterm_obtain_screen(vt);

	vterm_set_utf8(vt, 1);
	vterm_screen_enable_altscreen(screen, 1);
	vterm_screen_set_callbacks(screen, &callbacks, NULL);
	vterm_screen_reset(screen, 1);
	return vt;
}

static void
vterm_put(void *terminal, const char *bytes, size_t len)
{
	vterm_input_write(terminal, bytes, len);
}

static void
vterm_close(void *terminal)
{
	vterm_free(terminal);
}

/* --- libtsm -------------------------------------------------------------- */

struct tsm {
	struct tsm_screen *screen;
	struct tsm_vte *vte;
};

static void
tsm_answer(struct tsm_vte *vte, const char *bytes, size_t len, void *user)
{
	(void)vte;
	(void)bytes;
	(void)len;
	(void)user;
}

static void *
tsm_open(int rows, int cols)
{
	struct tsm *t = calloc(1, sizeof *t);

	if (!t || tsm_screen_new(&t->screen, NULL, NULL) ||
	    tsm_screen_resize(t->screen, (unsigned)cols, (unsigned)rows) ||
	    tsm_vte_new(&t->vte, t->screen, tsm_answer, NULL, NULL, NULL))
		die("libtsm");
	tsm_screen_set_max_sb(t->screen, EMULATOR_SCROLLBACK);
	return t;
}

static void
tsm_put(void *terminal, const char *bytes, size_t len)
{
	struct tsm *t = terminal;

	tsm_vte_input(t->vte, bytes, len);
}

static void
tsm_close(void *terminal)
{
	struct tsm *t = terminal;

	tsm_vte_unref(t->vte);
	tsm_screen_unref(t->screen);
	free(t);
}

/* ------------------------------------------------------------------------- */

static const struct terminal terminals[] = {
    {"xenterm", ours_open, ours_write, free},
    {"libvterm", vterm_open, vterm_put, vterm_close},
    {"libtsm", tsm_open, tsm_put, tsm_close},
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
measure(const struct terminal *t, const struct stream *s, int rows, int cols,
    double seconds)
{
	void *terminal = t->open(rows, cols);
	double start = now(), end;
	size_t total = 0;

	do {
		for (size_t at = 0; at < s->len; at += CHUNK) {
			size_t n = s->len - at < CHUNK ? s->len - at : CHUNK;

			t->write(terminal, s->bytes + at, n);
		}
		total += s->len;
		end = now();
	} while (end - start < seconds);
	t->close(terminal);
	return (double)total / (end - start) / 1e6;
}

static void
append(struct stream *s, const char *bytes, size_t len)
{
	s->bytes = realloc(s->bytes, s->len + len);
	if (!s->bytes)
		die("out of memory");
	memcpy(s->bytes + s->len, bytes, len);
	s->len += len;
}

static void
append_file(struct stream *s, const char *path)
{
	char bytes[CHUNK];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f)
		die(path);
	while ((n = fread(bytes, 1, sizeof bytes, f)) > 0)
		append(s, bytes, n);
	fclose(f);
}

/* What costs most: colours nobody has twice, marks, scrolling, erasing. */
static void
append_hostile(struct stream *s)
{
	char text[128];

	for (int i = 0; i < 20000; i++) {
		int n = snprintf(text, sizeof text,
		    "\033[38;2;%d;%d;%dme\xcc\x81\xcc%c\033[%d;%dH\033[J"
		    "\033[%dL\033[%d@\033[r\n\033[%d;%dr\033M",
		    i & 255, i >> 4 & 255, i >> 8, 0x80 + i % 48, i % 30,
		    i % 90, i % 40, i % 100, i % 10 + 1, i % 15 + 11);

		append(s, text, (size_t)n);
	}
}

int
main(int argc, char **argv)
{
	struct stream s = {0};
	double seconds = 1;
	int opt, rows, cols;

	while ((opt = getopt(argc, argv, "s:")) != -1) {
		if (opt != 's')
			return 2;
		seconds = atof(optarg);
	}
	if (argc - optind < 3)
		die("usage: emulator [-s SECONDS] NAME ROWS COLS FILE...");
	rows = atoi(argv[optind + 1]);
	cols = atoi(argv[optind + 2]);
	for (int i = optind + 3; i < argc; i++)
		append_file(&s, argv[i]);
	if (s.len == 0)
		append_hostile(&s);
	for (size_t i = 0; i < sizeof terminals / sizeof *terminals; i++)
		printf("%s %s %.1f\n", argv[optind], terminals[i].name,
		    measure(&terminals[i], &s, rows, cols, seconds));
	return 0;
}
