/*
 * The FastCGI side, on a real socket, with requests made by hand.
 *
 * Server and clients share one thread: a client writes into its socket's
 * buffer, the loop turns until something is true, the client reads.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "common/listener.h"
#include "fcgi/server.h"
#include "tests/unit/stubs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define SLOW	   9 /* readers */
#define BIG_REPLY  (1024 * 1024)
#define HUGE_REPLY (LIMIT_UNSENT / 4 - BIG_REPLY)
#define MANY	   500
#define REPLY_HEAD "Status: 200 OK\r\n\r\n"

/* FastCGI 1.0, section 8. */
enum {
	BEGIN_REQUEST = 1,
	ABORT_REQUEST = 2,
	END_REQUEST = 3,
	PARAMS = 4,
	STDIN = 5,
	STDOUT = 6,
};

static char dir[] = "/tmp/test_server.XXXXXX";
static char path[sizeof dir + 16];
static struct event_base *base;
static struct server *server;

/* What the handler has seen. */
static int handled, gone;
static char seen_user[64];
static size_t seen_body;
static bool seen_too_large;
static struct conn *parked[MANY];
static size_t nparked;

static void
answer(struct conn *conn, const char *body, size_t len)
{
	struct evbuffer *reply = evbuffer_new();

	evbuffer_add(reply, REPLY_HEAD, strlen(REPLY_HEAD));
	evbuffer_add(reply, body, len);
	conn_finish(conn, reply);
	evbuffer_free(reply);
}

static void
on_gone(void *ctx)
{
	for (size_t i = 0; i < nparked; i++)
		if (parked[i] == ctx)
			parked[i] = NULL;
	gone++;
}

static uint8_t
nth(size_t n)
{
	return (uint8_t)(n * 7 + n / 251);
}

static void
answer_big(struct conn *conn)
{
	uint8_t *bytes = malloc(BIG_REPLY);

	assert_non_null(bytes);
	for (size_t i = 0; i < BIG_REPLY; i++)
		bytes[i] = nth(i);
	answer(conn, (char *)bytes, BIG_REPLY);
	free(bytes);
}

static struct evbuffer *
make_huge(void)
{
	struct evbuffer *bytes = evbuffer_new();
	struct evbuffer_iovec space;

	assert_int_equal(
	    evbuffer_reserve_space(bytes, HUGE_REPLY, &space, 1), 1);
	space.iov_len = HUGE_REPLY;
	assert_int_equal(evbuffer_commit_space(bytes, &space, 1), 0);
	return bytes;
}

static void
answer_huge(struct conn *conn)
{
	struct evbuffer *reply = make_huge();

	assert_true(conn_finish(conn, reply));
	evbuffer_free(reply);
}

/* The one reply that is streamed: so much of it has been sent. */
static struct conn *streamed;
static size_t sent;
static int drained;

static void
on_drained(void *ctx)
{
	assert_ptr_equal(ctx, &streamed);
	assert_false(conn_stream_is_busy(streamed));
	drained++;
}

static void
on_stream_gone(void *ctx)
{
	assert_ptr_equal(ctx, &streamed);
	streamed = NULL;
	gone++;
}

/* Sends len more bytes of the reply. */
static void
stream_more(size_t len)
{
	struct evbuffer *bytes = evbuffer_new();

	for (size_t i = 0; i < len; i++) {
		uint8_t byte = nth(sent++);

		evbuffer_add(bytes, &byte, 1);
	}
	conn_stream_send(streamed, bytes);
	assert_int_equal(evbuffer_get_length(bytes), 0);
	evbuffer_free(bytes);
}

static void
start_stream(struct conn *conn)
{
	struct evbuffer *head = evbuffer_new();

	streamed = conn;
	sent = 0;
	drained = 0;
	evbuffer_add(head, REPLY_HEAD, strlen(REPLY_HEAD));
	assert_true(conn_stream_begin(conn, on_drained, &streamed));
	conn_park(conn, on_stream_gone, &streamed);
	conn_stream_send(conn, head);
	evbuffer_free(head);
}

