/*
 * The worker's key paths, for who counts their instructions: the real parts of
 * xenterm-fcgi in one thread, between a socket that nginx would have and one
 * in the place of the tty, so that a run is like any other.
 *
 *   paths PATH TIMES
 *
 *   key-stream  POST input; its echo goes to a stream
 *   key-poll    POST input; its echo answers a poll, which comes again
 *   key-echo    POST input?echo=
 *   poll        GET output?wait=0 that has nothing to tell
 *   output      1 MB of output to a stream
 *   bytes       TIMES bytes of output to a stream
 *
 * What is between is done once before, uncounted; measured() is what counts.
 */
#define _GNU_SOURCE
#include <err.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/config.h"
#include "common/limits.h"
#include "common/listener.h"
#include "common/memfd.h"
#include "common/proto.h"
#include "common/ring.h"
#include "fcgi/console.h"
#include "fcgi/position.h"
#include "fcgi/route.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/worker.h"

/* FastCGI 1.0, section 8. */
enum { BEGIN_REQUEST = 1, END_REQUEST = 3, PARAMS = 4, STDIN = 5 };
#define HEADER	  8
#define KEEP_CONN 1

#define REQUEST_MAX 4096
#define ANSWER_MAX  (256 * 1024)
#define QUERY_MAX   256

/* A loop that has turned so often without what is waited for is stuck. */
#define TURNS_MAX 10000

#define PIECE  (16 * 1024)
#define PIECES 64

struct client {
	int fd;
	uint8_t bytes[ANSWER_MAX];
	size_t len;
};

static struct worker w;
static char *any_host[] = {NULL};
static struct config config = {.host_names = any_host};
static struct console *console;
static char token[SESSION_TOKEN_TEXT];
static int guest = -1; /* the tty's other end */
static struct client viewer, typist;
static char dir[] = "/tmp/paths.XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static uint64_t seq;
static struct position position;

/* --- The worker --------------------------------------------------------- */

static void
on_hangup(void *ctx, struct console *c, uint32_t serial)
{
	(void)ctx, (void)c, (void)serial;
}

static void
on_wanted(void *ctx, struct console *c)
{
	(void)ctx, (void)c;
}

static void
attach(void)
{
	const struct msg_tty msg = {.type = MSG_TTY, .serial = 1, .domid = 7};
	int fds[TTY_FDS] = {ring_make(LIMIT_RING_DEFAULT), -1, -1, -1, -1};
	int pair[2];

	if (fds[TTY_RING] < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		pair) < 0)
		err(1, "tty");
	guest = pair[0];
	fds[TTY_STORE] = memfd_make("store", LIMIT_CONSOLE_STORE, NULL, 0);
	fds[TTY_PTY] = pair[1];
	if (console_attach(console, fds, &msg) != 0)
		errx(1, "console_attach");
	close(fds[TTY_RING]);
}

static void
start_worker(void)
{
	static const struct console_owner owner = {
	    .hangup = on_hangup, .wanted = on_wanted};
	const struct listener_access access = {0600, (uid_t)-1, (gid_t)-1};
	const struct console_key key = {.kind = CONSOLE_PV};
	struct session *session;
	int fd;

	config.session_idle = config.session_max = 3600;
	config.waiting_total = 16;
	config.sessions_total = config.sessions_per_user =
	    config.sessions_per_console = 16;
	if (sodium_init() < 0 || !mkdtemp(dir))
		err(1, "start");
	snprintf(address.sun_path, sizeof address.sun_path, "%s/s", dir);
	fd = listener_open(address.sun_path, SOCK_STREAM, &access);
	w.config = &config;
	w.base = event_base_new();
	w.sessions = sessions_create(w.base, &config);
	w.server = server_create(w.base, fd, route_request, &w);
	console = console_create(w.base, &key, &owner);
	if (!w.base || !w.sessions || !w.server || !console)
		err(1, "worker");
	attach();
	if (session_open(w.sessions, console, "bench", true, token, &session) !=
	    0)
		errx(1, "session_open");
}

static void
stop_worker(void)
{
	sessions_destroy(w.sessions);
	console_destroy(console);
	server_destroy(w.server);
	event_base_free(w.base);
	close(guest);
	unlink(address.sun_path);
	rmdir(dir);
}

/* --- What nginx does ---------------------------------------------------- */

static void
connect_client(struct client *c)
{
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 ||
	    connect(c->fd, (struct sockaddr *)&address, sizeof address) < 0)
		err(1, "connect");
}

