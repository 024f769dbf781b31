/* The guest's end of a console: the PV ring, or an emulated serial port. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdint.h> /* xen/io/console.h does not */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>
#include <xen/io/console.h>

#include "line.h"
#include "state.h"

/*
 * The ring, as a guest's hvc_xen.c uses it (write_console, read_console in
 * domU). The indexes run freely and are masked at each use:
 *
 *    out[2048]   guest produces: out_prod      xenconsoled consumes: out_cons
 *    in[1024]    guest consumes: in_cons       xenconsoled produces: in_prod
 *
 * Each side moves only its own two indexes, after the bytes are in place, and
 * then notifies: also after reading, or xenconsoled never sees the room.
 */
struct line {
	struct xencons_interface *ring; /* NULL: a serial port */
	bool moved;
	int fd;
	char peer[STATE_PATH_MAX];
	char tty[32];
};

struct line *
line_open_ring(uint32_t domid, uint32_t port)
{
	char self[STATE_PATH_MAX];
	struct line *line = calloc(1, sizeof *line);

	if (line == NULL)
		return NULL;
	state_path(self, "evtchn/%u.%u", domid, port);
	state_path(line->peer, "evtchn/%u.%u.0", domid, port);
	line->ring =
	    state_page_map(domid, STATE_GRANT_CONSOLE, PROT_READ | PROT_WRITE);
	line->fd = state_port_open(self);
	if (line->ring == NULL || line->fd == -1) {
		free(line);
		return NULL;
	}
	return line;
}

/*
 * qemu makes the pty raw, closes the slave, and throws output away while
 * nobody has it open (chardev/char-pty.c); so does this.
 */
struct line *
line_open_serial(const char **path)
{
	struct line *line = calloc(1, sizeof *line);
	struct termios raw;
	int slave;

	if (line == NULL)
		return NULL;
	if (openpty(&line->fd, &slave, NULL, NULL, NULL) == -1) {
		free(line);
		return NULL;
	}
	tcgetattr(slave, &raw);
	cfmakeraw(&raw);
	tcsetattr(slave, TCSAFLUSH, &raw);
	ptsname_r(line->fd, line->tty, sizeof line->tty);
	close(slave);
	fcntl(line->fd, F_SETFL, O_NONBLOCK);
	fcntl(line->fd, F_SETFD, FD_CLOEXEC);
	*path = line->tty;
	return line;
}

int
line_fd(const struct line *line)
{
	return line->fd;
}

void
line_awake(struct line *line)
{
	if (line->ring != NULL)
		state_port_clear(line->fd);
}

/* Copies n bytes out of a ring of the given size, from a free-running index. */
static void
copy_out(char *to, const char *ring, size_t size, uint32_t at, size_t n)
{
	size_t start = at & (size - 1);
	size_t first = n < size - start ? n : size - start;

	memcpy(to, ring + start, first);
	memcpy(to + first, ring, n - first);
}

static void
copy_in(char *ring, size_t size, uint32_t at, const char *from, size_t n)
{
	size_t start = at & (size - 1);
	size_t first = n < size - start ? n : size - start;

	memcpy(ring + start, from, first);
	memcpy(ring, from + first, n - first);
}

static size_t
ring_read(struct line *line, char *bytes, size_t size)
{
	struct xencons_interface *ring = line->ring;
	uint32_t cons = ring->in_cons;
	uint32_t prod = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE);
	size_t n = prod - cons;

	if (n > size)
		n = size;
	if (n == 0)
		return 0;
	copy_out(bytes, ring->in, sizeof ring->in, cons, n);
	__atomic_store_n(&ring->in_cons, cons + (uint32_t)n, __ATOMIC_SEQ_CST);
	line->moved = true;
	return n;
}

static size_t
ring_write(struct line *line, const char *bytes, size_t size)
{
	struct xencons_interface *ring = line->ring;
	uint32_t prod = ring->out_prod;
	uint32_t cons = __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
	size_t n = sizeof ring->out - (prod - cons);

	if (n > size)
		n = size;
	if (n == 0)
		return 0;
	copy_in(ring->out, sizeof ring->out, prod, bytes, n);
	__atomic_store_n(&ring->out_prod, prod + (uint32_t)n, __ATOMIC_SEQ_CST);
	line->moved = true;
	return n;
}

size_t
line_read(struct line *line, char *bytes, size_t size)
{
	ssize_t n;

	if (line->ring != NULL)
		return ring_read(line, bytes, size);
	n = read(line->fd, bytes, size);
	return n > 0 ? (size_t)n : 0;
}

/* The master of a pty whose slave nobody holds open shows POLLHUP. */
static bool
serial_connected(const struct line *line)
{
	struct pollfd poll_master = {.fd = line->fd};

	poll(&poll_master, 1, 0);
	return (poll_master.revents & POLLHUP) == 0;
}

size_t
line_write(struct line *line, const char *bytes, size_t size)
{
	ssize_t n;

	if (line->ring != NULL)
		return ring_write(line, bytes, size);
	if (!serial_connected(line))
		return size;
	n = write(line->fd, bytes, size);
	return n > 0 ? (size_t)n : 0;
}

void
line_notify(struct line *line)
{
	if (line->ring != NULL && line->moved)
		state_port_signal(line->fd, line->peer);
	line->moved = false;
}

bool
line_drained(const struct line *line)
{
	const struct xencons_interface *ring = line->ring;

	if (ring == NULL)
		return true;
	return __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) ==
	       ring->out_prod;
}
