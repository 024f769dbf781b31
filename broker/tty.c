#define _GNU_SOURCE
#include "broker/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "broker/procfs.h"
#include "broker/xs.h"
#include "common/log.h"
#include "common/number.h"

#define PTS_MAX 999999

/* Linux: UNIX98_PTY_SLAVE_MAJOR and the seven behind it. */
#define PTS_MAJOR_FIRST 136
#define PTS_MAJOR_LAST	143

#define PID_MAX_DIGITS 11

/* Who makes the pty of console 0: xenconsoled, and the toolstack for the
 * bootloader (tools/libs/light/libxl_bootloader.c, bootloader_gotptys). */
static const char *const console_programs[] = {
    "xenconsoled", "xl", "libvirtd", "virtxend", NULL};

void
tty_node(uint32_t domid, uint32_t kind, uint32_t number, char out[TTY_NODE])
{
	if (kind == CONSOLE_SERIAL)
		snprintf(out, TTY_NODE, "/local/domain/%u/serial/%u/tty", domid,
		    number);
	else if (number > 0)
		snprintf(out, TTY_NODE,
		    "/local/domain/%u/device/console/%u/tty", domid, number);
	else
		snprintf(out, TTY_NODE, "/local/domain/%u/console/tty", domid);
}

bool
tty_parse(const char *name, unsigned *pts)
{
	static const char dir[] = "/dev/pts/";
	uint64_t value;

	if (strncmp(name, dir, sizeof dir - 1) != 0 ||
	    !number_parse(name + sizeof dir - 1, 0, PTS_MAX, &value))
		return false;
	*pts = (unsigned)value;
	return true;
}

bool
tty_backend_is_ours(const char *backend)
{
	static const char ours[] = "/local/domain/0/";

	return strncmp(backend, ours, sizeof ours - 1) == 0;
}

static int refuse(char reason[TTY_REASON], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static int
refuse(char reason[TTY_REASON], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, TTY_REASON, fmt, ap);
	va_end(ap);
	return -EPERM;
}

/* A console served by a driver domain has its pts in that domain's /dev.
 * Asked of dom0's own copy, since the guest owns D/console/backend-id. */
static int
check_backend(const struct tty_checks *checks, uint32_t domid, uint32_t number,
    char reason[TTY_REASON])
{
	char path[TTY_NODE], backend[TTY_NODE];
	int status;

	snprintf(path, sizeof path, "/libxl/%u/device/console/%u/backend",
	    domid, number);
	status = xs_conn_read(checks->xs, path, backend, sizeof backend);
	if (status == -ENOENT)
		return 0; /* xapi keeps no such copy, and has no such domains */
	if (status == -ENOTCONN)
		return status;
	if (status < 0 || !tty_backend_is_ours(backend))
		return refuse(reason, "its other end is in another domain");
	return 0;
}

static bool
is_pts(const struct stat *st)
{
	struct stat dir;

	return S_ISCHR(st->st_mode) && major(st->st_rdev) >= PTS_MAJOR_FIRST &&
	       major(st->st_rdev) <= PTS_MAJOR_LAST &&
	       stat("/dev/pts", &dir) == 0 && st->st_dev == dir.st_dev;
}

bool
tty_is_pts(int fd, dev_t *device)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || (flags & O_ACCMODE) != O_RDWR || (flags & O_PATH) ||
	    fstat(fd, &st) < 0 || !is_pts(&st))
		return false;
	*device = st.st_rdev;
	return true;
}

bool
tty_names(const char *name, dev_t device)
{
	unsigned pts;

	return tty_parse(name, &pts) && minor(device) == pts;
}

/* What was opened is the pts that its name says, in our /dev/pts. */
static int
check_device(const struct tty_checks *checks, int fd, unsigned pts,
    char reason[TTY_REASON])
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return refuse(reason, "fstat: %s", strerror(errno));
	if (!is_pts(&st) || minor(st.st_rdev) != pts)
		return refuse(reason, "not a pseudo terminal of this number");
	/* Unusual, but no proof of anything: qemu opens its pty before it
	 * gives root up. */
	if (st.st_uid != 0)
		log_warn("/dev/pts/%u belongs to uid %u", pts, st.st_uid);
	if (checks->taken(checks->ctx, st.st_rdev))
		return refuse(reason, "another console has it");
	return 0;
}

