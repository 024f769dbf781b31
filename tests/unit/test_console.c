/* One console in the worker: its ring and pty, what happens, who watches. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/ring.h"
#include "fcgi/console.h"
#include "fcgi/waiters.h"
#include "tests/unit/stubs.h"

static struct event_base *base;
static struct console *console;
static int ring_fd, store_fd;

static int
setup(void **state)
{
	const struct console_key key = {
	    .uuid = {0xab}, .kind = CONSOLE_SERIAL, .number = 1};

	(void)state;
	memset(&stub_told, 0, sizeof stub_told);
	base = event_base_new();
	console = console_create(base, &key, &stub_owner);
	ring_fd = ring_make(LIMIT_RING_MIN);
	store_fd = memfd_make("store", LIMIT_CONSOLE_STORE, NULL, 0);
	return base && console && ring_fd >= 0 && store_fd >= 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	console_destroy(console);
	close(ring_fd);
	close(store_fd);
	event_base_free(base);
	return 0;
}

static int
take_tty(int ring, int pty, uint32_t serial)
{
	const struct msg_tty msg = {
	    .type = MSG_TTY, .serial = serial, .domid = 10 + serial};
	/* The screen has no process here, so it needs nothing. */
	int fds[TTY_FDS] = {
	    [TTY_RING] = ring,
	    [TTY_RING_READ_ONLY] = -1,
	    [TTY_CHECKPOINT] = -1,
	    [TTY_STORE] = dup(store_fd),
	    [TTY_PTY] = pty,
	};
	int error = console_attach(console, fds, &msg);

	assert_int_equal(fds[TTY_PTY], -1);
	return error;
}

/* Gives the console a new pty; returns the guest's end. */
static int
attach(uint32_t serial)
{
	struct termios raw = {0};
	int master, slave;

	cfmakeraw(&raw);
	assert_int_equal(openpty(&master, &slave, NULL, &raw, NULL), 0);
	fcntl(slave, F_SETFL, O_NONBLOCK);
	fcntl(master, F_SETFL, O_NONBLOCK);
	assert_int_equal(take_tty(ring_fd, slave, serial), 0);
	return master;
}

/* Turns the loop until done() says so. */
static void
run_until(bool (*done)(void *arg))
{
	loop_until(base, done, NULL, 20);
}

static uint64_t wanted_end;

static bool
has_read(void *arg)
{
	(void)arg;
	return ring_end(console_ring(console)) >= wanted_end;
}

static bool
has_hung_up(void *arg)
{
	(void)arg;
	return stub_told.hangups > 0;
}

static void
print(int guest, const char *text)
{
	const struct ring *ring = console_ring(console);
	size_t len = strlen(text);

	wanted_end = ring_end(ring) + len;
	assert_int_equal(write(guest, text, len), len);
	run_until(has_read);
}

/* The ring holds this, from its beginning. */
static void
check_ring(const char *want)
{
	const struct ring *ring = console_ring(console);

	assert_int_equal(ring_end(ring), strlen(want));
	assert_memory_equal(ring_at(ring, 0), want, strlen(want));
}

static struct msg_console
update(uint32_t state, uint32_t flags, const char *name, const char *holder)
{
	struct msg_console msg = {.type = MSG_CONSOLE,
	    .state = state,
	    .domid = 7,
	    .flags = flags,
	    .key = *console_key_of(console)};

	snprintf(msg.name, sizeof msg.name, "%s", name);
	snprintf(msg.holder, sizeof msg.holder, "%s", holder);
	console_update(console, &msg);
	return msg;
}

static void
test_new(void **state)
{
	unsigned rows, cols;

	(void)state;
	assert_string_equal(console_id(console),
	    "ab000000-0000-0000-0000-000000000000/serial1");
	assert_int_equal(console_state(console), STATE_WAITING);
	assert_null(console_ring(console));
	assert_false(console_is_open(console));
	assert_int_equal(console_type(console, "x", 1, NULL), -ENOTCONN);
	console_size(console, &rows, &cols);
	assert_int_equal(rows, 24);
	assert_int_equal(cols, 80);
	/* Everything is news to who knows nothing. */
	for (int i = 0; i < NEWS_COUNT; i++)
		assert_int_equal(console_changed(console, i),
		    i == NEWS_MODE || i == NEWS_INPUT ? 0
						      : console_event(console));
	assert_int_not_equal(console_event(console), 0);
	console_destroy(NULL);
}

