#include "fcgi/route.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/number.h"
#include "common/text.h"
#include "fcgi/audit.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/counters.h"
#include "fcgi/guess.h"
#include "fcgi/handlers.h"
#include "fcgi/lookup.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/session_keep.h"
#include "fcgi/worker.h"

static const struct route public_routes[] = {
    {"GET", "/api/v1/consoles", NEEDS_USER, BODY_NONE, NULL, handle_consoles},
    /* a ticket does instead of a user */
    {"POST", "/api/v1/sessions", SAME_ORIGIN, BODY_JSON,
	NAMES("console", "mode", "take", "ticket"), handle_session_new},
    {"GET", "/api/v1/sessions/current", NEEDS_TOKEN, BODY_NONE, NULL,
	handle_session_get},
    {"DELETE", "/api/v1/sessions/current", NEEDS_TOKEN, BODY_NONE, NULL,
	handle_session_delete},
    {"GET", "/api/v1/output", NEEDS_TOKEN, BODY_NONE, NAMES("from", "wait"),
	handle_output},
    {"GET", "/api/v1/stream", NEEDS_TOKEN, BODY_NONE, NAMES("from"),
	handle_stream},
    {"GET", "/api/v1/screen", NEEDS_TOKEN, BODY_NONE,
	NAMES("format", "history"), handle_screen},
    {"GET", "/api/v1/preview", NEEDS_USER, BODY_NONE, NAMES("console"),
	handle_preview},
    {"GET", "/api/v1/history", NEEDS_TOKEN, BODY_NONE, NAMES("format"),
	handle_history},
    {"GET", "/api/v1/logs/*", NEEDS_USER, BODY_NONE, NAMES("file"),
	handle_logs},
    {"POST", "/api/v1/input", NEEDS_TOKEN, BODY_BYTES,
	NAMES("seq", "echo", "from"), handle_input},
    {"DELETE", "/api/v1/input", NEEDS_TOKEN, BODY_NONE, NULL,
	handle_input_cancel},
    {"POST", "/api/v1/keys", NEEDS_TOKEN | NUMBERED, BODY_JSON,
	NAMES("key", "arg"), handle_keys},
    {"POST", "/api/v1/size", NEEDS_TOKEN, BODY_JSON,
	NAMES("rows", "cols", "tell_guest"), handle_size},
    {"POST", "/api/v1/power", NEEDS_USER | SAME_ORIGIN, BODY_JSON,
	NAMES("console", "action", "domid"), handle_power},
    {"GET", "/ajaxterm/*/u", NEEDS_USER | SAME_ORIGIN | TAKES_FORM, BODY_NONE,
	NULL, handle_ajaxterm},
    {"POST", "/ajaxterm/*/u", NEEDS_USER | SAME_ORIGIN | TAKES_FORM, BODY_FORM,
	NULL, handle_ajaxterm},
};

static const struct route_table public_table = {
    public_routes, sizeof public_routes / sizeof public_routes[0]};

/* Copies what stands for the '*' into name. */
static bool
path_matches(const char *pattern, const char *path, char name[LIMIT_PATH + 1])
{
	const char *star = strchr(pattern, '*');
	size_t before, after, n = strlen(path);

	if (!star)
		return strcmp(pattern, path) == 0;
	before = (size_t)(star - pattern);
	after = strlen(star + 1);
	if (n <= before + after || n - before - after > LIMIT_PATH ||
	    memcmp(path, pattern, before) != 0 ||
	    strcmp(path + n - after, star + 1) != 0)
		return false;
	memcpy(name, path + before, n - before - after);
	name[n - before - after] = '\0';
	return true;
}

/* NULL after it has answered 404 or 405. */
static const struct route *
find_route(const struct route_table *table, struct conn *conn,
    char name[LIMIT_PATH + 1])
{
	const char *method = conn_param(conn, "REQUEST_METHOD");
	const char *path = conn_param(conn, "PATH_INFO");
	char allow[64] = "";

	for (size_t i = 0; i < table->count; i++) {
		const struct route *route = &table->routes[i];
		size_t n = strlen(allow);

		if (!path_matches(route->path, path, name))
			continue;
		if (strcmp(route->method, method) == 0)
			return route;
		snprintf(allow + n, sizeof allow - n, "%s%s", n ? ", " : "",
		    route->method);
	}
	if (*allow) {
		char header[96];

		snprintf(header, sizeof header, "Allow: %s\r\n", allow);
		reply_problem_with(conn, 405, "method", header, NULL,
		    "This path takes %s.", allow);
	} else {
		reply_problem(conn, 404, "no-such-path",
		    "The interface has no such path; docs/protocol.md lists "
		    "them.");
	}
	return NULL;
}

