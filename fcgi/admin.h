/*
 * The admin interface: HTTP on a unix socket that only root may open.
 *
 * Requests become those of fcgi/server.h, so what answers them is what answers
 * nginx' requests: a table (admin_routes.c), handlers, and problems.
 */
#ifndef XENTERM_ADMIN_H
#define XENTERM_ADMIN_H

struct admin;
struct worker;

/* The user of sessions that are made here. */
#define ADMIN_USER "root"

/* Takes ownership of the listening socket fd.  worker is borrowed.  NULL
 * when out of memory. */
struct admin *admin_create(struct worker *worker, int fd);
/* Requests that wait are given up.  NULL is fine. */
void admin_destroy(struct admin *admin);

#endif
