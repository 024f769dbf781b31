/*
 * What a service manager says and is told.  Each case is a program of its own,
 * as a fork, because a program can hear its manager only once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "common/listener.h"
#include "common/service.h"

#define MANAGER_FD 500 /* out of the way of those that are handed over */

/* In a fork: ends it at once when it does not hold, saying where. */
#define MUST(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			dprintf(                                               \
			    2, "%s:%d: %s\n", __func__, __LINE__, #condition); \
			_exit(1);                                              \
		}                                                              \
	} while (0)

static char address[64];
static int manager; /* a datagram socket at that address */

static void
in_a_fork(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A manager that listens at an abstract address, or, with a '/', at a path. */
static void
set_up_manager(const char *prefix)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t len;

	snprintf(address, sizeof address, "%s%d", prefix, (int)getpid());
	len = strlen(address);
	memcpy(sun.sun_path, address, len);
	if (*address == '@')
		sun.sun_path[0] = '\0';
	else
		len++;
	MUST(bind(fd, (struct sockaddr *)&sun,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) ==
	     0);
	manager = fcntl(fd, F_DUPFD_CLOEXEC, MANAGER_FD);
	MUST(manager >= 0);
	close(fd);
	setenv("NOTIFY_SOCKET", address, 1);
}

/* What the manager was sent, with at most one kind of descriptors. */
static void
hear(char *text, size_t size, int *fds, size_t *nfds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 300)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {text, size - 1};
	struct msghdr header = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes};
	struct cmsghdr *cmsg;
	ssize_t n = recvmsg(manager, &header, MSG_CMSG_CLOEXEC);

	MUST(n >= 0 && !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)));
	text[n] = '\0';
	if (!nfds)
		return;
	*nfds = 0;
	cmsg = CMSG_FIRSTHDR(&header);
	if (!cmsg)
		return;
	*nfds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(cmsg), *nfds * sizeof(int));
}

static bool
hears(const char *wanted)
{
	char text[1024];

	hear(text, sizeof text, NULL, NULL);
	if (strcmp(text, wanted) != 0)
		dprintf(2, "heard: %s\n", text);
	return strcmp(text, wanted) == 0;
}