/* "https://host:8443" names the host of "host:8443". */
static bool
origin_is(const char *origin, const char *host)
{
	const char *at = strstr(origin, "://");

	return at && *host && strcasecmp(at + 3, host) == 0;
}

/* The same of "https://host:8443/path". */
static bool
referer_is(const char *referer, const char *host)
{
	const char *at = strstr(referer, "://");
	size_t n = strlen(host);

	return at && n > 0 && strncasecmp(at + 3, host, n) == 0 &&
	       (at[3 + n] == '/' || at[3 + n] == '\0');
}

/* It says so itself, in the first of three headers that it has: browsers that
 * do not know the newer ones have the last. */
static bool
is_same_site(struct conn *conn)
{
	const char *site = conn_param(conn, "HTTP_SEC_FETCH_SITE");
	const char *origin = conn_param(conn, "HTTP_ORIGIN");
	const char *host = conn_param(conn, "HTTP_HOST");

	if (*site)
		return strcmp(site, "same-origin") == 0;
	if (*origin)
		return origin_is(origin, host);
	return referer_is(conn_param(conn, "HTTP_REFERER"), host);
}

/* Browsers say where a call comes from; programs do not. */
static bool
check_origin(const struct request *r)
{
	const char *site = conn_param(r->conn, "HTTP_SEC_FETCH_SITE");
	const char *origin = conn_param(r->conn, "HTTP_ORIGIN");

	if (r->same_site || strcmp(site, "none") == 0 || (!*site && !*origin))
		return true;
	reply_problem(r->conn, 403, "wrong-origin",
	    "This call must come from a page of this site.");
	return false;
}

static bool
check_user(struct request *r, unsigned needs)
{
	r->user = conn_param(r->conn, "REMOTE_USER");
	r->groups = conn_param(r->conn, "XENTERM_GROUPS");
	if (strlen(r->groups) > LIMIT_GROUPS) {
		reply_problem(r->conn, 401, "no-identity",
		    "The user's groups have more than %d bytes.", LIMIT_GROUPS);
		return false;
	}
	if (*r->user && !text_is_clean(r->user, LIMIT_USER)) {
		reply_problem(r->conn, 401, "no-identity",
		    "The user name is not valid UTF-8 of at most %d bytes.",
		    LIMIT_USER);
		return false;
	}
	return !(needs & NEEDS_USER) || request_has_user(r);
}

/* 401; but to that a browser answers by forgetting the password that nginx had
 * accepted, and by asking the user for it again. */
static int
token_status(struct conn *conn)
{
	return *conn_param(conn, "HTTP_SEC_FETCH_SITE") ? 403 : 401;
}

static bool
check_token(struct worker *w, struct request *r)
{
	const char *token = conn_param(r->conn, "HTTP_XENTERM_TOKEN");

	if (!*token) {
		reply_problem(r->conn, r->token_status, "no-token",
		    "This call needs a session's token in the header "
		    "Xenterm-Token.");
		return false;
	}
	r->session = session_find(w->sessions, token);
	if (!r->session && !sessions_are_known(w->sessions)) {
		reply_restart(r->conn);
		return false;
	}
	if (!r->session && !guess_counted(w, r))
		return false;
	if (!r->session) {
		reply_problem(r->conn, r->token_status, "unknown-token",
		    "This session does not exist or has ended. Make a new one "
		    "with POST api/v1/sessions.");
		return false;
	}
	if (*r->user && strcmp(r->user, session_user(r->session)) != 0) {
		audit_refused(conn_param(r->conn, "REMOTE_ADDR"), r->user,
		    console_id(session_console(r->session)), "wrong-user");
		reply_problem(r->conn, 403, "wrong-user",
		    "This session belongs to another user.");
		return false;
	}
	r->console = session_console(r->session);
	return true;
}

