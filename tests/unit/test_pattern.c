/* Regular expressions on output that comes in pieces, and hostile ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/pattern.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct pattern *
compiled(const char *text, bool utf)
{
	char error[PATTERN_ERROR];
	struct pattern *p = pattern_compile(text, utf, error);

	if (!p)
		fail_msg("%s: %s", text, error);
	return p;
}

/* From the beginning. */
static int
find(struct pattern *p, const char *text, struct pattern_match *match)
{
	size_t resume = 0;

	return pattern_find(
	    p, (const uint8_t *)text, strlen(text), &resume, match);
}

static void
test_matches(void **state)
{
	static const struct {
		const char *pattern, *text;
		size_t begin, end;
	} cases[] = {
	    {"login: $", "Debian\r\nweb1 login: ", 13, 20},
	    {"^\\$ ", "x\r\n$ ", 3, 5},
	    /* a line's end is CR LF, and '.' takes none of it */
	    {"two$", "one two\r\nthree", 4, 7},
	    {"o.*", "one\r\n", 0, 3},
	    {"(?i)PANIC", "kernel panic - not syncing", 7, 12},
	    {"\\xff\\x00", "a\xff", 0, 0},
	    {"a|ab", "xab", 1, 2},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct pattern *p = compiled(cases[i].pattern, false);
		struct pattern_match match;
		int found = find(p, cases[i].text, &match);

		assert_int_equal(found, cases[i].end > 0);
		if (found) {
			assert_int_equal(match.begin, cases[i].begin);
			assert_int_equal(match.end, cases[i].end);
		}
		pattern_free(p);
	}
}

static void
test_bytes(void **state)
{
	static const uint8_t bytes[] = {0, 0xff, 0x1b, '[', 'm', 0xc3};
	struct pattern *p = compiled("\\xff\\e\\[m.", false);
	struct pattern_match match;
	size_t resume = 0;

	(void)state;
	assert_int_equal(
	    pattern_find(p, bytes, sizeof bytes, &resume, &match), 1);
	assert_int_equal(match.begin, 1);
	assert_int_equal(match.end, sizeof bytes);
	pattern_free(p);
}

static void
test_text(void **state)
{
	struct pattern *p = compiled("^.$", true);
	struct pattern_match match;

	(void)state;
	assert_int_equal(find(p, "\xc3\xa9", &match), 1);
	assert_int_equal(match.end, 2);
	assert_int_equal(find(p, "\xc3", &match), -EINVAL);
	pattern_free(p);
}

static void
test_groups(void **state)
{
	struct pattern *p = compiled("(\\d+)(x)?(\\w)", false);
	struct pattern_match match;

	(void)state;
	assert_int_equal(find(p, "exit 42y", &match), 1);
	assert_int_equal(match.ngroups, 3);
	assert_true(match.groups[0].set);
	assert_int_equal(match.groups[0].begin, 5);
	assert_int_equal(match.groups[0].end, 7);
	assert_false(match.groups[1].set);
	assert_true(match.groups[2].set);
	pattern_free(p);
}

/* More parentheses than are told of are no error. */
static void
test_many_groups(void **state)
{
	struct pattern *p =
	    compiled("()()()()()()()()()()()()()()()()()()a(b)", false);
	struct pattern_match match;

	(void)state;
	assert_int_equal(find(p, "ab", &match), 1);
	assert_int_equal(match.ngroups, LIMIT_PATTERN_GROUPS);
	pattern_free(p);
}

/* Byte by byte it finds what it finds in one go, and does not look again at
 * what cannot match any more. */
static void
test_pieces(void **state)
{
	static const char *const patterns[] = {
	    "login: ", "(?<=e)b1", "\\d+-\\d+;", "^web1", "[a-z]+\\d login"};
	static const char text[] =
	    "ttyS0 1-2 1234-5678;\r\nDebian 12\r\nweb1 login: ";

	(void)state;
	for (size_t i = 0; i < COUNT(patterns); i++) {
		struct pattern *p = compiled(patterns[i], false);
		struct pattern_match whole, match;
		size_t resume = 0, last = 0, len = 0;
		int found = 0;

		assert_int_equal(find(p, text, &whole), 1);
		while (!found && len < strlen(text)) {
			len++;
			found = pattern_find(
			    p, (const uint8_t *)text, len, &resume, &match);
			assert_int_not_equal(found, -1);
			assert_true(resume >= last && resume <= len);
			last = resume;
		}
		assert_int_equal(found, 1);
		assert_int_equal(match.begin, whole.begin);
		pattern_free(p);
	}
}