static bool
hears_nothing(void)
{
	char byte;

	return recv(manager, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* ---- messages ---------------------------------------------------------- */

static void
no_manager(void)
{
	const int fd = 0;

	unsetenv("NOTIFY_SOCKET");
	unsetenv("LISTEN_FDS");
	service_start();
	service_ready();
	service_status("a line");
	service_stopping();
	MUST(service_store("name", &fd, 1) == -ENOTCONN);
	MUST(service_unstore("name") == -ENOTCONN);
	MUST(service_take(NULL, NULL) == -ENOENT);
	MUST(service_close_rest() == 0);
	MUST(service_watchdog_start(NULL) == 0);
	service_watchdog_stop();
}

static void
messages(void)
{
	char text[1024], line[1000];

	set_up_manager("@xenterm-test-service-");
	setenv("LISTEN_FDNAMES", "of:another", 1);
	service_start();
	MUST(!getenv("NOTIFY_SOCKET") && !getenv("LISTEN_FDNAMES"));
	service_ready();
	MUST(hears("READY=1"));
	service_reloading();
	hear(text, sizeof text, NULL, NULL);
	MUST(strncmp(text, "RELOADING=1\nMONOTONIC_USEC=", 27) == 0);
	MUST(strtoull(text + 27, NULL, 10) > 0);
	service_status("%d consoles\nREADY=0", 3);
	MUST(hears("STATUS=3 consoles"));
	memset(line, 'x', sizeof line);
	line[sizeof line - 1] = '\0';
	service_status("%s", line);
	hear(text, sizeof text, NULL, NULL);
	MUST(strlen(text) > 200 && strlen(text) < sizeof line);
	service_stopping();
	MUST(hears("STOPPING=1"));
	MUST(hears_nothing());
}

static void
address_that_is_a_path(void)
{
	set_up_manager("/tmp/xenterm-test-service-");
	service_start();
	service_ready();
	unlink(address);
	MUST(hears("READY=1"));
}

static void
addresses_that_are_none(void)
{
	char too_long[200];
	const char *const bad[] = {"", "/", "@", "relative", "vsock:2:1234",
	    "/nowhere/at/all", too_long};

	memset(too_long, '/', sizeof too_long);
	too_long[sizeof too_long - 1] = '\0';
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		service_start();
		MUST(!getenv("NOTIFY_SOCKET"));
		MUST(service_unstore("name") == -ENOTCONN);
	}
}

static void
manager_that_does_not_listen(void)
{
	int result = 0;

	set_up_manager("@xenterm-test-service-");
	service_start();
	for (int i = 0; i < 100000 && result == 0; i++)
		result = service_unstore("name");
	MUST(result == -EAGAIN);
	close(manager);
	MUST(service_unstore("name") < 0);
	service_ready(); /* and no signal */
}

/* ---- descriptors that are kept ------------------------------------------ */

static void
store(void)
{
	int fds[300], got[300];
	char text[1024], long_name[SERVICE_NAME + 1];
	struct stat ours, theirs;
	size_t n;

	set_up_manager("@xenterm-test-service-");
	service_start();
	for (size_t i = 0; i < 300; i++)
		fds[i] = 0;
	fds[0] = memfd_create("kept", MFD_CLOEXEC);
	MUST(service_store("a/name", fds, 2) == 0);
	hear(text, sizeof text, got, &n);
	MUST(strcmp(text, "FDSTORE=1\nFDNAME=a/name\nFDPOLL=0") == 0);
	MUST(n == 2);
	MUST(fstat(fds[0], &ours) == 0 && fstat(got[0], &theirs) == 0);
	MUST(ours.st_ino == theirs.st_ino);
	for (size_t i = 0; i < n; i++)
		close(got[i]);
	MUST(service_store("many", fds, SERVICE_MAX_FDS) == 0);
	hear(text, sizeof text, got, &n);
	MUST(n == SERVICE_MAX_FDS);
	MUST(service_unstore("a/name") == 0);
	MUST(hears("FDSTOREREMOVE=1\nFDNAME=a/name"));

	MUST(service_store("none", fds, 0) == -EINVAL);
	MUST(service_store("many", fds, SERVICE_MAX_FDS + 1) == -EINVAL);
	MUST(service_store("two:names", fds, 1) == -EINVAL);
	MUST(service_store("a\nREADY=1", fds, 1) == -EINVAL);
	MUST(service_store("", fds, 1) == -EINVAL);
	MUST(service_store("\xc3\xa4", fds, 1) == -EINVAL);
	memset(long_name, 'x', sizeof long_name);
	long_name[SERVICE_NAME] = '\0';
	MUST(service_store(long_name, fds, 1) == -EINVAL);
	MUST(service_unstore("two:names") == -EINVAL);
	MUST(hears_nothing());
	long_name[SERVICE_NAME - 1] = '\0';
	MUST(service_store(long_name, fds, 1) == 0);
	hear(text, sizeof text, got, &n);
	MUST(strstr(text, long_name) && strstr(text, "\nFDPOLL=0"));
}

/* ---- descriptors that come ---------------------------------------------- */

/* As a manager does it: n of them, from 3 on. */
static void
hand_over(int n, const char *names, pid_t pid)
{
	char number[32];

	for (int i = 0; i < n; i++) {
		int fd = memfd_create("given", 0);

		if (fd != 3 + i) {
			MUST(dup2(fd, 3 + i) == 3 + i);
			if (fd > 3 + n)
				close(fd);
		}
	}
	snprintf(number, sizeof number, "%d", n);
	setenv("LISTEN_FDS", number, 1);
	snprintf(number, sizeof number, "%d", (int)pid);
	setenv("LISTEN_PID", number, 1);
	if (names)
		setenv("LISTEN_FDNAMES", names, 1);
	else
		unsetenv("LISTEN_FDNAMES");
}

static void
come(void)
{
	char name[SERVICE_NAME];

	hand_over(5, "fcgi.sock:ring:pty:ring:two words", getpid());
	service_start();
	MUST(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID"));
	for (int fd = 3; fd < 8; fd++)
		MUST(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	MUST(service_take("nobody", NULL) == -ENOENT);
	MUST(service_take("ring", NULL) == 4);
	MUST(service_take("ring", name) == 6 && strcmp(name, "ring") == 0);
	MUST(service_take("ring", NULL) == -ENOENT);
	MUST(service_take(NULL, name) == 3 && strcmp(name, "fcgi.sock") == 0);
	/* What systemd would not send is there all the same. */
	MUST(service_take("unknown", NULL) == 7);
	MUST(service_close_rest() == 1);
	MUST(fcntl(5, F_GETFD) < 0 && fcntl(4, F_GETFD) >= 0);
	MUST(service_take(NULL, NULL) == -ENOENT);
}

static void
come_without_names(void)
{
	hand_over(2, NULL, getpid());
	close(4);
	service_start();
	MUST(service_take("unknown", NULL) == 3);
	MUST(service_take(NULL, NULL) == -ENOENT); /* 4 is not there */
	MUST(service_close_rest() == 0);
}

static void
come_for_another(void)
{
	hand_over(2, "a:b", getppid());
	service_start();
	MUST(service_take(NULL, NULL) == -ENOENT);
	MUST(service_close_rest() == 0);
	MUST(fcntl(3, F_GETFD) == 0);
	MUST(!getenv("LISTEN_FDS"));
}

static void
come_without_reason(void)
{
	static const char *const counts[] = {
	    "", "0", "-1", "x", "1000000", "99999999999999999999", "2 "};

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		hand_over(1, "a", getpid());
		setenv("LISTEN_FDS", counts[i], 1);
		service_start();
		MUST(service_take(NULL, NULL) == -ENOENT);
	}
	hand_over(1, "a", getpid());
	unsetenv("LISTEN_PID");
	service_start();
	MUST(service_take(NULL, NULL) == -ENOENT);
}

/* A socket that somebody else has made is looked at before it is used. */
static void
sockets_that_come(void)
{
	const struct listener_access access = {0600, (uid_t)-1, (gid_t)-1};
	char path[64];
	int fd, pair[2];

	snprintf(path, sizeof path, "/tmp/xenterm-test-%d", (int)getpid());
	fd = listener_open(path, SOCK_STREAM, &access);
	unlink(path);
	MUST(fd >= 0 && fcntl(fd, F_SETFL, 0) == 0);
	MUST(listener_check(fd, SOCK_SEQPACKET) == -EPROTOTYPE);
	MUST(listener_check(fd, SOCK_STREAM) == 0);
	MUST(fcntl(fd, F_GETFL) & O_NONBLOCK);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	MUST(listener_check(pair[0], SOCK_STREAM) == -EPROTOTYPE);
	MUST(listener_check(open("/dev/null", O_RDONLY), SOCK_STREAM) ==
	     -EPROTOTYPE);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	MUST(fd < 0 || listener_check(fd, SOCK_STREAM) == -EPROTOTYPE);
}

/* ---- the watchdog -------------------------------------------------------- */

static void
watchdog(void)
{
	struct event_base *base = event_base_new();
	char usec[] = "20000", pid[32];

	snprintf(pid, sizeof pid, "%d", (int)getpid());
	set_up_manager("@xenterm-test-service-");
	setenv("WATCHDOG_USEC", usec, 1);
	setenv("WATCHDOG_PID", pid, 1);
	service_start();
	MUST(!getenv("WATCHDOG_USEC") && !getenv("WATCHDOG_PID"));
	MUST(service_watchdog_start(base) == 0);
	MUST(hears_nothing());
	for (int i = 0; i < 3; i++) {
		event_base_loop(base, EVLOOP_ONCE);
		MUST(hears("WATCHDOG=1"));
	}
	service_watchdog_stop();
	MUST(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == 0);
	event_base_free(base);
}

static void
watchdog_of_another(void)
{
	struct event_base *base = event_base_new();

	set_up_manager("@xenterm-test-service-");
	setenv("WATCHDOG_USEC", "20000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	service_start();
	MUST(service_watchdog_start(base) == 0);
	MUST(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == 0);
	event_base_free(base);
}

#define FORKED(name)                          \
	static void test_##name(void **state) \
	{                                     \
		(void)state;                  \
		in_a_fork(name);              \
	}

FORKED(no_manager)
FORKED(messages)
FORKED(address_that_is_a_path)
FORKED(addresses_that_are_none)
FORKED(manager_that_does_not_listen)
FORKED(store)
FORKED(come)
FORKED(come_without_names)
FORKED(come_for_another)
FORKED(come_without_reason)
FORKED(sockets_that_come)
FORKED(watchdog)
FORKED(watchdog_of_another)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_manager),
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_address_that_is_a_path),
	    cmocka_unit_test(test_addresses_that_are_none),
	    cmocka_unit_test(test_manager_that_does_not_listen),
	    cmocka_unit_test(test_store),
	    cmocka_unit_test(test_come),
	    cmocka_unit_test(test_come_without_names),
	    cmocka_unit_test(test_come_for_another),
	    cmocka_unit_test(test_come_without_reason),
	    cmocka_unit_test(test_sockets_that_come),
	    cmocka_unit_test(test_watchdog),
	    cmocka_unit_test(test_watchdog_of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
