/* xenterm.conf: what stands in it, and every kind of mistake. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "common/config_files.h"
#include "common/limits.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char dir[] = "/tmp/test_config.XXXXXX";
static char path[sizeof dir + 16];
static char said[4096]; /* on stderr, by the last load */

static int
setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/conf", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static struct config *
load_path(const char *name)
{
	FILE *out = tmpfile();
	int real_stderr = dup(STDERR_FILENO);
	struct config *config;
	size_t n;

	assert_non_null(out);
	fflush(stderr);
	dup2(fileno(out), STDERR_FILENO);
	config = config_load(name);
	fflush(stderr);
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	rewind(out);
	n = fread(said, 1, sizeof said - 1, out);
	said[n] = '\0';
	fclose(out);
	return config;
}

static struct config *
load(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_not_equal(fputs(text, file), EOF);
	fclose(file);
	return load_path(path);
}

static void
test_defaults(void **state)
{
	struct config *config = load("# nothing but a comment\n");

	(void)state;
	assert_non_null(config);
	assert_string_equal(said, "");
	assert_string_equal(config->run_dir, "/run/xenterm");
	assert_string_equal(config->user, "xenterm");
	assert_string_equal(config->socket_group, "www-data");
	assert_string_equal(config->xenstore, "/run/xenstored/socket");
	assert_string_equal(config->lock_dir, "/run/lock");
	assert_true(config->verify_owner);
	assert_int_equal(config->ring_size, LIMIT_RING_DEFAULT);
	assert_int_equal(config->rescan, 10);
	assert_int_equal(config->gone_after, 60);
	assert_int_equal(config->forget_after, 3600);
	assert_int_equal(config->session_idle, 300);
	assert_int_equal(config->session_max, 43200);
	assert_int_equal(config->nholds, 0);
	assert_int_equal(config->naccess, 0);
	assert_int_equal(config->nkeys, 0);
	assert_false(config_hold_always(config, "web1"));
	assert_true(config_ctrl_o_is_sysrq(config, "web1"));
	config_free(config);
	config_free(NULL);
}

static void
test_empty_file(void **state)
{
	struct config *config = load("");

	(void)state;
	assert_non_null(config);
	assert_string_equal(said, "");
	config_free(config);
}

static void
test_all_options(void **state)
{
	struct config *config = load("run_dir = \"/a\"\n"
				     "user = \"b\"\n"
				     "socket_group = \"c\"\n"
				     "xenstore = \"/d\"\n"
				     "lock_dir = \"/e\"\n"
				     "verify_owner = false\n"
				     "ring_size = 65536\n"
				     "rescan = 1\n"
				     "gone_after = 2\n"
				     "forget_after = 3\n"
				     "session_idle = 5\n"
				     "session_max = 6\n");

	(void)state;
	assert_non_null(config);
	assert_string_equal(config->run_dir, "/a");
	assert_string_equal(config->user, "b");
	assert_string_equal(config->socket_group, "c");
	assert_string_equal(config->xenstore, "/d");
	assert_string_equal(config->lock_dir, "/e");
	assert_false(config->verify_owner);
	assert_int_equal(config->ring_size, 65536);
	assert_int_equal(config->rescan, 1);
	assert_int_equal(config->gone_after, 2);
	assert_int_equal(config->forget_after, 3);
	assert_int_equal(config->session_idle, 5);
	assert_int_equal(config->session_max, 6);
	config_free(config);
}

static void
test_host_names(void **state)
{
	static const char *const right[] = {"dom0.example", "DOM0.Example",
	    "dom0.example:8443", "[fe80::1]", "[FE80::1]:443", "192.0.2.1",
	    "192.0.2.1:443"};
	static const char *const wrong[] = {"", ":", ":443", "evil.example",
	    "dom0.example.evil", "dom0.example.", "dom0.exampl",
	    "xdom0.example", "dom0.example]", "[dom0.example]", "[fe80::1",
	    "[fe80::1]x", "fe80::1", "[", "]", "[]", "192.0.2.10",
	    "dom0.example@evil"};
	static const char *const mistakes[] = {"", "https://dom0.example",
	    "dom0.example:443", "dom0.example/", "a b", "[fe80::1", "[]",
	    "[fe80::1]:443", "[dom0]", "fe80::1", "a@b"};
	struct config *config = load("host_names = {\"dom0.example\", "
				     "\"[fe80::1]\", \"192.0.2.1\"}\n");

	(void)state;
	assert_non_null(config);
	for (size_t i = 0; i < COUNT(right); i++)
		if (!config_is_host(config, right[i]))
			fail_msg("not taken: %s", right[i]);
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (config_is_host(config, wrong[i]))
			fail_msg("taken: %s", wrong[i]);
	config_free(config);
	config = load("");
	assert_true(config_is_host(config, "any.example"));
	assert_true(config_is_host(config, ""));
	config_free(config);
	for (size_t i = 0; i < COUNT(mistakes); i++) {
		char text[80];

		snprintf(text, sizeof text, "\nhost_names = {\"%s\"}\n",
		    mistakes[i]);
		if (load(text))
			fail_msg("no mistake: %s", mistakes[i]);
		assert_non_null(strstr(said, "conf:2: host_names"));
	}
}

