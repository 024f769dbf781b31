/* Launch tickets: once, soon, and as they say. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/config.h"
#include "fcgi/access.h"
#include "fcgi/ticket_keys.h"
#include "fcgi/tickets.h"
#include "tests/unit/signed.h"
#include "tests/unit/stubs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define HEADER(name) "{\"alg\":\"HS256\",\"kid\":\"" name "\"}"
#define START	     1800000000

/* The clock of the test: libc's is not linked. */
static time_t clock_now;

time_t
time(time_t *out)
{
	if (out)
		*out = clock_now;
	return clock_now;
}

static char folder[] = "/tmp/xenterm-tickets-XXXXXX";
static char file[sizeof folder + 8];
static struct config_ticket_key sections[2];
static struct config config = {.ticket_keys = sections};
static struct ticket_keys *keys;
static struct tickets *all;
static struct ticket ticket;
static char text[SIGNED_SIZE];

static void
write_key(const char *content, mode_t mode)
{
	FILE *out;

	unlink(file);
	out = fopen(file, "w");
	assert_non_null(out);
	fputs(content, out);
	fclose(out);
	assert_int_equal(chmod(file, mode), 0);
}

static int
setup(void **state)
{
	static char *consoles[] = {"web*", NULL};

	(void)state;
	if (sodium_init() < 0 || !mkdtemp(folder))
		return -1;
	snprintf(file, sizeof file, "%s/key", folder);
	sections[0] = (struct config_ticket_key){
	    "panel", TICKET_HS256, file, "dom0.example", consoles, RIGHT_TYPE};
	sections[1] = sections[0];
	sections[1].name = "other";
	config.nticket_keys = 2;
	write_key(SIGNED_SECRET "\n", 0640);
	clock_now = START;
	keys = ticket_keys_load(&config, NULL);
	all = keys ? tickets_create(keys) : NULL;
	clock_now = START + 100;
	return all ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	tickets_destroy(all);
	ticket_keys_free(keys);
	unlink(file);
	rmdir(folder);
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return 0;
}

static const char *
check(void)
{
	return tickets_check(all, text, &ticket);
}

static void
assert_why(const char *part)
{
	const char *why = check();

	assert_non_null(why);
	if (!strstr(why, part))
		fail_msg("\"%s\" is not \"%s\"", why, part);
}

/* ---- made here ----------------------------------------------------------- */

static int
make(const char *user, unsigned seconds)
{
	struct ticket wanted = {.may_type = true};
	time_t expires = 0;
	int error;

	strcpy(wanted.console, "0f3c9a52/pv0");
	strcpy(wanted.user, user);
	error = tickets_make(all, &wanted, seconds, text, &expires);
	if (!error)
		assert_int_equal(expires, clock_now + seconds);
	ticket = wanted;
	return error;
}

static void
test_made(void **state)
{
	char id[sizeof ticket.id];

	(void)state;
	assert_int_equal(make("alice", 60), 0);
	assert_int_equal(strlen(text), 64);
	assert_int_equal(strlen(ticket.id), 16);
	assert_null(strstr(text, ticket.id));
	strcpy(id, ticket.id);
	memset(&ticket, 0, sizeof ticket);
	/* Asked again it is as good, used it is not. */
	assert_null(check());
	assert_null(check());
	assert_string_equal(ticket.console, "0f3c9a52/pv0");
	assert_string_equal(ticket.user, "alice");
	assert_string_equal(ticket.id, id);
	assert_true(ticket.may_type);
	assert_null(ticket.key);
	assert_int_equal(tickets_use(all, &ticket), 0);
	assert_why("has been used");
	assert_false(tickets_revoke(all, id));
}

static void
test_made_expires(void **state)
{
	(void)state;
	make("alice", 60);
	clock_now += 59;
	assert_null(check());
	clock_now += 1;
	assert_why("has expired");
	/* The clock was set back: that does not bring it back. */
	clock_now -= 30;
	assert_why("has expired");
	assert_false(tickets_revoke(all, ticket.id));
}