static void
test_update(void **state)
{
	uint64_t event = console_event(console), size;
	struct msg_console msg;

	(void)state;
	size = console_changed(console, NEWS_SIZE);
	msg = update(STATE_BUSY, 0, "web1", "xenconsole (pid 4711)");
	assert_int_equal(console_state(console), STATE_BUSY);
	assert_int_equal(console_domid(console), 7);
	assert_string_equal(console_name(console), "web1/serial1");
	assert_string_equal(console_guest(console), "web1");
	assert_string_equal(console_holder(console), "xenconsole (pid 4711)");
	assert_false(console_is_default(console));
	assert_true(console_event(console) > event);
	assert_int_equal(
	    console_changed(console, NEWS_STATE), console_event(console));
	assert_int_equal(console_changed(console, NEWS_SIZE), size);
	/* The same again is no news. */
	event = console_event(console);
	console_update(console, &msg);
	assert_int_equal(console_event(console), event);
	update(STATE_BUSY, CONSOLE_DEFAULT, "web1", "xenconsole (pid 4711)");
	assert_string_equal(console_name(console), "web1");
	assert_true(console_is_default(console));
	assert_true(console_event(console) > event);
}

/* The longest name is whole, with the kind behind it. */
static void
test_long_name(void **state)
{
	char name[LIMIT_NAME + 1], want[LIMIT_NAME + 16];

	(void)state;
	memset(name, 'n', LIMIT_NAME);
	name[LIMIT_NAME] = '\0';
	snprintf(want, sizeof want, "%s/serial1", name);
	update(STATE_WAITING, 0, name, "");
	assert_string_equal(console_guest(console), name);
	assert_string_equal(console_name(console), want);
}

static void
test_attach(void **state)
{
	uint64_t event = console_event(console);
	int guest = attach(1);
	char got[16];

	(void)state;
	assert_true(console_is_open(console));
	assert_int_equal(console_state(console), STATE_UP);
	assert_true(console_event(console) > event);
	print(guest, "login: ");
	check_ring("login: ");
	assert_int_equal(console_type(console, "root\r", 5, NULL), 0);
	assert_int_equal(
	    poll(&(struct pollfd){.fd = guest, .events = POLLIN}, 1, 20000), 1);
	assert_int_equal(read(guest, got, sizeof got), 5);
	assert_memory_equal(got, "root\r", 5);
	/* Output alone is no event. */
	event = console_event(console);
	print(guest, "more\n");
	check_ring("login: more\n");
	assert_int_equal(console_event(console), event);
	close(guest);
}

static void
test_hangup(void **state)
{
	int guest = attach(17);
	uint64_t event;

	(void)state;
	print(guest, "bye");
	event = console_event(console);
	close(guest);
	run_until(has_hung_up);
	assert_int_equal(stub_told.hangups, 1);
	assert_int_equal(stub_told.serial, 17);
	assert_int_equal(console_state(console), STATE_WAITING);
	assert_true(console_event(console) > event);
	assert_int_equal(console_type(console, "x", 1, NULL), -ENOTCONN);
	check_ring("bye");
	/* Nothing is left to turn the loop for. */
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
}

/* What came before the end is read, and the end is told behind it. */
static void
test_end_of_file(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(take_tty(ring_fd, fds[0], 3), 0);
	assert_int_equal(write(fds[1], "last words", 10), 10);
	close(fds[1]);
	run_until(has_hung_up);
	check_ring("last words");
	assert_int_equal(stub_told.serial, 3);
}

/* A state that the broker told stays, when the tty ends after it. */
static void
test_hangup_when_gone(void **state)
{
	int guest = attach(1);

	(void)state;
	update(STATE_GONE, 0, "web1", "");
	assert_true(console_is_open(console));
	close(guest);
	run_until(has_hung_up);
	assert_int_equal(console_state(console), STATE_GONE);
}

