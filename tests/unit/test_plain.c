#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "logger/plain.h"

/* The lines told, each with "|" or, a piece, "+" before it and LF behind. */
struct seen {
	char text[65536];
	size_t len;
};

static void
on_line(void *ctx, const char *bytes, size_t len, bool piece)
{
	struct seen *seen = ctx;

	assert_true(seen->len + len + 3 < sizeof seen->text);
	assert_true(len <= PLAIN_LINE);
	seen->text[seen->len++] = piece ? '+' : '|';
	memcpy(seen->text + seen->len, bytes, len);
	seen->len += len;
	seen->text[seen->len++] = '\n';
	seen->text[seen->len] = '\0';
}

static struct seen seen;

/* Both in one piece and byte by byte, with what is left flushed. */
static void
expect(const char *in, const char *wanted)
{
	static struct plain whole, bytes;

	memset(&whole, 0, sizeof whole);
	memset(&bytes, 0, sizeof bytes);
	memset(&seen, 0, sizeof seen);
	plain_take(&whole, (const uint8_t *)in, strlen(in), on_line, &seen);
	plain_flush(&whole, on_line, &seen);
	assert_string_equal(seen.text, wanted);
	assert_int_equal(whole.at, strlen(in));
	memset(&seen, 0, sizeof seen);
	for (const char *c = in; *c; c++)
		plain_take(&bytes, (const uint8_t *)c, 1, on_line, &seen);
	plain_flush(&bytes, on_line, &seen);
	assert_string_equal(seen.text, wanted);
}

static void
test_lines(void **state)
{
	(void)state;
	expect("", "");
	expect("one\r\ntwo\n\nthree", "|one\n|two\n|\n|three\n");
	expect("10%\r20%\r\n", "|10%\n|20%\n");
	expect("a\tb\r\r\n", "|a\tb\n");
	expect("abcx\b \b\r\n", "|abc\n");
	expect("\xc3\xa4\xc3\xb6\b\n", "|\xc3\xa4\n");
	expect("\b\b\n", "|\n");
}

static void
test_sequences(void **state)
{
	(void)state;
	expect("\033[1;31mred\033[0m\n", "|red\n");
	expect("\033]0;title\007x\033]2;t\033\\y\n", "|xy\n");
	expect("\033P1$r\033\\z\033(B\033=\n", "|z\n");
	expect("a\033[5Cb\033[10;1Hc\n", "|a b\n|c\n");
	expect("\302\23331mred\302\240x\n", "|red\302\240x\n");
	expect("\033[3\0301mx\n", "|1mx\n");
	expect("\033[\033[1mx\n", "|x\n");
	expect("a\007\016\017\177b\n", "|ab\n");
}

/* What a guest never ends hides a line at most. */
static void
test_no_end(void **state)
{
	(void)state;
	expect("\033]0;never\nseen\n", "|\n|seen\n");
	expect("\033[1;2;3\nseen\n", "|\n|seen\n");
	expect("\033P\nseen\n", "|\n|seen\n");
}

static void
test_long(void **state)
{
	static char in[3 * PLAIN_LINE];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < PLAIN_LINE; i++) {
		in[len++] = (char)0xc3;
		in[len++] = (char)0xa4;
	}
	in[len] = '\0';
	static struct plain p;

	memset(&p, 0, sizeof p);
	memset(&seen, 0, sizeof seen);
	plain_take(&p, (const uint8_t *)in, len, on_line, &seen);
	plain_take(&p, (const uint8_t *)"\n", 1, on_line, &seen);
	/* Nothing is missing, and no character is cut. */
	size_t bytes = 0;

	for (char *line = strtok(seen.text, "\n"); line;
	     line = strtok(NULL, "\n")) {
		assert_true(strlen(line + 1) % 2 == 0);
		assert_int_equal(line[0], bytes ? '+' : '|');
		bytes += strlen(line + 1);
	}
	assert_int_equal(bytes, len);
}

/* From `clean` on the same lines come again, wherever it was cut. */
static void
test_clean(void **state)
{
	static const char in[] = "one\r\n\033[1mtwo\033[0m\nthr\xc3\xa4"
				 "ee\r\n\033]0;x\007four\n";
	static const char *const all = "|one\n|two\n|thr\xc3\xa4"
				       "ee\n|four\n";
	static struct plain p;

	(void)state;
	for (size_t cut = 0; cut < sizeof in; cut++) {
		memset(&p, 0, sizeof p);
		memset(&seen, 0, sizeof seen);
		plain_take(&p, (const uint8_t *)in, cut, on_line, &seen);
		size_t from = (size_t)p.clean;

		assert_true(from <= cut);
		memset(&p, 0, sizeof p);
		plain_take(&p, (const uint8_t *)in + from,
		    sizeof in - 1 - (from < sizeof in ? from : 0), on_line,
		    &seen);
		assert_string_equal(seen.text, all);
	}
}

static void
test_flush(void **state)
{
	static struct plain p;

	(void)state;
	memset(&p, 0, sizeof p);
	memset(&seen, 0, sizeof seen);
	plain_take(&p, (const uint8_t *)"login: ", 7, on_line, &seen);
	assert_string_equal(seen.text, "");
	plain_flush(&p, on_line, &seen);
	plain_flush(&p, on_line, &seen);
	assert_int_equal(p.clean, 7);
	plain_take(
	    &p, (const uint8_t *)"root\r\nPass\033[", 13, on_line, &seen);
	plain_flush(&p, on_line, &seen);
	assert_string_equal(seen.text, "|login: \n+root\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_sequences),
	    cmocka_unit_test(test_no_end),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_flush),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
