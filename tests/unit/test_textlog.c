#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logger/textlog.h"
#include "tests/unit/stubs.h"

static char dir[] = "/tmp/test_textlog.XXXXXX";

static void
on_line(void *ctx, const char *line)
{
	(void)line;
	++*(int *)ctx;
}

static char *
contents(const char *name)
{
	static char text[65536], path[256];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void
put(struct textlog *t, const char *text)
{
	textlog_output(t, (const uint8_t *)text, strlen(text));
	textlog_commit(t);
}

static void
clear(void)
{
	char path[256];

	for (int i = 0; i < 9; i++) {
		snprintf(path, sizeof path, "%s/console.log", dir);
		if (i > 0)
			snprintf(
			    path, sizeof path, "%s/console.log.%d", dir, i);
		unlink(path);
	}
}

static void
test_marks_and_lines(void **state)
{
	const struct textlog_saved none = {0};
	struct textlog t;
	int lines = 0;

	(void)state;
	clear();
	assert_int_equal(
	    textlog_open(&t, dir, 65536, 3, &none, on_line, &lines), 0);
	/* A guest cannot make a mark: what it prints stands behind a bar. */
	put(&t, "one\r\n2026-01-01T00:00:00.000Z * boot: domain 1\nlog");
	textlog_mark(&t, "boot: domain %d", 7);
	textlog_commit(&t);
	textlog_flush(&t);
	textlog_commit(&t);
	put(&t, "in\n");
	textlog_close(&t);
	assert_int_equal(lines, 4);
	char *text = contents("console.log"), *line = strtok(text, "\n");
	static const char *const wanted[] = {"| one",
	    "| 2026-01-01T00:00:00.000Z * boot: domain 1", "* boot: domain 7",
	    "| log", "+ in"};

	for (size_t i = 0; i < 5; i++, line = strtok(NULL, "\n")) {
		assert_non_null(line);
		assert_int_equal(line[23], 'Z');
		assert_string_equal(line + 25, wanted[i]);
	}
	assert_null(line);
}

/* A logger that was killed after it wrote, and before it said so. */
static void
test_cut(void **state)
{
	struct textlog_saved saved = {0};
	struct textlog t;
	int lines = 0;

	(void)state;
	clear();
	textlog_open(&t, dir, 65536, 3, &saved, on_line, &lines);
	put(&t, "one\ntw");
	textlog_save(&t, &saved);
	assert_int_equal(saved.at, 4);
	put(&t, "o\nthree\n");
	textlog_close(&t);
	textlog_open(&t, dir, 65536, 3, &saved, on_line, &lines);
	assert_int_equal(textlog_at(&t), 4);
	put(&t, "two\nthree\n");
	textlog_close(&t);
	char *text = contents("console.log");

	assert_non_null(strstr(text, "| two\n"));
	assert_ptr_equal(
	    strstr(text, "three"), strstr(strstr(text, "two"), "three"));
	assert_null(strstr(strstr(text, "three") + 1, "three"));
}

static void
test_rotation(void **state)
{
	const struct textlog_saved none = {0};
	struct textlog t;
	char line[64];
	int lines = 0;

	(void)state;
	clear();
	textlog_open(&t, dir, 1000, 3, &none, on_line, &lines);
	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof line, "line %d\n", i);
		put(&t, line);
	}
	textlog_close(&t);
	assert_non_null(contents("console.log"));
	assert_non_null(contents("console.log.1"));
	assert_non_null(strstr(contents("console.log.2"), "line "));
	assert_null(contents("console.log.3"));
	struct stat st;

	snprintf(line, sizeof line, "%s/console.log.1", dir);
	assert_int_equal(stat(line, &st), 0);
	assert_true(st.st_size >= 1000 && st.st_size < 1100);
}

/* A file that cannot grow any more, in the place of a disk that is full. */
static void
test_full(void **state)
{
	const struct textlog_saved none = {0};
	struct rlimit before, full = {2000, 0};
	struct textlog t;
	int lines = 0;

	(void)state;
	clear();
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	full.rlim_max = before.rlim_max;
	textlog_open(&t, dir, 65536, 3, &none, on_line, &lines);
	put(&t, "before\n");
	setrlimit(RLIMIT_FSIZE, &full);
	stub_allow_errors(true);
	for (int i = 0; i < 100; i++)
		put(&t, "not all of these fit\n");
	assert_true(t.lost > 0);
	assert_int_equal(stub_errors(), 1);
	stub_allow_errors(false);
	setrlimit(RLIMIT_FSIZE, &before);
	put(&t, "after\n");
	assert_int_equal(t.lost, 0);
	textlog_close(&t);
	char *text = contents("console.log");
	size_t size = strlen(text);

	/* No line is cut off, and the gap is told. */
	assert_int_equal(text[size - 1], '\n');
	char *mark = strstr(text, " * ");

	assert_non_null(mark);
	assert_non_null(strstr(mark, "bytes of this log could not be written"));
	assert_non_null(strstr(mark, "| after\n"));
	assert_int_equal(lines, 102);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_marks_and_lines),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_rotation),
	    cmocka_unit_test(test_full),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	clear();
	rmdir(dir);
	return failed;
}