static void
test_attach_again(void **state)
{
	int guest = attach(1), other;
	uint64_t run = ring_run(console_ring(console)), event;

	(void)state;
	print(guest, "one ");
	event = console_event(console);
	other = attach(2);
	assert_int_equal(ring_run(console_ring(console)), run);
	assert_true(console_event(console) > event);
	/* It is another domain's, whether or not the broker has said so. */
	assert_int_equal(console_domid(console), 12);
	print(other, "two");
	check_ring("one two");
	/* The old tty is nobody's any more: no hangup of it is told. */
	close(guest);
	close(other);
	run_until(has_hung_up);
	assert_int_equal(stub_told.hangups, 1);
	assert_int_equal(stub_told.serial, 2);
}

/* A broker that has taken over tells of the same ring and tty. */
static void
test_attach_known(void **state)
{
	int guest = attach(7), before = count_fds(), fd = dup(0);
	uint64_t event;
	uint32_t serial;

	(void)state;
	print(guest, "one ");
	event = console_event(console);
	assert_int_equal(take_tty(ring_fd, fd, 7), 0);
	assert_int_equal(console_event(console), event);
	assert_int_equal(count_fds(), before);
	assert_false(console_has_ended(console, &serial));
	print(guest, "two");
	check_ring("one two");
	/* It has ended, which that broker may not know yet. */
	close(guest);
	run_until(has_hung_up);
	before = count_fds();
	assert_true(console_has_ended(console, &serial));
	assert_int_equal(serial, 7);
	event = console_event(console);
	assert_int_equal(take_tty(ring_fd, dup(0), 7), 0);
	assert_false(console_is_open(console));
	assert_int_equal(console_event(console), event);
	assert_int_equal(count_fds(), before);
	/* The next one is another. */
	guest = attach(8);
	assert_true(console_is_open(console));
	assert_false(console_has_ended(console, &serial));
	close(guest);
}

static void
test_listed(void **state)
{
	struct msg_console msg = {.type = MSG_CONSOLE, .name = "web1"};

	(void)state;
	console_update(console, &msg);
	assert_true(console_is_listed(console));
	console_unlist(console);
	assert_false(console_is_listed(console));
	console_update(console, &msg);
	assert_true(console_is_listed(console));
}

/* A tty that holds more than the turns of a loop would read; returns the
 * guest's end. */
static int
attach_full(uint32_t serial, uint64_t *count)
{
	static const uint8_t flood[1024];
	int fds[2];
	ssize_t n;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	for (*count = 0; (n = write(fds[1], flood, sizeof flood)) > 0;)
		*count += (uint64_t)n;
	assert_in_range(
	    *count, LIMIT_READS_PER_TURN * LIMIT_READ + 1, UINT64_MAX);
	assert_int_equal(take_tty(ring_fd, fds[0], serial), 0);
	return fds[1];
}

/* What the old tty still holds comes before the new one's. */
static void
test_attach_drains(void **state)
{
	uint64_t count;
	int old = attach_full(1, &count), other = attach(2);

	(void)state;
	assert_int_equal(ring_end(console_ring(console)), count);
	print(other, "new");
	assert_int_equal(stub_told.hangups, 0);
	close(old);
	close(other);
}

static void
test_another_run(void **state)
{
	int guest = attach(1);
	uint64_t run = ring_run(console_ring(console));

	(void)state;
	print(guest, "before");
	close(ring_fd);
	ring_fd = ring_make(LIMIT_RING_MIN);
	close(guest);
	guest = attach(2);
	assert_int_not_equal(ring_run(console_ring(console)), run);
	print(guest, "after");
	check_ring("after");
	close(guest);
}

static void
test_attach_refused(void **state)
{
	int before = count_fds(), fds[2];
	int null = open("/dev/null", O_RDWR);

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(take_tty(null, fds[0], 1), -EPROTO);
	assert_false(console_is_open(console));
	assert_null(console_ring(console));
	close(null);
	close(fds[1]);
	/* The pty was the console's, and is closed. */
	assert_int_equal(count_fds(), before);
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
}

/* Who else has it reads from it: xenterm must not. */
static void
test_others_close_it(void **state)
{
	static const uint32_t states[] = {STATE_RELEASED, STATE_BUSY};

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		int guest = attach(i), before = count_fds();

		update(STATE_UP, 0, "web1", "");
		assert_true(console_is_open(console));
		update(states[i], 0, "web1", "");
		assert_false(console_is_open(console));
		assert_int_equal(console_state(console), states[i]);
		assert_int_equal(count_fds(), before - 1);
		assert_int_equal(
		    console_type(console, "x", 1, NULL), -ENOTCONN);
		assert_non_null(console_ring(console));
		close(guest);
	}
	/* It was the broker's wish, so it is not told of a hangup. */
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
	assert_int_equal(stub_told.hangups, 0);
}

