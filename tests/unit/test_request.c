/* Query strings and JSON bodies, mostly of clients that mean no good. */
#include <event2/keyvalq_struct.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"
#include "common/text.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *const allowed[] = {"rows", "cols", "name", NULL};

static const char *query; /* what nginx sends */

/* The last problem, and how many there were. */
static int status, problems;
static char code[32], detail[512];

/* These two stand in for server.c and reply.c. */
const char *
conn_param(const struct conn *conn, const char *name)
{
	(void)conn;
	return strcmp(name, "QUERY_STRING") == 0 ? query : "";
}

void
reply_problem(
    struct conn *conn, int number, const char *word, const char *fmt, ...)
{
	va_list ap;

	(void)conn;
	problems++;
	status = number;
	snprintf(code, sizeof code, "%s", word);
	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
}

static struct request r;
static uint8_t *body;

static int
setup(void **state)
{
	(void)state;
	memset(&r, 0, sizeof r);
	TAILQ_INIT(&r.query);
	problems = 0;
	query = "";
	body = NULL;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	request_finish(&r);
	free(body);
	return 0;
}

static void
again(void)
{
	teardown(NULL);
	setup(NULL);
}

static bool
parse_query(const char *text)
{
	again();
	query = text;
	return request_parse_query(&r, allowed);
}

/* The bytes lie at the end of their memory, without a NUL behind them. */
static bool
parse_bytes(const void *bytes, size_t len)
{
	again();
	if (len > 0) {
		body = malloc(len);
		assert_non_null(body);
		memcpy(body, bytes, len);
	}
	r.body = body;
	r.body_len = len;
	return request_parse_json(&r, allowed);
}

static bool
parse_json(const char *text)
{
	return parse_bytes(text, strlen(text));
}

/* One problem, of this kind, with a sentence that can be shown. */
static void
check_problem(const char *what, const char *want_code)
{
	if (problems != 1 || status != 400 || strcmp(code, want_code) != 0)
		fail_msg(
		    "\"%s\": %d problems, %d %s", what, problems, status, code);
	if (!text_is_clean(detail, sizeof detail))
		fail_msg("\"%s\": not to be shown: %s", what, detail);
}

static void
test_query(void **state)
{
	(void)state;
	assert_true(parse_query(""));
	assert_null(request_query(&r, "rows"));
	assert_true(parse_query("rows=24&cols=80&name=a%20b%2Fc%26d+e"));
	assert_string_equal(request_query(&r, "rows"), "24");
	assert_string_equal(request_query(&r, "cols"), "80");
	assert_string_equal(request_query(&r, "name"), "a b/c&d e");
	assert_null(request_query(&r, "other"));
	assert_true(parse_query("name="));
	assert_string_equal(request_query(&r, "name"), "");
	assert_int_equal(problems, 0);
}

static void
test_query_hostile(void **state)
{
	static const char *const texts[] = {
	    /* twice */
	    "rows=1&rows=1",
	    "rows=1&cols=2&rows=3",
	    "rows=&rows=",
	    /* unknown */
	    "row=1",
	    "rowss=1",
	    "Rows=1",
	    "rows=1&x=2",
	    "r%6fws=1",
	    " rows=1",
	    "+rows=1",
	    "rows%00=1",
	    "\x1b[2J=1",
	    "\xff=1",
	    "a\xc2\x9b=1",
	    /* NUL */
	    "rows=%00",
	    "rows=24%00x",
	    "name=a%00",
	    /* no pairs */
	    "rows",
	    "=1",
	    "=",
	    "rows=1&cols",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (parse_query(texts[i]))
			fail_msg("\"%s\" was taken", texts[i]);
		check_problem(texts[i], "bad-parameter");
	}
}

static void
test_query_length(void **state)
{
	char text[LIMIT_QUERY + 2] = "name=";

	(void)state;
	memset(text + 5, 'x', LIMIT_QUERY - 5);
	assert_true(parse_query(text));
	assert_int_equal(strlen(request_query(&r, "name")), LIMIT_QUERY - 5);
	text[LIMIT_QUERY] = 'x';
	assert_false(parse_query(text));
	check_problem("a long one", "bad-parameter");
}

/* A call without parameters takes none. */
static void
test_query_none_allowed(void **state)
{
	(void)state;
	query = "rows=1";
	assert_false(request_parse_query(&r, NULL));
	check_problem(query, "bad-parameter");
	again();
	query = "";
	assert_true(request_parse_query(&r, NULL));
}

