/*
 * The admin interface: HTTP on a unix socket that only root may open.
 *
 *	GET  /healthz               200 when the broker is connected, else 503
 *	POST /release?console=NAME  hand a console to `xl console`
 *	POST /hold?console=NAME     hold it (again)
 *	POST /tickets               make a launch ticket: the body is
 *		{"console", "user", "mode", "seconds"?}; its text is shown once
 *	DELETE /tickets/ID          revoke it
 */
#ifndef XENTERM_ADMIN_H
#define XENTERM_ADMIN_H

struct admin;
struct evhttp_request;
struct json_object;
struct worker;

/* Takes ownership of the listening socket fd.  worker is borrowed.  NULL
 * when out of memory. */
struct admin *admin_create(struct worker *worker, int fd);
/* NULL is fine. */
void admin_destroy(struct admin *admin);

/* For the handlers.  Takes ownership of body. */
void admin_answer(
    struct evhttp_request *req, int status, struct json_object *body);
void admin_problem(struct evhttp_request *req, int status, const char *detail);

/* a_tickets.c; ctx is the worker.  Answers 404 to what is no call. */
void admin_tickets(struct evhttp_request *req, void *ctx);

#endif
