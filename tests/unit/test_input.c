/* The queue to one guest: all or nothing, in order, at a pace. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "fcgi/input.h"
#include "fcgi/input_queue.h"
#include "tests/unit/stubs.h"

#define BURST	     256
#define BYTES_PER_MS 16

static struct event_base *base;
static struct input *input;
static struct input_queue queue;
static int guest, tty; /* what the guest reads, where the worker writes */

static uint8_t got[16 * LIMIT_INPUT_QUEUE];
static size_t ngot;

static void
open_pair(int *master, int *slave)
{
	struct termios raw = {0};

	cfmakeraw(&raw);
	assert_int_equal(openpty(master, slave, NULL, &raw, NULL), 0);
	fcntl(*master, F_SETFL, O_NONBLOCK);
	fcntl(*slave, F_SETFL, O_NONBLOCK);
}

static int
setup(void **state)
{
	(void)state;
	memset(&queue, 0, sizeof queue);
	base = event_base_new();
	input = input_create(base, &queue);
	if (!base || !input)
		return -1;
	open_pair(&guest, &tty);
	ngot = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	input_destroy(input);
	event_base_free(base);
	close(guest);
	close(tty);
	return 0;
}

static uint8_t
nth(size_t n)
{
	return (uint8_t)(n * 7 + n / 251);
}

/* Adds len bytes, of which each tells its place. */
static int
add(size_t first, size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1);
	int status;

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = nth(first + i);
	status = input_add(input, bytes, len, NULL);
	free(bytes);
	return status;
}

static void
check_got(size_t from, size_t first)
{
	assert_true(ngot > from);
	for (size_t i = from; i < ngot; i++)
		if (got[i] != nth(first + i - from))
			fail_msg("byte %zu is wrong", i);
}

static void
read_guest(void)
{
	ssize_t n;

	while ((n = read(guest, got + ngot, sizeof got - ngot)) > 0)
		ngot += (size_t)n;
}

static bool
has_got(void *arg)
{
	read_guest();
	return ngot >= *(size_t *)arg;
}

/* Turns the loop until the guest has read so many bytes. */
static void
run_until_got(size_t want)
{
	loop_until(base, has_got, &want, 20);
}

/* A pty passes on what it holds in its own time; a socket does nothing. */
static void
use_socket(void)
{
	int fds[2];

	close(guest);
	close(tty);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	guest = fds[0];
	tty = fds[1];
}

/* Writes to the tty until it takes no more; returns how much it took. */
static size_t
stop_up(void)
{
	static const uint8_t bytes[512];
	size_t total = 0;
	ssize_t n;

	while ((n = write(tty, bytes, sizeof bytes)) > 0)
		total += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	return total;
}

static void
test_key(void **state)
{
	(void)state;
	input_set_fd(input, tty);
	assert_int_equal(add(0, 1), 0);
	/* It went at once, without the loop. */
	assert_int_equal(input_pending(input), 0);
	run_until_got(1);
	check_got(0, 0);
	assert_int_equal(add(1, 0), 0);
	assert_int_equal(input_pending(input), 0);
}

static void
test_no_tty(void **state)
{
	(void)state;
	assert_int_equal(add(0, 1), -ENOTCONN);
	input_set_fd(input, tty);
	input_set_fd(input, -1);
	assert_int_equal(add(0, 1), -ENOTCONN);
	input_set_fd(input, -1);
	assert_int_equal(input_pending(input), 0);
	input_destroy(NULL);
}

static uint64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * A burst goes at once, the rest not faster than the pace.  A slow machine
 * makes it later, never sooner.
 */
static void
test_pace(void **state)
{
	const size_t len = 4096;
	uint64_t begun, least = (len - BURST) / BYTES_PER_MS;

	(void)state;
	input_set_fd(input, tty);
	begun = now_ms();
	assert_int_equal(add(0, len), 0);
	assert_int_equal(input_pending(input), len - BURST);
	run_until_got(len);
	assert_true(now_ms() - begun + 1 >= least);
	check_got(0, 0);
	assert_int_equal(input_pending(input), 0);
}

/* A tty that is full is waited for, and then it goes on where it was. */
static void
test_full_tty(void **state)
{
	size_t stuffed;

	(void)state;
	input_set_fd(input, tty);
	stuffed = stop_up();
	assert_int_equal(add(0, 100), 0);
	assert_int_equal(add(100, 900), 0);
	run_until_got(stuffed + 1000);
	check_got(stuffed, 0);
	assert_int_equal(input_pending(input), 0);
}

