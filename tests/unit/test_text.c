/* What may be shown to people, and the many ways to break UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/text.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define MAX 16

static void
test_clean(void **state)
{
	static const char *const texts[] = {
	    "a",
	    "web1",
	    "with space",
	    "~",
	    "\xc2\xa0",		/* U+00A0, behind C1 */
	    "\xc3\xa9",		/* U+00E9 */
	    "\xdf\xbf",		/* U+07FF */
	    "\xe0\xa0\x80",	/* U+0800 */
	    "\xed\x9f\xbf",	/* U+D7FF, before the surrogates */
	    "\xee\x80\x80",	/* U+E000, behind them */
	    "\xef\xbf\xbf",	/* U+FFFF */
	    "\xf0\x90\x80\x80", /* U+10000 */
	    "\xf4\x8f\xbf\xbf", /* U+10FFFF */
	    "0123456789abcdef",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!text_is_clean(texts[i], MAX))
			fail_msg("number %zu was refused", i);
}

static void
test_hostile(void **state)
{
	static const char *const texts[] = {
	    "",
	    "0123456789abcdefg",
	    /* control characters */
	    "\x01",
	    "a\nb",
	    "a\r",
	    "\t",
	    "\x1b[2J",
	    "\x1f",
	    "\x7f",
	    "\xc2\x80", /* U+0080 */
	    "\xc2\x9b", /* U+009B, CSI */
	    "\xc2\x9f", /* U+009F */
	    /* overlong */
	    "\xc0\x80",
	    "\xc0\xaf",
	    "\xc1\xbf",
	    "\xe0\x80\x80",
	    "\xe0\x80\xaf",
	    "\xe0\x82\x9b",
	    "\xe0\x9f\xbf",
	    "\xf0\x80\x80\xaf",
	    "\xf0\x8f\xbf\xbf",
	    /* surrogates */
	    "\xed\xa0\x80",
	    "\xed\xbf\xbf",
	    "\xed\xa0\xbd\xed\xb8\x80",
	    /* above U+10FFFF */
	    "\xf4\x90\x80\x80",
	    "\xf7\xbf\xbf\xbf",
	    "\xf8\x88\x80\x80\x80",
	    "\xfc\x84\x80\x80\x80\x80",
	    "\xfe",
	    "\xff",
	    /* truncated, at the end and in the middle */
	    "\xc3",
	    "a\xc3",
	    "\xc3"
	    "a",
	    "\xe2\x82",
	    "\xe2\x82"
	    "a",
	    "\xf0\x9f\x98",
	    "\xf0\x9f"
	    "aa",
	    "\xc3\xc3\xa9",
	    /* nothing before it */
	    "\x80",
	    "\xbf",
	    "a\x9b",
	    "\xc3\xa9\xa9",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (text_is_clean(texts[i], MAX))
			fail_msg("number %zu was taken", i);
}

/* The bound is one of bytes, and the text of exactly that length passes. */
static void
test_bound(void **state)
{
	(void)state;
	assert_true(text_is_clean("abc", 3));
	assert_false(text_is_clean("abcd", 3));
	assert_true(text_is_clean("\xe2\x82\xac", 3));
	assert_false(text_is_clean("\xe2\x82\xac", 2));
	assert_false(text_is_clean("a", 0));
}

static void
test_repair(void **state)
{
	static const struct {
		const char *in, *out;
		size_t len, n;
	} cases[] = {
	    {"", "", 0, 0},
	    {NULL, "", 0, 0},
	    {"a\xc3\xa9", "a\xc3\xa9", 3, 3},
	    {"a\0b", "a\0b", 3, 3},
	    {"\xc3", "\xef\xbf\xbd", 1, 3},
	    {"\xc3z", "\xef\xbf\xbdz", 2, 4},
	    {"\xff\xff", "\xef\xbf\xbd\xef\xbf\xbd", 2, 6},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t n;
		char *out =
		    text_repair((const uint8_t *)cases[i].in, cases[i].len, &n);

		assert_non_null(out);
		assert_int_equal(n, cases[i].n);
		assert_memory_equal(out, cases[i].out, n);
		free(out);
	}
}

static void
test_file_name(void **state)
{
	char out[20];

	(void)state;
	text_as_file_name("web-1_b.de", out, sizeof out);
	assert_string_equal(out, "web-1_b.de");
	text_as_file_name("..", out, sizeof out);
	assert_string_equal(out, "%2E.");
	text_as_file_name("a/s 0\xc3\xa4", out, sizeof out);
	assert_string_equal(out, "a%2Fs%200%C3%A4");
	text_as_file_name("////////////", out, sizeof out);
	assert_string_equal(out, "%2F%2F%2F%2F%2F%2F");
}

static void
test_escape_json(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
	    {"", ""},
	    {"{\"a\": \"\\n\"}", "{\"a\": \"\\n\"}"},
	    {"\xc3\xa9", "\\u00e9"},
	    {"\"\xdf\xbf\xee\x80\x80x\"", "\"\\u07ff\\ue000x\""},
	    {"\xf0\x9f\x98\x80", "\\ud83d\\ude00"},
	    {"\xf4\x8f\xbf\xbf", "\\udbff\\udfff"},
	    {"\\\\\xc3\xa9",
		"\\\\\\u00e9"}, /* behind a backslash that is one */
	    {"\\\xc3\xa9", NULL},
	    {"\\\\\\\xc3\xa9", NULL},
	    {"\xc3", NULL},
	    {"\xed\xa0\x80", NULL},
	    {"\xc0\x80", NULL},
	    {"a\xff", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].in), n;
		/* Not a byte more than there is, for the sanitizer. */
		uint8_t *in = malloc(len + 1);
		char *out;

		memcpy(in, cases[i].in, len);
		in = realloc(in, len ? len : 1);
		out = text_escape_json(in, len, &n);
		free(in);
		assert_int_equal(out != NULL, cases[i].out != NULL);
		if (!out)
			continue;
		assert_string_equal(out, cases[i].out);
		assert_int_equal(n, strlen(out));
		free(out);
	}
}

/* The body of a request that has none. */
static void
test_escape_nothing(void **state)
{
	size_t n = 1;
	char *out = text_escape_json(NULL, 0, &n);

	(void)state;
	assert_string_equal(out, "");
	assert_int_equal(n, 0);
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_repair),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_bound),
	    cmocka_unit_test(test_file_name),
	    cmocka_unit_test(test_escape_json),
	    cmocka_unit_test(test_escape_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