/* A guest that prints without end wraps the ring, and the loop turns. */
static void
test_flood(void **state)
{
	const struct ring *ring;
	char block[4096];
	int fds[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(take_tty(ring_fd, fds[0], 1), 0);
	ring = console_ring(console);
	for (int i = 0; i < 50; i++) {
		memset(block, 'a' + i % 26, sizeof block);
		wanted_end = ring_end(ring) + sizeof block;
		assert_int_equal(
		    write(fds[1], block, sizeof block), sizeof block);
		run_until(has_read);
	}
	assert_int_equal(ring_end(ring), 50 * sizeof block);
	assert_int_equal(ring_begin(ring), 50 * sizeof block - LIMIT_RING_MIN);
	assert_memory_equal(
	    ring_at(ring, 49 * sizeof block), block, sizeof block);
	close(fds[1]);
}

/* Others have their turn while it does. */
static void
test_flood_takes_turns(void **state)
{
	uint64_t count;
	int guest = attach_full(1, &count);

	(void)state;
	event_base_loop(base, EVLOOP_ONCE);
	assert_in_range(ring_end(console_ring(console)), 1,
	    LIMIT_READS_PER_TURN * LIMIT_READ);
	wanted_end = count;
	run_until(has_read);
	close(guest);
}

static void
test_resize(void **state)
{
	uint64_t event = console_event(console);
	unsigned rows, cols;

	(void)state;
	console_resize(console, 24, 80);
	assert_int_equal(console_event(console), event);
	console_resize(console, 50, 132);
	console_size(console, &rows, &cols);
	assert_int_equal(rows, 50);
	assert_int_equal(cols, 132);
	assert_true(console_event(console) > event);
	assert_int_equal(
	    console_changed(console, NEWS_SIZE), console_event(console));
	assert_int_equal(console_changed(console, NEWS_STATE), event);
}

/* Whatever happens, the numbers go up. */
static void
test_events_grow(void **state)
{
	uint64_t last = console_event(console);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		if (i % 3 == 0)
			console_resize(console, 25 + i, 80);
		else if (i % 3 == 1)
			close(attach(i));
		else
			update(i % 2 ? STATE_BUSY : STATE_RELEASED, 0, "a", "");
		assert_true(console_event(console) > last);
		last = console_event(console);
	}
}

/* A worker that starts anew begins above what this one can have used. */
static void
test_events_after_restart(void **state)
{
	const struct console_key key = {.kind = CONSOLE_PV};
	struct console *next;

	(void)state;
	next = console_create(base, &key, &stub_owner);
	assert_true(console_event(next) >= console_event(console));
	console_destroy(next);
}

static uint64_t viewers_before;

static bool
viewers_told(void *arg)
{
	(void)arg;
	return console_changed(console, NEWS_VIEWERS) > viewers_before;
}

static void
test_viewers(void **state)
{
	struct viewer a = {.session = "1", .user = "alice", .may_type = true};
	struct viewer b = {.session = "2", .user = "bob"};
	uint64_t event;

	(void)state;
	viewers_before = console_changed(console, NEWS_VIEWERS);
	console_join(console, &a);
	console_join(console, &b);
	assert_int_equal(console_nviewers(console), 2);
	assert_ptr_equal(console_viewers(console), &a);
	assert_ptr_equal(console_viewers(console)->next, &b);
	/* The first one is told to the owner, the second is not. */
	assert_int_equal(stub_told.wanted, 1);
	assert_int_equal(stub_told.nviewers, 2 - 1);
	/* Both are one event, a moment later. */
	event = console_event(console);
	assert_false(viewers_told(NULL));
	run_until(viewers_told);
	assert_int_equal(console_event(console), event + 1);
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
	viewers_before = console_changed(console, NEWS_VIEWERS);
	console_leave(console, &a);
	assert_int_equal(stub_told.wanted, 1);
	assert_ptr_equal(console_viewers(console), &b);
	console_leave(console, &b);
	assert_int_equal(stub_told.wanted, 2);
	assert_int_equal(stub_told.nviewers, 0);
	assert_null(console_viewers(console));
	run_until(viewers_told);
	assert_int_equal(console_event(console), event + 2);
}

