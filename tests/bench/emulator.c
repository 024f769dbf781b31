/*
 * How fast terminals work through bytes, and how much memory a console takes:
 * ours, and beside it libvterm and libtsm as measuring sticks, by turns in one
 * run; MB for a second of the processor.  Which of the two was not there when
 * this was compiled is said by name.
 *
 *	emulator [-r ROUNDS] NAME ROWS COLS FILE...
 *
 * The files are one stream; it is written again and again, 16 KB at a time, as
 * a console comes in.  Without files it is a hostile one.
 */
#include "screen/emulator.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if __has_include(<vterm.h>)
#include <vterm.h>
#define HAVE_VTERM 1
#endif
#if __has_include(<libtsm.h>)
#include <libtsm.h>
#define HAVE_TSM 1
#endif

#define CHUNK	   16384
#define ROUNDS_MAX 100
#define SECONDS	   0.3 /* for a terminal in a round */

struct stream {
	char *bytes;
	size_t len;
};

struct terminal {
	const char *name, *missing;
	void *(*open)(int rows, int cols);
	void (*write)(void *terminal, const char *bytes, size_t len);
	void (*close)(void *terminal);
	size_t (*memory)(const void *terminal);
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
	size_t size = emulator_size(&limits);
	void *block;

	if (size == 0)
		die("no such size");
	block = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block == MAP_FAILED)
		die("out of memory");
	return emulator_init(block, &limits, limits.rows, limits.cols);
}

static void
ours_close(void *terminal)
{
	munmap(terminal, emulator_block_size(terminal));
}

/* Of the block, those pages that it has touched. */
static size_t
ours_memory(const void *terminal)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t n = (emulator_block_size(terminal) + page - 1) / page;
	unsigned char *there = malloc(n);
	size_t total = 0;

	if (!there || mincore((void *)(uintptr_t)terminal, n * page, there))
		die("mincore");
	for (size_t i = 0; i < n; i++)
		total += there[i] & 1;
	free(there);
	return total * page;
}

static void
ours_write(void *terminal, const char *bytes, size_t len)
{
	emulator_write(terminal, bytes, len, NULL);
}

/* The others keep many pieces; what malloc() has handed out since. */
static size_t before;

static size_t
allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

__attribute__((unused)) static size_t
their_memory(const void *terminal)
{
	(void)terminal;
	return allocated() - before;
}

/* --- libvterm, with its screen; it keeps no scrollback ------------------- */

#ifdef HAVE_VTERM
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

#endif

/* --- libtsm -------------------------------------------------------------- */

#ifdef HAVE_TSM
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

#endif

/* ------------------------------------------------------------------------- */

static const struct terminal terminals[] = {
    {"xenterm", NULL, ours_open, ours_write, ours_close, ours_memory},
#ifdef HAVE_VTERM
    {"libvterm", NULL, vterm_open, vterm_put, vterm_close, their_memory},
#else
    {"libvterm", "libvterm-dev", NULL, NULL, NULL, NULL},
#endif
#ifdef HAVE_TSM
    {"libtsm", NULL, tsm_open, tsm_put, tsm_close, their_memory},
#else
    {"libtsm", "libtsm-dev", NULL, NULL, NULL, NULL},
#endif
};

#define TERMINALS (sizeof terminals / sizeof *terminals)

/* Of the processor: it is all they need, and other work does not count. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
put(const struct terminal *t, void *terminal, const struct stream *s)
{
	for (size_t at = 0; at < s->len; at += CHUNK) {
		size_t n = s->len - at < CHUNK ? s->len - at : CHUNK;

		t->write(terminal, s->bytes + at, n);
	}
}

/* In MB/s. */
static double
measure(const struct terminal *t, const struct stream *s, int rows, int cols)
{
	void *terminal = t->open(rows, cols);
	double start = now(), end;
	size_t total = 0;

	do {
		put(t, terminal, s);
		total += s->len;
		end = now();
	} while (end - start < SECONDS);
	t->close(terminal);
	return (double)total / (end - start) / 1e6;
}

/* When its scrollback is full. */
static size_t
measure_memory(
    const struct terminal *t, const struct stream *s, int rows, int cols)
{
	void *terminal;
	size_t size;

	before = allocated();
	terminal = t->open(rows, cols);
	put(t, terminal, s);
	t->write(terminal, "\033c", 2);
	for (int i = 0; i < EMULATOR_SCROLLBACK + rows; i++)
		t->write(terminal, "\033[32mline\033[m\r\n", 14);
	size = t->memory(terminal);
	t->close(terminal);
	return size;
}

static int
by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static void
print_spread(const char *name, double *values, int n, int digits)
{
	qsort(values, (size_t)n, sizeof *values, by_size);
	printf("  %s %.*f", name, digits, values[n / 2]);
	if (n > 1)
		printf(
		    " [%.*f..%.*f]", digits, values[0], digits, values[n - 1]);
}

/* Ours to the faster of the others, in each round. */
static void
print_ratio(double speeds[][ROUNDS_MAX], int rounds)
{
	double ratios[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		double faster = 0;

		for (size_t t = 1; t < TERMINALS; t++)
			if (speeds[t][i] > faster)
				faster = speeds[t][i];
		if (faster <= 0)
			return;
		ratios[i] = speeds[0][i] / faster;
	}
	print_spread("ratio", ratios, rounds, 1);
}

static void
report(const char *name, const struct stream *s, int rows, int cols, int rounds)
{
	static double speeds[TERMINALS][ROUNDS_MAX];

	for (int i = 0; i < rounds; i++)
		for (size_t t = 0; t < TERMINALS; t++)
			if (!terminals[t].missing)
				speeds[t][i] =
				    measure(&terminals[t], s, rows, cols);
	printf("%-16s MB/s", name);
	/* Before they are sorted. */
	print_ratio(speeds, rounds);
	for (size_t t = 0; t < TERMINALS; t++)
		if (!terminals[t].missing)
			print_spread(terminals[t].name, speeds[t], rounds, 1);
	printf("\n%-16s KiB ", name);
	for (size_t t = 0; t < TERMINALS; t++)
		if (!terminals[t].missing)
			printf("  %s %zu", terminals[t].name,
			    measure_memory(&terminals[t], s, rows, cols) /
				1024);
	printf("\n");
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
	int opt, rows, cols, rounds = 5;

	while ((opt = getopt(argc, argv, "r:")) != -1) {
		if (opt != 'r')
			return 2;
		rounds = atoi(optarg);
	}
	if (argc - optind < 3 || rounds < 1 || rounds > ROUNDS_MAX)
		die("usage: emulator [-r ROUNDS] NAME ROWS COLS FILE...");
	rows = atoi(argv[optind + 1]);
	cols = atoi(argv[optind + 2]);
	for (int i = optind + 3; i < argc; i++)
		append_file(&s, argv[i]);
	if (s.len == 0)
		append_hostile(&s);
	for (size_t i = 0; i < TERMINALS; i++)
		if (terminals[i].missing)
			printf("%-16s %s is not measured: %s is missing\n",
			    argv[optind], terminals[i].name,
			    terminals[i].missing);
	report(argv[optind], &s, rows, cols, rounds);
	free(s.bytes);
	return 0;
}