static void
test_number(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
	    {"rows=1", true},
	    {"rows=200", true},
	    {"rows=0", false},
	    {"rows=201", false},
	    {"rows=", false},
	    {"rows=-1", false},
	    {"rows=%2B1", false},
	    {"rows=+1", false},
	    {"rows=1+", false},
	    {"rows=01", false},
	    {"rows=1.0", false},
	    {"rows=0x1", false},
	    {"rows=1%0A", false},
	    {"rows=18446744073709551617", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 4711;

		assert_true(parse_query(cases[i].text));
		if (request_number(&r, "rows", true, 1, 200, &value) !=
		    cases[i].good)
			fail_msg("\"%s\"", cases[i].text);
		if (cases[i].good)
			continue;
		check_problem(cases[i].text, "bad-parameter");
		assert_int_equal(value, 4711);
	}
}

static void
test_number_absent(void **state)
{
	uint64_t value = 4711;

	(void)state;
	assert_true(parse_query("cols=80"));
	assert_true(request_number(&r, "rows", false, 1, 200, &value));
	assert_int_equal(value, 4711);
	assert_int_equal(problems, 0);
	assert_false(request_number(&r, "rows", true, 1, 200, &value));
	check_problem("none", "bad-parameter");
	assert_non_null(strstr(detail, "rows"));
}

static void
test_json(void **state)
{
	static const char *const texts[] = {"{}", " {} ", "{}\r\n\t ",
	    "{\"rows\": 24, \"cols\": 80, \"name\": \"a\"}",
	    "{\"rows\":null,\"cols\":true}",
	    "{\"name\": \"a:b\\\":\\\\\", \"rows\": 1}",
	    "{\"name\": \"\\u00e9 \xc3\xa9 \\ud83d\\ude00\"}",
	    "{\"n\\u0061me\": \"a\"}"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		if (!parse_json(texts[i]))
			fail_msg("\"%s\" was refused: %s", texts[i], detail);
	assert_int_equal(problems, 0);
}

static void
test_json_hostile(void **state)
{
	static const char *const texts[] = {
	    /* no object */
	    "",
	    " ",
	    "null",
	    "1",
	    "\"rows\"",
	    "[]",
	    "[{}]",
	    "true",
	    /* not whole, or more than one */
	    "{",
	    "}",
	    "{\"rows\"",
	    "{\"rows\":",
	    "{\"rows\":1",
	    "{\"rows\":1,",
	    "{\"rows\":1,}",
	    "{,}",
	    "{\"name\": \"a}",
	    "{}{}",
	    "{} {}",
	    "{}x",
	    "{} null",
	    "{},",
	    "{}]",
	    "\xef\xbb\xbf{}",
	    /* not JSON */
	    "{rows: 1}",
	    "{\"rows\" 1}",
	    "{\"rows\": 1 \"cols\": 2}",
	    "{\"rows\": 1; \"cols\": 2}",
	    "{/* */}",
	    "// \n{}",
	    "{\"rows\": tru}",
	    "{\"rows\": True}",
	    "{\"rows\": undefined}",
	    "{\"name\": \"\\x41\"}",
	    "{\"name\": \"\\\xc3\xa9\"}",
	    "{\"name\": \"\\u12\"}",
	    /* twice */
	    "{\"rows\": 1, \"rows\": 1}",
	    "{\"rows\": 1, \"cols\": 2, \"rows\": 3}",
	    "{\"rows\": 1, \"r\\u006fws\": 2}",
	    "{\"name\": \"\\\\\", \"name\": \"\\\\\"}",
	    "{\"name\": \"\\\":\\\"\", \"name\": \"\"}",
	    /* unknown */
	    "{\"row\": 1}",
	    "{\"Rows\": 1}",
	    "{\"\": 1}",
	    "{\"rows\": 1, \"x\": 2}",
	    "{\"\\u001b[2J\": 1}",
	    "{\"\\u009b\": 1}",
	    /* nested */
	    "{\"rows\": {}}",
	    "{\"rows\": []}",
	    "{\"rows\": [1]}",
	    "{\"rows\": {\"cols\": 1}}",
	    "{\"rows\": {\"rows\": {\"rows\": {\"rows\": {}}}}}",
	    "{\"rows\": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}",
	    /* not UTF-8 */
	    "{\"name\": \"\xff\"}",
	    "{\"name\": \"\xc3\"}",
	    "{\"\xff\": 1}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		if (parse_json(texts[i]))
			fail_msg("\"%s\" was taken", texts[i]);
		check_problem(texts[i], "bad-body");
	}
}

/* Bytes that end a string for who reads them as one. */
static void
test_json_nul(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    {"\0", 1},
	    {"{}\0", 3},
	    {"{}\0\0 ", 5},
	    {"{}\0{}", 5},
	    {"\0{}", 3},
	    {"{\0}", 3},
	    {"{\"rows\"\0: 1}", 12},
	    {"{\"name\": \"a\0b\"}", 15},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (parse_bytes(cases[i].bytes, cases[i].len))
			fail_msg("number %zu was taken", i);
		check_problem("NUL", "bad-body");
	}
}

