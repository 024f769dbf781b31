#include "broker/nodes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/xs.h"
#include "common/number.h"
#include "common/text.h"

/* The consoles by kind and number, and the watched nodes: one for each
 * console's tty, and two more. */
#define PV(n)	  (n)
#define SERIAL(n) (LIMIT_CONSOLES_OF_KIND + (n))
#define NODE_NAME NODES_CONSOLES
#define NODE_VM	  (NODES_CONSOLES + 1)
#define BIT(n)	  (1u << (n))
#define KIND(n)	  ((n) < SERIAL(0) ? CONSOLE_PV : CONSOLE_SERIAL)
#define NUMBER(n) ((n) % LIMIT_CONSOLES_OF_KIND)

struct nodes {
	uint32_t domid;
	unsigned watched; /* bits of nodes */
	unsigned primed;  /* those whose first event has come */
	unsigned written; /* ttys, since nodes_take_written() */
	bool changed;
};

unsigned
facts_default(const struct domain_facts *facts)
{
	return facts->present & BIT(SERIAL(0)) ? SERIAL(0) : PV(0);
}

void
facts_key(
    const struct domain_facts *facts, unsigned console, struct console_key *out)
{
	memcpy(out->uuid, facts->uuid, NODES_UUID_BYTES);
	out->kind = KIND(console);
	out->number = NUMBER(console);
}

unsigned
nodes_console(const struct console_key *key)
{
	if (key->kind > CONSOLE_SERIAL || key->number >= LIMIT_CONSOLES_OF_KIND)
		return NODES_CONSOLES;
	return key->kind == CONSOLE_SERIAL ? SERIAL(key->number)
					   : PV(key->number);
}

bool
nodes_is_guests(unsigned console)
{
	return console > PV(0) && console < SERIAL(0);
}

struct nodes *
nodes_create(uint32_t domid)
{
	struct nodes *n = calloc(1, sizeof *n);

	if (n)
		n->domid = domid;
	return n;
}

void
nodes_destroy(struct nodes *n)
{
	free(n);
}

/* ---- watching ----------------------------------------------------------- */

static void
node_path(const struct nodes *n, unsigned node, char out[TTY_NODE])
{
	if (node < NODES_CONSOLES)
		tty_node(n->domid, KIND(node), NUMBER(node), out);
	else
		snprintf(out, TTY_NODE, "/local/domain/%u/%s", n->domid,
		    node == NODE_VM ? "vm" : "name");
}

/* "7/8": node 8 of domain 7. */
static void
node_token(const struct nodes *n, unsigned node, char out[XS_TOKEN])
{
	snprintf(out, XS_TOKEN, "%u/%u", n->domid, node);
}

static int
watch_node(struct nodes *n, struct xs_conn *xs, unsigned node)
{
	char path[TTY_NODE], token[XS_TOKEN];
	int status;

	if (n->watched & BIT(node))
		return 0;
	node_path(n, node, path);
	node_token(n, node, token);
	status = xs_conn_watch(xs, path, token);
	if (status == 0)
		n->watched |= BIT(node);
	return status;
}

/* A console with a `name` is a channel, where a guest's agent speaks binary
 * (tools/libs/light/libxl_console.c, libxl__append_channel_list). */
static int
is_channel(const struct nodes *n, struct xs_conn *xs, unsigned number)
{
	char path[TTY_NODE], name[2];
	int status;

	snprintf(path, sizeof path, "/local/domain/%u/device/console/%u/name",
	    n->domid, number);
	status = xs_conn_read(xs, path, name, sizeof name);
	return status == -ENOTCONN ? status : status != -ENOENT;
}

/* 1: there is one; 0: there is none, or it is a channel. */
static int
is_console(const struct nodes *n, struct xs_conn *xs, unsigned console)
{
	char path[TTY_NODE], tty[TTY_NAME];
	int status;

	node_path(n, console, path);
	status = xs_conn_read(xs, path, tty, sizeof tty);
	if (status == -ENOTCONN || status == -ENOENT)
		return status == -ENOENT ? 0 : status;
	if (KIND(console) == CONSOLE_SERIAL)
		return 1;
	status = is_channel(n, xs, NUMBER(console));
	return status < 0 ? status : !status;
}

int
nodes_watch(struct nodes *n, struct xs_conn *xs)
{
	static const unsigned nodes[] = {NODE_NAME, NODE_VM, PV(0), SERIAL(0)};
	unsigned watched = n->watched; /* by the connection before this one */
	int status = 0;

	n->watched = n->primed = 0;
	for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
		watched |= BIT(nodes[i]);
	for (unsigned node = 0; status == 0 && node <= NODE_VM; node++)
		if (watched & BIT(node))
			status = watch_node(n, xs, node);
	return status == -ENOTCONN ? status : 0;
}

void
nodes_unwatch(struct nodes *n, struct xs_conn *xs)
{
	char path[TTY_NODE], token[XS_TOKEN];

	for (unsigned node = 0; node <= NODE_VM; node++) {
		if (!(n->watched & BIT(node)))
			continue;
		node_path(n, node, path);
		node_token(n, node, token);
		xs_conn_unwatch(xs, path, token);
	}
}