/* xenconsoled, libxl and qemu all set theirs raw; a login shell's is not. */
static int
check_raw(int fd, char reason[TTY_REASON])
{
	struct termios termios;

	if (tcgetattr(fd, &termios) < 0)
		return refuse(reason, "tcgetattr: %s", strerror(errno));
	if (termios.c_lflag & (ICANON | ECHO))
		return refuse(reason, "not raw: somebody's terminal");
	return 0;
}

static bool
qemu_has_master(const struct tty_checks *checks, uint32_t domid, unsigned pts)
{
	char path[TTY_NODE], text[PID_MAX_DIGITS + 1];
	uint64_t pid;

	snprintf(path, sizeof path, "/local/domain/%u/image/device-model-pid",
	    domid);
	return xs_conn_read(checks->xs, path, text, sizeof text) == 0 &&
	       number_parse(text, 2, INT32_MAX, &pid) &&
	       procfs_has_master((pid_t)pid, pts);
}

/* The other end is held by who makes the ptys of such consoles: anything
 * but console 0 is qemu's. */
static int
check_owner(const struct tty_checks *checks, uint32_t domid, uint32_t kind,
    uint32_t number, unsigned pts, char reason[TTY_REASON])
{
	if (!checks->verify_owner || qemu_has_master(checks, domid, pts))
		return 0;
	if (kind == CONSOLE_PV && number == 0 &&
	    procfs_program_has_master(console_programs, pts))
		return 0;
	return refuse(reason, "its other end is not held by %s",
	    kind == CONSOLE_PV && number == 0 ? "xenconsoled"
					      : "the guest's qemu");
}

/* The node still says what it said before the tty was opened. */
static int
check_unchanged(const struct tty_checks *checks, const char *node,
    const char *name, char reason[TTY_REASON])
{
	char now[TTY_NAME];
	int status = xs_conn_read(checks->xs, node, now, sizeof now);

	if (status == -ENOTCONN)
		return status;
	if (status < 0 || strcmp(now, name) != 0)
		return refuse(reason, "the node has changed meanwhile");
	return 0;
}

/* What can be said without the tty. */
static int
check_names(const struct tty_checks *checks, uint32_t domid, uint32_t kind,
    uint32_t number, const char *name, char reason[TTY_REASON])
{
	unsigned pts;

	if (!checks->xs)
		return -ENOTCONN;
	if (!tty_parse(name, &pts))
		return refuse(reason, "not of the form /dev/pts/N");
	return kind == CONSOLE_PV ? check_backend(checks, domid, number, reason)
				  : 0;
}

/* And with it: while it is open the number cannot go to anybody else. */
static int
check_open(const struct tty_checks *checks, int fd, uint32_t domid,
    uint32_t kind, uint32_t number, const char *name, char reason[TTY_REASON])
{
	char node[TTY_NODE];
	unsigned pts = 0;
	int status;

	tty_parse(name, &pts);
	tty_node(domid, kind, number, node);
	status = check_device(checks, fd, pts, reason);
	if (status == 0)
		status = check_raw(fd, reason);
	if (status == 0)
		status = check_owner(checks, domid, kind, number, pts, reason);
	if (status == 0)
		status = check_unchanged(checks, node, name, reason);
	return status;
}

int
tty_check(const struct tty_checks *checks, int fd, uint32_t domid,
    uint32_t kind, uint32_t number, const char *name, char reason[TTY_REASON])
{
	int status = check_names(checks, domid, kind, number, name, reason);

	return status == 0
		   ? check_open(checks, fd, domid, kind, number, name, reason)
		   : status;
}

int
tty_open(const struct tty_checks *checks, uint32_t domid, uint32_t kind,
    uint32_t number, const char *name, char reason[TTY_REASON])
{
	int status = check_names(checks, domid, kind, number, name, reason);
	int fd;

	if (status < 0)
		return status;
	fd =
	    open(name, O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return refuse(reason, "open: %s", strerror(errno));
	status = check_open(checks, fd, domid, kind, number, name, reason);
	if (status < 0) {
		close(fd);
		return status;
	}
	return fd;
}
