/*
 * GET api/v1/logs/NAME: what xenterm-logger has kept of a console.
 *
 * The worker may not open files: it looks who asks, and for what, and nginx
 * sends the file (X-Accel-Redirect, conf/nginx/xenterm-logs.conf).
 */
#include <event2/buffer.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "common/console_key.h"
#include "fcgi/audit.h"
#include "fcgi/console.h"
#include "fcgi/handlers.h"
#include "fcgi/lookup.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/worker.h"

/* Where nginx has log_dir, for us alone. */
#define PLACE "/xenterm-logs/"

/* "console.log", "console.log.12", "2026-11-23T10-50-35.123Z.cast": nothing
 * that leads elsewhere, or that nginx would have to have escaped. */
static bool
is_file(const char *name)
{
	static const char log[] = "console.log", cast[] = ".cast";
	size_t len = strlen(name);

	if (strncmp(name, log, sizeof log - 1) == 0) {
		name += sizeof log - 1;
		return *name == '\0' ||
		       (*name == '.' && name[1] && strlen(name) < 5 &&
			   strspn(name + 1, "0123456789") == strlen(name + 1));
	}
	return len > sizeof cast - 1 && len < 64 && name[0] != '.' &&
	       strspn(name, "0123456789-TZ.cast") == len &&
	       strcmp(name + len - (sizeof cast - 1), cast) == 0;
}

/* nginx answers, with the file or with a list of them. */
static void
redirect(struct request *r, const struct console *c, const char *file)
{
	char id[CONSOLE_KEY_TEXT], place[256];
	struct evbuffer *reply = reply_begin(200);

	snprintf(id, sizeof id, "%s", console_id(c));
	*strchr(id, '/') = '.';
	snprintf(place, sizeof place, PLACE "%s/%s", id, file ? file : "");
	reply_header(reply, "X-Accel-Redirect", place);
	/* Its type is nginx' to say, also where it has to say no. */
	reply_body(reply, NULL);
	reply_send(r->conn, reply);
}

void
handle_logs(struct worker *w, struct request *r)
{
	const char *file = request_query(r, "file");
	const char *address = conn_param(r->conn, "REMOTE_ADDR");
	uint32_t rights;
	struct console *c = lookup_console(w, r, r->name, &rights);

	if (!c)
		return;
	if (!(rights & RIGHT_LOG)) {
		audit_refused(address, r->user, r->name, "not-allowed");
		reply_problem(r->conn, 403, "not-allowed",
		    "You may not read the logs of this console.");
		return;
	}
	if (*w->config->log_group == '\0') {
		reply_problem(r->conn, 404, "no-such-path",
		    "Logs are not served here; log_group in xenterm.conf says "
		    "whether they are.");
		return;
	}
	if (file && !is_file(file)) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter file must be one of the names that are "
		    "listed without it, a log or a recording.");
		return;
	}
	if (file)
		audit(&(struct audit){.event = "log-read",
		    .user = r->user,
		    .address = address,
		    .console = c,
		    .wanted = file});
	redirect(r, c, file);
}