bool
nodes_are_watched(const struct nodes *n)
{
	return n->watched != 0;
}

/* Most domains have none of a kind but the first: one answer says so. */
static int
has_directory(const struct nodes *n, struct xs_conn *xs, uint32_t kind)
{
	char path[TTY_NODE], none[1];
	int status;

	snprintf(path, sizeof path, "/local/domain/%u/%s", n->domid,
	    kind == CONSOLE_SERIAL ? "serial" : "device/console");
	status = xs_conn_read(xs, path, none, sizeof none);
	return status == -ENOTCONN ? status : status != -ENOENT;
}

/* One after the other.  A guest that may write there (xapi) can have more in
 * the directory than an answer of xenstored may have. */
static int
find_more_of(struct nodes *n, struct xs_conn *xs, uint32_t kind)
{
	int status = has_directory(n, xs, kind);

	if (status <= 0)
		return status;
	for (unsigned i = 0; status != -ENOTCONN && i < NODES_CONSOLES; i++) {
		if (KIND(i) != kind || n->watched & BIT(i))
			continue;
		status = is_console(n, xs, i);
		if (status > 0)
			status = watch_node(n, xs, i);
	}
	return status == -ENOTCONN ? status : 0;
}

int
nodes_find_more(struct nodes *n, struct xs_conn *xs)
{
	int status = find_more_of(n, xs, CONSOLE_PV);

	return status == 0 ? find_more_of(n, xs, CONSOLE_SERIAL) : status;
}

/* ---- reading ------------------------------------------------------------ */

/*
 * The uuid stands in the value of D/vm, "/vm/<uuid>".  What is below that
 * path goes away when the old half of a localhost migration is destroyed
 * (tools/libs/light/libxl_domain.c, devices_destroy_cb).
 */
static int
read_identity(struct nodes *n, struct xs_conn *xs, struct domain_facts *facts)
{
	char path[TTY_NODE], vm[64];
	int status;

	node_path(n, NODE_VM, path);
	status = xs_conn_read(xs, path, vm, sizeof vm);
	if (status == -ENOTCONN)
		return status;
	facts->has_uuid = status == 0 && strncmp(vm, "/vm/", 4) == 0 &&
			  console_uuid_parse(vm + 4, facts->uuid);
	node_path(n, NODE_NAME, path);
	status = xs_conn_read(xs, path, facts->name, sizeof facts->name);
	if (status == -ENOTCONN)
		return status;
	if (facts->has_uuid &&
	    (status < 0 || !text_is_clean(facts->name, LIMIT_NAME)))
		memcpy(facts->name, vm + 4, strlen(vm + 4) + 1);
	return 0;
}

static int
read_ttys(struct nodes *n, struct xs_conn *xs, struct domain_facts *facts)
{
	for (unsigned i = 0; i < NODES_CONSOLES; i++) {
		char path[TTY_NODE];
		int status;

		if (!(n->watched & BIT(i)))
			continue;
		node_path(n, i, path);
		status =
		    xs_conn_read(xs, path, facts->tty[i], sizeof facts->tty[i]);
		if (status == -ENOTCONN)
			return status;
		/* Nobody writes such a thing honestly: to be refused, not to
		 * be taken for "none". */
		if (status == -EBADMSG)
			strcpy(facts->tty[i], "(malformed)");
		else if (status < 0)
			facts->tty[i][0] = '\0';
		/* Every guest has console 0, pv, pvh and hvm alike. */
		if (status != -ENOENT || i == PV(0))
			facts->present |= BIT(i);
	}
	return 0;
}

int
nodes_read(struct nodes *n, struct xs_conn *xs, struct domain_facts *out)
{
	int status;

	memset(out, 0, sizeof *out);
	status = read_identity(n, xs, out);
	if (status == 0)
		status = read_ttys(n, xs, out);
	if (status == 0)
		n->changed = false;
	return status;
}

/* ---- events ------------------------------------------------------------- */

bool
nodes_token(const char *token, uint32_t *domid, unsigned *node)
{
	uint64_t d, number;

	if (!number_take(&token, &d) || *token++ != '/' ||
	    !number_parse(token, 0, NODE_VM, &number) || d >= NODES_DOMID_END)
		return false;
	*domid = (uint32_t)d;
	*node = (unsigned)number;
	return true;
}

void
nodes_event(struct nodes *n, unsigned node)
{
	n->changed = true;
	/* The first event only says that the watch stands. */
	if (!(n->primed & BIT(node)))
		n->primed |= BIT(node);
	else if (node < NODES_CONSOLES)
		n->written |= BIT(node);
}

bool
nodes_changed(const struct nodes *n)
{
	return n->changed;
}

unsigned
nodes_take_written(struct nodes *n)
{
	unsigned written = n->written;

	n->written = 0;
	return written;
}