static size_t
add_record(uint8_t *to, int kind, const void *content, size_t len)
{
	const uint8_t header[HEADER] = {
	    1, (uint8_t)kind, 0, 1, (uint8_t)(len >> 8), (uint8_t)len};

	memcpy(to, header, sizeof header);
	if (len > 0)
		memcpy(to + HEADER, content, len);
	return HEADER + len;
}

static size_t
add_param(uint8_t *to, const char *name, const char *value)
{
	size_t n = strlen(name), v = strlen(value), at = 0;

	to[at++] = (uint8_t)n;
	if (v > 127) {
		to[at++] = 0x80;
		to[at++] = 0;
		to[at++] = (uint8_t)(v >> 8);
	}
	to[at++] = (uint8_t)v;
	memcpy(to + at, name, n);
	memcpy(to + at + n, value, v);
	return at + n + v;
}

/* With the parameters of conf/nginx/xenterm.conf.  A body: POST. */
static void
send_request(struct client *c, const char *path, const char *query, char body)
{
	static const uint8_t begin[8] = {0, 1, KEEP_CONN};
	const char *const params[][2] = {
	    {"REQUEST_METHOD", body ? "POST" : "GET"},
	    {"PATH_INFO", path},
	    {"QUERY_STRING", query},
	    {"CONTENT_TYPE", body ? "application/octet-stream" : ""},
	    {"CONTENT_LENGTH", body ? "1" : ""},
	    {"REMOTE_USER", "bench"},
	    {"XENTERM_GROUPS", ""},
	    {"REMOTE_ADDR", "127.0.0.1"},
	    {"SERVER_NAME", "localhost"},
	    {"REQUEST_SCHEME", "https"},
	    {"HTTPS", "on"},
	    {"HTTP_HOST", "localhost:8443"},
	    {"HTTP_ORIGIN", "https://localhost:8443"},
	    {"HTTP_SEC_FETCH_SITE", "same-origin"},
	    {"HTTP_XENTERM_TOKEN", token},
	};
	uint8_t request[REQUEST_MAX], text[REQUEST_MAX / 2];
	size_t n = 0, len = 0;

	for (size_t i = 0; i < sizeof params / sizeof *params; i++)
		len += add_param(text + len, params[i][0], params[i][1]);
	n += add_record(request + n, BEGIN_REQUEST, begin, sizeof begin);
	n += add_record(request + n, PARAMS, text, len);
	n += add_record(request + n, PARAMS, NULL, 0);
	if (body)
		n += add_record(request + n, STDIN, &body, 1);
	n += add_record(request + n, STDIN, NULL, 0);
	c->len = 0;
	if (write(c->fd, request, n) != (ssize_t)n)
		err(1, "request");
}

/* Takes what has come; what a stream has brought is not kept. */
static bool
take(struct client *c, bool keep)
{
	ssize_t n;

	if (!keep)
		c->len = 0;
	n = read(c->fd, c->bytes + c->len, sizeof c->bytes - c->len);
	if (n > 0)
		c->len += (size_t)n;
	return n > 0;
}

/* The answer's last record has come: END_REQUEST, with 8 bytes. */
static bool
has_ended(const struct client *c)
{
	return c->len >= 2 * HEADER &&
	       c->bytes[c->len - 2 * HEADER + 1] == END_REQUEST;
}

