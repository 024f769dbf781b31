/*
 * Which handler answers a request.
 *
 * One table says what each call needs: method, path, identity or token, kind
 * of body, names of parameters.  All of that is checked here, before the
 * handler is called.
 */
#ifndef XENTERM_ROUTE_H
#define XENTERM_ROUTE_H

struct conn;

/* A server_handler; ctx is a struct worker. */
void route_request(void *ctx, struct conn *conn);

#endif
