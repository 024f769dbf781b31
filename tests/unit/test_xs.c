/* The connection to xenstored is closed, whatever libxenstore, in whose place
 * the test stands, has left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/xs.h"

struct xs_handle {
	int fd, peer;
};

/* What happens between the reader thread and xs_close(). */
static enum { CLOSES, LEAVES, REUSED } way;
static struct xs_handle handle;
static int other;

struct xs_handle *__wrap_xs_open(unsigned long flags);
void __wrap_xs_close(struct xs_handle *h);

struct xs_handle *
__wrap_xs_open(unsigned long flags)
{
	int pair[2];

	assert_int_equal(flags, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	handle = (struct xs_handle){pair[0], pair[1]};
	return &handle;
}

void
__wrap_xs_close(struct xs_handle *h)
{
	if (way == LEAVES)
		return;
	close(h->fd);
	if (way == REUSED) {
		other = open("/dev/null", O_RDONLY);
		assert_int_equal(other, h->fd);
	}
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void
close_one(void)
{
	struct xs_conn *conn = xs_conn_open("/nowhere");

	assert_non_null(conn);
	assert_true(is_open(handle.fd));
	xs_conn_close(conn);
}

/* Its peer hears that it is gone. */
static void
assert_peer_is_alone(void)
{
	char byte;

	assert_int_equal(recv(handle.peer, &byte, 1, MSG_DONTWAIT), 0);
	close(handle.peer);
}

static void
test_closed_by_the_library(void **state)
{
	(void)state;
	way = CLOSES;
	close_one();
	assert_false(is_open(handle.fd));
	assert_peer_is_alone();
}

static void
test_left_by_the_library(void **state)
{
	(void)state;
	way = LEAVES;
	close_one();
	assert_false(is_open(handle.fd));
	assert_peer_is_alone();
}

static void
test_the_number_is_somebody_elses(void **state)
{
	(void)state;
	way = REUSED;
	close_one();
	assert_true(is_open(other));
	close(other);
	assert_peer_is_alone();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_closed_by_the_library),
	    cmocka_unit_test(test_left_by_the_library),
	    cmocka_unit_test(test_the_number_is_somebody_elses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
