#include "fcgi/admin_routes.h"

#include "fcgi/admin_handlers.h"
#include "fcgi/handlers.h"

static const struct route routes[] = {
    {"GET", "/healthz", 0, BODY_NONE, NULL, admin_healthz},
    {"GET", "/livez", 0, BODY_NONE, NULL, admin_livez},
    {"GET", "/metrics", 0, BODY_NONE, NULL, admin_metrics},
    {"GET", "/consoles", 0, BODY_NONE, NULL, admin_consoles},
    {"POST", "/hold", NEEDS_CONSOLE, BODY_NONE, NAMES("console"), admin_hold},
    {"POST", "/release", NEEDS_CONSOLE, BODY_NONE, NAMES("console"),
	admin_release},
    {"POST", "/power", NEEDS_CONSOLE, BODY_NONE, NAMES("console", "action"),
	admin_power},
    {"GET", "/screen", NEEDS_CONSOLE, BODY_NONE,
	NAMES("console", "format", "history"), handle_screen},
    {"GET", "/history", NEEDS_CONSOLE, BODY_NONE, NAMES("console", "format"),
	handle_history},
    {"POST", "/send", NEEDS_CONSOLE, BODY_BYTES, NAMES("console"), admin_send},
    {"POST", "/expect", NEEDS_CONSOLE | TAKES_STEPS, BODY_JSON,
	NAMES("console", "from"), admin_expect},
    {"GET", "/sessions", 0, BODY_NONE, NULL, admin_sessions},
    {"POST", "/sessions", NEEDS_CONSOLE, BODY_NONE, NAMES("console", "mode"),
	admin_session_new},
    {"GET", "/sessions/current", NEEDS_TOKEN, BODY_NONE, NULL,
	handle_session_get},
    {"DELETE", "/sessions/current", NEEDS_TOKEN, BODY_NONE, NULL,
	handle_session_delete},
    {"DELETE", "/sessions/*", 0, BODY_NONE, NULL, admin_session_delete},
    {"POST", "/tickets", 0, BODY_JSON,
	NAMES("console", "user", "mode", "seconds"), admin_ticket_new},
    {"DELETE", "/tickets/*", 0, BODY_NONE, NULL, admin_ticket_revoke},
    {"GET", "/output", NEEDS_TOKEN, BODY_NONE, NAMES("from", "wait"),
	handle_output},
    {"POST", "/input", NEEDS_TOKEN, BODY_BYTES, NAMES("seq", "echo", "from"),
	handle_input},
    {"POST", "/keys", NEEDS_TOKEN | NUMBERED, BODY_JSON, NAMES("key", "arg"),
	handle_keys},
};

const struct route_table admin_table = {
    routes, sizeof routes / sizeof routes[0]};
