/* Who may do what, and names that try to be somebody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/config.h"
#include "fcgi/access.h"
#include "fcgi/grant.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define LIST(...)    ((char *[]){__VA_ARGS__, NULL})

enum {
	L = RIGHT_LIST,
	W = RIGHT_WATCH,
	T = RIGHT_TYPE,
	J = RIGHT_JOIN,
	F = RIGHT_FORCE,
};

struct question {
	const char *user, *groups, *guest;
	uint32_t want;
};

static void
check(struct config_access *rules, size_t n, const struct question *questions,
    size_t nquestions)
{
	const struct config config = {.access = rules, .naccess = n};

	for (size_t i = 0; i < nquestions; i++) {
		const struct question *q = &questions[i];
		uint32_t got =
		    access_rights(&config, q->user, q->groups, q->guest);

		if (got != q->want)
			fail_msg("\"%s\" of \"%s\" at \"%s\": %u, not %u",
			    q->user, q->groups, q->guest, got, q->want);
	}
}

static void
test_nothing(void **state)
{
	struct config_access empty[] = {
	    {LIST(NULL), LIST("*"), L | W | T},
	    {LIST("*"), LIST(NULL), L | W | T},
	    {LIST("*"), LIST("*"), 0},
	};
	static const struct question questions[] = {
	    {"alice", "ops", "web1", 0},
	    {"", "", "", 0},
	};

	(void)state;
	check(NULL, 0, questions, COUNT(questions));
	check(empty, COUNT(empty), questions, COUNT(questions));
}

static void
test_users(void **state)
{
	struct config_access rules[] = {
	    {LIST("alice", "bob@example.org"), LIST("*"), L | W},
	};
	static const struct question questions[] = {
	    {"alice", "", "web1", L | W},
	    {"bob@example.org", "", "web1", L | W},
	    {"bob", "", "web1", 0},
	    {"Alice", "", "web1", 0},
	    {"alic", "", "web1", 0},
	    {"alice ", "", "web1", 0},
	    {"alice,bob", "", "web1", 0},
	    {"*", "", "web1", 0},
	    {"", "", "web1", 0},
	    /* a group of that name is nobody's user */
	    {"mallory", "alice", "web1", 0},
	};

	(void)state;
	check(rules, COUNT(rules), questions, COUNT(questions));
}

static void
test_groups(void **state)
{
	struct config_access rules[] = {
	    {LIST("@ops"), LIST("*"), T},
	    {LIST("@"), LIST("*"), W},
	};
	static const struct question questions[] = {
	    {"alice", "ops", "web1", L | W | T},
	    {"alice", "dev,ops", "web1", L | W | T},
	    {"alice", "dev, ops", "web1", L | W | T},
	    {"alice", "ops,dev", "web1", L | W | T},
	    {"alice", ",,ops,,", "web1", L | W | T},
	    {"", "ops", "web1", L | W | T},
	    {"alice", "", "web1", 0},
	    {"alice", ",", "web1", 0},
	    {"alice", "op", "web1", 0},
	    {"alice", "ops2", "web1", 0},
	    {"alice", "devops", "web1", 0},
	    {"alice", "Ops", "web1", 0},
	    {"alice", "@ops", "web1", 0},
	    {"alice", "*", "web1", 0},
	    {"alice", "ops;dev", "web1", 0},
	    /* a user cannot be a group by its name */
	    {"ops", "", "web1", 0},
	    {"@ops", "", "web1", 0},
	    {"@", "", "web1", 0},
	};

	(void)state;
	check(rules, COUNT(rules), questions, COUNT(questions));
}

static void
test_everybody(void **state)
{
	struct config_access rules[] = {
	    {LIST("*"), LIST("public"), L | W},
	};
	static const struct question questions[] = {
	    {"alice", "", "public", L | W},
	    {"@ops", "", "public", L | W},
	    {"alice", "ops", "private", 0},
	};

	(void)state;
	check(rules, COUNT(rules), questions, COUNT(questions));
}

