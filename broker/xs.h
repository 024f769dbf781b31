/*
 * Our connection to xenstored.  The only user of libxenstore.
 *
 * A request blocks until xenstored has answered: libxenstore knows no time
 * limit.  The calls return 0 or one of
 *   -ENOENT    there is no such node
 *   -EACCES    xenstored refused the request
 *   -EBADMSG   the value is no line of text, or longer than the buffer
 *   -ENOTCONN  the connection is dead for good: close it and open another
 */
#ifndef XENTERM_XS_H
#define XENTERM_XS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define XS_TOKEN 32

struct xs_conn;

/* NULL with errno set.  Never falls back to the kernel's device when the
 * socket is there. */
struct xs_conn *xs_conn_open(const char *socket);

/* NULL is fine. */
void xs_conn_close(struct xs_conn *conn);

/* Readable while events wait.  Not readable when xenstored dies: only
 * xs_conn_event() notices that. */
int xs_conn_fd(const struct xs_conn *conn);

/* The value of one node, with its NUL, into size bytes at out. */
int xs_conn_read(
    struct xs_conn *conn, const char *path, char *out, size_t size);

/*
 * A transaction: between these two the connection's reads and writes see the
 * store as it was at the beginning, and nobody else sees what is written.
 * It is ended at once: xenstored waits for its end before it can be upgraded.
 * xs_conn_end() says -EAGAIN, with nothing written, when what was read or
 * written has been changed by somebody else; keep false: nothing is written
 * in any case.
 */
int xs_conn_begin(struct xs_conn *conn);
int xs_conn_end(struct xs_conn *conn, bool keep);

/* Sets the value of one node. */
int xs_conn_write(struct xs_conn *conn, const char *path, const char *value);

/* Those children of path that are decimal numbers, in rising order.  The
 * caller frees *out. */
int xs_conn_numbers(
    struct xs_conn *conn, const char *path, uint32_t **out, size_t *count);

/* A pair of path and token is watched once; each token names one path. */
int xs_conn_watch(struct xs_conn *conn, const char *path, const char *token);
void xs_conn_unwatch(struct xs_conn *conn, const char *path, const char *token);

/* 1: an event, and the token of its watch.  0: no event waits. */
int xs_conn_event(struct xs_conn *conn, char token[XS_TOKEN]);

/* len bytes are text without control bytes that fits size bytes. */
bool xs_value_fits(const char *value, size_t len, size_t size);

#endif
