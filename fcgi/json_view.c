#include "fcgi/json_view.h"

#include <json-c/json.h>

#include "common/config.h"
#include "common/limits.h"
#include "common/ring.h"
#include "fcgi/console.h"
#include "fcgi/frames.h"
#include "fcgi/session.h"

static void
put(struct json_object *obj, const char *name, const char *value)
{
	json_object_object_add(obj, name, json_object_new_string(value));
}

static void
put_number(struct json_object *obj, const char *name, uint64_t value)
{
	json_object_object_add(obj, name, json_object_new_uint64(value));
}

static const char *
mode_name(bool may_type)
{
	return may_type ? "type" : "watch";
}

static void
put_state(struct json_object *obj, const struct console *c)
{
	put(obj, "state", proto_state_name(console_state(c)));
	if (console_domid(c) != 0)
		put_number(obj, "domid", console_domid(c));
	if (console_state(c) == STATE_BUSY && *console_holder(c))
		put(obj, "holder", console_holder(c));
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
		put(one, "session", v->session);
		put(one, "user", v->user);
		put(one, "mode", mode_name(v->may_type));
		json_object_array_add(list, one);
		i++;
	}
	return list;
}

struct json_object *
json_state_event(const struct console *c)
{
	struct json_object *event = json_object_new_object();

	put(event, "type", "state");
	put(event, "name", console_name(c));
	put_state(event, c);
	return event;
}

struct json_object *
json_viewers_event(const struct console *c)
{
	struct json_object *event = json_object_new_object();

	put(event, "type", "viewers");
	put_number(event, "count", console_npresent(c));
	json_object_object_add(event, "viewers", viewers(c));
	return event;
}

struct json_object *
json_mode_event(const struct console *c)
{
	struct json_object *event = json_object_new_object();
	const char *user, *session;

	console_taker(c, &user, &session);
	put(event, "type", "mode");
	put(event, "mode", mode_name(false));
	put(event, "by", user);
	put(event, "session", session);
	return event;
}

static void
put_size(struct json_object *obj, const struct console *c)
{
	unsigned rows, cols;

	console_size(c, &rows, &cols);
	put_number(obj, "rows", rows);
	put_number(obj, "cols", cols);
}

struct json_object *
json_size_event(const struct console *c)
{
	struct json_object *event = json_object_new_object();

	put(event, "type", "size");
	put_size(event, c);
	return event;
}

struct json_object *
json_raw_notice(void)
{
	struct json_object *event = json_object_new_object();

	put(event, "type", "notice");
	put(event, "code", "no-screen");
	put(event, "detail",
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
	};
	struct json_object *event = json_object_new_object();
	enum input_loss why;
	uint64_t bytes = console_lost(c, &why);

	if (why >= sizeof texts / sizeof texts[0])
		why = LOSS_UNCERTAIN;
	put(event, "type", "notice");
	put(event, "code", "input-lost");
	put_number(event, "bytes", bytes);
	put(event, "why", texts[why].why);
	put(event, "detail", texts[why].detail);
	return event;
}

struct json_object *
json_size(const struct console *c)
{
	struct json_object *size = json_object_new_object();

	put_size(size, c);
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
			json_object_array_add(
			    list, json_object_new_string(names[i].name));
	return list;
}

struct json_object *
json_console(const struct console *c, uint32_t rights)
{
	struct json_object *obj = json_object_new_object();

	put(obj, "id", console_id(c));
	put(obj, "name", console_name(c));
	put(obj, "kind", console_kind_name(console_key_of(c)->kind));
	put_state(obj, c);
	put_number(obj, "viewers", console_npresent(c));
	json_object_object_add(obj, "rights", rights_list(rights));
	if ((rights & RIGHT_WATCH) && console_ring(c))
		put_number(obj, "end", ring_end(console_ring(c)));
	return obj;
}

static struct json_object *
ring_view(const struct console *c)
{
	const struct ring *ring = console_ring(c);
	struct json_object *obj = json_object_new_object();

	put_number(obj, "run", ring_run(ring));
	put_number(obj, "begin", ring_begin(ring));
	put_number(obj, "end", ring_end(ring));
	put_number(obj, "size", ring_size(ring));
	return obj;
}

struct json_object *
json_admin_console(const struct console *c)
{
	struct json_object *obj = json_object_new_object();

	put(obj, "id", console_id(c));
	put(obj, "name", console_name(c));
	put(obj, "kind", console_kind_name(console_key_of(c)->kind));
	put_state(obj, c);
	json_object_object_add(
	    obj, "held", json_object_new_boolean(console_is_open(c)));
	json_object_object_add(obj, "size", json_size(c));
	if (console_ring(c))
		json_object_object_add(obj, "ring", ring_view(c));
	json_object_object_add(obj, "viewers", viewers(c));
	return obj;
}

/* What a session's own views have in common. */
static struct json_object *
session_view(const struct session *s)
{
	const struct console *c = session_console(s);
	struct json_object *obj = json_object_new_object();

	put(obj, "session", session_id(s));
	put(obj, "console", console_id(c));
	put(obj, "name", console_name(c));
	put(obj, "user", session_user(s));
	put(obj, "mode", mode_name(session_may_type(s)));
	put_state(obj, c);
	json_object_object_add(obj, "size", json_size(c));
	put_number(obj, "expires", (uint64_t)session_expires(s));
	return obj;
}

struct json_object *
json_session(const struct session *s)
{
	struct json_object *obj = session_view(s);

	put_number(obj, "seq", session_seq(s));
	json_object_object_add(obj, "viewers", viewers(session_console(s)));
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
	put(obj, "token", token);
	put(obj, "from", from);
	json_object_object_add(obj, "rights", rights_list(grant->rights));
	json_object_object_add(
	    obj, "sysrq", json_object_new_boolean(grant->sysrq));
	return obj;
}
