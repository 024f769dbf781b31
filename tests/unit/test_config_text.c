/* Comments are blanked, lines stay where they are, what is open is found. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config_text.h"

static void
test_comments(void **state)
{
	static const struct {
		const char *text, *blanked;
	} cases[] = {
	    {"", ""},
	    {"a = 1\n", "a = 1\n"},
	    {"# x\na\n", "   \na\n"},
	    {"a = 1 // x\nb", "a = 1     \nb"},
	    {"a /* x\ny */ b", "a     \n     b"},
	    {"a = {#x\n}", "a = {  \n}"},
	    /* no comments */
	    {"a = \"# x // y /* z\"", "a = \"# x // y /* z\""},
	    {"a = '# x'", "a = '# x'"},
	    {"a = \"\\\"# x\"", "a = \"\\\"# x\""},
	    {"a = /run//x#y", "a = /run//x#y"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *text = strdup(cases[i].text);
		unsigned line;

		assert_null(config_text_blank(text, &line));
		assert_string_equal(text, cases[i].blanked);
		free(text);
	}
}

static void
test_unclosed(void **state)
{
	static const struct {
		const char *text, *what;
		unsigned line;
	} cases[] = {
	    {"a\nb {\n c = 1\n", "brace", 2},
	    {"a {\n b {\n }\n", "brace", 1},
	    {"a = {1, 2\n\n", "brace", 1},
	    {"a\nb = \"c\n\n", "text in quotes", 2},
	    {"b = 'c", "text in quotes", 1},
	    {"b = \"c\\\"", "text in quotes", 1},
	    {"b\n\n/* c\n", "comment", 3},
	    {"\"", "text in quotes", 1},
	    {"{{{{{{{{{{{{{{{{{{{{{{{{", "brace", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char *text = strdup(cases[i].text);
		unsigned line = 0;

		assert_string_equal(
		    config_text_blank(text, &line), cases[i].what);
		assert_int_equal(line, cases[i].line);
		free(text);
	}
}

/* A closing brace too many is libconfuse's to report. */
static void
test_closed_twice(void **state)
{
	char text[] = "a { } }\nb { }\n";
	unsigned line;

	(void)state;
	assert_null(config_text_blank(text, &line));
}

static char *
read_back(const char *bytes, size_t len)
{
	char path[] = "/tmp/test_config_text.XXXXXX";
	int fd = mkstemp(path), error;
	char *text;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
	text = config_text_read(path);
	error = errno;
	unlink(path);
	errno = error;
	return text;
}

static void
test_read(void **state)
{
	char *big = malloc(CONFIG_TEXT_MAX + 1), *text;

	(void)state;
	text = read_back("a = 1\n", 6);
	assert_string_equal(text, "a = 1\n");
	free(text);
	text = read_back("", 0);
	assert_string_equal(text, "");
	free(text);
	assert_null(read_back("a\0b", 3));
	assert_int_equal(errno, EILSEQ);
	assert_non_null(big);
	memset(big, ' ', CONFIG_TEXT_MAX + 1);
	text = read_back(big, CONFIG_TEXT_MAX);
	assert_non_null(text);
	free(text);
	assert_null(read_back(big, CONFIG_TEXT_MAX + 1));
	assert_int_equal(errno, EFBIG);
	free(big);
	assert_null(config_text_read("/nonexistent/file"));
	assert_int_equal(errno, ENOENT);
	assert_null(config_text_read("/"));
	assert_int_equal(errno, EISDIR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_comments),
	    cmocka_unit_test(test_unclosed),
	    cmocka_unit_test(test_closed_twice),
	    cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