static void
turn(unsigned *turns)
{
	if (++*turns == TURNS_MAX)
		errx(1, "the worker does not answer");
	event_base_loop(w.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void
wait_for_end(struct client *c)
{
	unsigned turns = 0;

	for (take(c, true); !has_ended(c); take(c, true))
		turn(&turns);
	if (!memmem(c->bytes, c->len < 64 ? c->len : 64, "Status: 20", 10))
		errx(1, "%.*s", (int)(c->len < 512 ? c->len : 512), c->bytes);
}

static void
find_position(const struct client *c)
{
	const char *at = memmem(c->bytes, c->len, "Xenterm-Next: ", 14);
	char text[POSITION_TEXT + 1];

	if (!at)
		errx(1, "no position");
	snprintf(
	    text, sizeof text, "%.*s", (int)strcspn(at + 14, "\r"), at + 14);
	if (!position_parse(text, &position))
		errx(1, "position %s", text);
}

/* From the output on that is there; events are of no matter here. */
static void
send_poll(struct client *c, unsigned seconds)
{
	char query[QUERY_MAX];

	snprintf(query, sizeof query, "wait=%u&from=%" PRIu64 ".%" PRIu64,
	    seconds, position.run, position.offset);
	send_request(c, "/api/v1/output", query, 0);
}

/* --- What the guest does ------------------------------------------------ */

static void
echo(void)
{
	unsigned turns = 0;
	char key;

	while (read(guest, &key, 1) != 1)
		turn(&turns);
	if (write(guest, &key, 1) != 1)
		err(1, "echo");
}

/* --- The paths ---------------------------------------------------------- */

static void
send_key(const char *more)
{
	char query[QUERY_MAX];

	snprintf(query, sizeof query, "seq=%" PRIu64 "%s", ++seq, more);
	send_request(&typist, "/api/v1/input", query, 'k');
}

static void
start_stream(void)
{
	unsigned turns = 0;

	send_request(&viewer, "/api/v1/stream", "", 0);
	while (!memmem(viewer.bytes, viewer.len, "no-screen", 9)) {
		turn(&turns);
		take(&viewer, true);
	}
}

static void
key_stream(void)
{
	unsigned turns = 0;

	send_key("");
	echo();
	while (!take(&viewer, false))
		turn(&turns);
	wait_for_end(&typist);
}

static void
start_poll(void)
{
	send_request(&viewer, "/api/v1/output", "", 0);
	wait_for_end(&viewer);
	find_position(&viewer);
	send_poll(&viewer, 60);
}

static void
key_poll(void)
{
	send_key("");
	echo();
	wait_for_end(&viewer);
	find_position(&viewer);
	send_poll(&viewer, 60);
	wait_for_end(&typist);
}

static void
start_nothing(void)
{
}

static void
key_echo(void)
{
	send_key("&echo=1000");
	echo();
	wait_for_end(&typist);
}

static void
start_position(void)
{
	send_request(&viewer, "/api/v1/output", "", 0);
	wait_for_end(&viewer);
	find_position(&viewer);
}

static void
empty_poll(void)
{
	send_poll(&viewer, 0);
	wait_for_end(&viewer);
}

/* What the guest prints, and until at least so much has come of it. */
static void
print(size_t len)
{
	static const uint8_t piece[PIECE];
	unsigned turns = 0;
	size_t seen = 0;

	if (write(guest, piece, len) != (ssize_t)len)
		err(1, "tty");
	for (; seen < len; turn(&turns))
		while (take(&viewer, false))
			seen += viewer.len;
}

static void
output(void)
{
	for (int i = 0; i < PIECES; i++)
		print(PIECE);
}

static void
output_bytes(int bytes)
{
	for (; bytes > 0; bytes -= PIECE)
		print(bytes < PIECE ? (size_t)bytes : PIECE);
}

static const struct path {
	const char *name;
	void (*start)(void);
	void (*once)(void);
	void (*many)(int times); /* in its place */
} paths[] = {
    {"key-stream", start_stream, key_stream, NULL},
    {"key-poll", start_poll, key_poll, NULL},
    {"key-echo", start_nothing, key_echo, NULL},
    {"poll", start_position, empty_poll, NULL},
    {"output", start_stream, output, NULL},
    {"bytes", start_stream, NULL, output_bytes},
};

/* callgrind counts from here on, by this name. */
__attribute__((noinline)) void measured(const struct path *path, int times);

void
measured(const struct path *path, int times)
{
	if (path->many)
		path->many(times);
	while (path->once && times-- > 0)
		path->once();
}

/* Who has come is told a while later: not in between. */
static void
wait_for_viewers(void)
{
	uint64_t before = console_event(console);

	while (console_event(console) == before)
		event_base_loop(w.base, EVLOOP_ONCE);
}

static const struct path *
find_path(const char *name)
{
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (strcmp(paths[i].name, name) == 0)
			return &paths[i];
	errx(2, "no path %s", name);
}

int
main(int argc, char **argv)
{
	const struct path *path;

	if (argc != 3)
		errx(2, "usage: paths PATH TIMES");
	path = find_path(argv[1]);
	start_worker();
	connect_client(&viewer);
	connect_client(&typist);
	wait_for_viewers();
	path->start();
	for (int i = 0; path->once && i < 3; i++)
		path->once(); /* what is made at first */
	measured(path, atoi(argv[2]));
	close(viewer.fd);
	close(typist.fd);
	stop_worker();
	return 0;
}
