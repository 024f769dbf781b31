/*
 * A client of the worker's admin interface (docs/protocol.md, 1.12): HTTP over
 * its unix socket, with libcurl.
 */
#ifndef XENTERM_CLIENT_H
#define XENTERM_CLIENT_H

#include <curl/curl.h>
#include <stddef.h>

/* An answer, while it comes and when it is there. */
struct answer {
	long status; /* 0: there was none */
	char *body;  /* with a NUL behind it; NULL: out of memory */
	size_t len;
	char next[64]; /* the header Xenterm-Next; "" */
};

struct call {
	const char *method, *path; /* "/consoles?a=b" */
	const void *body;	   /* NULL: none */
	size_t len;
	const char *type;   /* of the body */
	const char *token;  /* of a session; NULL: none */
	const char *accept; /* NULL: anything */
	long timeout;	    /* seconds; 0: for ever */
};

/* The path of the admin socket, borrowed: for all calls. */
void client_init(const char *socket);

/* Makes the call and waits.  CURLE_OK: *out is the answer; otherwise the
 * worker cannot be reached.  client_free() in both cases. */
CURLcode client_call(const struct call *call, struct answer *out);

/* The same in steps, for more than one call at a time: a handle for
 * curl_multi_add_handle(), which fills *out; client_end() when it is done.  All
 * that call points to stays as it is until then.  NULL when out of memory. */
CURL *client_begin(const struct call *call, struct answer *out);
void client_end(CURL *curl, struct answer *out);

void client_free(struct answer *out);

/* text percent-encoded; the caller frees it. */
char *client_escape(const char *text);

#endif
