/* The steps of expect, as they come in JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/expect_program.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct expect_program *
parse(const char *json, char error[EXPECT_ERROR])
{
	return expect_program_parse((const uint8_t *)json, strlen(json), error);
}

static struct expect_program *
good(const char *json)
{
	char error[EXPECT_ERROR];
	struct expect_program *p = parse(json, error);

	if (!p)
		fail_msg("%s: %s", json, error);
	return p;
}

static void
test_defaults(void **state)
{
	struct expect_program *p =
	    good("{\"steps\": [{\"send\": \"\\r\"}, {\"until\": \"a\"}]}\n");

	(void)state;
	assert_int_equal(p->nsteps, 2);
	assert_int_equal(p->steps[0].send_len, 1);
	assert_int_equal(p->steps[0].send[0], '\r');
	assert_int_equal(p->steps[0].npatterns, 0);
	assert_null(p->steps[1].send);
	assert_int_equal(p->steps[1].npatterns, 1);
	assert_int_equal(p->steps[1].patterns[0].then, EXPECT_DONE);
	assert_int_equal(p->steps[1].otherwise, EXPECT_FAIL);
	assert_int_equal(p->steps[1].timeout_ms, EXPECT_TIMEOUT * 1000);
	assert_false(p->steps[1].on_screen);
	expect_program_free(p);
}

static void
test_everything(void **state)
{
	struct expect_program *p =
	    good("{\"steps\": [{\"name\": \"start\", \"send\": \"\\u0000x\","
		 " \"until\": [\"a\", {\"match\": \"b\", \"then\": \"end\"},"
		 " {\"match\": \"c\", \"then\": \"fail\"}], \"timeout\": 0.5,"
		 " \"else\": \"start\", \"on\": \"screen\"},"
		 " {\"until\": \"x\", \"else\": \"next\"},"
		 " {\"name\": \"end\", \"until\": {\"match\": \"y\", \"then\":"
		 " \"done\"}}]}");
	const struct expect_step *step = &p->steps[0];

	(void)state;
	assert_string_equal(step->name, "start");
	assert_int_equal(step->send_len, 2);
	assert_int_equal(step->npatterns, 3);
	assert_int_equal(step->patterns[0].then, 1);
	assert_int_equal(step->patterns[1].then, 2);
	assert_int_equal(step->patterns[2].then, EXPECT_FAIL);
	assert_int_equal(step->timeout_ms, 500);
	assert_int_equal(step->otherwise, 0);
	assert_true(step->on_screen);
	assert_int_equal(p->steps[1].otherwise, 2);
	assert_int_equal(p->steps[2].patterns[0].then, EXPECT_DONE);
	expect_program_free(p);
}

static void
test_mistakes(void **state)
{
	static const char *const texts[] = {"", "x", "{}", "[]", "null",
	    "{\"steps\": []}", "{\"steps\": {}}", "{\"steps\": [1]}",
	    "{\"steps\": [{}]}", "{\"steps\": [{\"until\": \"a\"}]} x",
	    "{\"steps\": [{\"until\": \"a\"}], \"more\": 1}",
	    "{\"steps\": [{\"until\": \"a\", \"more\": 1}]}",
	    "{\"steps\": [{\"until\": []}]}", "{\"steps\": [{\"until\": 1}]}",
	    "{\"steps\": [{\"until\": \"\"}]}",
	    "{\"steps\": [{\"until\": \"(\"}]}",
	    "{\"steps\": [{\"until\": \"a\\u0000b\"}]}",
	    "{\"steps\": [{\"until\": {\"then\": \"next\"}}]}",
	    "{\"steps\": [{\"until\": {\"match\": \"a\", \"x\": 1}}]}",
	    "{\"steps\": [{\"until\": {\"match\": \"a\", \"then\": 1}}]}",
	    "{\"steps\": [{\"until\": {\"match\": \"a\", \"then\": \"no\"}}]}",
	    "{\"steps\": [{\"send\": \"\"}]}", "{\"steps\": [{\"send\": 1}]}",
	    "{\"steps\": [{\"until\": \"a\", \"else\": \"nowhere\"}]}",
	    "{\"steps\": [{\"until\": \"a\", \"timeout\": 0}]}",
	    "{\"steps\": [{\"until\": \"a\", \"timeout\": -1}]}",
	    "{\"steps\": [{\"until\": \"a\", \"timeout\": 3601}]}",
	    "{\"steps\": [{\"until\": \"a\", \"timeout\": \"1\"}]}",
	    "{\"steps\": [{\"until\": \"a\", \"timeout\": 1e999}]}",
	    "{\"steps\": [{\"until\": \"a\", \"on\": \"paper\"}]}",
	    "{\"steps\": [{\"until\": \"a\", \"name\": \"\"}]}",
	    "{\"steps\": [{\"until\": \"a\", \"name\": \"done\"}]}",
	    "{\"steps\": [{\"until\": \"a\", \"name\": \"a\\n\"}]}",
	    ("{\"steps\": [{\"until\": \"a\", \"name\": \"x\"},"
	     " {\"until\": \"a\", \"name\": \"x\"}]}"),
	    "{\"steps\": [{\"until\": [[\"a\"]]}]}",
	    "{\"steps\": [[[[[[[[[[[[1]]]]]]]]]]]]}"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char error[EXPECT_ERROR] = "";

		if (parse(texts[i], error))
			fail_msg("%s was taken", texts[i]);
		assert_true(strlen(error) > 10);
		assert_int_equal(error[strlen(error) - 1], '.');
	}
}

/* n steps, or a step with n patterns. */
static bool
is_taken(const char *begin, const char *one, int n, const char *end)
{
	char *json = calloc(1, 64 + (size_t)n * 32), error[EXPECT_ERROR];
	struct expect_program *p;

	assert_non_null(json);
	strcpy(json, begin);
	for (int i = 0; i < n; i++) {
		strcat(json, i ? "," : "");
		strcat(json, one);
	}
	strcat(json, end);
	p = parse(json, error);
	free(json);
	expect_program_free(p);
	return p != NULL;
}

static void
test_limits(void **state)
{
	static const char step[] = "{\"until\": \"a\"}";

	(void)state;
	assert_true(is_taken("{\"steps\": [", step, LIMIT_EXPECT_STEPS, "]}"));
	assert_false(
	    is_taken("{\"steps\": [", step, LIMIT_EXPECT_STEPS + 1, "]}"));
	assert_true(is_taken("{\"steps\": [{\"until\": [", "\"a\"",
	    LIMIT_EXPECT_PATTERNS, "]}]}"));
	assert_false(is_taken("{\"steps\": [{\"until\": [", "\"a\"",
	    LIMIT_EXPECT_PATTERNS + 1, "]}]}"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_everything),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
