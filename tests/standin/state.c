/* The state folder of the stand-in hypervisor; see state.h for its layout. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "state.h"

static const char letters[] = "dschp";

static const char *
folder(void)
{
	const char *dir = getenv("STANDIN_DIR");

	return dir != NULL ? dir : "/run/standin";
}

void
state_path(char path[STATE_PATH_MAX], const char *format, ...)
{
	va_list ap;
	int used, more;

	used = snprintf(path, STATE_PATH_MAX, "%s/", folder());
	if (used < 0 || (size_t)used >= STATE_PATH_MAX)
		abort();
	va_start(ap, format);
	more =
	    vsnprintf(path + used, STATE_PATH_MAX - (size_t)used, format, ap);
	va_end(ap);
	if (more < 0 || (size_t)(used + more) >= STATE_PATH_MAX)
		abort();
}

/* Reads a short file as a string; false when it is not there. */
static bool
read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return false;
	n = read(fd, text, size - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

bool
state_domain_read(uint32_t domid, unsigned int *flags)
{
	char path[STATE_PATH_MAX], text[16];
	const char *p, *letter;

	state_path(path, "domains/%u", domid);
	if (!read_text(path, text, sizeof text))
		return false;
	*flags = 0;
	for (p = text; *p != '\0'; p++)
		if ((letter = strchr(letters, *p)) != NULL)
			*flags |= 1U << (letter - letters);
	return true;
}

int
state_domain_write(uint32_t domid, unsigned int flags)
{
	char path[STATE_PATH_MAX], fresh[STATE_PATH_MAX];
	size_t bit;
	FILE *f;

	state_path(path, "domains/%u", domid);
	state_path(fresh, "domains/.%u", domid);
	if ((f = fopen(fresh, "we")) == NULL)
		return -1;
	for (bit = 0; bit < sizeof letters - 1; bit++)
		if (flags & 1U << bit)
			fputc(letters[bit], f);
	if (fclose(f) != 0)
		return -1;
	/* A reader sees the old flags or the new ones, never an empty file. */
	return rename(fresh, path);
}

uint32_t
state_domid_end(void)
{
	char path[STATE_PATH_MAX], text[16];

	state_path(path, "next-domid");
	if (!read_text(path, text, sizeof text))
		return 1;
	return (uint32_t)strtoul(text, NULL, 10);
}

void *
state_page_map(uint32_t domid, unsigned long ref, int protection)
{
	char path[STATE_PATH_MAX];
	void *page;
	int fd;

	state_path(path, "gnt/%u.%lu", domid, ref);
	fd = openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1)
		return NULL;
	if (ftruncate(fd, STATE_PAGE_SIZE) == -1) {
		close(fd);
		return NULL;
	}
	page = mmap(NULL, STATE_PAGE_SIZE, protection, MAP_SHARED, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : page;
}

int
state_port_open(const char path[STATE_PATH_MAX])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * A full queue is as good as a pending port, and a missing receiver is an
 * unbound one: Xen does not report either to the sender.
 */
void
state_port_signal(int from, const char path[STATE_PATH_MAX])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, path);
	sendto(from, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL,
	    (struct sockaddr *)&address, sizeof address);
}

void
state_port_clear(int fd)
{
	struct mmsghdr messages[16];
	int n;

	memset(messages, 0, sizeof messages);
	do {
		n = recvmmsg(fd, messages, 16, MSG_DONTWAIT, NULL);
	} while (n == 16 || (n == -1 && errno == EINTR));
}
