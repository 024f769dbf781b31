/* The handlers, one for each row of the table in route.c.  Each answers the
 * request or parks it. */
#ifndef XENTERM_HANDLERS_H
#define XENTERM_HANDLERS_H

#include <stdbool.h>

struct console;
struct request;
struct worker;

void handle_ajaxterm(struct worker *w, struct request *r);
void handle_consoles(struct worker *w, struct request *r);
void handle_session_new(struct worker *w, struct request *r);
void handle_session_get(struct worker *w, struct request *r);
void handle_session_delete(struct worker *w, struct request *r);
void handle_output(struct worker *w, struct request *r);
void handle_stream(struct worker *w, struct request *r);
void handle_input(struct worker *w, struct request *r);
void handle_input_cancel(struct worker *w, struct request *r);
void handle_screen(struct worker *w, struct request *r);
void handle_preview(struct worker *w, struct request *r);
void handle_history(struct worker *w, struct request *r);
void handle_logs(struct worker *w, struct request *r);
void handle_keys(struct worker *w, struct request *r);
void handle_power(struct worker *w, struct request *r);
void handle_size(struct worker *w, struct request *r);

/* Makes a session of r->user at c and answers with it, once c is open. */
void session_make(
    struct worker *w, struct request *r, struct console *c, bool may_type);
/* Answers with what session_open() did not like. */
void session_refuse(struct request *r, int error);

#endif