static void
test_resume_skips(void **state)
{
	struct pattern *p = compiled("login", false);
	struct pattern_match match;
	size_t resume = 0;

	(void)state;
	assert_int_equal(
	    pattern_find(p, (const uint8_t *)"xxxlo", 5, &resume, &match), 0);
	assert_int_equal(resume, 3);
	assert_int_equal(
	    pattern_find(p, (const uint8_t *)"xxxloxx", 7, &resume, &match), 0);
	assert_int_equal(resume, 7);
	pattern_free(p);
}

static void
test_never_nothing(void **state)
{
	struct pattern *p = compiled("x*", false);
	struct pattern_match match;

	(void)state;
	assert_int_equal(find(p, "", &match), 0);
	assert_int_equal(find(p, "ab", &match), 0);
	assert_int_equal(find(p, "abxx", &match), 1);
	assert_int_equal(match.begin, 2);
	pattern_free(p);
}

static void
test_mistakes(void **state)
{
	static const char *const texts[] = {"(", "[a", "a{2,1}", "*", "\\",
	    "(?<n>a)(?<n>b)", "\\C", "(*UTF)a", "((a{1000}){1000}){1000}"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char error[PATTERN_ERROR] = "";

		if (pattern_compile(texts[i], false, error))
			fail_msg("%s was taken", texts[i]);
		assert_true(strlen(error) > 5);
	}
}

/* Those that take exponential or cubic time end at a limit, soon. */
static void
test_hostile(void **state)
{
	static const char *const texts[] = {"(a+)+$x", "(a|aa)+b", "(a*)*b",
	    "[^b]*[^b]*[^b]*b", ".*.*.*.*=", "(?:a?){60}a{60}b", "(a|b|ab)*c",
	    "((a+)+)+\\1b", "(?R)?a(?R)?b", "(*NO_START_OPT)(a+)+b"};
	const size_t len = LIMIT_EXPECT_WINDOW;
	uint8_t *subject = malloc(len);

	(void)state;
	assert_non_null(subject);
	memset(subject, 'a', len);
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct pattern *p = compiled(texts[i], false);
		struct pattern_match match;
		size_t resume = 0;
		clock_t begin = clock();
		int found = pattern_find(p, subject, len, &resume, &match);

		if (found != -E2BIG)
			fail_msg("%s: %d", texts[i], found);
		/* A limit's worth of work, with a sanitizer on a slow machine;
		 * without the limit it would be hours. */
		assert_true(clock() - begin < 5 * CLOCKS_PER_SEC);
		pattern_free(p);
	}
	free(subject);
}

/* Ordinary ones do not come near the limit, on as much as they are ever given
 * at once. */
static void
test_ordinary_patterns_are_cheap(void **state)
{
	static const char *const texts[] = {"login: $", "\\$ $",
	    "^\\S+@\\S+:", "(?i)kernel panic", "[#$>] $", "exit=(\\d+)",
	    "(?m)^.*failed.*$"};
	static const char line[] =
	    "[    1.234567] systemd[1]: Started something or other.\r\n";
	const size_t len = LIMIT_EXPECT_WINDOW;
	uint8_t *subject = malloc(len);

	(void)state;
	assert_non_null(subject);
	for (size_t i = 0; i < len; i++)
		subject[i] = (uint8_t)line[i % (sizeof line - 1)];
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct pattern *p = compiled(texts[i], false);
		struct pattern_match match;
		size_t resume = 0;

		if (pattern_find(p, subject, len, &resume, &match) != 0)
			fail_msg("%s", texts[i]);
		assert_true(resume > len - 200);
		pattern_free(p);
	}
	free(subject);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_matches),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_groups),
	    cmocka_unit_test(test_many_groups),
	    cmocka_unit_test(test_pieces),
	    cmocka_unit_test(test_resume_skips),
	    cmocka_unit_test(test_never_nothing),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_ordinary_patterns_are_cheap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