static void
test_patterns(void **state)
{
	struct config_access rules[] = {
	    {LIST("alice"), LIST("web*", "db[12]", "a?c"), L},
	};
	static const struct question questions[] = {
	    {"alice", "", "web", L},
	    {"alice", "", "web/1", L},
	    {"alice", "", "db1", L},
	    {"alice", "", "db2", L},
	    {"alice", "", "db3", 0},
	    {"alice", "", "db[12]", 0},
	    {"alice", "", "abc", L},
	    {"alice", "", "a*c", L},
	    {"alice", "", "ac", 0},
	    {"alice", "", "myweb", 0},
	    {"alice", "", "Web1", 0},
	    /* a guest's name is no pattern */
	    {"alice", "", "*", 0},
	    {"alice", "", "", 0},
	};

	(void)state;
	check(rules, COUNT(rules), questions, COUNT(questions));
}

/* The rights of all rules that fit are one sum. */
static void
test_several(void **state)
{
	struct config_access rules[] = {
	    {LIST("*"), LIST("*"), L},
	    {LIST("@dev"), LIST("test*"), W},
	    {LIST("alice"), LIST("test1", "test2"), T},
	};
	static const struct question questions[] = {
	    {"alice", "dev", "test1", L | W | T},
	    {"alice", "dev", "test3", L | W},
	    {"alice", "", "test2", L | W | T},
	    {"bob", "dev", "test1", L | W},
	    {"bob", "", "test1", L},
	    {"alice", "dev", "web1", L},
	};

	(void)state;
	check(rules, COUNT(rules), questions, COUNT(questions));
}

/* Each right includes the ones before it. */
static void
test_includes(void **state)
{
	struct config_access rules[] = {
	    {LIST("lister"), LIST("*"), L},
	    {LIST("watcher"), LIST("*"), W},
	    {LIST("typist"), LIST("*"), T},
	    {LIST("joiner"), LIST("*"), J},
	    {LIST("forcer"), LIST("*"), F},
	};
	static const struct question questions[] = {
	    {"lister", "", "web1", L},
	    {"watcher", "", "web1", L | W},
	    {"typist", "", "web1", L | W | T},
	    {"joiner", "", "web1", L | W | T | J},
	    {"forcer", "", "web1", L | W | T | J | F},
	};

	(void)state;
	check(rules, COUNT(rules), questions, COUNT(questions));
}

/* By what a session is there; a kind that is none, as what is restored may
 * have, is worth nothing. */
static void
test_grants(void **state)
{
	struct config_access rules[] = {{LIST("@dev"), LIST("*"), W}};
	struct config_ticket_key key = {
	    .name = "panel", .consoles = LIST("web*"), .rights = F};
	const struct config config = {.access = rules,
	    .naccess = 1,
	    .ticket_keys = &key,
	    .nticket_keys = 1};
	const struct {
		struct grant grant;
		uint32_t want;
	} cases[] = {
	    {{GRANT_ROOT, NULL}, L | W | T | J | F},
	    {{GRANT_TICKET, ""}, L | W | T | J | F},
	    {{GRANT_LOGIN, "dev"}, L | W},
	    {{GRANT_LOGIN, "ops"}, 0},
	    {{GRANT_KEY, "panel"}, L | W | T | J | F},
	    {{GRANT_KEY, "other"}, 0},
	    {{GRANT_KEY + 1, ""}, 0},
	    {{(enum grant_kind)UINT32_MAX, ""}, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(
		    grant_rights(&cases[i].grant, &config, "alice", "web1"),
		    cases[i].want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing),
	    cmocka_unit_test(test_users),
	    cmocka_unit_test(test_groups),
	    cmocka_unit_test(test_everybody),
	    cmocka_unit_test(test_patterns),
	    cmocka_unit_test(test_several),
	    cmocka_unit_test(test_includes),
	    cmocka_unit_test(test_grants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
