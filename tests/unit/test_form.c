/* The fields of a form, as AjaxTerm's pages send them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/form.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define FULL	     "s=12&w=80&h=24&c=1&k="

static void
test_values(void **state)
{
	static const struct {
		const char *form, *name, *value;
	} cases[] = {
	    {FULL, "s", "12"},
	    {FULL, "h", "24"},
	    {FULL, "k", ""},
	    {"k", "k", ""},
	    {"a=1&k", "k", ""},
	    {"k=a=b", "k", "a=b"},
	    {"&&k=x&&", "k", "x"},
	    {"kk=1&k=2&key=3", "k", "2"},
	    {"x=%zz&k=1", "k", "1"}, /* not asked for */
	    {"%6B=1&k=2", "k", "2"},
	    {"k=a+b%20c%2B%2b", "k", "a b c++"},
	    {"k=%1B[A%7f%09", "k", "\x1b[A\x7f\t"},
	    {"k=%E9%C3%A9", "k", "\xe9\xc3\xa9"},
	    {"k=%u00e9%u20AC%uFFFD", "k", "é€\xef\xbf\xbd"},
	    {"k=%uD83D%uDE00%uDBFF%uDFFF", "k", "😀\xf4\x8f\xbf\xbf"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char value[32];
		size_t len = 99;

		assert_int_equal(
		    form_field(cases[i].form, strlen(cases[i].form),
			cases[i].name, value, sizeof value, &len),
		    0);
		assert_string_equal(value, cases[i].value);
		assert_int_equal(len, strlen(cases[i].value));
	}
}

static void
test_nul(void **state)
{
	static const char form[] = "k=a%00b%u0000&s=\0";
	char value[8];
	size_t len;

	(void)state;
	assert_int_equal(
	    form_field(form, sizeof form - 1, "k", value, sizeof value, &len),
	    0);
	assert_int_equal(len, 4);
	assert_memory_equal(value, "a\0b\0", 5);
	assert_int_equal(
	    form_field(form, sizeof form - 1, "s", value, sizeof value, &len),
	    0);
	assert_int_equal(len, 1);
}

static void
test_absent(void **state)
{
	static const char *const forms[] = {
	    "", "&", "=", "=k", "K=1", "kk=1", "s=k", "s=&k2=1", "x=k=1"};

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		char value[8] = "before";
		size_t len = 7;

		assert_int_equal(form_field(forms[i], strlen(forms[i]), "k",
				     value, sizeof value, &len),
		    -ENOENT);
		assert_int_equal(len, 0);
		assert_string_equal(value, "");
	}
}

static void
test_bad(void **state)
{
	static const char *const forms[] = {"k=%", "k=%4", "k=%4&s=1", "k=%4g",
	    "k=%g4", "k=% 4", "k=%+4", "k=%u", "k=%u123", "k=%u12g4",
	    "k=%u123&4", "k=%U0041", "k=%uD800", "k=%uD800x", "k=%uD800%u",
	    "k=%uD800%u0041", "k=%uD800%uD800", "k=%uDC00", "k=%uDC00%uD800",
	    "k=%uD800%41", "k=1&k=1", "k&k", "k=&s=1&k"};

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		char value[32];
		size_t len;

		assert_int_equal(form_field(forms[i], strlen(forms[i]), "k",
				     value, sizeof value, &len),
		    -EINVAL);
	}
}

/* Only what is said to be there is read, byte by byte. */
static void
test_cut(void **state)
{
	static const char form[] = "s=1&k=%u20ac";
	char value[8];
	size_t len;

	(void)state;
	for (size_t n = 0; n < sizeof form; n++) {
		int error = form_field(form, n, "k", value, sizeof value, &len);

		assert_int_equal(error, n < 5	 ? -ENOENT
					: n < 7	 ? 0
					: n < 12 ? -EINVAL
						 : 0);
	}
}

static void
test_room(void **state)
{
	char value[4];
	size_t len;

	(void)state;
	assert_int_equal(form_field("k=abc", 5, "k", value, 4, &len), 0);
	assert_string_equal(value, "abc");
	assert_int_equal(
	    form_field("k=abcd", 6, "k", value, 4, &len), -EMSGSIZE);
	assert_int_equal(
	    form_field("k=ab%u00e9", 10, "k", value, 4, &len), -EMSGSIZE);
	assert_int_equal(form_field("k=", 2, "k", value, 1, &len), 0);
	assert_string_equal(value, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_absent),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
