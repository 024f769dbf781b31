#define _GNU_SOURCE
#include "tests/bench/http.h"

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* The longest answer there is here: a screen with 2,000 lines of a flood above
 * it, its frame and headers. */
#define ANSWER_MAX (320 * 1024)

#define REQUEST_MAX	   2048
#define CREDENTIALS_MAX	   96
#define ANSWER_PATIENCE_MS 10000

/* Where xenterm is on a site of its own. */
#define BASE "/xenterm/"

/* The first of the addresses of those who come by a gateway. */
#define OWN_ADDRESSES 0x7f020001 /* 127.2.0.1 */

struct http {
	SSL *ssl;
	int fd;
	const char *token, *type;
	const char *base; /* of a host behind a gateway */
	int token_len;
	size_t head, len; /* of the answer: its headers, all that has come */
	size_t at;	  /* of an answer without end: taken so far */
	size_t chunk;	  /* and what its chunk still has */
	char bytes[ANSWER_MAX + 1];
};

static SSL_CTX *tls;
static struct sockaddr_in address;
static char authorization[EVP_ENCODE_LENGTH(CREDENTIALS_MAX)];

void
http_init(uint16_t port, const char *user, const char *password)
{
	char text[CREDENTIALS_MAX];
	int n = snprintf(text, sizeof text, "%s:%s", user, password);

	if (n >= (int)sizeof text)
		errx(1, "user and password are too long");
	EVP_EncodeBlock(
	    (unsigned char *)authorization, (unsigned char *)text, n);
	address.sin_family = AF_INET;
	address.sin_port = htons(port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* The certificate was made for this run: nothing to verify it by. */
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls)
		errx(1, "OpenSSL does not start");
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
}

static void
set_token(struct http *http, const char *token)
{
	size_t len = token ? strcspn(token, "@") : 0;

	http->token = token;
	http->token_len = (int)len;
	if (len > 0 && token[len] == '@')
		http->base = token + len + 1;
}

/* A gateway counts by address who asks, and browsers are not all at one. */
static void
bind_own(int fd)
{
	static uint32_t used;
	struct sockaddr_in own = {
	    .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(OWN_ADDRESSES + used++),
	};

	if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0)
		err(1, "bind");
}