/* The others watch; who came first, and whose session it is, does not
 * count. */
static void
test_take_over(void **state)
{
	struct viewer a = {.session = "1", .user = "alice", .may_type = true};
	struct viewer b = {.session = "2", .user = "bob"};
	struct viewer c = {.session = "3", .user = "alice", .may_type = true};
	const char *user, *session;
	uint64_t event;

	(void)state;
	assert_int_equal(console_changed(console, NEWS_MODE), 0);
	assert_null(console_typist(console, "bob"));
	console_join(console, &b);
	assert_null(console_typist(console, "alice"));
	console_join(console, &a);
	console_join(console, &c);
	assert_null(console_typist(console, "alice"));
	assert_string_equal(console_typist(console, "bob"), "alice");
	console_set_away(console, &a, true);
	console_set_away(console, &c, true);
	assert_null(console_typist(console, "bob"));
	console_set_away(console, &a, false);
	event = console_event(console);
	console_take_over(console, &c);
	assert_int_equal(console_changed(console, NEWS_MODE), event + 1);
	console_taker(console, &user, &session);
	assert_string_equal(user, "alice");
	assert_string_equal(session, "3");
	assert_false(a.may_type);
	assert_false(b.may_type);
	assert_true(c.may_type);
	console_leave(console, &c);
	console_leave(console, &a);
	console_leave(console, &b);
}

/* Who is away still wants the console, and is not there. */
static void
test_away(void **state)
{
	struct viewer a = {.session = "1", .user = "alice"};
	struct viewer b = {.session = "2", .user = "bob"};
	uint64_t event;

	(void)state;
	viewers_before = console_changed(console, NEWS_VIEWERS);
	console_join(console, &a);
	console_join(console, &b);
	assert_int_equal(console_npresent(console), 2);
	run_until(viewers_told);
	/* It is told, like a leave. */
	viewers_before = console_changed(console, NEWS_VIEWERS);
	console_set_away(console, &a, true);
	console_set_away(console, &a, true);
	assert_int_equal(console_npresent(console), 1);
	assert_int_equal(console_nviewers(console), 2);
	run_until(viewers_told);
	/* What changes nothing is no news. */
	event = console_event(console);
	console_set_away(console, &a, true);
	console_set_away(console, &b, false);
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 1);
	assert_int_equal(console_event(console), event);
	console_set_away(console, &b, true);
	assert_int_equal(console_npresent(console), 0);
	assert_int_equal(stub_told.wanted, 1);
	console_set_away(console, &a, false);
	assert_int_equal(console_npresent(console), 1);
	console_leave(console, &a);
	assert_int_equal(console_npresent(console), 0);
	assert_int_equal(stub_told.wanted, 1);
	console_leave(console, &b);
	assert_int_equal(console_npresent(console), 0);
	assert_int_equal(stub_told.wanted, 2);
	assert_int_equal(stub_told.nviewers, 0);
}

struct test_waiter {
	struct waiter waiter; /* first */
	uint64_t end;	      /* of the output it waits for */
	int answers;
	enum wake why;
};

static bool
on_ready(struct waiter *w)
{
	const struct ring *ring = console_ring(console);

	return ring && ring_end(ring) >= ((struct test_waiter *)w)->end;
}

static void
on_answer(struct waiter *w, enum wake why)
{
	struct test_waiter *t = (struct test_waiter *)w;

	t->answers++;
	t->why = why;
}

static const struct waiter_class class = {
    .ready = on_ready, .answer = on_answer};

static void
test_output_wakes(void **state)
{
	struct test_waiter soon = {.waiter.class = &class, .end = 1};
	struct test_waiter late = {.waiter.class = &class, .end = 100};
	int guest = attach(1);

	(void)state;
	assert_true(
	    waiters_add(console_waiters(console), &soon.waiter, 3600000));
	assert_true(
	    waiters_add(console_waiters(console), &late.waiter, 3600000));
	print(guest, "hello");
	assert_int_equal(soon.answers, 1);
	assert_int_equal(soon.why, WAKE_READY);
	assert_int_equal(late.answers, 0);
	console_destroy(console);
	console = NULL;
	assert_int_equal(soon.answers, 1);
	assert_int_equal(late.answers, 1);
	assert_int_equal(late.why, WAKE_CLOSED);
	close(guest);
}

