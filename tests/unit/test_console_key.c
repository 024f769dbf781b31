/* The names of consoles: uuid, kind, number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/console_key.h"
#include "common/limits.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define UUID "0f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b91"

static const uint8_t uuid_bytes[16] = {0x0f, 0x3c, 0x9a, 0x52, 0x6d, 0x0e, 0x4b,
    0x0e, 0x9c, 0x3a, 0x5f, 0x1d, 0x2e, 0x3c, 0x4b, 0x91};

static void
test_uuid(void **state)
{
	uint8_t out[16];

	(void)state;
	assert_true(console_uuid_parse(UUID, out));
	assert_memory_equal(out, uuid_bytes, sizeof out);
	memset(out, 0, sizeof out);
	assert_true(
	    console_uuid_parse("0F3C9A52-6D0E-4B0E-9C3A-5F1D2E3C4B91", out));
	assert_memory_equal(out, uuid_bytes, sizeof out);
}

static void
test_uuid_hostile(void **state)
{
	static const char *const texts[] = {"", "-", "0",
	    "0f3c9a526d0e4b0e9c3a5f1d2e3c4b91",
	    "0f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b9",
	    "0f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b911",
	    "0f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b9g",
	    "0f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b9\n",
	    " 0f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b9",
	    "0f3c9a5-26d0e-4b0e-9c3a-5f1d2e3c4b91",
	    "0f3c9a52_6d0e_4b0e_9c3a_5f1d2e3c4b91",
	    "0f3c9a52-6d0e-4b0e-9c3a05f1d2e3c4b91",
	    "------------------------------------",
	    "0x3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b91",
	    "+f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b91",
	    "{f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b9}"};
	uint8_t out[16];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (console_uuid_parse(texts[i], out))
			fail_msg("\"%s\" was taken", texts[i]);
}

static void
test_kind(void **state)
{
	uint32_t kind = 9, number = 9;

	(void)state;
	assert_true(console_kind_parse("pv0", &kind, &number));
	assert_int_equal(kind, CONSOLE_PV);
	assert_int_equal(number, 0);
	assert_true(console_kind_parse("serial3", &kind, &number));
	assert_int_equal(kind, CONSOLE_SERIAL);
	assert_int_equal(number, 3);
	assert_string_equal(console_kind_name(CONSOLE_PV), "pv");
	assert_string_equal(console_kind_name(CONSOLE_SERIAL), "serial");
	assert_int_equal(LIMIT_CONSOLES_OF_KIND, 4);
}

static void
test_kind_hostile(void **state)
{
	static const char *const texts[] = {"", "pv", "serial", "PV0",
	    "Serial0", "pv4", "serial4", "pv00", "pv01", "pv-1", "pv 0", " pv0",
	    "pv0 ", "pv0/", "vnc0", "pvserial0", "seria0", "serial0x",
	    "pv4294967296", "pv18446744073709551616"};
	uint32_t kind, number;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (console_kind_parse(texts[i], &kind, &number))
			fail_msg("\"%s\" was taken", texts[i]);
}

static void
test_key(void **state)
{
	static const char *const ids[] = {UUID "/pv0", UUID "/pv3",
	    UUID "/serial0", UUID "/serial3",
	    "00000000-0000-0000-0000-000000000000/pv1",
	    "ffffffff-ffff-ffff-ffff-ffffffffffff/serial2"};

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++) {
		char text[CONSOLE_KEY_TEXT];
		struct console_key key;

		assert_true(console_key_parse(ids[i], &key));
		console_key_format(&key, text);
		assert_string_equal(text, ids[i]);
	}
}

static void
test_key_hostile(void **state)
{
	static const char *const ids[] = {"", "/", "/pv0", "web1", "web1/pv0",
	    UUID, UUID "/", UUID "/pv", UUID "pv0", UUID "//pv0", UUID "/pv0/",
	    UUID "/pv0 ", UUID " /pv0", UUID "-/pv0", UUID "/pv4", UUID "/xv0",
	    "x" UUID "/pv0", "0f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b9/pv0",
	    "0f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4bzz/pv0"};
	struct console_key key;

	(void)state;
	for (size_t i = 0; i < COUNT(ids); i++)
		if (console_key_parse(ids[i], &key))
			fail_msg("\"%s\" was taken", ids[i]);
}

/* A key that came in a message may hold any number: it must still fit. */
static void
test_longest(void **state)
{
	struct console_key key = {.kind = CONSOLE_SERIAL, .number = UINT32_MAX};
	char text[CONSOLE_KEY_TEXT];

	(void)state;
	memcpy(key.uuid, uuid_bytes, sizeof key.uuid);
	console_key_format(&key, text);
	assert_string_equal(text, UUID "/serial4294967295");
	assert_false(console_key_parse(text, &key));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_uuid),
	    cmocka_unit_test(test_uuid_hostile),
	    cmocka_unit_test(test_kind),
	    cmocka_unit_test(test_kind_hostile),
	    cmocka_unit_test(test_key),
	    cmocka_unit_test(test_key_hostile),
	    cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
