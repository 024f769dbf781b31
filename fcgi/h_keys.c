/* POST api/v1/keys: keys that are more than the bytes a person types. */
#include <json-c/json.h>
#include <stdint.h>
#include <string.h>

#include "fcgi/console.h"
#include "fcgi/ctrl_o.h"
#include "fcgi/handlers.h"
#include "fcgi/reply.h"
#include "fcgi/request.h"
#include "fcgi/session.h"
#include "fcgi/typing.h"
#include "fcgi/worker.h"

struct key {
	enum { KEY_SYSRQ, KEY_CTRL_O, KEY_BREAK } name;
	char arg; /* of SysRq: what the kernel is asked for */
};

static bool
refuse(struct request *r, const char *why)
{
	reply_problem(r->conn, 400, "bad-body", "%s", why);
	return false;
}

/* A letter or digit, as linux: drivers/tty/sysrq.c has them. */
static bool
parse_arg(struct request *r, char *arg)
{
	const char *text;

	if (!request_member_text(r, "arg", &text))
		return false;
	*arg = text[0];
	if (strlen(text) == 1 &&
	    ((*arg >= 'a' && *arg <= 'z') || (*arg >= 'A' && *arg <= 'Z') ||
		(*arg >= '0' && *arg <= '9')))
		return true;
	return refuse(r, "The member arg must be one letter or digit.");
}

static bool
parse(struct request *r, struct key *key)
{
	const char *name;

	if (!request_member_text(r, "key", &name))
		return false;
	if (strcmp(name, "sysrq") == 0) {
		key->name = KEY_SYSRQ;
		return parse_arg(r, &key->arg);
	}
	if (json_object_object_get_ex(r->members, "arg", NULL))
		return refuse(r, "The member arg goes with sysrq only.");
	if (strcmp(name, "ctrl-o") == 0)
		key->name = KEY_CTRL_O;
	else if (strcmp(name, "break") == 0)
		key->name = KEY_BREAK;
	else
		return refuse(r,
		    "The member key must be \"sysrq\", \"ctrl-o\" or "
		    "\"break\".");
	return true;
}

/* This console has such a key. */
static bool
exists(struct worker *w, struct request *r, const struct key *key)
{
	const char *why;

	/* The PV console is a ring of bytes, and qemu takes none from a pty. */
	if (key->name == KEY_BREAK)
		why = "No break can be sent on a guest's console: it carries "
		      "bytes only.";
	else if (key->name == KEY_SYSRQ &&
		 !ctrl_o_is_sysrq(w->config, session_console(r->session)))
		why = "This console has no SysRq: that is on the first PV "
		      "console of guests whose Ctrl-O is not set to plain.";
	else
		return true;
	reply_problem(r->conn, 409, "no-such-key", "%s", why);
	return false;
}

static int
type(struct worker *w, struct session *s, const struct key *key, uint64_t seq)
{
	struct console *c = session_console(s);
	const struct input_by by = session_typist(s, seq);
	const uint8_t bytes[2] = {CTRL_O, (uint8_t)key->arg};

	if (key->name == KEY_SYSRQ)
		return console_type(c, bytes, 2, &by);
	return ctrl_o_type(w->config, c, bytes, 1, &by);
}

void
handle_keys(struct worker *w, struct request *r)
{
	struct key key = {0};
	uint64_t seq;
	bool again;

	if (!typing_allowed(r) ||
	    !request_number(r, "seq", true, 1, INT64_MAX, &seq) ||
	    !parse(r, &key) || !exists(w, r, &key) ||
	    !typing_in_turn(r, seq, &again))
		return;
	if (!again && !typing_done(r, seq, type(w, r->session, &key, seq)))
		return;
	typing_acknowledge(r, seq, !again);
}
