/*
 * Which handler answers a request.
 *
 * A table says what each call needs: method, path, identity or token, kind
 * of body, names of parameters.  All of that is checked here, before the
 * handler is called.
 */
#ifndef XENTERM_ROUTE_H
#define XENTERM_ROUTE_H

#include <stddef.h>

struct conn;
struct request;
struct worker;

enum {
	NEEDS_USER = 1,	 /* an identity from nginx */
	NEEDS_TOKEN = 2, /* a session */
	SAME_ORIGIN = 4, /* no other site's page may make a browser call it */
	TAKES_FORM = 8,	 /* the handler reads query and body itself */
	NUMBERED = 16,	 /* beside its JSON it takes the parameter seq */
	NEEDS_CONSOLE = 32, /* the parameter console, which names one */
	TAKES_STEPS = 64,   /* the handler reads the JSON itself */
};

enum body {
	BODY_NONE,
	BODY_JSON,
	BODY_BYTES,
	BODY_FORM,
};

struct route {
	const char *method, *path; /* '*': a name, which may contain slashes */
	unsigned needs;
	enum body body;
	const char *const *names; /* of parameters, or of JSON members */
	void (*handler)(struct worker *w, struct request *r);
};

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

struct route_table {
	const struct route *routes;
	size_t count;
};

/* Answers a request by the row of the table that it fits. */
void route_dispatch(
    const struct route_table *table, struct worker *w, struct conn *conn);

/* A server_handler, for what comes from nginx; ctx is a struct worker. */
void route_request(void *ctx, struct conn *conn);

#endif
