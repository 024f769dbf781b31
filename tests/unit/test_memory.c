/* The reserve for what cannot bear to be refused memory, and JSON that is whole
 * or is not there. */
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"
#include "fcgi/json_build.h"
#include "fcgi/memory.h"

static void
test_a_refusal_is_counted(void **state)
{
	uint64_t before = memory_refusals();

	(void)state;
	assert_null(memory_refused(1));
	assert_int_equal(memory_refusals(), before + 1);
}

static void
test_the_reserve(void **state)
{
	uint64_t before = memory_refusals();
	uint8_t *first, *second;

	(void)state;
	memory_reserve_begin();
	first = memory_refused(100);
	second = memory_refused(7);
	memory_reserve_end();
	assert_non_null(first);
	assert_non_null(second);
	assert_int_equal(memory_refusals(), before + 2);
	assert_true(memory_is_reserve(first) && memory_is_reserve(second));
	assert_false(memory_is_reserve(&first));
	assert_false(memory_is_reserve(NULL));
	assert_true(memory_reserve_size(first) >= 100);
	assert_int_equal((uintptr_t)second % _Alignof(max_align_t), 0);
	memset(first, 1, 100);
	memset(second, 2, 7);
	assert_int_equal(first[99], 1);
	assert_null(memory_refused(1)); /* closed */
	memory_reserve_free(first);
	memory_reserve_free(second);
}

/* All of it is had again when all of it was freed. */
static void
test_the_reserve_is_refilled(void **state)
{
	const size_t whole = LIMIT_REQUEST * sizeof(void *);
	void *blocks[64];
	size_t n[2];

	(void)state;
	for (int round = 0; round < 2; round++) {
		n[round] = 0;
		memory_reserve_begin();
		while (
		    n[round] < 64 && (blocks[n[round]] = memory_refused(whole)))
			n[round]++;
		assert_null(memory_refused(SIZE_MAX));
		assert_null(memory_refused(SIZE_MAX - 8));
		memory_reserve_end();
		for (size_t i = 0; i < n[round]; i++)
			memory_reserve_free(blocks[i]);
	}
	assert_true(n[0] > 0 && n[0] < 64);
	assert_int_equal(n[0], n[1]);
}

static void
test_json_is_whole(void **state)
{
	struct json_object *list = json_object_new_array();
	struct json_object *obj = json_object_new_object();
	size_t len;

	(void)state;
	json_append_null(&list);
	json_append(&list, json_object_new_int(7));
	json_put_text(&obj, "text", "a/\"b\"");
	json_put_number(&obj, "number", UINT64_MAX);
	json_put_bool(&obj, "bool", true);
	json_put(&obj, "list", list);
	assert_string_equal(json_text(obj, &len),
	    "{\"text\":\"a/\\\"b\\\"\",\"number\":18446744073709551615,"
	    "\"bool\":true,\"list\":[null,7]}");
	assert_int_equal(len, strlen(json_text(obj, &len)));
	json_object_put(obj);
}

/* What lacks a piece is given up, and so is what it belongs to. */
static void
test_json_that_lacks_something(void **state)
{
	struct json_object *list = json_object_new_array();
	struct json_object *obj = json_object_new_object();
	size_t len;

	(void)state;
	json_append(&list, json_object_new_int(1));
	json_append(&list, NULL);
	assert_null(list);
	json_append(&list, json_object_new_int(2)); /* which is freed */
	json_append_null(&list);
	assert_null(list);
	json_put_number(&obj, "one", 1);
	json_put(&obj, "list", list);
	assert_null(obj);
	json_put_text(&obj, "text", "text");
	json_put_bool(&obj, "bool", false);
	assert_null(obj);
	assert_null(json_text(obj, &len));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_refusal_is_counted),
	    cmocka_unit_test(test_the_reserve),
	    cmocka_unit_test(test_the_reserve_is_refilled),
	    cmocka_unit_test(test_json_is_whole),
	    cmocka_unit_test(test_json_that_lacks_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