/* ---- what the next worker finds ------------------------------------------ */

/* The worker ends, the console goes on with the next one. */
static void
next_worker(void)
{
	const struct console_key key = *console_key_of(console);

	console_destroy(console);
	console = console_create(base, &key, &stub_owner);
	assert_non_null(console);
}

static uint64_t nread, last_byte;

static bool
has_read_all(void *arg)
{
	uint8_t bytes[4096];
	ssize_t n;

	while ((n = read(*(int *)arg, bytes, sizeof bytes)) > 0)
		for (ssize_t i = 0; i < n; i++) {
			assert_int_equal(bytes[i], (uint8_t)(nread % 251));
			nread++;
		}
	return nread >= last_byte;
}

/* Types more than goes at once; byte i is i % 251. */
static void
type_much(void)
{
	uint8_t bytes[251];

	for (int i = 0; i < 251; i++)
		bytes[i] = (uint8_t)i;
	for (int i = 0; i < 20; i++)
		assert_int_equal(
		    console_type(console, bytes, sizeof bytes, NULL), 0);
}

static void
test_next_worker(void **state)
{
	struct viewer a = {.session = "1", .user = "alice", .may_type = true};
	int guest = attach(1), other;
	const char *user, *session;
	unsigned rows, cols;
	uint64_t event;

	(void)state;
	print(guest, "printed");
	console_resize(console, 40, 100);
	console_join(console, &a);
	console_take_over(console, &a);
	console_leave(console, &a);
	event = console_event(console);
	next_worker();
	assert_int_equal(console_changed(console, NEWS_MODE), 0);
	other = attach(1);
	console_size(console, &rows, &cols);
	assert_int_equal(rows, 40);
	assert_int_equal(cols, 100);
	assert_int_equal(console_size_from(console), strlen("printed"));
	assert_true(console_event(console) >= event);
	assert_true(console_changed(console, NEWS_MODE) > 0);
	console_taker(console, &user, &session);
	assert_string_equal(user, "alice");
	assert_string_equal(session, "1");
	close(guest);
	close(other);
}

/* It goes to the same guest, also by another tty. */
static void
test_input_goes_on(void **state)
{
	int guest = attach(1), lost;
	uint64_t all = 20 * 251;

	(void)state;
	nread = 0;
	type_much();
	last_byte = 1;
	loop_until(base, has_read_all, &guest, 20);
	next_worker();
	/* What is on its way in the old tty is the guest's. */
	last_byte = 0;
	has_read_all(&guest);
	lost = attach(1);
	last_byte = all;
	loop_until(base, has_read_all, &lost, 20);
	assert_int_equal(nread, all);
	assert_int_equal(console_changed(console, NEWS_INPUT), 0);
	close(guest);
	close(lost);
}

