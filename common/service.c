#define _GNU_SOURCE
#include "common/service.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/number.h"

/* The first descriptor that comes (SD_LISTEN_FDS_START). */
#define FIRST_FD 3

#define MESSAGE (SERVICE_NAME + 64)

/* Descriptor FIRST_FD + i; "": it is taken. */
struct given {
	char name[SERVICE_NAME];
};

static struct given *given;
static size_t ngiven, first; /* all before the first are taken */

static int notify_socket = -1;

static uint64_t watchdog_usec;
static struct event *watchdog;

/* ---- descriptors that come --------------------------------------------- */

bool
service_is_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= SERVICE_NAME)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == ':')
			return false;
	return true;
}

/* The number in this variable, if the one beside it, where there is one, is
 * our pid: else it was meant for another process. */
static bool
number_for_us(
    const char *variable, const char *beside, uint64_t max, uint64_t *number)
{
	const char *text = getenv(variable), *pid = getenv(beside);
	uint64_t whose = (uint64_t)getpid();

	if (pid && !number_parse(pid, whose, whose, &whose))
		return false;
	return text && number_parse(text, 1, max, number);
}

/* Moves a name out of a list with ':' between them. */
static void
take_name(const char **names, char out[SERVICE_NAME])
{
	size_t len = strcspn(*names, ":");

	snprintf(out, SERVICE_NAME, "%.*s", (int)len, *names);
	if (!service_is_name(out))
		snprintf(out, SERVICE_NAME, "unknown");
	*names += len;
	if (**names == ':')
		(*names)++;
}

static void
collect(void)
{
	const char *names = getenv("LISTEN_FDNAMES");
	uint64_t count;

	if (!getenv("LISTEN_PID") || !number_for_us("LISTEN_FDS", "LISTEN_PID",
					 LIMIT_SERVICE_FDS, &count))
		return;
	given = calloc(count, sizeof *given);
	if (!given)
		log_fatal("out of memory");
	if (!names)
		names = "";
	ngiven = (size_t)count;
	for (size_t i = 0; i < ngiven; i++) {
		int fd = FIRST_FD + (int)i;

		take_name(&names, given[i].name);
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			given[i].name[0] = '\0'; /* it is not there */
	}
}

int
service_take(const char *name, char *name_out)
{
	while (first < ngiven && !*given[first].name)
		first++;
	for (size_t i = first; i < ngiven; i++) {
		char *has = given[i].name;

		if (!*has || (name && strcmp(name, has) != 0))
			continue;
		if (name_out)
			memcpy(name_out, has, SERVICE_NAME);
		*has = '\0';
		return FIRST_FD + (int)i;
	}
	return -ENOENT;
}

size_t
service_close_rest(void)
{
	size_t n = 0;
	int fd;

	while ((fd = service_take(NULL, NULL)) >= 0) {
		close(fd);
		n++;
	}
	free(given);
	given = NULL;
	ngiven = first = 0;
	return n;
}

/* ---- messages ---------------------------------------------------------- */

/* '@' stands for the 0 of an address that is no file. */
static void
connect_to(const char *where)
{
	const struct timeval patience = {.tv_sec = LIMIT_SERVICE_SECONDS};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(where);
	int fd;

	if ((*where != '/' && *where != '@') || len < 2 ||
	    len >= sizeof address.sun_path) {
		log_warn("NOTIFY_SOCKET is no address of a unix socket");
		return;
	}
	memcpy(address.sun_path, where, len);
	if (*where == '@')
		address.sun_path[0] = '\0';
	else
		len++; /* with its end */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    setsockopt(
		fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
	    connect(fd, (const struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) ==
		0) {
		notify_socket = fd;
		return;
	}
	log_warn("NOTIFY_SOCKET: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

void
service_start(void)
{
	static const char *const variables[] = {"NOTIFY_SOCKET", "WATCHDOG_PID",
	    "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"};
	const char *where = getenv("NOTIFY_SOCKET");

	collect();
	if (where && *where)
		connect_to(where);
	if (!number_for_us("WATCHDOG_USEC", "WATCHDOG_PID", UINT64_MAX / 2,
		&watchdog_usec))
		watchdog_usec = 0;
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		unsetenv(variables[i]);
}

static int
send_with(const char *message, const int *fds, size_t nfds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * SERVICE_MAX_FDS)];
		struct cmsghdr align;
	} control = {.bytes = {0}};
	struct iovec iov = {(void *)message, strlen(message)};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

	if (notify_socket < 0)
		return -ENOTCONN;
	if (nfds > 0) {
		struct cmsghdr *cmsg;

		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	while (sendmsg(notify_socket, &header, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void
tell(const char *message)
{
	int error = send_with(message, NULL, 0);

	if (error < 0 && error != -ENOTCONN)
		log_warn("service manager: %s", strerror(-error));
}

void
service_ready(void)
{
	tell("READY=1");
}

void
service_reloading(void)
{
	struct timespec now;
	char message[MESSAGE];

	/* Type=notify-reload asks for the time. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(message, sizeof message,
	    "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	    (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	tell(message);
}

void
service_stopping(void)
{
	tell("STOPPING=1");
}

void
service_status(const char *fmt, ...)
{
	char message[MESSAGE] = "STATUS=";
	size_t at = strlen(message);
	va_list args;

	va_start(args, fmt);
	vsnprintf(message + at, sizeof message - at, fmt, args);
	va_end(args);
	/* A second line would be another message. */
	message[strcspn(message, "\n")] = '\0';
	tell(message);
}

int
service_store(const char *name, const int *fds, size_t nfds)
{
	char message[MESSAGE];

	if (!service_is_name(name) || nfds == 0 || nfds > SERVICE_MAX_FDS)
		return -EINVAL;
	snprintf(
	    message, sizeof message, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
	return send_with(message, fds, nfds);
}

bool
service_is_there(void)
{
	return notify_socket >= 0;
}

int
service_unstore(const char *name)
{
	char message[MESSAGE];

	if (!service_is_name(name))
		return -EINVAL;
	snprintf(message, sizeof message, "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return send_with(message, NULL, 0);
}

/* ---- the watchdog ------------------------------------------------------ */

static void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	tell("WATCHDOG=1");
}

int
service_watchdog_start(struct event_base *base)
{
	const uint64_t half = watchdog_usec / 2;
	const struct timeval interval = {
	    .tv_sec = (time_t)(half / 1000000),
	    .tv_usec = (suseconds_t)(half % 1000000),
	};

	if (notify_socket < 0 || half == 0)
		return 0;
	watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, NULL);
	if (!watchdog || event_add(watchdog, &interval) < 0)
		return -ENOMEM;
	return 0;
}

void
service_watchdog_stop(void)
{
	if (watchdog)
		event_free(watchdog);
	watchdog = NULL;
}