/* The same, where nothing goes on before the guest reads. */
static void
test_full_socket(void **state)
{
	size_t stuffed;

	(void)state;
	use_socket();
	input_set_fd(input, tty);
	stuffed = stop_up();
	assert_int_equal(add(0, 100), 0);
	assert_int_equal(add(100, 900), 0);
	assert_int_equal(input_pending(input), 1000);
	for (int i = 0; i < 10; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(input_pending(input), 1000);
	run_until_got(stuffed + 1000);
	check_got(stuffed, 0);
	assert_int_equal(input_pending(input), 0);
}

static void
test_all_or_nothing(void **state)
{
	size_t stuffed;

	(void)state;
	use_socket();
	input_set_fd(input, tty);
	stuffed = stop_up();
	assert_int_equal(add(0, LIMIT_INPUT_QUEUE + 1), -ENOBUFS);
	assert_int_equal(input_pending(input), 0);
	assert_int_equal(add(0, LIMIT_INPUT), 0);
	assert_int_equal(add(7, LIMIT_INPUT_QUEUE - LIMIT_INPUT + 1), -ENOBUFS);
	assert_int_equal(input_pending(input), LIMIT_INPUT);
	for (size_t at = LIMIT_INPUT; at < LIMIT_INPUT_QUEUE; at += LIMIT_INPUT)
		assert_int_equal(add(at, LIMIT_INPUT), 0);
	assert_int_equal(input_pending(input), LIMIT_INPUT_QUEUE);
	assert_int_equal(add(7, 1), -ENOBUFS);
	assert_int_equal(add(7, 0), 0);
	/* What was refused has left no trace. */
	run_until_got(stuffed + 2048);
	check_got(stuffed, 0);
}

/* Without a tty it waits, and goes on with the next one where it was. */
static void
test_waits(void **state)
{
	int other_guest, other_tty;
	size_t stuffed;

	(void)state;
	use_socket();
	input_set_fd(input, tty);
	stuffed = stop_up();
	assert_int_equal(add(0, 5000), 0);
	input_set_fd(input, -1);
	assert_int_equal(input_pending(input), 5000);
	assert_int_equal(add(0, 1), -ENOTCONN);
	run_until_got(stuffed);
	assert_int_equal(ngot, stuffed);
	open_pair(&other_guest, &other_tty);
	close(guest);
	guest = other_guest;
	ngot = 0;
	input_set_fd(input, other_tty);
	assert_int_equal(add(5000, 10), 0);
	run_until_got(5010);
	check_got(0, 0);
	assert_int_equal(ngot, 5010);
	input_set_fd(input, -1);
	close(other_tty);
}

/* Of one session, or of all; the numbers of what was taken stay taken. */
static void
test_cancel(void **state)
{
	_Atomic uint64_t last = 0;
	struct input_by alice = {
	    .session = "alice", .slot = 3, .seq = 1, .last = &last};
	const struct input_by bob = {
	    .session = "bob", .slot = 4, .seq = 1, .last = &last};
	size_t stuffed;

	(void)state;
	use_socket();
	input_set_fd(input, tty);
	stuffed = stop_up();
	assert_int_equal(input_add(input, "one", 3, &alice), 0);
	assert_int_equal(input_add(input, "TWO", 3, &bob), 0);
	alice.seq = 2;
	assert_int_equal(input_add(input, "three", 5, &alice), 0);
	assert_int_equal(last, 2);
	assert_int_equal(input_cancel(input, alice.session), 8);
	assert_int_equal(input_cancel(input, alice.session), 0);
	assert_int_equal(input_pending(input), 3);
	run_until_got(stuffed + 3);
	assert_memory_equal(got + stuffed, "TWO", 3);
	stuffed = stop_up();
	assert_int_equal(input_add(input, "four", 4, NULL), 0);
	assert_int_equal(input_cancel(input, NULL), 4);
	assert_int_equal(input_pending(input), 0);
}

/* The guest has gone: whoever types is told, and there is no endless try. */
static void
test_hangup(void **state)
{
	_Atomic uint64_t last = 6;
	const struct input_by by = {.seq = 7, .last = &last};

	(void)state;
	input_set_fd(input, tty);
	close(guest);
	assert_int_equal(input_add(input, "abc", 3, &by), -ENOTCONN);
	assert_int_equal(last, 6);
	assert_int_equal(add(0, 1000), -ENOTCONN);
	assert_int_equal(add(0, 1), -ENOTCONN);
	for (int i = 0; i < 100; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	input_set_fd(input, -1);
	assert_int_equal(input_pending(input), 0);
	guest = open("/dev/null", O_RDONLY);
}

int
main(void)
{
#define WITH_PTY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_PTY(test_key),
	    WITH_PTY(test_no_tty),
	    WITH_PTY(test_pace),
	    WITH_PTY(test_full_tty),
	    WITH_PTY(test_full_socket),
	    WITH_PTY(test_all_or_nothing),
	    WITH_PTY(test_waits),
	    WITH_PTY(test_cancel),
	    WITH_PTY(test_hangup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
