#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "common/cast.h"

static char *
written(FILE *mem, char **text)
{
	fclose(mem);
	return *text;
}

static void
test_header(void **state)
{
	char *text;
	size_t len;
	FILE *mem = open_memstream(&text, &len);
	struct json_object *obj;

	(void)state;
	cast_header(mem, 24, 80, 1700000000, "we\"b\\1\n\xff");
	obj = json_tokener_parse(written(mem, &text));
	assert_non_null(obj);
	assert_int_equal(
	    json_object_get_int(json_object_object_get(obj, "version")), 2);
	assert_int_equal(
	    json_object_get_int(json_object_object_get(obj, "width")), 80);
	assert_string_equal(
	    json_object_get_string(json_object_object_get(obj, "title")),
	    "we\"b\\1\n\xef\xbf\xbd");
	json_object_put(obj);
	free(text);
}

static void
test_characters(void **state)
{
	struct cast cast = {0};
	char *text;
	size_t len;
	FILE *mem = open_memstream(&text, &len);

	(void)state;
	cast_output(&cast, mem, 0.5, (const uint8_t *)"a\033[\xe2", 4);
	cast_output(&cast, mem, 1, (const uint8_t *)"\x82", 1);
	cast_output(&cast, mem, 1.5, (const uint8_t *)"\xac\x7f", 2);
	/* What is no character is not waited for. */
	cast_output(&cast, mem, 2, (const uint8_t *)"\x82\xff\xf0x", 4);
	cast_event(mem, 3, 'm', "", 0);
	assert_string_equal(written(mem, &text),
	    "[0.500000, \"o\", \"a\\u001b[\"]\n"
	    "[1.500000, \"o\", \"\xe2\x82\xac\\u007f\"]\n"
	    "[2.000000, \"o\", "
	    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\"]\n"
	    "[3.000000, \"m\", \"\"]\n");
	assert_int_equal(cast.nheld, 0);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_header),
	    cmocka_unit_test(test_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
