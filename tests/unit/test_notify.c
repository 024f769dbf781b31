/* What the keeper believes of what it hears, and what it hands over. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/handover.h"
#include "keeper/notify.h"
#include "keeper/store.h"
#include "tests/unit/stubs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- parsing ------------------------------------------------------------ */

static bool
parse(const char *text, struct notify_message *out)
{
	return notify_parse(text, strlen(text), out);
}

static void
test_parse(void **state)
{
	struct notify_message m;

	(void)state;
	assert_true(parse("READY=1", &m));
	assert_true(m.ready && !m.store && !m.remove && !m.watchdog);
	assert_true(parse("STATUS=well\nWATCHDOG=1\n", &m));
	assert_true(m.watchdog && !m.ready);
	assert_true(parse("FDSTORE=1\nFDNAME=r17\nFDPOLL=0", &m));
	assert_true(m.store && !m.remove);
	assert_string_equal(m.name, "r17");
	assert_true(parse("FDNAME=r17\nFDSTOREREMOVE=1", &m));
	assert_true(m.remove && !m.store);
	/* What is not known is passed over. */
	assert_true(parse("", &m));
	assert_true(parse("READY=0\nready=1\nREADY=11\nMAINPID=1", &m));
	assert_true(!m.ready && m.name[0] == '\0');
}

static void
test_parse_refused(void **state)
{
	static const char *const bad[] = {"FDSTORE=1", "FDSTOREREMOVE=1",
	    "FDSTORE=1\nFDNAME=", "FDSTORE=1\nFDNAME=a:b",
	    "FDSTORE=1\nFDNAME=a b", "FDSTORE=1\nFDNAME=\xc3\xa4",
	    "FDSTORE=1\nFDSTOREREMOVE=1\nFDNAME=a"};
	char text[5000] = "FDSTORE=1\nFDNAME=";
	struct notify_message m;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (parse(bad[i], &m))
			fail_msg("taken: %s", bad[i]);
	assert_false(notify_parse("READY=1\0\nWATCHDOG=1", 19, &m));
	memset(text + strlen(text), 'x', SERVICE_NAME);
	assert_false(parse(text, &m));
	text[17 + SERVICE_NAME - 1] = '\0';
	assert_true(parse(text, &m));
	memset(text, '\n', sizeof text);
	assert_false(notify_parse(text, sizeof text, &m));
}

/* ---- the socket --------------------------------------------------------- */

static char dir[32], path[64];

static int
set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_notify.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/socket", dir);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

/* Says something with n descriptors, as the process that calls. */
static void
say(const char *text, size_t len, size_t n)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * SERVICE_MAX_FDS)];
		struct cmsghdr align;
	} control = {.bytes = {0}};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct iovec iov = {(void *)text, len};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_name = &address,
	    .msg_namelen = sizeof address};
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (n > 0) {
		struct cmsghdr *cmsg;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memset(CMSG_DATA(cmsg), 0, sizeof(int) * n); /* stdin */
	}
	if (sendmsg(sock, &header, 0) < 0)
		_exit(1);
	close(sock);
}

