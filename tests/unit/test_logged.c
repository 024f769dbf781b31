/* One console's log and recordings, as the worker's feed tells them: from where
 * it is followed, what comes twice, what is missing, how many files stay. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "logger/hooks.h"
#include "logger/link.h"
#include "logger/logged.h"
#include "tests/unit/stubs.h"

#define ID	"01000000-0000-0000-0000-000000000000"
#define ID_PV0	ID "/pv0"
#define RUN	77
#define CONSOLE 5

static char dir[] = "/tmp/xenterm-logged-XXXXXX";
static struct config_log section;
static struct config config;
static struct logger logger = {.config = &config};
static struct logged *logged;

/* What the worker was asked for last, and how often. */
static struct {
	uint64_t run, offset;
	unsigned follows, screens;
} asked;

void __wrap_link_follow(struct link *link, uint32_t number, uint64_t run,
    uint64_t offset, uint8_t flags);
void __wrap_link_ask_snapshot(struct link *link, uint32_t number);
void __wrap_hooks_tell(struct hooks *hooks, const struct hook_event *event);
void __wrap_hooks_line(struct hooks *hooks, const struct hook_event *event);

void
__wrap_link_follow(struct link *link, uint32_t number, uint64_t run,
    uint64_t offset, uint8_t flags)
{
	(void)link;
	(void)flags;
	assert_int_equal(number, CONSOLE);
	asked.run = run;
	asked.offset = offset;
	asked.follows++;
}

void
__wrap_link_ask_snapshot(struct link *link, uint32_t number)
{
	(void)link;
	assert_int_equal(number, CONSOLE);
	asked.screens++;
}

void
__wrap_hooks_tell(struct hooks *hooks, const struct hook_event *event)
{
	(void)hooks;
	(void)event;
}

void
__wrap_hooks_line(struct hooks *hooks, const struct hook_event *event)
{
	(void)hooks;
	(void)event;
}

static const char *
path_of(const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s.pv0/%s", dir, ID, name);
	return path;
}

/* The logger starts, or starts again; what the worker tells it first. */
static void
start(void)
{
	struct json_object *now = json_tokener_parse(
	    "{\"console\": \"" ID_PV0 "\", \"name\": \"web1\", "
	    "\"guest\": \"web1\", \"state\": \"up\", \"domid\": 3, "
	    "\"rows\": 24, \"cols\": 80, \"run\": 77, \"viewers\": 0}");

	logged_destroy(logged);
	memset(&asked, 0, sizeof asked);
	logged = logged_create(&logger, now);
	assert_non_null(logged);
	logged_update(logged, CONSOLE, now);
	json_object_put(now);
}

