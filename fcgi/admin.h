/*
 * The admin interface: HTTP on a unix socket that only root may open.
 *
 *	GET  /healthz               200 when the broker is connected, else 503
 *	POST /release?console=NAME  hand a console to `xl console`
 *	POST /hold?console=NAME     hold it (again)
 */
#ifndef XENTERM_ADMIN_H
#define XENTERM_ADMIN_H

struct admin;
struct worker;

/* Takes ownership of the listening socket fd.  worker is borrowed.  NULL
 * when out of memory. */
struct admin *admin_create(struct worker *worker, int fd);
/* NULL is fine. */
void admin_destroy(struct admin *admin);

#endif
