/* One packet with its descriptors, and peers that break the rules. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/msg.h"
#include "tests/unit/stubs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int here, there; /* the two ends */

static int
setup(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	here = fds[0];
	there = fds[1];
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(here);
	if (there >= 0)
		close(there);
	return 0;
}

/* As a peer could, which does not use msg_send(): any size, any number. */
static void
send_raw(const void *bytes, size_t size, int nfds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 64)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {(void *)bytes, size};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

	memset(&control, 0, sizeof control);
	if (nfds > 0) {
		struct cmsghdr *cmsg;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
		for (int i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(cmsg) + (size_t)i * sizeof(int),
			    &there, sizeof(int));
	}
	assert_int_equal(sendmsg(there, &header, MSG_NOSIGNAL), size);
}

static void
test_roundtrip(void **state)
{
	const struct msg_console sent = {.type = MSG_CONSOLE,
	    .state = STATE_BUSY,
	    .domid = 7,
	    .flags = CONSOLE_DEFAULT,
	    .key = {.kind = CONSOLE_SERIAL, .number = 2},
	    .name = "web1",
	    .holder = "xenconsole (pid 4711)"};
	const struct msg_hello hello = {MSG_HELLO, PROTO_VERSION};
	struct packet packet;

	(void)state;
	assert_int_equal(msg_send(there, &sent, sizeof sent, NULL, 0), 0);
	assert_int_equal(msg_send(there, &hello, sizeof hello, NULL, 0), 0);
	assert_int_equal(msg_receive(here, &packet), 1);
	assert_int_equal(packet.size, sizeof sent);
	assert_int_equal(packet.nfds, 0);
	assert_memory_equal(&packet.msg.console, &sent, sizeof sent);
	assert_int_equal(msg_receive(here, &packet), 1);
	assert_int_equal(packet.size, sizeof hello);
	assert_memory_equal(&packet.msg.hello, &hello, sizeof hello);
	assert_int_equal(msg_receive(here, &packet), -EAGAIN);
}

static void
test_descriptors(void **state)
{
	const struct msg_tty sent = {.type = MSG_TTY, .serial = 9};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	const int fds[] = {null, zero};
	int before = count_fds();
	struct packet packet;

	(void)state;
	assert_int_equal(msg_send(there, &sent, sizeof sent, fds, 2), 0);
	assert_int_equal(msg_receive(here, &packet), 1);
	assert_int_equal(packet.nfds, 2);
	assert_int_equal(count_fds(), before + 2);
	for (int i = 0; i < 2; i++) {
		struct stat got, want;

		assert_int_equal(fstat(packet.fds[i], &got), 0);
		assert_int_equal(fstat(fds[i], &want), 0);
		assert_int_equal(got.st_rdev, want.st_rdev);
		assert_true(fcntl(packet.fds[i], F_GETFD) & FD_CLOEXEC);
	}
	/* Whoever takes one says so; the other is closed. */
	close(packet.fds[1]);
	packet.fds[1] = -1;
	packet_close(&packet);
	assert_int_equal(count_fds(), before);
	packet_close(&packet);
	assert_int_equal(count_fds(), before);
	close(null);
	close(zero);
}

static void
test_closed(void **state)
{
	struct msg_hello hello = {MSG_HELLO, PROTO_VERSION};
	struct packet packet;

	(void)state;
	assert_int_equal(msg_send(there, &hello, sizeof hello, NULL, 0), 0);
	close(there);
	there = -1;
	assert_int_equal(msg_receive(here, &packet), 1);
	assert_int_equal(msg_receive(here, &packet), 0);
	assert_int_equal(msg_receive(here, &packet), 0);
	/* And no SIGPIPE. */
	assert_int_equal(msg_send(here, &hello, sizeof hello, NULL, 0), -EPIPE);
}

static void
test_not_a_socket(void **state)
{
	struct packet packet;
	int fd = open("/dev/null", O_RDWR);

	(void)state;
	assert_int_equal(msg_receive(fd, &packet), -ENOTSOCK);
	assert_int_equal(packet.nfds, 0);
	assert_int_equal(msg_send(fd, "12345678", 8, NULL, 0), -ENOTSOCK);
	close(fd);
}

/* A peer that does not read costs an error, not a blocked process. */
static void
test_full(void **state)
{
	const struct msg_hello hello = {MSG_HELLO, PROTO_VERSION};
	int status = 0;

	(void)state;
	for (int i = 0; i < 1000000 && status == 0; i++)
		status = msg_send(there, &hello, sizeof hello, NULL, 0);
	assert_int_equal(status, -EAGAIN);
}