/* What the header says of the body's length is what has come. */
static bool
length_fits(struct conn *conn, size_t len)
{
	const char *text = conn_param(conn, "CONTENT_LENGTH");
	uint64_t said;

	if (!*text)
		return len == 0;
	return number_parse(text, 0, UINT32_MAX, &said) && said == len;
}

static bool
type_is(struct conn *conn, const char *want)
{
	const char *type = conn_param(conn, "CONTENT_TYPE");
	size_t n = strcspn(type, "; ");

	return n == strlen(want) && strncasecmp(type, want, n) == 0;
}

static bool
check_body(struct request *r, enum body kind)
{
	static const char *const types[] = {
	    [BODY_JSON] = "application/json",
	    [BODY_BYTES] = "application/octet-stream",
	    [BODY_FORM] = "application/x-www-form-urlencoded",
	};
	bool too_large;

	r->body = conn_body(r->conn, &r->body_len, &too_large);
	if (too_large) {
		reply_problem(r->conn, 413, "body-too-large",
		    "The body may have at most %d bytes.", LIMIT_BODY);
		return false;
	}
	if (!length_fits(r->conn, r->body_len)) {
		reply_problem(r->conn, 400, "bad-body",
		    "The body has not the length that Content-Length says.");
		return false;
	}
	if (kind == BODY_NONE && r->body_len > 0) {
		reply_problem(
		    r->conn, 400, "bad-body", "This call takes no body.");
		return false;
	}
	if (kind != BODY_NONE && !type_is(r->conn, types[kind])) {
		reply_problem(r->conn, 415, "content-type",
		    "The body must be sent as %s.", types[kind]);
		return false;
	}
	return true;
}

static bool
parse(struct request *r, const struct route *route)
{
	const char *const *names = route->names;

	if (route->needs & TAKES_FORM)
		return true;
	if (route->needs & TAKES_STEPS)
		return request_parse_query(r, names);
	if (route->body == BODY_JSON)
		return request_parse_query(
			   r, route->needs & NUMBERED ? NAMES("seq") : NULL) &&
		       request_parse_json(r, names);
	return request_parse_query(r, names);
}

/* The parameter console names it. */
static bool
check_console(struct worker *w, struct request *r)
{
	const char *name = request_query(r, "console");

	if (!name) {
		reply_problem(r->conn, 400, "bad-parameter",
		    "The parameter console is missing: a console's id or "
		    "name.");
		return false;
	}
	r->console = consoles_lookup(w->consoles, name);
	if (!r->console)
		lookup_failed(w, r->conn);
	return r->console != NULL;
}

void
route_dispatch(
    const struct route_table *table, struct worker *w, struct conn *conn)
{
	struct request r = {.conn = conn};
	const struct route *route;

	counters_add(COUNT_REQUESTS, 1);
	if (conn_was_refused(conn)) {
		reply_no_memory(conn);
		return;
	}
	route = find_route(table, conn, r.name);
	if (!route)
		return;
	r.token_status = token_status(conn);
	TAILQ_INIT(&r.query);
	r.wants_json =
	    strcmp(conn_param(conn, "HTTP_ACCEPT"), "application/json") == 0;
	r.same_site = is_same_site(conn);
	if (check_user(&r, route->needs) &&
	    (!(route->needs & SAME_ORIGIN) || check_origin(&r)) &&
	    (!(route->needs & NEEDS_TOKEN) || check_token(w, &r)) &&
	    check_body(&r, route->body) && parse(&r, route) &&
	    (!(route->needs & NEEDS_CONSOLE) || check_console(w, &r)))
		route->handler(w, &r);
	request_finish(&r);
}

/* A page of another site has the browser's trust for its own name, and may
 * have had that name lead to us since (DNS rebinding): it then says its name
 * all the same. */
static bool
check_host(const struct worker *w, struct conn *conn)
{
	if (config_is_host(w->config, conn_param(conn, "HTTP_HOST")))
		return true;
	reply_problem(conn, 421, "wrong-host",
	    "This site has another name; host_names of xenterm.conf has those "
	    "it goes by.");
	return false;
}

void
route_request(void *ctx, struct conn *conn)
{
	if (check_host(ctx, conn))
		route_dispatch(&public_table, ctx, conn);
}
