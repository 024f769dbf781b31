/* POST api/v1/size: the grid that all viewers of a console use. */
#include <errno.h>
#include <stdio.h>

#include "common/limits.h"
#include "fcgi/console.h"
#include "fcgi/handlers.h"
#include "fcgi/json_view.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/session.h"
#include "fcgi/typing.h"

/* A serial line has no size: the guest's shell has to be told in words. */
static int
tell_guest(struct console *c, int64_t rows, int64_t cols)
{
	char line[64];
	int n = snprintf(
	    line, sizeof line, "stty rows %d cols %d\r", (int)rows, (int)cols);

	return console_type(c, line, (size_t)n, NULL);
}

void
handle_size(struct worker *w, struct request *r)
{
	struct console *c = session_console(r->session);
	int64_t rows, cols;
	bool tell = false;

	(void)w;
	if (!typing_allowed(r) ||
	    !request_member_number(r, "rows", 1, LIMIT_ROWS, &rows) ||
	    !request_member_number(r, "cols", 2, LIMIT_COLS, &cols) ||
	    !request_member_bool(r, "tell_guest", &tell))
		return;
	if (tell && tell_guest(c, rows, cols) != 0) {
		reply_problem(r->conn, 409, "not-up",
		    "The guest cannot be told now; the size was not changed.");
		return;
	}
	console_resize(c, (unsigned)rows, (unsigned)cols);
	reply_json(r->conn, 200, json_size(c));
}
