/* What is let through to a browser as AjaxTerm's document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/markup.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define HEAD \
	"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><pre class=\"term\">"
#define OPEN  "<span class=\"f7 b0\">"
#define CLOSE "</span>"
#define TAIL  "</pre>"

static bool
is_good(const char *text)
{
	return markup_is_ajaxterm(text, strlen(text));
}

static void
test_good(void **state)
{
	static const char *const texts[] = {
	    HEAD TAIL,
	    HEAD OPEN CLOSE TAIL,
	    HEAD OPEN "a b\n c~!#;=/()[]\\`" CLOSE TAIL,
	    HEAD OPEN "&#160;&#60;&#38;lt;&#1114111;" CLOSE TAIL,
	    HEAD "<span class=\"f15 b7\">x" CLOSE
		 "<span class=\"f0 b1\">y" CLOSE TAIL,
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_true(is_good(texts[i]));
}

static void
test_bad(void **state)
{
	static const char *const texts[] = {
	    "",
	    TAIL,
	    OPEN CLOSE,
	    " " HEAD TAIL,
	    HEAD TAIL " ",
	    HEAD TAIL HEAD TAIL,
	    HEAD "text" TAIL,
	    HEAD OPEN "text" TAIL,
	    HEAD OPEN OPEN CLOSE CLOSE TAIL,
	    HEAD "<b>x</b>" TAIL,
	    HEAD OPEN "<img src=x onerror=f()>" CLOSE TAIL,
	    HEAD OPEN "a>b" CLOSE TAIL,
	    HEAD OPEN "\"" CLOSE TAIL,
	    HEAD OPEN "'" CLOSE TAIL,
	    HEAD OPEN "&lt;" CLOSE TAIL,
	    HEAD OPEN "&#x3c;" CLOSE TAIL,
	    HEAD OPEN "&#;" CLOSE TAIL,
	    HEAD OPEN "&#60" CLOSE TAIL,
	    HEAD OPEN "&#1114112;" CLOSE TAIL,
	    HEAD OPEN "&#00000060;" CLOSE TAIL,
	    HEAD OPEN "\xc3\xa9" CLOSE TAIL,
	    HEAD OPEN "\t" CLOSE TAIL,
	    HEAD OPEN "\x7f" CLOSE TAIL,
	    HEAD "<span class=\"f16 b0\">" CLOSE TAIL,
	    HEAD "<span class=\"f7 b8\">" CLOSE TAIL,
	    HEAD "<span class=\"f b0\">" CLOSE TAIL,
	    HEAD "<span class=\"f7 b\">" CLOSE TAIL,
	    HEAD "<span class=\"f7 b0 x\">" CLOSE TAIL,
	    HEAD "<span class=\"f7 b0\" onclick=\"f()\">" CLOSE TAIL,
	    HEAD "<span class='f7 b0'>" CLOSE TAIL,
	    HEAD "<SPAN class=\"f7 b0\">" CLOSE TAIL,
	    "<?xml version=\"1.0\"?><pre class=\"term\">" TAIL,
	    "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><!DOCTYPE pre>"
	    "<pre class=\"term\">" TAIL,
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (is_good(texts[i]))
			fail_msg("let through: %s", texts[i]);
}

/* No part of a document is one, and a NUL is no end. */
static void
test_cut(void **state)
{
	static const char text[] = HEAD OPEN "a&#160;\n" CLOSE TAIL;
	static const char nul[] = HEAD OPEN "a\0b" CLOSE TAIL;

	(void)state;
	for (size_t n = 0; n < sizeof text - 1; n++)
		assert_false(markup_is_ajaxterm(text, n));
	assert_true(markup_is_ajaxterm(text, sizeof text - 1));
	assert_false(markup_is_ajaxterm(text, sizeof text));
	assert_false(markup_is_ajaxterm(nul, sizeof nul - 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