static void
test_access(void **state)
{
	struct config *config = load(
	    "access \"admins\" {\n"
	    "  users = {\"alice\", \"@ops\"}\n"
	    "  consoles = {\"*\"}\n"
	    "  rights = {\"list\", \"watch\", \"type\"}\n"
	    "}\n"
	    "access \"guests\" { users = {\"*\"} consoles = {\"web*\", db1} }\n"
	    "access \"nobody\" { rights = {watch} }\n");
	const struct config_access *a;

	(void)state;
	assert_non_null(config);
	assert_int_equal(config->naccess, 3);
	a = &config->access[0];
	assert_string_equal(a->users[0], "alice");
	assert_string_equal(a->users[1], "@ops");
	assert_null(a->users[2]);
	assert_string_equal(a->consoles[0], "*");
	assert_null(a->consoles[1]);
	assert_int_equal(a->rights, RIGHT_LIST | RIGHT_WATCH | RIGHT_TYPE);
	a = &config->access[1];
	assert_string_equal(a->consoles[1], "db1");
	assert_int_equal(a->rights, RIGHT_LIST);
	a = &config->access[2];
	assert_null(a->users[0]);
	assert_null(a->consoles[0]);
	assert_int_equal(a->rights, RIGHT_WATCH);
	config_free(config);
}

static void
test_power(void **state)
{
	struct config *config =
	    load("access a { users = {x} consoles = {\"web*\", db1}"
		 " rights = {power} }\n"
		 "access b { users = {y} consoles = {\"*\"}"
		 " rights = {force, log} }\n");

	(void)state;
	assert_non_null(config);
	assert_int_equal(config->access[0].rights, RIGHT_POWER);
	assert_true(config_gives_power(config, "web1"));
	assert_true(config_gives_power(config, "db1"));
	assert_false(config_gives_power(config, "db12"));
	assert_false(config_gives_power(config, "xweb1"));
	assert_false(config_gives_power(config, ""));
	config_free(config);
	config = load("");
	assert_false(config_gives_power(config, "web1"));
	config_free(config);
	/* A ticket opens a console. */
	assert_null(load("ticket_key k {\n algorithm = HS256\n file = /a\n"
			 " audience = here\n rights = {type, power}\n}\n"));
}

static void
test_ticket_key(void **state)
{
	struct config *config =
	    load("ticket_key \"panel\" {\n"
		 "  algorithm = HS256\n  file = \"/a\"\n  audience = \"here\"\n"
		 "  consoles = {\"web*\"}\n  rights = {watch, type}\n"
		 "}\n"
		 "ticket_key two {\n"
		 "  algorithm = \"EdDSA\"\n  file = /b\n  audience = here\n"
		 "}\n");
	const struct config_ticket_key *key;

	(void)state;
	assert_non_null(config);
	assert_int_equal(config->nticket_keys, 2);
	key = &config->ticket_keys[0];
	assert_string_equal(key->name, "panel");
	assert_int_equal(key->algorithm, TICKET_HS256);
	assert_string_equal(key->file, "/a");
	assert_string_equal(key->audience, "here");
	assert_string_equal(key->consoles[0], "web*");
	assert_null(key->consoles[1]);
	assert_int_equal(key->rights, RIGHT_WATCH | RIGHT_TYPE);
	key = &config->ticket_keys[1];
	assert_string_equal(key->name, "two");
	assert_int_equal(key->algorithm, TICKET_EDDSA);
	assert_null(key->consoles[0]);
	assert_int_equal(key->rights, 0);
	config_free(config);
}