/* To another guest than it was typed for, nothing. */
static void
test_input_of_a_guest_that_ended(void **state)
{
	int guest = attach(1), other;
	enum input_loss why;
	uint8_t byte;

	(void)state;
	type_much();
	next_worker();
	other = attach(2);
	assert_true(console_changed(console, NEWS_INPUT) > 0);
	assert_true(console_lost(console, &why) > 4000);
	assert_int_equal(why, LOSS_GUEST_ENDED);
	for (int i = 0; i < 10; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(read(other, &byte, 1), -1);
	close(guest);
	close(other);
}

/* It is not known whether they were written: they are not written again. */
static void
test_input_that_is_uncertain(void **state)
{
	struct console_store *store = mmap(NULL, sizeof *store,
	    PROT_READ | PROT_WRITE, MAP_SHARED, store_fd, 0);
	int guest = attach(1), other;
	enum input_loss why;

	(void)state;
	assert_ptr_not_equal(store, MAP_FAILED);
	type_much();
	input_queue_begin(&store->queue, 5);
	next_worker();
	other = attach(1);
	assert_int_equal(console_lost(console, &why), 5);
	assert_int_equal(why, LOSS_UNCERTAIN);
	munmap(store, sizeof *store);
	close(guest);
	close(other);
}

/* What another version has left is not read as if it were ours. */
static void
test_store_of_another_layout(void **state)
{
	const uint32_t layout = 1000;
	int guest = attach(1), other;
	unsigned rows, cols;

	(void)state;
	console_resize(console, 40, 100);
	type_much();
	assert_int_equal(pwrite(store_fd, &layout, 4, 4), 4);
	next_worker();
	other = attach(1);
	console_size(console, &rows, &cols);
	assert_int_equal(rows, 24);
	assert_int_equal(cols, 80);
	assert_int_equal(console_changed(console, NEWS_INPUT), 0);
	close(guest);
	close(other);
}

/* A console at which nothing is typed costs one page of it: there are many. */
static void
test_store_of_a_quiet_console(void **state)
{
	int guest = attach(1), other;
	struct stat st;

	(void)state;
	console_resize(console, 40, 100);
	next_worker();
	other = attach(1);
	assert_int_equal(fstat(store_fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, sysconf(_SC_PAGESIZE));
	close(guest);
	close(other);
}

/* Its numbers are out of range: they are put right. */
static void
test_store_with_nonsense(void **state)
{
	struct console_store *store = mmap(NULL, sizeof *store,
	    PROT_READ | PROT_WRITE, MAP_SHARED, store_fd, 0);
	int guest = attach(1), other;
	const char *user, *session;
	unsigned rows, cols;

	(void)state;
	assert_ptr_not_equal(store, MAP_FAILED);
	store->grid = 0xffffffff;
	store->lost_why = 77;
	store->has_taker = 1;
	memset(store->taker, 'x', sizeof store->taker);
	store->queue.state = UINT64_MAX;
	next_worker();
	other = attach(1);
	console_size(console, &rows, &cols);
	assert_int_equal(rows, 24);
	assert_int_equal(cols, 80);
	console_taker(console, &user, &session);
	assert_true(strlen(user) <= LIMIT_USER);
	assert_int_equal(console_type(console, "x", 1, NULL), 0);
	munmap(store, sizeof *store);
	close(guest);
	close(other);
}

static void
test_store_refused(void **state)
{
	int before, fds[2];

	(void)state;
	close(store_fd);
	store_fd = open("/dev/null", O_RDWR);
	before = count_fds();
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(take_tty(ring_fd, fds[0], 1), -EPROTO);
	assert_null(console_ring(console));
	close(fds[1]);
	assert_int_equal(count_fds(), before);
}

int
main(void)
{
#define WITH_CONSOLE(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_CONSOLE(test_new),
	    WITH_CONSOLE(test_update),
	    WITH_CONSOLE(test_long_name),
	    WITH_CONSOLE(test_attach),
	    WITH_CONSOLE(test_hangup),
	    WITH_CONSOLE(test_end_of_file),
	    WITH_CONSOLE(test_hangup_when_gone),
	    WITH_CONSOLE(test_attach_again),
	    WITH_CONSOLE(test_attach_known),
	    WITH_CONSOLE(test_listed),
	    WITH_CONSOLE(test_attach_drains),
	    WITH_CONSOLE(test_another_run),
	    WITH_CONSOLE(test_attach_refused),
	    WITH_CONSOLE(test_others_close_it),
	    WITH_CONSOLE(test_flood),
	    WITH_CONSOLE(test_flood_takes_turns),
	    WITH_CONSOLE(test_resize),
	    WITH_CONSOLE(test_events_grow),
	    WITH_CONSOLE(test_events_after_restart),
	    WITH_CONSOLE(test_viewers),
	    WITH_CONSOLE(test_take_over),
	    WITH_CONSOLE(test_away),
	    WITH_CONSOLE(test_output_wakes),
	    WITH_CONSOLE(test_next_worker),
	    WITH_CONSOLE(test_input_goes_on),
	    WITH_CONSOLE(test_input_of_a_guest_that_ended),
	    WITH_CONSOLE(test_input_that_is_uncertain),
	    WITH_CONSOLE(test_store_of_another_layout),
	    WITH_CONSOLE(test_store_of_a_quiet_console),
	    WITH_CONSOLE(test_store_with_nonsense),
	    WITH_CONSOLE(test_store_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