/* Each is refused, and no descriptor stays open. */
static void
test_hostile(void **state)
{
	static const struct {
		size_t size;
		int nfds;
	} cases[] = {
	    {1, 0},
	    {3, 0},
	    {3, 2},
	    {sizeof(union msg) + 1, 0},
	    {sizeof(union msg) + 1, 2},
	    {4096, 0},
	    {4096, 64},
	    {sizeof(struct msg_tty), TTY_FDS + 1},
	    {sizeof(struct msg_tty), TTY_FDS + 2},
	    {sizeof(struct msg_tty), TTY_FDS + 3},
	    {sizeof(struct msg_tty), 64},
	};
	static const uint8_t bytes[4096] = {MSG_TTY};
	int before = count_fds();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct packet packet;
		int status;

		send_raw(bytes, cases[i].size, cases[i].nfds);
		status = msg_receive(here, &packet);
		if (status != -EPROTO)
			fail_msg("%zu bytes, %d descriptors: %d", cases[i].size,
			    cases[i].nfds, status);
		assert_int_equal(packet.nfds, 0);
		assert_int_equal(count_fds(), before);
		assert_int_equal(msg_receive(here, &packet), -EAGAIN);
	}
}

/* An empty packet looks like the end, whatever came with it. */
static void
test_empty(void **state)
{
	int before = count_fds();
	struct packet packet;

	(void)state;
	send_raw("", 0, 0);
	assert_int_equal(msg_receive(here, &packet), 0);
	for (int nfds = 1; nfds <= 5; nfds++) {
		send_raw("", 0, nfds);
		assert_true(msg_receive(here, &packet) <= 0);
		assert_int_equal(packet.nfds, 0);
		assert_int_equal(count_fds(), before);
	}
}

/* What a handler was given. */
static struct {
	int calls, nfds;
	uint32_t type;
	bool take;
	int taken;
} seen;

static void
on_packet(void *ctx, struct packet *packet)
{
	assert_ptr_equal(ctx, &seen);
	seen.calls++;
	seen.type = packet->msg.type;
	seen.nfds = packet->nfds;
	if (seen.take) {
		seen.taken = packet->fds[0];
		packet->fds[0] = -1;
	}
}

static const struct msg_rule rules[] = {
    {MSG_HELLO, sizeof(struct msg_hello), 0, on_packet},
    {MSG_TTY, sizeof(struct msg_tty), 2, on_packet},
};

static int
dispatch(uint32_t type, size_t size, int nfds)
{
	uint8_t bytes[sizeof(union msg)] = {0};
	struct packet packet;

	memcpy(bytes, &type, sizeof type);
	send_raw(bytes, size, nfds);
	assert_int_equal(msg_receive(here, &packet), 1);
	return msg_dispatch(rules, COUNT(rules), &seen, &packet);
}

static void
test_dispatch(void **state)
{
	int before = count_fds();

	(void)state;
	memset(&seen, 0, sizeof seen);
	assert_int_equal(dispatch(MSG_HELLO, sizeof(struct msg_hello), 0), 0);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.type, MSG_HELLO);
	assert_int_equal(dispatch(MSG_TTY, sizeof(struct msg_tty), 2), 0);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.nfds, 2);
	/* What the handler has not taken is closed. */
	assert_int_equal(count_fds(), before);
	seen.take = true;
	assert_int_equal(dispatch(MSG_TTY, sizeof(struct msg_tty), 2), 0);
	assert_int_equal(count_fds(), before + 1);
	assert_true(fcntl(seen.taken, F_GETFD) >= 0);
	close(seen.taken);
}

static void
test_dispatch_hostile(void **state)
{
	static const struct {
		uint32_t type;
		size_t size;
		int nfds;
	} cases[] = {
	    {0, sizeof(struct msg_hello), 0},
	    {MSG_WANT, sizeof(struct msg_key), 0},
	    {MSG_SYNCED, sizeof(struct msg_hello), 0},
	    {UINT32_MAX, sizeof(struct msg_hello), 2},
	    {MSG_HELLO, 4, 0},
	    {MSG_HELLO, sizeof(struct msg_hello) - 1, 0},
	    {MSG_HELLO, sizeof(struct msg_hello) + 1, 0},
	    {MSG_HELLO, sizeof(union msg), 0},
	    {MSG_HELLO, sizeof(struct msg_hello), 1},
	    {MSG_TTY, sizeof(struct msg_tty), 0},
	    {MSG_TTY, sizeof(struct msg_tty), 1},
	    {MSG_TTY, sizeof(struct msg_tty) - 1, 2},
	    {MSG_TTY, sizeof(struct msg_tty) + 1, 2},
	};
	int before = count_fds();

	(void)state;
	memset(&seen, 0, sizeof seen);
	for (size_t i = 0; i < COUNT(cases); i++) {
		int status =
		    dispatch(cases[i].type, cases[i].size, cases[i].nfds);

		if (status != -EPROTO)
			fail_msg("number %zu: %d", i, status);
		assert_int_equal(count_fds(), before);
	}
	assert_int_equal(seen.calls, 0);
}

int
main(void)
{
#define WITH_PAIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_PAIR(test_roundtrip),
	    WITH_PAIR(test_descriptors),
	    WITH_PAIR(test_closed),
	    WITH_PAIR(test_not_a_socket),
	    WITH_PAIR(test_full),
	    WITH_PAIR(test_hostile),
	    WITH_PAIR(test_empty),
	    WITH_PAIR(test_dispatch),
	    WITH_PAIR(test_dispatch_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