static void
test_hold(void **state)
{
	struct config *config = load("hold \"web*\" { mode = always }\n"
				     "hold \"web9\" { mode = \"on-demand\" }\n"
				     "hold \"db[12]\" { mode = always }\n"
				     "hold \"x\" { }\n");

	(void)state;
	assert_non_null(config);
	assert_int_equal(config->nholds, 4);
	assert_true(config_hold_always(config, "web"));
	assert_true(config_hold_always(config, "web1"));
	assert_true(config_hold_always(config, "web1/x"));
	/* The last that fits wins. */
	assert_false(config_hold_always(config, "web9"));
	assert_true(config_hold_always(config, "db2"));
	assert_false(config_hold_always(config, "db3"));
	assert_false(config_hold_always(config, "myweb1"));
	assert_false(config_hold_always(config, "WEB1"));
	assert_false(config_hold_always(config, "x"));
	assert_false(config_hold_always(config, ""));
	config_free(config);
}

static void
test_keys(void **state)
{
	struct config *config = load("keys \"bsd*\" { ctrl_o = plain }\n"
				     "keys \"bsd9\" { ctrl_o = sysrq }\n"
				     "keys \"x\" { }\n");

	(void)state;
	assert_non_null(config);
	assert_int_equal(config->nkeys, 3);
	assert_false(config_ctrl_o_is_sysrq(config, "bsd"));
	assert_false(config_ctrl_o_is_sysrq(config, "bsd1"));
	assert_true(config_ctrl_o_is_sysrq(config, "bsd9"));
	assert_true(config_ctrl_o_is_sysrq(config, "mybsd"));
	assert_true(config_ctrl_o_is_sysrq(config, "x"));
	assert_true(config_ctrl_o_is_sysrq(config, ""));
	config_free(config);
}

/* Each with the line where it stands, and a word that the report must have. */
static void
test_mistakes(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *word;
	} cases[] = {
	    /* unknown */
	    {"colour = \"red\"\n", 1, "colour"},
	    {"rescan = 10\n\ncolour = 1\n", 3, "colour"},
	    {"hold \"a\" {\n  moad = always\n}\n", 2, "moad"},
	    {"access \"a\" {\n  people = {\"x\"}\n}\n", 2, "people"},
	    {"rescan \"a\" { }\n", 1, NULL},
	    /* wrong type */
	    {"rescan = \"ten\"\n", 1, "rescan"},
	    {"rescan = 1.5\n", 1, "rescan"},
	    {"rescan = 10s\n", 1, "rescan"},
	    {"rescan =\n\n", 0, NULL},
	    {"rescan = {1, 2}\n", 1, NULL},
	    {"\nverify_owner = perhaps\n", 2, "verify_owner"},
	    {"verify_owner = 2\n", 1, "verify_owner"},
	    /* out of range */
	    {"rescan = 0\n", 1, "rescan"},
	    {"rescan = -1\n", 1, "rescan"},
	    {"rescan = 3601\n", 1, "rescan"},
	    {"rescan = 4294967306\n", 1, "rescan"},
	    {"rescan = 99999999999999999999\n", 1, "rescan"},
	    {"gone_after = 0\n", 1, "gone_after"},
	    {"gone_after = 86401\n", 1, "gone_after"},
	    {"forget_after = 0\n", 1, "forget_after"},
	    {"forget_after = 604801\n", 1, "forget_after"},
	    {"session_idle = 4\n", 1, "session_idle"},
	    {"session_idle = 86401\n", 1, "session_idle"},
	    {"session_max = 4\n", 1, "session_max"},
	    {"session_max = 604801\n", 1, "session_max"},
	    {"\n\n\nring_size = 65535\n", 4, "ring_size"},
	    {"ring_size = 67108865\n", 1, "ring_size"},
	    {"ring_size = -65536\n", 1, "ring_size"},
	    /* paths */
	    {"run_dir = \"run/xenterm\"\n", 1, "run_dir"},
	    {"run_dir = \"\"\n", 1, "run_dir"},
	    {"xenstore = \"./socket\"\n", 1, "xenstore"},
	    {"lock_dir = \"lock\"\n", 1, "lock_dir"},
	    /* words */
	    {"hold \"a\" {\n  mode = sometimes\n}\n", 2, "sometimes"},
	    {"hold \"a\" {\n\n  mode = \"\"\n}\n", 3, "mode"},
	    {"access \"a\" {\n  rights = {\"list\", \"root\"}\n}\n", 2, "root"},
	    {"access \"a\" { rights = {\"List\"} }\n", 1, "List"},
	    {"access \"a\" { rights = {\"\"} }\n", 1, "rights"},
	    /* titles */
	    {"hold \"a\" { }\nhold \"a\" { }\n", 2, "title"},
	    {"access \"a\" { }\n\naccess \"a\" { }\n", 3, "title"},
	    {"hold { }\n", 1, NULL},
	    {"keys \"a\" {\n  ctrl_o = sometimes\n}\n", 2, "sometimes"},
	    {"keys \"a\" {\n\n  ctrl_o = \"\"\n}\n", 3, "ctrl_o"},
	    {"keys \"a\" {\n  ctrl_p = plain\n}\n", 2, "ctrl_p"},
	    {"keys \"a\" { }\nkeys \"a\" { }\n", 2, "title"},
	    {"keys { }\n", 1, NULL},
	    /* syntax */
	    {"rescan 10\n", 1, NULL},
	    {"= 10\n", 1, NULL},
	    {"}\n", 1, NULL},
	    {"access \"a\" { users = {\"alice\"\n", 0, NULL},
	    {"run_dir = \"/run\n", 0, NULL},
	    {"rescan = 10 20\n", 1, NULL},
	    {"\x01\xff\n", 1, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config = load(cases[i].text);
		char where[sizeof path + 16];

		if (config)
			fail_msg("taken: %s", cases[i].text);
		/* At an end that comes too soon any line will do. */
		if (cases[i].line > 0)
			snprintf(
			    where, sizeof where, "%s:%d:", path, cases[i].line);
		else
			snprintf(where, sizeof where, "%s:", path);
		if (!strstr(said, where))
			fail_msg(
			    "no \"%s\" for %s: %s", where, cases[i].text, said);
		if (cases[i].word && !strstr(said, cases[i].word))
			fail_msg("no \"%s\" in: %s", cases[i].word, said);
	}
}

