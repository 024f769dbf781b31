/* The handlers of the admin interface's own calls, one for each row of the
 * table in admin_routes.c that is not one of handlers.h. */
#ifndef XENTERM_ADMIN_HANDLERS_H
#define XENTERM_ADMIN_HANDLERS_H

struct request;
struct worker;

void admin_healthz(struct worker *w, struct request *r);
void admin_livez(struct worker *w, struct request *r);
void admin_metrics(struct worker *w, struct request *r);
void admin_consoles(struct worker *w, struct request *r);
void admin_hold(struct worker *w, struct request *r);
void admin_release(struct worker *w, struct request *r);
void admin_power(struct worker *w, struct request *r);
void admin_expect(struct worker *w, struct request *r);
void admin_send(struct worker *w, struct request *r);
void admin_sessions(struct worker *w, struct request *r);
void admin_session_new(struct worker *w, struct request *r);
void admin_session_delete(struct worker *w, struct request *r);
void admin_ticket_new(struct worker *w, struct request *r);
void admin_ticket_revoke(struct worker *w, struct request *r);

#endif