/* PATH_INFO says what is to be done. */
static void
handler(void *ctx, struct conn *conn)
{
	const char *what = conn_param(conn, "PATH_INFO");
	const uint8_t *body = conn_body(conn, &seen_body, &seen_too_large);

	assert_ptr_equal(ctx, &handled);
	handled++;
	snprintf(
	    seen_user, sizeof seen_user, "%s", conn_param(conn, "REMOTE_USER"));
	for (size_t i = 0; i < seen_body; i++)
		if (body[i] != nth(i))
			fail_msg("byte %zu of the body is wrong", i);
	if (strcmp(what, "/park") == 0) {
		assert_true(nparked < MANY);
		parked[nparked++] = conn;
		conn_park(conn, on_gone, conn);
	} else if (strcmp(what, "/stream") == 0) {
		start_stream(conn);
	} else if (strcmp(what, "/big") == 0) {
		answer_big(conn);
	} else if (strcmp(what, "/huge") == 0) {
		answer_huge(conn);
	} else {
		answer(conn, "hello", 5);
	}
}

static int
setup(void **state)
{
	int fd;

	(void)state;
	handled = gone = 0;
	nparked = 0;
	base = event_base_new();
	fd = listener_open(path, SOCK_STREAM,
	    &(struct listener_access){0600, (uid_t)-1, (gid_t)-1});
	if (!base || fd < 0)
		return -1;
	server = server_create(base, fd, handler, &handled);
	return server ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	server_destroy(server);
	event_base_free(base);
	return 0;
}