static void
write_part(const char *folder, const char *name, const char *text)
{
	char part[sizeof path + 32];
	FILE *file;

	snprintf(part, sizeof part, "%s/%s", folder, name);
	if (!text) {
		assert_int_equal(unlink(part), 0);
		return;
	}
	file = fopen(part, "w");
	assert_non_null(file);
	assert_int_not_equal(fputs(text, file), EOF);
	fclose(file);
}

/* The last one that says something of an option is right. */
static void
test_parts(void **state)
{
	char folder[sizeof dir + 16];
	struct config *config;

	(void)state;
	snprintf(folder, sizeof folder, "%s/conf.d", dir);
	assert_int_equal(mkdir(folder, 0700), 0);
	write_part(folder, "b.conf", "rescan = 3\nhold b { mode = always }\n");
	write_part(folder, "a.conf", "rescan = 2\ngone_after = 7\n");
	config = load("rescan = 1\nhold a { mode = always }\n");
	assert_string_equal(said, "");
	assert_non_null(config);
	assert_int_equal(config->rescan, 3);
	assert_int_equal(config->gone_after, 7);
	assert_int_equal(config->nholds, 2);
	assert_string_equal(config->holds[0].pattern, "a");
	assert_string_equal(config->holds[1].pattern, "b");
	config_free(config);
	write_part(folder, "a.conf", "rescan = 0\n");
	assert_null(load("rescan = 1\n"));
	assert_non_null(strstr(said, "/conf.d/a.conf:1: rescan = 0"));
	write_part(folder, "a.conf", NULL);
	write_part(folder, "b.conf", NULL);
	assert_int_equal(rmdir(folder), 0);
}

static void
test_unreadable(void **state)
{
	char missing[sizeof path + 16];

	(void)state;
	snprintf(missing, sizeof missing, "%s.not", path);
	assert_null(load_path(missing));
	assert_non_null(strstr(said, missing));
	assert_non_null(strstr(said, strerror(ENOENT)));
	assert_null(load_path("/dev/null/conf"));
	assert_non_null(strstr(said, strerror(ENOTDIR)));
}

static void
test_directory(void **state)
{
	(void)state;
	assert_null(load_path(dir));
	assert_non_null(strstr(said, dir));
	assert_non_null(strstr(said, strerror(EISDIR)));
}

/* n sections of one kind. */
static struct config *
load_sections(const char *kind, int n)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (int i = 0; i < n; i++)
		fprintf(file, "%s \"t%d\" { }\n", kind, i);
	fclose(file);
	return load_path(path);
}

