/* The audit log: whole lines, and nothing in them that is not text. */
#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "fcgi/audit.h"

static char folder[] = "/tmp/xenterm-audit-XXXXXX";
static char path[sizeof folder + 16];

static int
setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/audit.log", folder);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	audit_close();
	unlink(path);
	rmdir(folder);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return 0;
}

/* The last line of the file, parsed; it is the caller's.  There are n. */
static struct json_object *
last_line(int n)
{
	static char line[8192], last[8192];
	FILE *file = fopen(path, "r");
	struct json_object *obj;

	assert_non_null(file);
	while (fgets(line, sizeof line, file)) {
		n--;
		strcpy(last, line);
		assert_int_equal(last[strlen(last) - 1], '\n');
	}
	fclose(file);
	assert_int_equal(n, 0);
	obj = json_tokener_parse(last);
	assert_non_null(obj);
	return obj;
}

static const char *
member(struct json_object *obj, const char *name)
{
	return json_object_get_string(json_object_object_get(obj, name));
}

static void
test_lines(void **state)
{
	struct json_object *line;
	struct stat st;

	(void)state;
	assert_int_equal(audit_open(path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777 & ~0640, 0);
	audit(&(struct audit){.event = "opened",
	    .user = "alice",
	    .address = "::1",
	    .session = "1",
	    .mode = "type",
	    .why = ""});
	line = last_line(1);
	assert_int_equal(json_object_object_length(line), 6);
	assert_string_equal(member(line, "event"), "opened");
	assert_string_equal(member(line, "user"), "alice");
	assert_string_equal(member(line, "address"), "::1");
	assert_int_equal(
	    strlen(member(line, "time")), strlen("2026-11-23T08:00:00.000Z"));
	json_object_put(line);
	audit_refused("10.0.0.1", NULL, "web1", "taken");
	line = last_line(2);
	assert_string_equal(member(line, "event"), "refused");
	assert_string_equal(member(line, "wanted"), "web1");
	assert_string_equal(member(line, "why"), "taken");
	assert_null(member(line, "user"));
	json_object_put(line);
	/* Somebody has cut the file short; and it goes on after a restart. */
	assert_int_equal(truncate(path, 0), 0);
	audit(&(struct audit){.event = "closed"});
	json_object_put(last_line(1));
	assert_int_equal(audit_open(path), 0);
	audit(&(struct audit){.event = "closed"});
	json_object_put(last_line(2));
}

static void
test_hostile(void **state)
{
	static const char *const texts[] = {"a\nb", "\x1b[2J", "\xff", "\x7f",
	    "\xc2\x9b", "{\"event\":\"opened\"}\n"};
	char longest[LIMIT_STRING + 2];
	struct json_object *line;
	int n = 0;

	(void)state;
	assert_int_equal(audit_open(path), 0);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		audit(&(struct audit){.event = "refused", .user = texts[i]});
		line = last_line(++n);
		assert_string_equal(member(line, "user"), "?");
		json_object_put(line);
	}
	audit(&(struct audit){.event = "refused", .user = "a\",\"b\":\"\\"});
	line = last_line(++n);
	assert_string_equal(member(line, "user"), "a\",\"b\":\"\\");
	json_object_put(line);
	memset(longest, '"', sizeof longest);
	longest[LIMIT_STRING] = '\0';
	audit(&(struct audit){.event = "refused",
	    .user = longest,
	    .wanted = longest,
	    .why = longest});
	line = last_line(++n);
	assert_string_equal(member(line, "wanted"), longest);
	json_object_put(line);
}

static void
test_no_file(void **state)
{
	(void)state;
	assert_int_equal(audit_open("/nonexistent/audit.log"), -ENOENT);
	assert_int_equal(audit_open(folder), -EISDIR);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(audit_open(path), -ELOOP);
	/* Into the log, which says nothing here. */
	assert_int_equal(audit_open(""), 0);
	audit(&(struct audit){.event = "opened"});
}

int
main(void)
{
#define WITH_ALL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_ALL(test_lines),
	    WITH_ALL(test_hostile),
	    WITH_ALL(test_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