static void
test_revoked(void **state)
{
	char first[TICKET_TEXT], id[sizeof ticket.id];

	(void)state;
	make("alice", 60);
	strcpy(first, text);
	strcpy(id, ticket.id);
	make("bob", 60);
	assert_true(tickets_revoke(all, id));
	assert_false(tickets_revoke(all, id));
	assert_false(tickets_revoke(all, ""));
	assert_null(check());
	assert_string_equal(ticket.user, "bob");
	/* Its text does not revoke it. */
	assert_false(tickets_revoke(all, text));
	strcpy(text, first);
	assert_why("does not exist");
}

static void
test_wrong_texts(void **state)
{
	static const char *const texts[] = {"", "0", "x",
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"};

	(void)state;
	make("alice", 60);
	for (size_t i = 0; i < TICKET_TEXT - 1; i++) {
		char was = text[i];

		text[i] = was == '0' ? '1' : '0';
		assert_non_null(check());
		text[i] = '\0';
		assert_non_null(check());
		text[i] = was;
	}
	assert_null(check());
	strcat(text, "0");
	assert_why("is neither 64 hexadecimal digits nor a signed token");
	for (size_t i = 0; i < COUNT(texts); i++) {
		strcpy(text, texts[i]);
		assert_non_null(check());
	}
}

static void
test_cap(void **state)
{
	(void)state;
	for (int i = 0; i < LIMIT_TICKETS; i++)
		assert_int_equal(make("alice", i == 0 ? 10 : 60), 0);
	assert_int_equal(make("bob", 60), -EMFILE);
	clock_now += 10;
	assert_int_equal(make("bob", 60), 0);
	assert_int_equal(make("bob", 60), -EMFILE);
	assert_null(check());
	tickets_use(all, &ticket);
	assert_int_equal(make("carol", 60), 0);
}

/* ---- signed -------------------------------------------------------------- */

#define WHO                                                                \
	"\"sub\":\"alice\",\"aud\":\"dom0.example\",\"console\":\"web1\"," \
	"\"mode\":\"type\""

static void
sign(const char *header, const char *jti, long iat, long exp)
{
	char claims[512];

	snprintf(claims, sizeof claims,
	    "{" WHO ",\"jti\":\"%s\",\"iat\":%ld,\"exp\":%ld}", jti, iat, exp);
	sign_token(header, claims, SIGNED_SECRET, text);
}

static void
sign_claims(const char *claims)
{
	sign_token(HEADER("panel"), claims, SIGNED_SECRET, text);
}

static void
test_signed(void **state)
{
	(void)state;
	sign(HEADER("panel"), "1", START + 90, START + 150);
	assert_null(check());
	assert_string_equal(ticket.console, "web1");
	assert_string_equal(ticket.user, "alice");
	assert_string_equal(ticket.id, "1");
	assert_true(ticket.may_type);
	assert_ptr_equal(ticket.key, &sections[0]);
	assert_int_equal(access_of_key(ticket.key, "web1"),
	    RIGHT_LIST | RIGHT_WATCH | RIGHT_TYPE);
	assert_int_equal(access_of_key(ticket.key, "db1"), 0);
	assert_null(check());
	assert_int_equal(tickets_use(all, &ticket), 0);
	assert_why("has been used");
	/* Another text with the same name is the same ticket. */
	sign(HEADER("panel"), "1", START + 91, START + 151);
	assert_why("has been used");
	/* The other key's is another. */
	sign(HEADER("other"), "1", START + 90, START + 150);
	assert_null(check());
	sign(HEADER("nobody"), "2", START + 90, START + 150);
	assert_why("not signed");
	sign(HEADER("panel"), "2", START + 90, START + 150);
	text[strlen(text) - 1] ^= 1;
	assert_why("not signed");
}

/* As long as it could come again it is known; and not longer. */
static void
test_replay(void **state)
{
	(void)state;
	sign(HEADER("panel"), "1", START + 105, START + 405);
	assert_null(check()); /* the panel's clock is fast */
	tickets_use(all, &ticket);
	for (; clock_now < START + 409; clock_now++)
		assert_non_null(check());
	/* In its last second too, when others have been used meanwhile: that
	 * is when old ones are forgotten. */
	sign(HEADER("panel"), "0", clock_now, clock_now + 60);
	assert_null(check());
	assert_int_equal(tickets_use(all, &ticket), 0);
	sign(HEADER("panel"), "1", START + 105, START + 405);
	assert_why("has been used");
	for (; clock_now < START + 420; clock_now++)
		assert_non_null(check());
	/* Nor when the clock is set back to when it was good. */
	clock_now = START + 200;
	assert_non_null(check());
	sign(HEADER("panel"), "2", START + 419, START + 500);
	assert_null(check());
	tickets_use(all, &ticket);
	sign(HEADER("panel"), "1", START + 105, START + 405);
	assert_why("has expired");
}

static void
test_times(void **state)
{
	static const struct {
		long iat, exp;
		const char *why;
	} cases[] = {
	    {95, 160, NULL},
	    {100, 101, NULL},
	    {105, 200, NULL},
	    {106, 200, "of the future"},
	    {40, 96, NULL},
	    {40, 95, "has expired"},
	    {40, 41, "has expired"},
	    {6, 306, NULL},
	    {6, 307, "longer than 300"},
	    {100, 100, "not at all"},
	    {100, 99, "not at all"},
	    {100, -50, "not at all"},
	    /* before the worker's start, and as far as clocks may differ */
	    {5, 305, "restarted"},
	    {-100, 101, "restarted"},
	    {-1800000000, 160, "longer than 300"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		sign(HEADER("panel"), "1", START + cases[i].iat,
		    START + cases[i].exp);
		if (cases[i].why)
			assert_why(cases[i].why);
		else
			assert_null(check());
	}
}

static void
test_not_before(void **state)
{
	static const char *const values[] = {
	    "1800000106", "\"1800000000\"", "-1", "1e9", "null", "1.5"};
	char claims[512];

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		snprintf(claims, sizeof claims,
		    "{" WHO ",\"jti\":\"1\",\"iat\":1800000090,"
		    "\"exp\":1800000150,\"nbf\":%s}",
		    values[i]);
		sign_claims(claims);
		assert_non_null(check());
	}
	sign_claims("{" WHO ",\"jti\":\"1\",\"iat\":1800000090,"
		    "\"exp\":1800000150,\"nbf\":1800000105}");
	assert_null(check());
}

#define WHEN "\"jti\":\"1\",\"iat\":1800000090,\"exp\":1800000150"

static void
test_claims(void **state)
{
	static const char *const claims[] = {
	    "{}",
	    "{" WHO "}",
	    "{" WHEN "}",
	    "{" WHO ",\"iat\":1800000090,\"exp\":1800000150}",
	    "{" WHO ",\"jti\":\"\",\"iat\":1800000090,\"exp\":1800000150}",
	    "{" WHO ",\"jti\":1,\"iat\":1800000090,\"exp\":1800000150}",
	    "{" WHO ",\"jti\":\"1\",\"exp\":1800000150}",
	    "{" WHO ",\"jti\":\"1\",\"iat\":1800000090}",
	    "{" WHO ",\"jti\":\"1\",\"iat\":\"1800000090\",\"exp\":1800000150}",
	    "{" WHO ",\"jti\":\"1\",\"iat\":1800000090.5,\"exp\":1800000150}",
	    "{" WHO ",\"jti\":\"1\",\"iat\":1800000090,"
	    "\"exp\":99999999999999999999999}",
	    "{" WHO ",\"jti\":\"1\",\"iat\":-9223372036854775808,"
	    "\"exp\":1800000150}",
	    "{\"sub\":\"alice\",\"aud\":\"dom0.exampl\",\"console\":\"web1\","
	    "\"mode\":\"type\"," WHEN "}",
	    "{\"sub\":\"alice\",\"aud\":[\"dom0.example\"],"
	    "\"console\":\"web1\",\"mode\":\"type\"," WHEN "}",
	    "{\"sub\":\"alice\",\"console\":\"web1\",\"mode\":\"type\"," WHEN
	    "}",
	    "{\"sub\":\"alice\",\"aud\":\"dom0.example\",\"console\":\"web1\","
	    "\"mode\":\"root\"," WHEN "}",
	    "{\"sub\":\"alice\",\"aud\":\"dom0.example\",\"console\":\"web1\","
	    "\"mode\":\"typewriter\"," WHEN "}",
	    "{\"sub\":\"a\\u0000b\",\"aud\":\"dom0.example\","
	    "\"console\":\"web1\",\"mode\":\"type\"," WHEN "}",
	    "{\"sub\":\"a\\nb\",\"aud\":\"dom0.example\",\"console\":\"web1\","
	    "\"mode\":\"type\"," WHEN "}",
	    "{\"sub\":\"\",\"aud\":\"dom0.example\",\"console\":\"web1\","
	    "\"mode\":\"type\"," WHEN "}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(claims); i++) {
		sign_claims(claims[i]);
		if (!check())
			fail_msg("taken: %s", claims[i]);
	}
	/* What it does not know it leaves alone. */
	sign_claims("{" WHO "," WHEN ",\"iss\":\"panel\",\"x\":true}");
	assert_null(check());
}

static void
test_used_cap(void **state)
{
	(void)state;
	for (int i = 0; i < LIMIT_TICKETS_USED; i++) {
		char name[16];

		snprintf(name, sizeof name, "%d", i);
		sign(HEADER("panel"), name, START + 100, START + 160);
		assert_null(check());
		assert_int_equal(tickets_use(all, &ticket), 0);
	}
	sign(HEADER("panel"), "more", START + 100, START + 160);
	assert_null(check());
	assert_int_equal(tickets_use(all, &ticket), -EMFILE);
	clock_now += LIMIT_TICKET_SECONDS + 2 * LIMIT_TICKET_LEEWAY;
	sign(HEADER("panel"), "more", clock_now, clock_now + 60);
	assert_null(check());
	assert_int_equal(tickets_use(all, &ticket), 0);
}

/* ---- the files of keys ------------------------------------------------------
 */

static void
assert_no_key(void)
{
	int before = stub_errors();

	stub_allow_errors(true);
	before = stub_errors();
	assert_null(ticket_keys_load(&config, NULL));
	assert_int_equal(stub_errors(), before + 1);
	stub_allow_errors(false);
}

static void
test_key_files(void **state)
{
	char big[2000];

	(void)state;
	write_key(SIGNED_SECRET, 0644);
	assert_no_key();
	write_key(SIGNED_SECRET, 0660);
	assert_no_key();
	write_key("short", 0600);
	assert_no_key();
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	write_key(big, 0600);
	assert_no_key();
	unlink(file);
	assert_no_key();
	assert_int_equal(mkdir(file, 0700), 0);
	assert_no_key();
	rmdir(file);
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_no_key();
	config.nticket_keys = 0;
	ticket_keys_free(keys);
	keys = ticket_keys_load(&config, NULL);
	assert_non_null(keys);
}

int
main(void)
{
#define WITH_ALL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_ALL(test_made),
	    WITH_ALL(test_made_expires),
	    WITH_ALL(test_revoked),
	    WITH_ALL(test_wrong_texts),
	    WITH_ALL(test_cap),
	    WITH_ALL(test_signed),
	    WITH_ALL(test_replay),
	    WITH_ALL(test_times),
	    WITH_ALL(test_not_before),
	    WITH_ALL(test_claims),
	    WITH_ALL(test_used_cap),
	    WITH_ALL(test_key_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