static int
setup_dir(void **state)
{
	struct rlimit files;

	(void)state;
	/* Both ends of some hundred connections are ours. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/sock", dir);
	return 0;
}

static int
teardown_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

/* A client and what it has got. */
struct client {
	int fd;
	uint8_t *bytes; /* as they came */
	size_t len, room;
	bool closed;
};

static void
client_open(struct client *c)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(c, 0, sizeof *c);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, path);
	assert_int_equal(
	    connect(c->fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void
client_close(struct client *c)
{
	close(c->fd);
	free(c->bytes);
	c->bytes = NULL;
}

/* Reads at most that much of what is there. */
static void
client_read(struct client *c, size_t most)
{
	uint8_t piece[65536];

	while (most > 0 && !c->closed) {
		ssize_t n = read(
		    c->fd, piece, most < sizeof piece ? most : sizeof piece);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			c->closed = true;
			return;
		}
		if (c->len + (size_t)n > c->room) {
			c->room = 2 * (c->len + (size_t)n);
			c->bytes = realloc(c->bytes, c->room);
			assert_non_null(c->bytes);
		}
		memcpy(c->bytes + c->len, piece, (size_t)n);
		c->len += (size_t)n;
		most -= (size_t)n;
	}
}

static void
client_write(struct client *c, const void *bytes, size_t len)
{
	assert_int_equal(send(c->fd, bytes, len, MSG_NOSIGNAL), len);
}

/* What stdout has said, taken out of the records; ended: so has the request. */
static size_t
take_stdout(const struct client *c, uint8_t *out, size_t size, bool *ended)
{
	size_t at = 0, n = 0;

	*ended = false;
	while (at + 8 <= c->len) {
		const uint8_t *h = c->bytes + at;
		size_t content = (size_t)h[4] << 8 | h[5];

		if (at + 8 + content + h[6] > c->len)
			break;
		assert_int_equal(h[0], 1);
		if (h[1] == STDOUT) {
			assert_true(n + content <= size);
			memcpy(out + n, h + 8, content);
			n += content;
		}
		if (h[1] == END_REQUEST)
			*ended = true;
		at += 8 + content + h[6];
	}
	return n;
}

static void
check_hello(const struct client *c)
{
	uint8_t out[256];
	bool ended;
	size_t n = take_stdout(c, out, sizeof out - 1, &ended);

	out[n] = '\0';
	assert_string_equal((char *)out, REPLY_HEAD "hello");
	assert_true(ended);
	assert_true(c->closed);
}

/* Turns the loop until done(arg) says so. */
static void
run_until(bool (*done)(void *arg), void *arg)
{
	loop_until(base, done, arg, 30);
}

static bool
is_closed(void *arg)
{
	struct client *c = arg;

	client_read(c, SIZE_MAX);
	return c->closed;
}

static bool
has_count(void *arg)
{
	return server_connections(server) == *(size_t *)arg;
}

static bool
has_handled(void *arg)
{
	return handled == *(int *)arg;
}

static bool
has_gone(void *arg)
{
	return gone == *(int *)arg;
}

static void
run_until_count(size_t want)
{
	run_until(has_count, &want);
}

/* All that there is to do now, and no more. */
static void
settle(void)
{
	for (int i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
add_record(struct evbuffer *out, uint8_t type, const void *content, size_t len)
{
	const uint8_t padding[8] = {0};
	uint8_t header[8] = {1, type, 0, 1, (uint8_t)(len >> 8), (uint8_t)len};

	header[6] = (uint8_t)(-len & 7);
	evbuffer_add(out, header, sizeof header);
	evbuffer_add(out, content, len);
	evbuffer_add(out, padding, header[6]);
}

static void
add_begin(struct evbuffer *out)
{
	const uint8_t begin[8] = {0, 1 /* responder */};

	add_record(out, BEGIN_REQUEST, begin, sizeof begin);
}

static void
add_param(struct evbuffer *params, const char *name, const char *value)
{
	const uint8_t lengths[2] = {
	    (uint8_t)strlen(name), (uint8_t)strlen(value)};

	evbuffer_add(params, lengths, sizeof lengths);
	evbuffer_add(params, name, strlen(name));
	evbuffer_add(params, value, strlen(value));
}

static void
add_params(struct evbuffer *out, const char *what)
{
	struct evbuffer *params = evbuffer_new();

	add_param(params, "PATH_INFO", what);
	add_param(params, "REMOTE_USER", "alice");
	add_record(out, PARAMS, evbuffer_pullup(params, -1),
	    evbuffer_get_length(params));
	add_record(out, PARAMS, NULL, 0);
	evbuffer_free(params);
}

static void
add_body(struct evbuffer *out, size_t len)
{
	uint8_t bytes[8192];

	for (size_t at = 0; at < len;) {
		size_t n = len - at < sizeof bytes ? len - at : sizeof bytes;

		for (size_t i = 0; i < n; i++)
			bytes[i] = nth(at + i);
		add_record(out, STDIN, bytes, n);
		at += n;
	}
}

/* A whole request; the caller frees it. */
static struct evbuffer *
make_request(const char *what, size_t body)
{
	struct evbuffer *out = evbuffer_new();

	add_begin(out);
	add_params(out, what);
	add_body(out, body);
	add_record(out, STDIN, NULL, 0);
	return out;
}

static void
client_send(struct client *c, struct evbuffer *bytes)
{
	client_write(c, evbuffer_pullup(bytes, -1), evbuffer_get_length(bytes));
	evbuffer_free(bytes);
}

static void
client_ask(struct client *c, const char *what)
{
	client_open(c);
	client_send(c, make_request(what, 0));
}

/* The server is as well as ever. */
static void
check_alive(void)
{
	struct client c;

	client_ask(&c, "/hello");
	run_until(is_closed, &c);
	check_hello(&c);
	client_close(&c);
}

static void
test_whole(void **state)
{
	struct client c;

	(void)state;
	client_ask(&c, "/hello");
	run_until(is_closed, &c);
	check_hello(&c);
	assert_int_equal(handled, 1);
	assert_string_equal(seen_user, "alice");
	assert_int_equal(seen_body, 0);
	assert_false(seen_too_large);
	assert_int_equal(server_connections(server), 0);
	client_close(&c);
}

static void
test_single_bytes(void **state)
{
	struct evbuffer *request = make_request("/hello", 0);
	size_t len = evbuffer_get_length(request);
	const uint8_t *bytes = evbuffer_pullup(request, -1);
	struct client c;

	(void)state;
	client_open(&c);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(handled, 0);
		client_write(&c, bytes + i, 1);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	run_until(is_closed, &c);
	check_hello(&c);
	client_close(&c);
	evbuffer_free(request);
}

/* Cut anywhere: nobody is asked, and nothing is left behind. */
static void
test_half(void **state)
{
	struct evbuffer *request = make_request("/hello", 100);
	size_t len = evbuffer_get_length(request);
	const uint8_t *bytes = evbuffer_pullup(request, -1);

	(void)state;
	for (size_t n = 0; n < len; n++) {
		struct client c;

		client_open(&c);
		if (n > 0)
			client_write(&c, bytes, n);
		if (n % 2)
			run_until_count(1);
		client_close(&c);
		run_until_count(0);
	}
	assert_int_equal(handled, 0);
	evbuffer_free(request);
	check_alive();
}

static void
test_silent(void **state)
{
	struct evbuffer *request = make_request("/hello", 0);
	struct client silent, half, c[50];

	(void)state;
	client_open(&silent);
	client_open(&half);
	client_write(&half, evbuffer_pullup(request, -1), 40);
	run_until_count(2);
	for (size_t i = 0; i < COUNT(c); i++)
		client_ask(&c[i], "/hello");
	for (size_t i = 0; i < COUNT(c); i++) {
		run_until(is_closed, &c[i]);
		check_hello(&c[i]);
		client_close(&c[i]);
	}
	assert_int_equal(handled, 50);
	assert_int_equal(server_connections(server), 2);
	/* And the slow one is answered when it has finished. */
	client_write(&half, evbuffer_pullup(request, -1) + 40,
	    evbuffer_get_length(request) - 40);
	run_until(is_closed, &half);
	check_hello(&half);
	client_close(&half);
	client_close(&silent);
	evbuffer_free(request);
	run_until_count(0);
}

/* More than a request may be, and no end in sight. */
static void
test_oversized(void **state)
{
	struct evbuffer *out = evbuffer_new();
	struct client c;

	(void)state;
	add_begin(out);
	add_params(out, "/hello");
	add_body(out, LIMIT_REQUEST);
	client_open(&c);
	client_send(&c, out);
	run_until(is_closed, &c);
	assert_int_equal(c.len, 0);
	assert_int_equal(handled, 0);
	client_close(&c);
	check_alive();
}

static void
test_body_limit(void **state)
{
	static const struct {
		size_t len;
		bool too_large;
	} cases[] = {
	    {1, false},
	    {LIMIT_BODY - 1, false},
	    {LIMIT_BODY, false},
	    {LIMIT_BODY + 1, true},
	    {4 * LIMIT_BODY, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct client c;

		client_open(&c);
		client_send(&c, make_request("/hello", cases[i].len));
		run_until(is_closed, &c);
		/* Also who has sent too much reads the answer. */
		check_hello(&c);
		assert_int_equal(seen_too_large, cases[i].too_large);
		assert_int_equal(
		    seen_body, cases[i].too_large ? 0 : cases[i].len);
		client_close(&c);
	}
}

/* An end of stdin alone does not make a request. */
static const uint8_t end_of_stdin[8] = {1, STDIN, 0, 1};

static void
check_refused(struct evbuffer *bytes, const char *what)
{
	struct client c;

	evbuffer_add(bytes, end_of_stdin, sizeof end_of_stdin);
	client_open(&c);
	client_send(&c, bytes);
	run_until(is_closed, &c);
	if (handled != 0)
		fail_msg("%s was handled", what);
	client_close(&c);
	run_until_count(0);
}

static struct evbuffer *
bytes_of(const void *bytes, size_t len)
{
	struct evbuffer *out = evbuffer_new();

	evbuffer_add(out, bytes, len);
	return out;
}

static void
test_garbage(void **state)
{
	const uint8_t future[16] = {2, BEGIN_REQUEST, 0, 1, 0, 8, 0, 0, 0, 1};
	const uint8_t no_version[8] = {0};
	const uint8_t short_begin[12] = {
	    1, BEGIN_REQUEST, 0, 1, 0, 4, 0, 0, 0, 1};
	const uint8_t unknown[8] = {1, 99, 0, 0};
	struct evbuffer *out;

	(void)state;
	check_refused(bytes_of("", 0), "nothing");
	check_refused(bytes_of(end_of_stdin, 8), "two ends");
	check_refused(bytes_of(future, sizeof future), "version 2");
	check_refused(bytes_of(no_version, 8), "version 0");
	check_refused(bytes_of(short_begin, 12), "a short begin");
	check_refused(bytes_of(unknown, 8), "an unknown type");
	out = evbuffer_new();
	add_record(out, ABORT_REQUEST, NULL, 0);
	check_refused(out, "an abort");
	out = evbuffer_new();
	add_params(out, "/hello");
	check_refused(out, "parameters without a begin");
	check_alive();
}

/* Bytes that do not even look like records: waited for, then closed. */
static void
test_noise(void **state)
{
	uint8_t noise[4096];
	uint32_t x = 1;
	struct client c;

	(void)state;
	for (int round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof noise; i++) {
			x = x * 1664525 + 1013904223;
			noise[i] = (uint8_t)(x >> 24);
		}
		/* Some of it is led by a good header. */
		if (round % 2)
			memcpy(noise, "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0", 16);
		client_open(&c);
		client_write(&c, noise, sizeof noise - 8 * (round % 4 == 0));
		settle();
		client_close(&c);
		run_until_count(0);
	}
	client_open(&c);
	client_write(&c, "GET / HTTP/1.0\r\n\r\n", 18);
	settle();
	client_close(&c);
	run_until_count(0);
	assert_int_equal(handled, 0);
	check_alive();
}

/* Lengths of names and values that are not true. */
static void
test_lying_params(void **state)
{
	static const uint8_t lies[][8] = {
	    {0x7f, 0x7f},
	    /* sums that overflow an int */
	    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	    {0xff, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x01},
	    {0xff, 0xff, 0xff, 0xff, 0x01},
	    {0x01, 0xff, 0xff, 0xff, 0xff},
	    {0x80, 0x00, 0xff, 0xff, 0x80, 0x00, 0xff, 0xff},
	    {0x87, 0xff, 0xff, 0xff, 0x87, 0xff, 0xff, 0xff},
	    /* what there is memory for */
	    {0x01, 0xbf, 0xff, 0xff, 0xff},
	    {0x80},
	    {0x01},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++) {
		struct evbuffer *out = evbuffer_new();
		struct client c;
		uint8_t content[64] = {0};

		memcpy(content, lies[i], sizeof lies[i]);
		add_begin(out);
		add_record(out, PARAMS, content,
		    i < COUNT(lies) - 2 ? sizeof content : 1);
		add_record(out, PARAMS, NULL, 0);
		add_record(out, STDIN, NULL, 0);
		client_open(&c);
		client_send(&c, out);
		run_until(is_closed, &c);
		client_close(&c);
		run_until_count(0);
	}
	assert_int_equal(handled, 0);
	check_alive();
}

/* A parameter may be absent, empty, or there twice. */
static void
test_params(void **state)
{
	struct evbuffer *out = evbuffer_new();
	struct client c;

	(void)state;
	add_begin(out);
	add_record(out, PARAMS, NULL, 0);
	add_record(out, STDIN, NULL, 0);
	client_open(&c);
	client_send(&c, out);
	run_until(is_closed, &c);
	check_hello(&c);
	assert_string_equal(seen_user, "");
	client_close(&c);
}

static void
park(struct client *c, size_t n)
{
	int want = handled + (int)n;

	for (size_t i = 0; i < n; i++) {
		client_ask(&c[i], "/park");
		/* The backlog is long, but not without end. */
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	run_until(has_handled, &want);
}

static void
test_parked(void **state)
{
	struct client c;

	(void)state;
	park(&c, 1);
	settle();
	client_read(&c, SIZE_MAX);
	assert_int_equal(c.len, 0);
	assert_false(c.closed);
	assert_int_equal(server_connections(server), 1);
	answer(parked[0], "hello", 5);
	run_until(is_closed, &c);
	check_hello(&c);
	assert_int_equal(gone, 0);
	client_close(&c);
}

static void
test_parked_gone(void **state)
{
	int want = 1;
	struct client c[3];

	(void)state;
	park(c, 3);
	client_close(&c[1]);
	run_until(has_gone, &want);
	assert_null(parked[1]);
	assert_int_equal(server_connections(server), 2);
	/* The others are parked still. */
	answer(parked[0], "hello", 5);
	answer(parked[2], "hello", 5);
	run_until(is_closed, &c[0]);
	run_until(is_closed, &c[2]);
	check_hello(&c[0]);
	check_hello(&c[2]);
	client_close(&c[0]);
	client_close(&c[2]);
	assert_int_equal(gone, 1);
}

/* It leaves, but the answer is quicker than the notice of it. */
static void
test_answer_to_nobody(void **state)
{
	struct client c;

	(void)state;
	park(&c, 1);
	client_close(&c);
	answer(parked[0], "hello", 5);
	run_until_count(0);
	settle();
	assert_int_equal(gone, 0);
	check_alive();
}

static size_t
count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	size_t n = 0;

	assert_non_null(tasks);
	while ((entry = readdir(tasks)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(tasks);
	return n;
}

static void
test_many_parked(void **state)
{
	static struct client c[MANY];
	size_t threads = count_threads();
	struct rlimit files;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_cur < 2 * MANY + 64) {
		print_message("too few descriptors allowed\n");
		skip();
	}
	park(c, MANY);
	assert_int_equal(nparked, MANY);
	assert_int_equal(server_connections(server), MANY);
	/* One of the last server's may have been there still. */
	assert_true(count_threads() <= threads);
	check_alive();
	for (size_t i = 0; i < MANY; i++)
		answer(parked[i], "hello", 5);
	assert_int_equal(server_connections(server), 0);
	for (size_t i = 0; i < MANY; i++) {
		run_until(is_closed, &c[i]);
		check_hello(&c[i]);
		client_close(&c[i]);
	}
	assert_int_equal(gone, 0);
}

static void
check_big(const struct client *c)
{
	const size_t head = strlen(REPLY_HEAD), size = head + BIG_REPLY + 1;
	uint8_t *out = malloc(size);
	bool ended;

	assert_non_null(out);
	assert_int_equal(take_stdout(c, out, size, &ended), head + BIG_REPLY);
	assert_true(ended);
	assert_memory_equal(out, REPLY_HEAD, head);
	for (size_t i = 0; i < BIG_REPLY; i++)
		if (out[head + i] != nth(i))
			fail_msg("byte %zu is wrong", i);
	free(out);
}

static bool
has_begun(void *arg)
{
	struct client *c = arg;

	client_read(c, 1000);
	return c->len > 0;
}

/* A reader that takes its time holds up nobody else. */
static void
test_slow_reader(void **state)
{
	struct client slow;

	(void)state;
	client_ask(&slow, "/big");
	run_until(has_begun, &slow);
	for (int i = 0; i < 20; i++) {
		check_alive();
		client_read(&slow, 1000);
	}
	assert_true(slow.len <= 21000);
	assert_int_equal(server_connections(server), 1);
	run_until(is_closed, &slow);
	check_big(&slow);
	client_close(&slow);
	run_until_count(0);
}

/* Many of them: nobody else waits, whatever he asks for. */
static void
test_slow_readers(void **state)
{
	struct client slow[SLOW], quick;

	(void)state;
	for (size_t i = 0; i < COUNT(slow); i++)
		client_ask(&slow[i], "/big");
	check_alive();
	client_ask(&quick, "/big");
	run_until(is_closed, &quick);
	check_big(&quick);
	client_close(&quick);
	for (size_t i = 0; i < COUNT(slow); i++)
		assert_false(slow[i].closed);
	assert_int_equal(server_connections(server), COUNT(slow));
	for (size_t i = 0; i < COUNT(slow); i++) {
		run_until(is_closed, &slow[i]);
		check_big(&slow[i]);
		client_close(&slow[i]);
	}
	run_until_count(0);
}

/* Leaving in the middle of a long reply ends nothing else. */
static void
test_leaves_in_reply(void **state)
{
	struct client c;

	(void)state;
	for (int i = 0; i < SLOW; i++) {
		client_ask(&c, "/big");
		settle();
		client_read(&c, 1000);
		client_close(&c);
	}
	run_until_count(0);
	assert_int_equal(handled, SLOW);
	client_ask(&c, "/big");
	run_until(is_closed, &c);
	check_big(&c);
	client_close(&c);
}

/* Leaving right after having asked. */
static void
test_leaves_at_once(void **state)
{
	static const char *const paths[] = {"/hello", "/park", "/big"};
	struct client c;

	(void)state;
	for (int i = 0; i < 30; i++) {
		client_ask(&c, paths[i % 3]);
		client_close(&c);
		run_until_count(0);
	}
	check_alive();
}

static void
test_close_listener(void **state)
{
	struct client waiting, c;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	(void)state;
	park(&waiting, 1);
	server_close_listener(server);
	server_close_listener(server);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	strcpy(address.sun_path, path);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, sizeof address), -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	/* Those that are parked go on. */
	assert_int_equal(server_connections(server), 1);
	answer(parked[0], "hello", 5);
	run_until(is_closed, &waiting);
	check_hello(&waiting);
	client_close(&waiting);
	/* The next worker's socket takes the place of the old one. */
	fd = listener_open(path, SOCK_STREAM,
	    &(struct listener_access){0600, (uid_t)-1, (gid_t)-1});
	assert_true(fd >= 0);
	client_open(&c);
	client_close(&c);
	close(fd);
}

/* In all states that a connection can be in. */
static void
test_destroy(void **state)
{
	struct evbuffer *request = make_request("/hello", 0);
	struct client silent, half, waiting;

	(void)state;
	client_open(&silent);
	client_open(&half);
	client_write(&half, evbuffer_pullup(request, -1), 40);
	evbuffer_free(request);
	park(&waiting, 1);
	assert_int_equal(server_connections(server), 3);
	server_destroy(server);
	server = NULL;
	assert_true(is_closed(&silent));
	assert_true(is_closed(&half));
	assert_true(is_closed(&waiting));
	assert_int_equal(waiting.len, 0);
	client_close(&silent);
	client_close(&half);
	client_close(&waiting);
	server_destroy(NULL);
}

static void *
read_all(void *arg)
{
	struct client *c = arg;

	fcntl(c->fd, F_SETFL, 0);
	client_read(c, SIZE_MAX);
	return NULL;
}

/* Who reads gets what he was answered before the end; who does not holds it up
 * no longer than said. */
static void
test_destroy_in_reply(void **state)
{
	struct client reader, other;
	pthread_t thread;

	(void)state;
	client_ask(&other, "/big");
	run_until(has_begun, &other);
	client_ask(&reader, "/big");
	run_until(has_begun, &reader);
	assert_int_equal(pthread_create(&thread, NULL, read_all, &reader), 0);
	server_destroy(server);
	server = NULL;
	pthread_join(thread, NULL);
	check_big(&reader);
	client_close(&reader);
	assert_false(other.closed);
	client_close(&other);
}

/* ---- replies that are streamed */

/* A stream that has begun, whose client has read nothing. */
static void
open_stream(struct client *c)
{
	client_ask(c, "/stream");
	run_until(has_handled, &(int){handled + 1});
	assert_non_null(streamed);
}

/* The client has what was sent, and no more. */
static bool
has_all(void *arg)
{
	struct client *c = arg;
	uint8_t *out = malloc(strlen(REPLY_HEAD) + sent);
	bool ended;
	size_t n;

	client_read(c, SIZE_MAX);
	assert_non_null(out);
	n = take_stdout(c, out, strlen(REPLY_HEAD) + sent, &ended);
	for (size_t i = strlen(REPLY_HEAD); i < n; i++)
		if (out[i] != nth(i - strlen(REPLY_HEAD)))
			fail_msg("byte %zu of the stream is wrong", i);
	free(out);
	return n == strlen(REPLY_HEAD) + sent;
}

static bool
has_end(void *arg)
{
	struct client *c = arg;

	client_read(c, SIZE_MAX);
	/* The last record is the request's end. */
	return c->len >= 16 && c->bytes[c->len - 15] == END_REQUEST;
}

static void
test_stream(void **state)
{
	struct client c;

	(void)state;
	open_stream(&c);
	for (size_t len = 1; len < 5; len++) {
		stream_more(len);
		assert_false(conn_stream_is_busy(streamed));
		/* At once, without a turn of the loop. */
		assert_true(has_all(&c));
	}
	assert_int_equal(server_requests(server), 1);
	conn_stream_end(streamed);
	run_until(is_closed, &c);
	assert_true(has_end(&c));
	assert_int_equal(drained, 0);
	assert_int_equal(gone, 0);
	run_until_count(0);
	assert_int_equal(server_requests(server), 0);
	client_close(&c);
	check_alive();
}

/* More than a record, and than a socket, holds; a reader that is slow. */
static void
test_stream_slow(void **state)
{
	struct client c;

	(void)state;
	open_stream(&c);
	stream_more(BIG_REPLY);
	assert_true(conn_stream_is_busy(streamed));
	settle();
	assert_true(conn_stream_is_busy(streamed));
	assert_int_equal(drained, 0);
	check_alive();
	run_until(has_all, &c);
	settle();
	assert_int_equal(drained, 1);
	stream_more(1);
	assert_true(has_all(&c));
	/* Ends while it is busy: all of it comes. */
	stream_more(BIG_REPLY);
	conn_stream_end(streamed);
	run_until(is_closed, &c);
	assert_true(has_all(&c) && has_end(&c));
	assert_int_equal(drained, 1);
	client_close(&c);
}

/* Who leaves a stream, or closes its half of the connection, is gone. */
static void
test_stream_left(void **state)
{
	struct client c;

	(void)state;
	for (int how = 0; how < 4; how++) {
		open_stream(&c);
		if (how & 1)
			stream_more(BIG_REPLY);
		if (how & 2)
			shutdown(c.fd, SHUT_WR);
		else
			client_close(&c);
		run_until(has_gone, &(int){how + 1});
		run_until_count(0);
		assert_null(streamed);
		if (how & 2)
			client_close(&c);
	}
	/* In the middle of its end. */
	open_stream(&c);
	stream_more(BIG_REPLY);
	conn_stream_end(streamed);
	assert_int_equal(server_requests(server), 1);
	client_close(&c);
	run_until_count(0);
	assert_int_equal(server_requests(server), 0);
	assert_int_equal(gone, 4);
	check_alive();
}

/* A write finds out first: still it is told from the loop, and once. */
static void
test_stream_broken(void **state)
{
	struct client c;

	(void)state;
	open_stream(&c);
	client_close(&c);
	stream_more(1);
	stream_more(1);
	assert_non_null(streamed);
	run_until(has_gone, &(int){1});
	assert_null(streamed);
	open_stream(&c);
	client_close(&c);
	stream_more(1);
	conn_stream_end(streamed);
	run_until_count(0);
	assert_int_equal(gone, 1);
	check_alive();
}

/* What waits for slow readers has a bound: who has most of it is cut off, and
 * nobody else. */
static void
test_unsent(void **state)
{
	struct client slow[4], little[8], c;
	size_t whole = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(slow); i++) {
		client_ask(&slow[i], "/huge");
		run_until(has_begun, &slow[i]);
	}
	assert_int_equal(server_connections(server), COUNT(slow));
	for (size_t i = 0; i < COUNT(little); i++) {
		client_ask(&little[i], "/big");
		run_until(has_begun, &little[i]);
	}
	run_until_count(COUNT(slow) - 1 + COUNT(little));
	for (size_t i = 0; i < COUNT(little); i++) {
		run_until(is_closed, &little[i]);
		check_big(&little[i]);
		client_close(&little[i]);
	}
	for (size_t i = 0; i < COUNT(slow); i++) {
		run_until(is_closed, &slow[i]);
		whole += slow[i].len > HUGE_REPLY;
		client_close(&slow[i]);
	}
	assert_int_equal(whole, COUNT(slow) - 1);
	run_until_count(0);
	/* Streams count, too. */
	open_stream(&c);
	for (int i = 0; i < 4; i++) {
		struct evbuffer *more = make_huge();

		conn_stream_send(streamed, more);
		evbuffer_free(more);
	}
	assert_non_null(streamed);
	settle();
	assert_int_equal(gone, 0);
	stream_more(5 * BIG_REPLY);
	run_until(has_gone, &(int){1});
	client_close(&c);
	check_alive();
}

int
main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    WITH_SERVER(test_whole),
	    WITH_SERVER(test_single_bytes),
	    WITH_SERVER(test_half),
	    WITH_SERVER(test_silent),
	    WITH_SERVER(test_oversized),
	    WITH_SERVER(test_body_limit),
	    WITH_SERVER(test_garbage),
	    WITH_SERVER(test_noise),
	    WITH_SERVER(test_lying_params),
	    WITH_SERVER(test_params),
	    WITH_SERVER(test_parked),
	    WITH_SERVER(test_parked_gone),
	    WITH_SERVER(test_answer_to_nobody),
	    WITH_SERVER(test_many_parked),
	    WITH_SERVER(test_slow_reader),
	    WITH_SERVER(test_slow_readers),
	    WITH_SERVER(test_unsent),
	    WITH_SERVER(test_leaves_in_reply),
	    WITH_SERVER(test_leaves_at_once),
	    WITH_SERVER(test_stream),
	    WITH_SERVER(test_stream_slow),
	    WITH_SERVER(test_stream_left),
	    WITH_SERVER(test_stream_broken),
	    WITH_SERVER(test_close_listener),
	    WITH_SERVER(test_destroy),
	    WITH_SERVER(test_destroy_in_reply),
	};

	return cmocka_run_group_tests(tests, setup_dir, teardown_dir);
}
