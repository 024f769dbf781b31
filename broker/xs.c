#include "broker/xs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xenstore.h>

#include "common/number.h"

struct xs_conn {
	struct xs_handle *handle;
	xs_transaction_t transaction; /* XBT_NULL: none */
	int fd;			      /* xenstored's, as far as is known */
	struct stat file;	      /* of fd, when it was opened */
};

/* The number that the next descriptor has: libxenstore does not tell it. */
static int
lowest_free(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	return fd;
}

/*
 * libxenstore's reader thread closes the descriptor when it cannot go on, and
 * xs_close() cancels that thread; in between it leaves the descriptor open
 * (tools/libs/store/xs.c, read_thread: close() is where it is cancelled).
 * xenstored would then keep all events for a connection that nobody reads.
 */
static void
close_left(const struct xs_conn *conn)
{
	struct stat now;

	if (conn->fd >= 0 && fstat(conn->fd, &now) == 0 &&
	    now.st_dev == conn->file.st_dev && now.st_ino == conn->file.st_ino)
		close(conn->fd);
}

struct xs_conn *
xs_conn_open(const char *socket)
{
	struct xs_conn *conn = malloc(sizeof *conn);

	if (!conn)
		return NULL;
	/*
	 * Without XENSTORED_PATH a dead socket makes xs_open() try the
	 * kernel's device, where requests wait for the dead daemon
	 * (tools/libs/store/xs.c, xs_open).  Where there is no socket at all,
	 * xenstored is a domain of its own and the device is the way to it.
	 */
	if (access(socket, F_OK) == 0)
		setenv("XENSTORED_PATH", socket, 1);
	/* Not XS_UNWATCH_FILTER: it leaks the body of each event that it
	 * filters out (xs_unwatch).  A late event is taken for none. */
	conn->fd = lowest_free();
	conn->handle = xs_open(0);
	conn->transaction = XBT_NULL;
	if (!conn->handle) {
		free(conn);
		return NULL;
	}
	if (conn->fd >= 0 && fstat(conn->fd, &conn->file) < 0)
		conn->fd = -1;
	return conn;
}

void
xs_conn_close(struct xs_conn *conn)
{
	if (!conn)
		return;
	xs_close(conn->handle);
	close_left(conn);
	free(conn);
}

int
xs_conn_fd(const struct xs_conn *conn)
{
	return xs_fileno(conn->handle);
}

/* What errno says after a request that failed.  The first request after
 * xenstored's death fails with EINVAL, EPIPE or ECONNRESET, the others with
 * EBADF; our paths are well-formed, so EINVAL means nothing else. */
static int
failure(void)
{
	switch (errno) {
	case ENOENT:
		return -ENOENT;
	case EBADF:
	case ENOMEM: /* what was asked for is not known, and shall not be
			guessed */
	case EINVAL:
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return -ENOTCONN;
	default:
		return -EACCES;
	}
}

bool
xs_value_fits(const char *value, size_t len, size_t size)
{
	if (len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return false;
	return true;
}

int
xs_conn_read(struct xs_conn *conn, const char *path, char *out, size_t size)
{
	unsigned len;
	char *value = xs_read(conn->handle, conn->transaction, path, &len);

	if (!value)
		return failure();
	if (!xs_value_fits(value, len, size)) {
		free(value);
		return -EBADMSG;
	}
	memcpy(out, value, len);
	out[len] = '\0';
	free(value);
	return 0;
}

int
xs_conn_begin(struct xs_conn *conn)
{
	conn->transaction = xs_transaction_start(conn->handle);
	return conn->transaction == XBT_NULL ? failure() : 0;
}

int
xs_conn_end(struct xs_conn *conn, bool keep)
{
	bool ended = xs_transaction_end(conn->handle, conn->transaction, !keep);

	conn->transaction = XBT_NULL;
	if (ended)
		return 0;
	return errno == EAGAIN ? -EAGAIN : failure();
}

int
xs_conn_write(struct xs_conn *conn, const char *path, const char *value)
{
	if (xs_write(conn->handle, conn->transaction, path, value,
		(unsigned)strlen(value)))
		return 0;
	return failure();
}

static int
compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int
xs_conn_numbers(
    struct xs_conn *conn, const char *path, uint32_t **out, size_t *count)
{
	unsigned n;
	char **names = xs_directory(conn->handle, XBT_NULL, path, &n);

	if (!names)
		return failure();
	*count = 0;
	*out = malloc((n ? n : 1) * sizeof **out);
	for (unsigned i = 0; *out && i < n; i++) {
		uint64_t value;

		if (number_parse(names[i], 0, UINT32_MAX, &value))
			(*out)[(*count)++] = (uint32_t)value;
	}
	free(names);
	if (!*out)
		return -ENOTCONN;
	qsort(*out, *count, sizeof **out, compare_numbers);
	return 0;
}

int
xs_conn_watch(struct xs_conn *conn, const char *path, const char *token)
{
	if (xs_watch(conn->handle, path, token) || errno == EEXIST)
		return 0;
	return failure();
}

void
xs_conn_unwatch(struct xs_conn *conn, const char *path, const char *token)
{
	xs_unwatch(conn->handle, path, token);
}

int
xs_conn_event(struct xs_conn *conn, char token[XS_TOKEN])
{
	char **event = xs_check_watch(conn->handle);

	if (!event)
		return errno == EAGAIN ? 0 : -ENOTCONN;
	/* Longer than any token of ours: then it is none, and fits none. */
	strncpy(token, event[XS_WATCH_TOKEN], XS_TOKEN - 1);
	token[XS_TOKEN - 1] = '\0';
	free(event);
	return 1;
}