static void
test_many_sections(void **state)
{
	static const char *const kinds[] = {"hold", "keys", "access"};

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct config *config = load_sections(kinds[i], LIMIT_RULES);

		assert_non_null(config);
		assert_int_equal(
		    config->nholds + config->nkeys + config->naccess,
		    LIMIT_RULES);
		config_free(config);
		assert_null(load_sections(kinds[i], LIMIT_RULES + 1));
		assert_non_null(strstr(said, path));
	}
}

static void
test_socket(void **state)
{
	struct config *config = load("run_dir = \"/run/x\"\n");
	char out[256], small[8];

	(void)state;
	assert_int_equal(
	    config_socket(config, "fcgi.sock", out, sizeof out), 0);
	assert_string_equal(out, "/run/x/fcgi.sock");
	assert_int_equal(
	    config_socket(config, "fcgi.sock", small, sizeof small),
	    -ENAMETOOLONG);
	assert_int_equal(
	    config_socket(config, "fcgi.sock", out, strlen("/run/x/fcgi.sock")),
	    -ENAMETOOLONG);
	assert_int_equal(config_socket(config, "fcgi.sock", out,
			     strlen("/run/x/fcgi.sock") + 1),
	    0);
	config_free(config);
}

/* The address of a unix socket has room for 107 bytes and the NUL. */
static void
test_socket_too_long(void **state)
{
	char text[256], out[256];

	(void)state;
	for (int n = 96; n <= 100; n++) {
		struct config *config;
		int status;

		snprintf(text, sizeof text, "run_dir = \"/%0*d\"\n", n - 1, 0);
		config = load(text);
		assert_non_null(config);
		status = config_socket(config, "fcgi.sock", out, sizeof out);
		assert_int_equal(status, n + 10 <= 107 ? 0 : -ENAMETOOLONG);
		config_free(config);
	}
}

/* Files in one piece, and pieces that are none. */
static void
test_files(void **state)
{
	struct config_files files = {NULL, 0}, cut;
	const struct config_file conf = {CONFIG_FILE_TEXT, "/a", "x = 1\n", 6};
	const struct config_file key = {CONFIG_FILE_KEY, "/k", "\0secret", 7};
	struct config_file found;
	size_t at = 0;

	(void)state;
	assert_false(config_files_next(&files, &at, &found));
	assert_int_equal(config_files_add(&files, &conf), 0);
	assert_int_equal(config_files_add(&files, &key), 0);
	assert_true(config_files_next(&files, &at, &found));
	assert_string_equal(found.path, "/a");
	assert_string_equal(found.text, "x = 1\n");
	assert_true(config_files_next(&files, &at, &found));
	assert_int_equal(found.len, 7);
	assert_memory_equal(found.text, key.text, 7);
	assert_false(config_files_next(&files, &at, &found));
	assert_true(config_files_key(&files, "/k", &found));
	assert_false(config_files_key(&files, "/a", &found));
	for (cut.size = 0; cut.size < files.size; cut.size++) {
		/* A copy of its own, so that a look behind its end shows. */
		cut.data = malloc(cut.size ? cut.size : 1);
		assert_non_null(cut.data);
		memcpy(cut.data, files.data, cut.size);
		assert_false(config_files_key(&cut, "/k", &found));
		free(cut.data);
	}
	for (size_t i = 0; i < files.size; i++) {
		uint8_t was = files.data[i];

		files.data[i] = 0xff; /* lengths that cannot be, among others */
		for (at = 0; config_files_next(&files, &at, &found);)
			assert_true(strlen(found.path) < files.size);
		files.data[i] = was;
	}
	found = (struct config_file){
	    CONFIG_FILE_KEY, "/k", "", CONFIG_FILES_MAX + (size_t)1};
	assert_int_equal(config_files_add(&files, &found), -EFBIG);
	config_files_free(&files);
	assert_null(files.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_empty_file),
	    cmocka_unit_test(test_all_options),
	    cmocka_unit_test(test_host_names),
	    cmocka_unit_test(test_access),
	    cmocka_unit_test(test_power),
	    cmocka_unit_test(test_ticket_key),
	    cmocka_unit_test(test_hold),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_mistakes),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_unreadable),
	    cmocka_unit_test(test_directory),
	    cmocka_unit_test(test_many_sections),
	    cmocka_unit_test(test_socket),
	    cmocka_unit_test(test_socket_too_long),
	    cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