/* The deepest nesting that fits into a body ends no stack. */
static void
test_json_deep(void **state)
{
	static char text[LIMIT_BODY];

	(void)state;
	memset(text, '[', sizeof text);
	assert_false(parse_bytes(text, sizeof text));
	memset(text, '{', sizeof text);
	assert_false(parse_bytes(text, sizeof text));
	memset(text, ':', sizeof text);
	assert_false(parse_bytes(text, sizeof text));
	memset(text, '"', sizeof text);
	assert_false(parse_bytes(text, sizeof text));
	memset(text, '\\', sizeof text);
	assert_false(parse_bytes(text, sizeof text));
}

static void
test_member_text(void **state)
{
	static const struct {
		const char *json, *want; /* NULL: refused */
	} cases[] = {
	    {"{\"name\": \"web1\"}", "web1"},
	    {"{\"name\": \"\\u00e9\"}", "\xc3\xa9"},
	    {"{\"name\": \"a\\/b\"}", "a/b"},
	    {"{}", NULL},
	    {"{\"name\": \"\"}", NULL},
	    {"{\"name\": null}", NULL},
	    {"{\"name\": 1}", NULL},
	    {"{\"name\": true}", NULL},
	    {"{\"name\": \"a\\u0000\"}", NULL},
	    {"{\"name\": \"\\u0000\"}", NULL},
	    {"{\"name\": \"a\\u0000b\"}", NULL},
	    {"{\"name\": \"a\\nb\"}", NULL},
	    {"{\"name\": \"\\u001b[2J\"}", NULL},
	    {"{\"name\": \"\\u007f\"}", NULL},
	    {"{\"name\": \"\\u009b\"}", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *value = NULL;

		assert_true(parse_json(cases[i].json));
		if (request_member_text(&r, "name", &value) !=
		    (cases[i].want != NULL))
			fail_msg("\"%s\"", cases[i].json);
		if (cases[i].want)
			assert_string_equal(value, cases[i].want);
		else
			check_problem(cases[i].json, "bad-body");
	}
}

static void
test_member_text_length(void **state)
{
	char text[LIMIT_STRING + 32];
	const char *value;

	(void)state;
	for (int len = LIMIT_STRING; len <= LIMIT_STRING + 1; len++) {
		snprintf(text, sizeof text, "{\"name\": \"%0*d\"}", len, 0);
		assert_true(parse_json(text));
		assert_int_equal(request_member_text(&r, "name", &value),
		    len == LIMIT_STRING);
	}
	check_problem("a long one", "bad-body");
}

/*
 * A lone half of a surrogate pair and an overlong form are no characters, and
 * a control byte must be written otherwise.  json-c's versions differ in what
 * of that they see themselves.
 */
static void
test_member_unclean(void **state)
{
	static const char *const texts[] = {"{\"name\": \"\\ud800\"}",
	    "{\"name\": \"\\udc00\"}", "{\"name\": \"\\ud800\\ud800\"}",
	    "{\"name\": \"a\\ud83db\"}", "{\"name\": \"a\nb\"}"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		const char *value = "";

		/* Refused, or replaced by U+FFFD: both are clean. */
		if (parse_json(texts[i]) &&
		    request_member_text(&r, "name", &value))
			assert_true(text_is_clean(value, LIMIT_STRING));
		else
			check_problem(texts[i], "bad-body");
	}
}

static void
test_member_number(void **state)
{
	static const struct {
		const char *json;
		int64_t want; /* 0: refused */
	} cases[] = {
	    {"{\"rows\": 1}", 1},
	    {"{\"rows\": 200}", 200},
	    {"{}", 0},
	    {"{\"rows\": 0}", 0},
	    {"{\"rows\": -1}", 0},
	    {"{\"rows\": 201}", 0},
	    {"{\"rows\": 4294967297}", 0},
	    {"{\"rows\": 9223372036854775807}", 0},
	    {"{\"rows\": 9223372036854775808}", 0},
	    {"{\"rows\": 18446744073709551617}", 0},
	    {"{\"rows\": -9223372036854775809}", 0},
	    {"{\"rows\": 99999999999999999999999999999}", 0},
	    {"{\"rows\": 24.0}", 0},
	    {"{\"rows\": 24.5}", 0},
	    {"{\"rows\": 2e1}", 0},
	    {"{\"rows\": 1e999}", 0},
	    {"{\"rows\": \"24\"}", 0},
	    {"{\"rows\": null}", 0},
	    {"{\"rows\": true}", 0},
	    {"{\"cols\": 24}", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t value = 0;

		if (!parse_json(cases[i].json)) {
			assert_int_equal(cases[i].want, 0);
			check_problem(cases[i].json, "bad-body");
			continue;
		}
		if (request_member_number(&r, "rows", 1, 200, &value) !=
		    (cases[i].want != 0))
			fail_msg("\"%s\"", cases[i].json);
		if (cases[i].want)
			assert_int_equal(value, cases[i].want);
		else
			check_problem(cases[i].json, "bad-body");
	}
}

static void
test_not_numbers(void **state)
{
	static const char *const texts[] = {"{\"rows\": NaN}",
	    "{\"rows\": Infinity}", "{\"rows\": -Infinity}", "{\"rows\": +1}",
	    "{\"rows\": .5}", "{\"rows\": 0x18}", "{\"rows\": 1_0}",
	    "{\"rows\": 24a}", "{\"rows\": --1}"};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		int64_t value;

		if (parse_json(texts[i]) &&
		    request_member_number(&r, "rows", 1, 200, &value))
			fail_msg("\"%s\" was taken", texts[i]);
		check_problem(texts[i], "bad-body");
	}
}

static void
test_member_bool(void **state)
{
	static const char *const wrong[] = {"{\"name\": 1}", "{\"name\": 0}",
	    "{\"name\": \"true\"}", "{\"name\": null}"};
	bool value = true;

	(void)state;
	assert_true(parse_json("{}"));
	assert_true(request_member_bool(&r, "name", &value));
	assert_true(value);
	assert_true(parse_json("{\"name\": false}"));
	assert_true(request_member_bool(&r, "name", &value));
	assert_false(value);
	assert_true(parse_json("{\"name\": true}"));
	assert_true(request_member_bool(&r, "name", &value));
	assert_true(value);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		assert_true(parse_json(wrong[i]));
		if (request_member_bool(&r, "name", &value))
			fail_msg("\"%s\" was taken", wrong[i]);
		check_problem(wrong[i], "bad-body");
		assert_true(value);
	}
}