struct http *
http_open(const char *token)
{
	struct http *http = calloc(1, sizeof *http);

	if (!http)
		err(1, "connection");
	set_token(http, token);
	http->type = "application/octet-stream";
	http->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (http->fd >= 0 && http->base)
		bind_own(http->fd);
	if (http->fd < 0 ||
	    connect(http->fd, (struct sockaddr *)&address, sizeof address) < 0)
		err(1, "connect");
	setsockopt(http->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	http->ssl = SSL_new(tls);
	if (!http->ssl || !SSL_set_fd(http->ssl, http->fd) ||
	    SSL_connect(http->ssl) != 1)
		errx(1, "TLS: no connection");
	fcntl(http->fd, F_SETFL, O_NONBLOCK);
	return http;
}

void
http_set_type(struct http *http, const char *type)
{
	http->type = type;
}

void
http_close(struct http *http)
{
	SSL_free(http->ssl);
	close(http->fd);
	free(http);
}

int
http_fd(const struct http *http)
{
	return http->fd;
}

void
http_send(struct http *http, const char *target, const void *body, size_t len)
{
	char request[REQUEST_MAX];
	bool below = http->base && strncmp(target, BASE, strlen(BASE)) == 0;
	size_t n;

	if (below)
		target += strlen(BASE) - 1;
	n = (size_t)snprintf(request, sizeof request,
	    "%s %s%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
	    "Authorization: Basic %s\r\n%s%.*s%s",
	    body ? "POST" : "GET", below ? http->base : "", target,
	    ntohs(address.sin_port), authorization,
	    http->token ? "Xenterm-Token: " : "", http->token_len,
	    http->token ? http->token : "", http->token ? "\r\n" : "");
	if (body && n < sizeof request)
		n += (size_t)snprintf(request + n, sizeof request - n,
		    "Content-Type: %s\r\n"
		    "Content-Length: %zu\r\n",
		    http->type, len);
	if (n + 2 + len > sizeof request)
		errx(1, "request too long");
	memcpy(request + n, "\r\n", 2);
	if (len > 0)
		memcpy(request + n + 2, body, len);
	n += 2 + len;
	http->len = http->head = http->at = http->chunk = 0;
	/* One small record into an empty socket buffer: it always fits. */
	if (SSL_write(http->ssl, request, (int)n) != (int)n)
		errx(1, "TLS: cannot write");
}

static const char *
find_header(const struct http *http, const char *name)
{
	size_t n = strlen(name);
	const char *at = http->bytes, *end = at + http->head - 2;

	while (at < end) {
		at = strstr(at, "\r\n") + 2;
		if (strncasecmp(at, name, n) == 0 && at[n] == ':')
			return at + n + 1 + strspn(at + n + 1, " ");
	}
	return NULL;
}

void
http_header(const struct http *http, const char *name, char *value, size_t size)
{
	const char *at = find_header(http, name);
	size_t n = at ? strcspn(at, "\r") : 0;

	if (n == 0 || n >= size)
		errx(1, "no header %s in:\n%s", name, http->bytes);
	memcpy(value, at, n);
	value[n] = '\0';
}

/* Joins the chunks, in place, once the last is there. */
static bool
join_chunks(struct http *http, size_t *len)
{
	char *from, *to = http->bytes + http->head, *end;
	size_t size;

	for (from = to;; from = end + 2 + size + 2) {
		if (from >= http->bytes + http->len || !strstr(from, "\r\n"))
			return false;
		size = strtoul(from, &end, 16);
		if (end + 2 + size + 2 > http->bytes + http->len)
			return false;
		if (size == 0)
			break;
	}
	for (from = to;; from = end + 2 + size + 2) {
		size = strtoul(from, &end, 16);
		if (size == 0)
			break;
		memmove(to, end + 2, size);
		to += size;
	}
	*len = (size_t)(to - http->bytes) - http->head;
	return true;
}

static bool
is_complete(struct http *http, struct http_answer *answer)
{
	const char *end, *length;

	if (http->head == 0) {
		end = strstr(http->bytes, "\r\n\r\n");
		if (!end)
			return false;
		http->head = (size_t)(end + 4 - http->bytes);
	}
	if (sscanf(http->bytes, "HTTP/1.1 %d", &answer->status) != 1)
		errx(1, "not HTTP: %s", http->bytes);
	answer->body = (uint8_t *)http->bytes + http->head;
	answer->len = 0;
	length = find_header(http, "Content-Length");
	if (length) {
		answer->len = strtoul(length, NULL, 10);
		return http->len - http->head >= answer->len;
	}
	if (answer->status == 204)
		return true;
	return join_chunks(http, &answer->len);
}

/* Takes what has come, as far as there is room.  False: nothing. */
static bool
take(struct http *http)
{
	int n = SSL_read(
	    http->ssl, http->bytes + http->len, (int)(ANSWER_MAX - http->len));

	if (n <= 0) {
		if (SSL_get_error(http->ssl, n) != SSL_ERROR_WANT_READ)
			errx(1, "TLS: the connection has ended");
		return false;
	}
	http->len += (size_t)n;
	http->bytes[http->len] = '\0';
	return true;
}

bool
http_receive(struct http *http, struct http_answer *answer)
{
	do {
		if (http->len == ANSWER_MAX)
			errx(1, "answer too long");
		if (!take(http))
			return false;
	} while (!is_complete(http, answer));
	return true;
}

void
http_wait(struct http *http, struct http_answer *answer)
{
	struct pollfd fd = {.fd = http->fd, .events = POLLIN};

	while (!http_receive(http, answer))
		if (poll(&fd, 1, ANSWER_PATIENCE_MS) != 1)
			errx(1, "no answer");
}

/* Behind the headers, once they are there. */
static bool
has_head(struct http *http)
{
	const char *end;

	if (http->head > 0)
		return true;
	end = strstr(http->bytes, "\r\n\r\n");
	if (!end)
		return false;
	http->head = http->at = (size_t)(end + 4 - http->bytes);
	if (strncmp(http->bytes, "HTTP/1.1 200 ", 13) != 0 ||
	    !find_header(http, "Transfer-Encoding"))
		errx(1, "not an answer without end:\n%s", http->bytes);
	return true;
}

/* Passes the line with a chunk's size, with the end of the one before. */
static bool
begin_chunk(struct http *http)
{
	char *line = http->bytes + http->at, *end;

	if (strncmp(line, "\r\n", 2) == 0)
		line += 2;
	if (!strchr(line, '\n'))
		return false;
	http->chunk = strtoul(line, &end, 16);
	if (http->chunk == 0 || strncmp(end, "\r\n", 2) != 0)
		errx(1, "the answer has ended");
	http->at = (size_t)(end + 2 - http->bytes);
	return true;
}

/* What has been taken makes room. */
static void
forget_taken(struct http *http)
{
	http->len -= http->at;
	memmove(http->bytes, http->bytes + http->at, http->len + 1);
	http->at = 0;
}

size_t
http_read_body(struct http *http, void *to, size_t size)
{
	size_t taken = 0, n;

	for (;;) {
		if (http->head > 0 || has_head(http)) {
			while (taken < size &&
			       (http->chunk > 0 || begin_chunk(http))) {
				n = http->len - http->at;
				if (n > http->chunk)
					n = http->chunk;
				if (n > size - taken)
					n = size - taken;
				if (n == 0)
					break;
				memcpy((char *)to + taken,
				    http->bytes + http->at, n);
				http->at += n;
				http->chunk -= n;
				taken += n;
			}
			forget_taken(http);
		}
		if (taken == size || !take(http))
			return taken;
	}
}

void
http_upgrade(struct http *http, const char *target, const char *protocol)
{
	struct pollfd fd = {.fd = http->fd, .events = POLLIN};
	char request[REQUEST_MAX];
	const char *end;
	int n;

	/* A nonce is for servers that mistake a WebSocket for something else.
	 */
	n = snprintf(request, sizeof request,
	    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
	    "Authorization: Basic %s\r\nConnection: Upgrade\r\n"
	    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s%s%s\r\n",
	    target, ntohs(address.sin_port), authorization,
	    protocol ? "Sec-WebSocket-Protocol: " : "",
	    protocol ? protocol : "", protocol ? "\r\n" : "");
	http->len = http->head = http->at = http->chunk = 0;
	http->bytes[0] = '\0';
	if (n >= (int)sizeof request || SSL_write(http->ssl, request, n) != n)
		errx(1, "TLS: cannot write");
	while ((end = strstr(http->bytes, "\r\n\r\n")) == NULL)
		if (!take(http) && poll(&fd, 1, ANSWER_PATIENCE_MS) != 1)
			errx(1, "no answer");
	if (strncmp(http->bytes, "HTTP/1.1 101 ", 13) != 0)
		errx(1, "no WebSocket:\n%s", http->bytes);
	http->at = (size_t)(end + 4 - http->bytes);
}

size_t
http_read_raw(struct http *http, void *to, size_t size)
{
	size_t n = http->len - http->at;
	int got;

	if (n > 0) {
		n = n < size ? n : size;
		memcpy(to, http->bytes + http->at, n);
		http->at += n;
		return n;
	}
	got = SSL_read(http->ssl, to, (int)size);
	if (got > 0)
		return (size_t)got;
	if (SSL_get_error(http->ssl, got) != SSL_ERROR_WANT_READ)
		errx(1, "TLS: the connection has ended");
	return 0;
}

void
http_write_raw(struct http *http, const void *bytes, size_t len)
{
	if (SSL_write(http->ssl, bytes, (int)len) != (int)len)
		errx(1, "TLS: cannot write");
}

struct http_wire
http_wire(const struct http *http)
{
	return (struct http_wire){BIO_number_read(SSL_get_rbio(http->ssl)),
	    BIO_number_written(SSL_get_wbio(http->ssl))};
}
