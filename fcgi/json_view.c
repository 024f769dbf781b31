#include "fcgi/json_view.h"

#include <json-c/json.h>

#include "common/config.h"
#include "common/limits.h"
#include "common/ring.h"
#include "fcgi/console.h"
#include "fcgi/frames.h"
#include "fcgi/json_build.h"
#include "fcgi/session.h"

static const char *
mode_name(bool may_type)
{
	return may_type ? "type" : "watch";
}

static void
put_state(struct json_object **obj, const struct console *c)
{
	json_put_text(obj, "state", proto_state_name(console_state(c)));
	if (console_domid(c) != 0)
		json_put_number(obj, "domid", console_domid(c));
	if (console_state(c) == STATE_BUSY && *console_holder(c))
		json_put_text(obj, "holder", console_holder(c));
}

static struct json_object *
viewers(const struct console *c)
{
	struct json_object *list = json_object_new_array();
	const struct viewer *v = console_viewers(c);

	for (int i = 0; v && i < LIMIT_VIEWERS_LISTED; v = v->next) {
		struct json_object *one;

		if (v->away)
			continue;
		one = json_object_new_object();
		json_put_text(&one, "session", v->session);
		json_put_text(&one, "user", v->user);
		json_put_text(&one, "mode", mode_name(v->may_type));
		json_append(&list, one);
		i++;
	}
	return list;
}

struct json_object *
json_state_event(const struct console *c)
{
	struct json_object *event = json_object_new_object();

	json_put_text(&event, "type", "state");
	json_put_text(&event, "name", console_name(c));
	put_state(&event, c);
	return event;
}

struct json_object *
json_viewers_event(const struct console *c)
{
	struct json_object *event = json_object_new_object();

	json_put_text(&event, "type", "viewers");
	json_put_number(&event, "count", console_npresent(c));
	json_put(&event, "viewers", viewers(c));
	return event;
}

struct json_object *
json_mode_event(const struct console *c)
{
	struct json_object *event = json_object_new_object();
	const char *user, *session;

	console_taker(c, &user, &session);
	json_put_text(&event, "type", "mode");
	json_put_text(&event, "mode", mode_name(false));
	json_put_text(&event, "by", user);
	json_put_text(&event, "session", session);
	return event;
}

struct json_object *
json_narrowed_event(void)
{
	struct json_object *event = json_object_new_object();

	json_put_text(&event, "type", "mode");
	json_put_text(&event, "mode", mode_name(false));
	json_put_text(&event, "why", "right-lost");
	return event;
}

static void
put_size(struct json_object **obj, const struct console *c)
{
	unsigned rows, cols;

	console_size(c, &rows, &cols);
	json_put_number(obj, "rows", rows);
	json_put_number(obj, "cols", cols);
}

struct json_object *
json_size_event(const struct console *c)
{
	struct json_object *event = json_object_new_object();

	json_put_text(&event, "type", "size");
	put_size(&event, c);
	return event;
}

struct json_object *
json_raw_notice(void)
{
	struct json_object *event = json_object_new_object();

	json_put_text(&event, "type", "notice");
	json_put_text(&event, "code", "no-screen");
	json_put_text(&event, "detail",
	    "The screen cannot be shown as it is; the guest's last output "
	    "follows instead.");
	return event;
}

struct json_object *
json_lost_notice(const struct console *c)
{
	static const struct {
		const char *why, *detail;
	} texts[] = {
	    [LOSS_GUEST_ENDED] = {"guest-ended",
		"The guest ended before it took all that was typed; the rest "
		"was not typed."},
	    [LOSS_RELEASED] = {"released",
		"The console was handed to another program before the guest "
		"took all that was typed; the rest was not typed."},
	    [LOSS_UNCERTAIN] = {"uncertain",
		"The worker ended while it typed: the guest may have only the "
		"first part of these bytes."},
	    [LOSS_REVOKED] = {"revoked",
		"Who typed it may not type here any more; what the guest had "
		"not taken by then was not typed."},
	};
	struct json_object *event = json_object_new_object();
	enum input_loss why;
	uint64_t bytes = console_lost(c, &why);

	if (why >= sizeof texts / sizeof texts[0])
		why = LOSS_UNCERTAIN;
	json_put_text(&event, "type", "notice");
	json_put_text(&event, "code", "input-lost");
	json_put_number(&event, "bytes", bytes);
	json_put_text(&event, "why", texts[why].why);
	json_put_text(&event, "detail", texts[why].detail);
	return event;
}