/* What parsing has made is freed also after it has failed, and once. */
static void
test_finish(void **state)
{
	(void)state;
	assert_false(parse_query("rows=1&rows=2"));
	request_finish(&r);
	request_finish(&r);
	assert_null(request_query(&r, "rows"));
	assert_false(parse_json("{\"rows\": []}"));
	request_finish(&r);
	assert_null(r.members);
	request_finish(&r);
}

int
main(void)
{
#define WITH_REQUEST(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_REQUEST(test_query),
	    WITH_REQUEST(test_query_hostile),
	    WITH_REQUEST(test_query_length),
	    WITH_REQUEST(test_query_none_allowed),
	    WITH_REQUEST(test_number),
	    WITH_REQUEST(test_number_absent),
	    WITH_REQUEST(test_json),
	    WITH_REQUEST(test_json_hostile),
	    WITH_REQUEST(test_json_nul),
	    WITH_REQUEST(test_json_deep),
	    WITH_REQUEST(test_member_text),
	    WITH_REQUEST(test_member_text_length),
	    WITH_REQUEST(test_member_unclean),
	    WITH_REQUEST(test_member_number),
	    WITH_REQUEST(test_not_numbers),
	    WITH_REQUEST(test_member_bool),
	    WITH_REQUEST(test_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
