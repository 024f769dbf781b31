/* One line per event, whatever a guest has put into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int real_stderr = -1;
static FILE *captured;

static void
capture(void)
{
	fflush(stderr);
	captured = tmpfile();
	assert_non_null(captured);
	real_stderr = dup(STDERR_FILENO);
	dup2(fileno(captured), STDERR_FILENO);
}

/* What has gone to stderr since capture(); the caller frees it. */
static char *
release(void)
{
	long size;
	char *text;

	fflush(stderr);
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	size = lseek(fileno(captured), 0, SEEK_END);
	text = calloc(1, (size_t)size + 1);
	assert_non_null(text);
	assert_int_equal(pread(fileno(captured), text, (size_t)size, 0), size);
	fclose(captured);
	return text;
}

static void
check(const char *want)
{
	char *got = release();

	assert_string_equal(got, want);
	free(got);
}

static void
test_levels(void **state)
{
	(void)state;
	log_init("prog", true, false);
	capture();
	log_error("one %d", 1);
	log_warn("two %s", "2");
	log_info("three");
	log_debug("not shown");
	check("prog: error: one 1\n"
	      "prog: warning: two 2\n"
	      "prog: three\n");
	log_init("prog", true, true);
	capture();
	log_debug("shown");
	check("prog: debug: shown\n");
}

static void
test_escape(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"", ""},
	    {"plain text: ~!\\ %", "plain text: ~!\\ %"},
	    {"a\nb", "a\\x0ab"},
	    {"a\r\nprog: forged", "a\\x0d\\x0aprog: forged"},
	    {"\t", "\\x09"},
	    {"\x1b[2J\x1b]0;t\x07", "\\x1b[2J\\x1b]0;t\\x07"},
	    {"\x7f\x01", "\\x7f\\x01"},
	    /* UTF-8 passes */
	    {"caf\xc3\xa9", "caf\xc3\xa9"},
	    {"\xc3\x80 \xe2\x82\xac", "\xc3\x80 \xe2\x82\xac"},
	    {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
	    {"\xc2\xa0", "\xc2\xa0"},
	    /* C1 does not, in two bytes or in one */
	    {"\xc2\x9b"
	     "2J",
		"\\xc2\\x9b"
		"2J"},
	    {"\xc2\x80\xc2\x9f", "\\xc2\\x80\\xc2\\x9f"},
	    {"\x9b"
	     "2J",
		"\\x9b"
		"2J"},
	    {"a\x9b\x9d", "a\\x9b\\x9d"},
	};

	(void)state;
	log_init("p", true, false);
	for (size_t i = 0; i < COUNT(cases); i++) {
		char want[256];

		snprintf(want, sizeof want, "p: %s\n", cases[i].want);
		capture();
		log_info("%s", cases[i].text);
		check(want);
	}
}

/* However long: one line, which ends, and not in half an escape. */
static void
test_long(void **state)
{
	static const char fillers[] = {'x', '\x01', '\n', '\x9b'};

	(void)state;
	log_init("p", true, false);
	for (size_t i = 0; i < COUNT(fillers); i++) {
		char text[8192], *got;

		memset(text, fillers[i], sizeof text - 1);
		text[sizeof text - 1] = '\0';
		capture();
		log_info("%s", text);
		got = release();
		assert_true(strlen(got) > 500);
		assert_true(strlen(got) < 8192);
		assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
		if (fillers[i] != 'x')
			assert_int_equal((strlen(got) - 4) % 4, 0);
		free(got);
	}
}

static void
test_fatal(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	log_init("p", true, false);
	capture();
	pid = fork();
	if (pid == 0) {
		log_fatal("no %s", "way");
		_exit(77); /* not reached */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	check("p: error: no way\n");
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_escape),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