static int
setup(void **state)
{
	static char *none[] = {NULL};
	char by_name[64];

	(void)state;
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	section = (struct config_log){.pattern = (char *)"*",
	    .text = true,
	    .record = RECORD_ALWAYS,
	    .size = 1024 * 1024,
	    .keep = 3,
	    .record_size = 1024 * 1024,
	    .record_keep = 2,
	    .crash = none};
	if (!mkdtemp(dir))
		return -1;
	config = (struct config){.log_dir = dir, .logs = &section, .nlogs = 1};
	snprintf(by_name, sizeof by_name, "%s/by-name", dir);
	logger.base = event_base_new();
	return logger.base && mkdir(by_name, 0700) == 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	char command[64];

	(void)state;
	logged_destroy(logged);
	logged = NULL;
	event_base_free(logger.base);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void
print(uint64_t offset, const char *text)
{
	logged_output(logged, RUN, offset, (const uint8_t *)text, strlen(text));
}

static void
give_screen(uint64_t offset)
{
	logged_snapshot(logged, RUN, offset, (const uint8_t *)"screen", 6);
}

static const char *
contents(const char *name)
{
	static char text[65536];
	FILE *f = fopen(path_of(name), "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof text - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static unsigned
times_in(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

static int
is_recording(const struct dirent *entry)
{
	return fnmatch("*.cast", entry->d_name, 0) == 0;
}

/* How many there are; latest gets the name of the last one. */
static int
recordings(char latest[256])
{
	struct dirent **entries;
	int n = scandir(path_of(""), &entries, is_recording, alphasort);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		snprintf(latest, 256, "%s", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return n;
}

/* The recording stands behind the log, so some comes again for the log; and so
 * it does when the logger is killed and starts again. */
static void
test_what_comes_again(void **state)
{
	char cast[256];

	(void)state;
	start();
	assert_int_equal(asked.screens, 1);
	give_screen(0);
	print(0, "first\r\nsecond\r\n");
	print(0, "first\r\nsecond\r\n");
	print(7, "second\r\nthird\r\n");
	assert_int_equal(times_in(contents("console.log"), "first"), 1);
	assert_int_equal(times_in(contents("console.log"), "second"), 1);
	assert_int_equal(times_in(contents("console.log"), "third"), 1);
	assert_int_equal(recordings(cast), 1);
	assert_int_equal(times_in(contents(cast), "first"), 1);
	assert_int_equal(times_in(contents(cast), "second"), 1);
	assert_int_equal(times_in(contents(cast), "third"), 1);
	/* A recording begins where the log has been already. */
	give_screen(15);
	assert_int_equal(asked.offset, 15);
	print(15, "third\r\n");
	assert_int_equal(times_in(contents("console.log"), "third"), 1);
	start();
	assert_int_equal(asked.follows, 1);
	assert_int_equal(asked.run, RUN);
	assert_int_equal(asked.offset, 22);
	print(15, "third\r\nfourth\r\n");
	assert_int_equal(times_in(contents("console.log"), "third"), 1);
	assert_int_equal(times_in(contents("console.log"), "fourth"), 1);
}

/* What is missing is told in both; the recording shows a wrong screen from
 * there on, so another one begins. */
static void
test_what_is_missing(void **state)
{
	char cast[256], next[256];

	(void)state;
	start();
	give_screen(0);
	print(0, "first\r\n");
	assert_int_equal(recordings(cast), 1);
	asked.screens = 0;
	print(107, "later\r\n");
	assert_non_null(strstr(
	    contents("console.log"), "* 100 bytes of output are missing here"));
	assert_non_null(strstr(contents("console.log"), "| later"));
	assert_non_null(
	    strstr(contents(cast), "100 bytes of output are missing here"));
	assert_null(strstr(contents(cast), "later"));
	assert_int_equal(asked.screens, 1);
	do /* names have milliseconds */
		give_screen(114);
	while (recordings(next) < 2);
	assert_string_not_equal(next, cast);
	print(114, "again\r\n");
	assert_non_null(strstr(contents(next), "again"));
}

static off_t
size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	return st.st_size;
}

static void
tear(const char *name)
{
	int fd = open(path_of(name), O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, "half a li", 9), 9);
	close(fd);
}

/* A logger that is killed may have written more than it knew of: the next one
 * cuts that off, all of it. */
static void
test_killed_while_it_wrote(void **state)
{
	char cast[256];
	off_t log_size, cast_size;

	(void)state;
	start();
	give_screen(0);
	print(0, "first\r\n");
	recordings(cast);
	log_size = size_of("console.log");
	cast_size = size_of(cast);
	tear("console.log");
	tear(cast);
	start();
	assert_true(size_of("console.log") >= log_size);
	assert_int_not_equal(contents("console.log")[log_size], 'h');
	assert_null(strstr(contents(cast), "\nh"));
	assert_int_equal(size_of(cast), cast_size);
}

/* The disk is full in the middle of a line: nothing of it stays, what is said
 * of it is whole lines, and the log goes on when there is room. */
static void
test_full_disk(void **state)
{
	const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit full;
	off_t size, left;

	(void)state;
	section.record = RECORD_OFF;
	start();
	print(0, "first\r\n");
	size = size_of("console.log");
	full = (struct rlimit){(rlim_t)size + 10, RLIM_INFINITY};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	stub_allow_errors(true);
	print(7, "second\r\n");
	stub_allow_errors(false);
	left = size_of("console.log");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(left, size);
	print(15, "third\r\n");
	assert_null(strstr(contents("console.log"), "second"));
	assert_non_null(strstr(contents("console.log"),
	    "bytes of this log could not be written since"));
	assert_non_null(strstr(contents("console.log"), "| third\n"));
}

/* Each screen begins one; the oldest go, and nothing else does. */
static void
test_recordings_that_stay(void **state)
{
	char latest[256], was[256] = "";

	(void)state;
	start();
	assert_int_equal(symlink("elsewhere", path_of("notes.cast.txt")), 0);
	for (int i = 0; i < 5; i++) {
		int n;

		do {
			give_screen(0);
			n = recordings(latest);
		} while (strcmp(latest, was) == 0);
		assert_in_range(n, 1, 2);
		strcpy(was, latest);
	}
	assert_int_equal(recordings(latest), 2);
	assert_int_equal(times_in(contents(latest), "screen"), 1);
	assert_int_equal(faccessat(AT_FDCWD, path_of("notes.cast.txt"), F_OK,
			     AT_SYMLINK_NOFOLLOW),
	    0);
}

/* Whoever may write into the folder leads the log nowhere else. */
static void
test_links(void **state)
{
	char target[128];

	(void)state;
	start();
	logged_destroy(logged);
	logged = NULL;
	snprintf(target, sizeof target, "%s/target", dir);
	assert_int_equal(unlink(path_of("console.log")), 0);
	assert_int_equal(symlink(target, path_of("console.log")), 0);
	stub_allow_errors(true);
	start();
	stub_allow_errors(false);
	print(0, "first\r\n");
	assert_int_equal(access(target, F_OK), -1);
}

int
main(void)
{
#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_DIR(test_what_comes_again),
	    WITH_DIR(test_what_is_missing),
	    WITH_DIR(test_killed_while_it_wrote),
	    WITH_DIR(test_full_disk),
	    WITH_DIR(test_recordings_that_stay),
	    WITH_DIR(test_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
