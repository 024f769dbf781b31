/* What is let through to a browser as markup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/markup.h"
#include "screen/emulator.h"
#include "screen/render_ajaxterm.h"
#include "screen/render_html.h"

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

/* ---- the screen as HTML -------------------------------------------------- */

#define PRE  "<pre class=\"screen\">\n"
#define POST "</pre>\n"

static void
test_good_html(void **state)
{
	static const char *const texts[] = {
	    PRE POST,
	    PRE "\n\n" POST,
	    PRE "a 'b' \xc3\xa9&lt;&gt;&amp;&quot;\n" POST,
	    PRE "x<span class=\"f255\">y</span>z\n" POST,
	    PRE "<span class=\"f0 g12 b d i k v h s o u5 w c\">y</span>"
		"<span class=\"c\"> </span>\n" POST,
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!markup_is_html(texts[i], strlen(texts[i])))
			fail_msg("refused: %s", texts[i]);
}

static void
test_bad_html(void **state)
{
	static const char nul[] = PRE "<span class=\"\0\">x</span>" POST;
	static const char *const texts[] = {
	    "",
	    PRE,
	    POST,
	    " " PRE POST,
	    PRE POST " ",
	    PRE POST PRE POST,
	    "<pre class=\"screen\" onclick=\"f()\">\n" POST,
	    PRE "<script>f()</script>" POST,
	    PRE "<img src=x onerror=f()>" POST,
	    PRE "<span class=\"b\"><b>x</b></span>" POST,
	    PRE "<span class=\"b\"><span class=\"i\">x</span></span>" POST,
	    PRE "<span class=\"b\">x" POST,
	    PRE "x</span>" POST,
	    PRE "<span class=\"\">x</span>" POST,
	    PRE "<span class=\"b \">x</span>" POST,
	    PRE "<span class=\"b  i\">x</span>" POST,
	    PRE "<span class=\"x\">x</span>" POST,
	    PRE "<span class=\"f\">x</span>" POST,
	    PRE "<span class=\"f256\">x</span>" POST,
	    PRE "<span class=\"g1000\">x</span>" POST,
	    PRE "<span class=\"u6\">x</span>" POST,
	    PRE "<span class=\"b\" style=\"x\">x</span>" POST,
	    PRE "<span class='b'>x</span>" POST,
	    PRE "a>b" POST,
	    PRE "a\"b" POST,
	    PRE "a&b" POST,
	    PRE "&#60;" POST,
	    PRE "&apos;" POST,
	    PRE "\t" POST,
	    PRE "\x1b[m" POST,
	    PRE "\x7f" POST,
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (markup_is_html(texts[i], strlen(texts[i])))
			fail_msg("let through: %s", texts[i]);
	assert_false(markup_is_html(nul, sizeof nul - 1));
}

/* What the emulator makes of anything is let through, whatever the guest has
 * printed. */
static void
test_rendered_html(void **state)
{
	const struct emulator_limits limits = {30, 90, 50, 0};
	static const char look[] = "\033[3;4;9;38;2;1;2;3m\033[58;5;9m<b>";
	static char text[4 * 1024 * 1024];
	struct emulator *e = malloc(emulator_size(&limits));
	uint32_t chance = 4711;

	(void)state;
	assert_non_null(e);
	emulator_init(e, &limits, 30, 90);
	for (int round = 0; round < 200; round++) {
		struct render_buffer b = {text, sizeof text, 0};
		char bytes[512];

		for (size_t i = 0; i < sizeof bytes; i++) {
			chance = chance * 1103515245 + 12345;
			bytes[i] = (char)(chance >> 16);
			if (chance >> 28 == 0)
				bytes[i] = '\033';
			if (chance >> 28 == 1)
				bytes[i] = "<>&\"'[m;"[chance >> 16 & 7];
		}
		emulator_write(e, bytes, sizeof bytes, NULL);
		emulator_write(e, look, sizeof look - 1, NULL);
		render_html(e, 50, render_to_buffer, &b);
		assert_true(b.len <= sizeof text);
		assert_true(markup_is_html(text, b.len));
		b.len = 0;
		render_ajaxterm(e, true, render_to_buffer, &b);
		assert_true(markup_is_ajaxterm(text, b.len));
	}
	free(e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_good_html),
	    cmocka_unit_test(test_bad_html),
	    cmocka_unit_test(test_rendered_html),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