struct json_object *
json_size(const struct console *c)
{
	struct json_object *size = json_object_new_object();

	put_size(&size, c);
	return size;
}

static struct json_object *
rights_list(uint32_t rights)
{
	static const struct {
		uint32_t right;
		const char *name;
	} names[] = {
	    {RIGHT_LIST, "list"},
	    {RIGHT_WATCH, "watch"},
	    {RIGHT_TYPE, "type"},
	    {RIGHT_JOIN, "join"},
	    {RIGHT_FORCE, "force"},
	    {RIGHT_LOG, "log"},
	    {RIGHT_POWER, "power"},
	};
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (rights & names[i].right)
			json_append(
			    &list, json_object_new_string(names[i].name));
	return list;
}

struct json_object *
json_console(const struct console *c, uint32_t rights)
{
	struct json_object *obj = json_object_new_object();

	json_put_text(&obj, "id", console_id(c));
	json_put_text(&obj, "name", console_name(c));
	json_put_text(&obj, "kind", console_kind_name(console_key_of(c)->kind));
	put_state(&obj, c);
	json_put_number(&obj, "viewers", console_npresent(c));
	json_put(&obj, "rights", rights_list(rights));
	if ((rights & RIGHT_WATCH) && console_ring(c))
		json_put_number(&obj, "end", ring_end(console_ring(c)));
	return obj;
}

static struct json_object *
ring_view(const struct console *c)
{
	const struct ring *ring = console_ring(c);
	struct json_object *obj = json_object_new_object();

	json_put_number(&obj, "run", ring_run(ring));
	json_put_number(&obj, "begin", ring_begin(ring));
	json_put_number(&obj, "end", ring_end(ring));
	json_put_number(&obj, "size", ring_size(ring));
	return obj;
}

struct json_object *
json_admin_console(const struct console *c)
{
	struct json_object *obj = json_object_new_object();

	json_put_text(&obj, "id", console_id(c));
	json_put_text(&obj, "name", console_name(c));
	json_put_text(&obj, "kind", console_kind_name(console_key_of(c)->kind));
	put_state(&obj, c);
	json_put_bool(&obj, "held", console_is_open(c));
	json_put(&obj, "size", json_size(c));
	if (console_ring(c))
		json_put(&obj, "ring", ring_view(c));
	json_put(&obj, "viewers", viewers(c));
	return obj;
}

/* What a session's own views have in common. */
static struct json_object *
session_view(const struct session *s)
{
	const struct console *c = session_console(s);
	struct json_object *obj = json_object_new_object();

	json_put_text(&obj, "session", session_id(s));
	json_put_text(&obj, "console", console_id(c));
	json_put_text(&obj, "name", console_name(c));
	json_put_text(&obj, "user", session_user(s));
	json_put_text(&obj, "mode", mode_name(session_may_type(s)));
	put_state(&obj, c);
	json_put(&obj, "size", json_size(c));
	json_put_number(&obj, "expires", (uint64_t)session_expires(s));
	return obj;
}

struct json_object *
json_session(const struct session *s)
{
	struct json_object *obj = session_view(s);

	json_put_number(&obj, "seq", session_seq(s));
	json_put(&obj, "viewers", viewers(session_console(s)));
	return obj;
}

struct json_object *
json_admin_session(const struct session *s)
{
	return session_view(s);
}

struct json_object *
json_new_session(
    const struct session *s, const struct json_grant *grant, const char *token)
{
	struct json_object *obj = session_view(s);
	char from[POSITION_TEXT];
	struct position now;

	frames_now(session_console(s), &now);
	position_format(&now, from);
	json_put_text(&obj, "token", token);
	json_put_text(&obj, "from", from);
	json_put(&obj, "rights", rights_list(grant->rights));
	json_put_bool(&obj, "sysrq", grant->sysrq);
	return obj;
}
