/* What a guest prints, and what of it the terminal of root gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/filter.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Whole, and byte by byte. */
static void
check(const char *in, size_t len, const char *want, size_t size)
{
	struct filter whole = {0}, single = {0};
	char *out = malloc(len + FILTER_MAX);
	size_t total = 0;

	assert_non_null(out);
	assert_int_equal(filter_take(&whole, in, len, out), size);
	assert_memory_equal(out, want, size);
	for (size_t i = 0; i < len; i++) {
		char piece[1 + FILTER_MAX];
		size_t n = filter_take(&single, in + i, 1, piece);

		assert_true(total + n <= size);
		assert_memory_equal(piece, want + total, n);
		total += n;
	}
	assert_int_equal(total, size);
	free(out);
}

static void
test_goes_through(void **state)
{
	static const char *const texts[] = {"plain\r\n\t\b\a",
	    "caf\xc3\xa9 \xe2\x94\x80", "\xc2\xa0", "\x1b[2J\x1b[1;1H",
	    "\x1b[0;1;38;5;12m", "\x1b[?1049h\x1b[?25l", "\x1b(B\x1b)0",
	    "\x1b"
	    "7\x1b"
	    "8\x1b"
	    "D\x1b"
	    "M\x1b=\x1b>\x1b"
	    "c",
	    "\x1b[5;10r\x1b[!p\x1b[2 q\x1b[u", "\x1b]0;a title\a",
	    "\x1b[4h\x1b[20l\x1b[4;20h", "\x1b[?1;7;25;2004h\x1b[2S\x1b[3s",
	    "\x1b[?1000;1002;1006h\x1b[?1004h\x1b[?5l", FILTER_RESET,
	    "\x1b]2;another\x1b\\x"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		check(texts[i], strlen(texts[i]), texts[i], strlen(texts[i]));
}

static void
test_is_left_out(void **state)
{
	static const char *const texts[] = {/* questions */
	    "\x1b[c", "\x1b[>c", "\x1b[0c", "\x1b[=c", "\x1b[5n", "\x1b[6n",
	    "\x1b[?6n", "\x1b[x", "\x1bZ", "\x05", "\x1b[?1$p", "\x1b[>q",
	    "\x1b[18t", "\x1b[21t", "\x1b[?u", "\x1b[1;1;1;1;1;1*y",
	    "\x1bP$qm\x1b\\", "\x1bP+q544e\x1b\\", "\x1b]10;?\a",
	    "\x1b]4;1;?\x1b\\",
	    /* what reaches beyond the screen */
	    "\x1b]52;c;cm0gLXJmIC8=\a", "\x1b]52;c;?\a", "\x1b[5i",
	    "\x1b[>4;2m", "\x1b_secret\x1b\\", "\x1b^x\x1b\\", "\x1bXx\x1b\\",
	    "\x1b]50;font\a", "\xc2\x9b", "\xc2\x90",
	    /* the keyboard: locked, and what keys send */
	    "\x1b[2h", "\x1b[4;2h", "\x1b[12l", "\x1b[?67h", "\x1b[?1035h",
	    "\x1b[?25;67h", "\x1b[=1h", "\x1b[h", "\x1b[?h", "\x1b[?1:2h",
	    /* the window: its columns and lines */
	    "\x1b[?3h", "\x1b[?40h", "\x1b[132$|", "\x1b[50*|",
	    /* another terminal: VT52, a character set in which a byte of
	     * UTF-8 begins a sequence, modes kept and had back */
	    "\x1b[?2l", "\x1b%@", "\x1b%G", "\x1b%/G", "\x1b[?3s", "\x1b[?3r",
	    /* more questions: graphics, colours, the locator */
	    "\x1b[?1;1;0S", "\x1b[#R", "\x1b[#|", "\x1b['|"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char in[64] = "a";

		strcat(in, texts[i]);
		strcat(in, "b");
		check(in, strlen(in), "ab", 2);
	}
}

/* A sequence that never ends holds nothing up for ever, and nothing grows. */
static void
test_long_sequences(void **state)
{
	char in[4096];

	(void)state;
	memset(in, '1', sizeof in);
	memcpy(in, "\x1b[", 2);
	in[sizeof in - 2] = 'm';
	in[sizeof in - 1] = 'x';
	check(in, sizeof in, "x", 1);
	in[sizeof in - 2] = 'h';
	check(in, sizeof in, "x", 1);
	memset(in + 2, ';', sizeof in - 4);
	check(in, sizeof in, "x", 1);
	memcpy(in, "\x1b]0;", 4);
	in[sizeof in - 2] = '\a';
	check(in, sizeof in, "x", 1);
}

static void
test_broken_off(void **state)
{
	(void)state;
	/* CAN ends a question before it is one; ESC begins the next. */
	check("\x1b[6\x18n", 5, "\x18n", 2);
	check("\x1b[6\x1b[1mx", 8, "\x1b[1mx", 5);
	check("\x1b\x1b[6n!", 6, "!", 1);
	check("\x1b]52;x\x18y", 8, "\x18y", 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_goes_through),
	    cmocka_unit_test(test_is_left_out),
	    cmocka_unit_test(test_long_sequences),
	    cmocka_unit_test(test_broken_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
