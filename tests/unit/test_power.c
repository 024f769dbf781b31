/* What a guest's nodes must say before it is asked to shut down, in a xenstore
 * that has only these. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "broker/domains.h"
#include "broker/power.h"
#include "broker/xs.h"
#include "common/config.h"

#define DOMID	 7
#define VM	 "/local/domain/7/vm"
#define SHUTDOWN "/local/domain/7/control/shutdown"
#define FEATURE	 "/local/domain/7/control/feature-poweroff"
#define OURS	 "/vm/01000000-0000-0000-0000-000000000000"
#define OTHERS	 "/vm/02000000-0000-0000-0000-000000000000"

/* The nodes; NULL: there is none. */
static const char *vm, *asked, *feature;
static char written[64]; /* to SHUTDOWN */
static int interfered;	 /* transactions that are to fail */
static uint32_t domid;	 /* of the console, as the broker believes */
static char *guests[] = {(char *)"web*", NULL};
static char *users[] = {(char *)"alice", NULL};
static struct config_access rule = {users, guests, RIGHT_POWER};
static struct config config = {.access = &rule, .naccess = 1};
static struct event_base *base;
static struct powers *powers;

struct xs_conn *__wrap_domains_xs(struct domains *domains);
bool __wrap_domains_lookup(struct domains *domains,
    const struct console_key *key, struct domain_console *out);
int __wrap_xs_conn_begin(struct xs_conn *conn);
int __wrap_xs_conn_end(struct xs_conn *conn, bool keep);
int __wrap_xs_conn_read(
    struct xs_conn *conn, const char *path, char *out, size_t size);
int __wrap_xs_conn_write(
    struct xs_conn *conn, const char *path, const char *value);

struct xs_conn *
__wrap_domains_xs(struct domains *domains)
{
	return (struct xs_conn *)domains;
}

bool
__wrap_domains_lookup(struct domains *domains, const struct console_key *key,
    struct domain_console *out)
{
	(void)domains;
	*out =
	    (struct domain_console){.domid = domid, .name = "web1", .tty = ""};
	return domid != 0 && key->uuid[0] == 1;
}

int
__wrap_xs_conn_begin(struct xs_conn *conn)
{
	(void)conn;
	return 0;
}

int
__wrap_xs_conn_end(struct xs_conn *conn, bool keep)
{
	(void)conn;
	if (interfered > 0 || !keep)
		written[0] = '\0';
	return interfered > 0 ? (interfered--, -EAGAIN) : 0;
}

int
__wrap_xs_conn_read(
    struct xs_conn *conn, const char *path, char *out, size_t size)
{
	const char *value = strcmp(path, VM) == 0	  ? vm
			    : strcmp(path, SHUTDOWN) == 0 ? asked
			    : strcmp(path, FEATURE) == 0  ? feature
							  : NULL;

	(void)conn;
	if (!value)
		return -ENOENT;
	if (strlen(value) >= size)
		return -EBADMSG;
	strcpy(out, value);
	return 0;
}

int
__wrap_xs_conn_write(struct xs_conn *conn, const char *path, const char *value)
{
	(void)conn;
	assert_string_equal(path, SHUTDOWN);
	snprintf(written, sizeof written, "%s", value);
	return 0;
}

static void
wake(void *ctx)
{
	(void)ctx;
}

static int
setup(void **state)
{
	(void)state;
	vm = OURS;
	asked = "";
	feature = "1";
	written[0] = '\0';
	interfered = 0;
	domid = DOMID;
	base = event_base_new();
	powers =
	    powers_create(base, &config, (struct domains *)&domid, wake, NULL);
	return base && powers ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	powers_destroy(powers);
	event_base_free(base);
	return 0;
}

static enum power_outcome told;
static unsigned ntold;

static int
take(void *ctx, const void *msg, size_t size, const int *fds, int nfds)
{
	const struct msg_powered *powered = msg;

	(void)ctx;
	(void)fds;
	assert_int_equal(size, sizeof *powered);
	assert_int_equal(nfds, 0);
	assert_int_equal(powered->number, 5);
	told = powered->outcome;
	ntold++;
	return 0;
}

/* Asks; what is told at once, POWER_OUTCOMES: nothing yet. */
static enum power_outcome
ask(void)
{
	const struct msg_power msg = {.type = MSG_POWER,
	    .number = 5,
	    .action = POWER_SHUTDOWN,
	    .domid = DOMID,
	    .key = {.uuid = {1}}};

	ntold = 0;
	assert_true(powers_ask(powers, &msg));
	assert_int_equal(powers_tell(powers, take, NULL), 0);
	return ntold ? told : POWER_OUTCOMES;
}

static void
test_asked(void **state)
{
	(void)state;
	assert_int_equal(ask(), POWER_OUTCOMES);
	assert_string_equal(written, "poweroff");
	/* It takes the word out: that is seen at the next look. */
	while (ntold == 0) {
		event_base_loop(base, EVLOOP_ONCE);
		assert_int_equal(powers_tell(powers, take, NULL), 0);
	}
	assert_int_equal(told, POWER_TAKEN);
}

static void
test_interfered(void **state)
{
	(void)state;
	interfered = 2;
	assert_int_equal(ask(), POWER_OUTCOMES);
	assert_string_equal(written, "poweroff");
	interfered = 100;
	assert_int_equal(ask(), POWER_NO_STORE);
	assert_string_equal(written, "");
}

/* The domid has another guest by now, of which no event has told yet. */
static void
test_another_guest(void **state)
{
	static const char *const names[] = {OTHERS, NULL, "", "/vm/", "/vm/x",
	    "01000000-0000-0000-0000-000000000000"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		vm = names[i];
		assert_int_equal(ask(), POWER_OTHER);
	}
	vm = OURS;
	domid = DOMID + 1;
	assert_int_equal(ask(), POWER_OTHER);
	domid = 0;
	assert_int_equal(ask(), POWER_OTHER);
	assert_string_equal(written, "");
}

static void
test_not_to_be_asked(void **state)
{
	(void)state;
	asked = "reboot";
	assert_int_equal(ask(), POWER_PENDING);
	asked = "a word that is longer than any there is";
	assert_int_equal(ask(), POWER_PENDING);
	asked = NULL;
	assert_int_equal(ask(), POWER_NOT_OFFERED);
	asked = "";
	feature = "0";
	assert_int_equal(ask(), POWER_REFUSED);
	guests[0] = (char *)"db*";
	feature = NULL;
	assert_int_equal(ask(), POWER_FORBIDDEN);
	guests[0] = (char *)"web*";
	rule.rights = RIGHT_FORCE;
	assert_int_equal(ask(), POWER_FORBIDDEN);
	rule.rights = RIGHT_POWER;
	assert_string_equal(written, "");
	/* A kernel that never says what it can do. */
	assert_int_equal(ask(), POWER_OUTCOMES);
	assert_string_equal(written, "poweroff");
}

int
main(void)
{
#define WITH_POWERS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_POWERS(test_asked),
	    WITH_POWERS(test_interfered),
	    WITH_POWERS(test_another_guest),
	    WITH_POWERS(test_not_to_be_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