static void
test_receive(void **state)
{
	static const char store[] = "FDSTORE=1\nFDNAME=a";
	static const char ready[] = "READY=1";
	char huge[5000];
	struct notify_message m;
	int sock = notify_open(path), before;
	struct stat st;

	(void)state;
	assert_true(sock >= 0);
	assert_string_equal(getenv("NOTIFY_SOCKET"), path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	before = count_fds();
	assert_int_equal(notify_receive(sock, getpid(), &m), -EAGAIN);
	say(store, strlen(store), 3);
	assert_int_equal(notify_receive(sock, getpid(), &m), 1);
	assert_true(m.store);
	assert_int_equal(m.nfds, 3);
	for (size_t i = 0; i < m.nfds; i++) {
		assert_int_equal(fcntl(m.fds[i], F_GETFD), FD_CLOEXEC);
		close(m.fds[i]);
	}
	say(store, strlen(store), SERVICE_MAX_FDS);
	assert_int_equal(notify_receive(sock, getpid(), &m), 1);
	assert_int_equal(m.nfds, SERVICE_MAX_FDS);
	while (m.nfds > 0)
		close(m.fds[--m.nfds]);

	/* Descriptors without a reason, a reason without descriptors. */
	say(ready, strlen(ready), 2);
	assert_int_equal(notify_receive(sock, getpid(), &m), 0);
	say(store, strlen(store), 0);
	assert_int_equal(notify_receive(sock, getpid(), &m), 0);
	/* One that is cut off, and an empty one. */
	memset(huge, '\n', sizeof huge);
	say(huge, sizeof huge, 1);
	assert_int_equal(notify_receive(sock, getpid(), &m), 0);
	say("", 0, 0);
	assert_int_equal(notify_receive(sock, getpid(), &m), 1);
	assert_int_equal(count_fds(), before);
	close(sock);
}

/* Root may send to the socket; it is not the program for that. */
static void
test_receive_of_another(void **state)
{
	static const char store[] = "FDSTORE=1\nFDNAME=a";
	struct notify_message m;
	int sock = notify_open(path), before = count_fds(), status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		say("READY=1", 7, 0);
		say(store, strlen(store), 5);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(notify_receive(sock, getpid(), &m), 0);
	assert_int_equal(notify_receive(sock, getpid(), &m), 0);
	assert_int_equal(notify_receive(sock, getpid(), &m), -EAGAIN);
	assert_int_equal(count_fds(), before);
	close(sock);
}

static void
test_open(void **state)
{
	char long_path[200];
	int sock = notify_open(path), again;

	(void)state;
	assert_true(sock >= 0);
	/* Another keeper has it. */
	assert_int_equal(notify_open(path), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	close(sock);
	/* It is left over. */
	again = notify_open(path);
	assert_true(again >= 0);
	close(again);
	unlink(path);
	/* What is no socket is nobody's to remove. */
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_true(notify_open(path) < 0);
	assert_int_equal(access(path, F_OK), 0);
	memset(long_path, '/', sizeof long_path);
	long_path[sizeof long_path - 1] = '\0';
	assert_int_equal(notify_open(long_path), -ENAMETOOLONG);
	assert_int_equal(notify_open("relative"), -ENAMETOOLONG);
}

/* ---- the store ---------------------------------------------------------- */

static int
zero(void)
{
	return fcntl(0, F_DUPFD_CLOEXEC, 0);
}

static void
test_store(void **state)
{
	struct store *store = store_create(5);
	int before = count_fds();

	(void)state;
	assert_int_equal(store_add(store, "sock", zero(), true), 0);
	assert_int_equal(store_add(store, "a", zero(), false), 0);
	assert_int_equal(store_add(store, "b", zero(), false), 0);
	assert_int_equal(store_add(store, "a", zero(), false), 0);
	assert_int_equal(store_add(store, "sock", zero(), false), 0);
	assert_int_equal(store_add(store, "c", zero(), false), -ENOSPC);
	assert_int_equal(store_count(store), 5);
	assert_int_equal(count_fds(), before + 5);
	store_remove(store, "a");
	store_remove(store, "nobody");
	assert_int_equal(store_count(store), 3);
	/* What we were started with stays. */
	store_remove(store, "sock");
	assert_int_equal(store_count(store), 2);
	store_remove(store, "b");
	assert_int_equal(count_fds(), before + 1);
	store_destroy(store);
	assert_int_equal(count_fds(), before);
	store_destroy(NULL);
}

/* All names are one variable of the environment. */
static void
test_store_of_long_names(void **state)
{
	struct store *store = store_create(1000);
	char name[SERVICE_NAME];
	size_t n = 0;

	(void)state;
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	while (store_add(store, name, zero(), false) == 0)
		n++;
	assert_int_equal(n, (128 * 1024 - 15) / SERVICE_NAME);
	store_remove(store, name);
	assert_int_equal(store_add(store, name, zero(), false), 0);
	store_destroy(store);
}

/* As in the process that becomes the program; it is to get count of them. */
static int
hand_over(size_t count)
{
	struct store *store = store_create(3);
	int ends[2], other = open("/dev/zero", O_RDWR);

	if (store_add(store, "a", zero(), true) < 0 ||
	    store_add(
		store, "b", open("/dev/null", O_RDWR | O_CLOEXEC), false) < 0 ||
	    other < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    store_send(store, ends[0]) < 0)
		_exit(1);
	close(ends[0]);
	return handover_receive(ends[1], count);
}

static void
handed_over(void)
{
	struct stat st, null;
	char number[32];

	snprintf(number, sizeof number, "%d", (int)getpid());
	if (hand_over(2) != 0)
		_exit(4);
	if (strcmp(getenv("LISTEN_FDS"), "2") != 0 ||
	    strcmp(getenv("LISTEN_FDNAMES"), "a:b") != 0 ||
	    strcmp(getenv("LISTEN_PID"), number) != 0)
		_exit(2);
	/* They stay open when the program is started, and no others do. */
	if (fcntl(3, F_GETFD) != 0 || fcntl(4, F_GETFD) != 0 ||
	    fstat(4, &st) < 0 || stat("/dev/null", &null) < 0 ||
	    st.st_rdev != null.st_rdev)
		_exit(3);
	for (int fd = 5; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) == 0)
			_exit(5);
	_exit(0);
}

/* The keeper has died on the way, or is not itself. */
static void
not_all(void)
{
	_exit(hand_over(3) == -EPROTO ? 0 : 1);
}

static void
too_many(void)
{
	_exit(hand_over(1) == -EPROTO ? 0 : 1);
}

static void
test_handover(void **state)
{
	static void (*const tries[])(void) = {handed_over, not_all, too_many};
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
		pid_t pid = fork();

		if (pid == 0)
			tries[i]();
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_parse_refused),
	    IN_DIR(test_receive),
	    IN_DIR(test_receive_of_another),
	    IN_DIR(test_open),
	    cmocka_unit_test(test_store),
	    cmocka_unit_test(test_store_of_long_names),
	    cmocka_unit_test(test_handover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
