#include "broker/domains.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "broker/tty.h"
#include "broker/xs.h"
#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/number.h"
#include "common/text.h"

/* Events taken in one turn of the loop. */
#define EVENTS_PER_TURN 1024

/* Domains read again in one rescan, beside those that are not complete: a
 * living connection loses no events, so this may take several rounds. */
#define SCANNED_PER_TURN 64

#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS   5000

/* xen/include/public/xen.h, DOMID_FIRST_RESERVED. */
#define DOMID_END 0x7ff0u

/* Domids above the highest so far that are looked for without a list. */
#define PROBED_PER_TURN 64

/* The consoles of a domain, by kind and number, and its watched nodes: one
 * for each console's tty, and two more. */
#define CONSOLES   (2 * LIMIT_CONSOLES_OF_KIND)
#define PV(n)	   (n)
#define SERIAL(n)  (LIMIT_CONSOLES_OF_KIND + (n))
#define NODE_NAME  CONSOLES
#define NODE_VM	   (CONSOLES + 1)
#define BIT(n)	   (1u << (n))
#define KIND(n)	   ((n) < SERIAL(0) ? CONSOLE_PV : CONSOLE_SERIAL)
#define NUMBER(n)  ((n) % LIMIT_CONSOLES_OF_KIND)
#define UUID_BYTES 16

#define TOKEN_INTRODUCE "introduce"
#define TOKEN_RELEASE	"release"

/* What a look at the domain has shown. */
struct facts {
	bool has_uuid; /* without one it is not built yet, and no guest */
	uint8_t uuid[UUID_BYTES];
	char name[LIMIT_NAME + 1];
	unsigned present; /* bits of consoles */
	char tty[CONSOLES][TTY_NAME];
};

struct domain {
	uint32_t domid;
	uint64_t order; /* in which domains were found */
	struct facts facts;
	uint64_t named[CONSOLES]; /* when the tty's name was first seen */
	unsigned watched;	  /* bits of nodes */
	unsigned primed;	  /* those whose first event has come */
	unsigned events;	  /* ttys written since the last look */
	bool dirty;
	bool listed;
	UT_hash_handle hh;
};

struct domains {
	struct event_base *base;
	const struct config *config;
	const struct domains_listener *listener;
	struct xs_conn *xs;
	struct event *readable, *rescan, *retry;
	unsigned retry_ms;
	bool complained;
	bool relist;
	unsigned list_deaths; /* connections that listing has killed */
	uint32_t highest;     /* domid ever seen */
	uint64_t probed; /* domids that have been looked for without a list */
	uint64_t clock;	 /* orders what has been seen */
	struct domain *all;
};

/* ---- the nodes of one domain ------------------------------------------ */

static void
node_path(const struct domain *d, unsigned node, char out[TTY_NODE])
{
	if (node < CONSOLES)
		tty_node(d->domid, KIND(node), NUMBER(node), out);
	else
		snprintf(out, TTY_NODE, "/local/domain/%u/%s", d->domid,
		    node == NODE_VM ? "vm" : "name");
}

static void
node_token(const struct domain *d, unsigned node, char out[XS_TOKEN])
{
	snprintf(out, XS_TOKEN, "%u/%u", d->domid, node);
}

static int
watch_node(struct domains *domains, struct domain *d, unsigned node)
{
	char path[TTY_NODE], token[XS_TOKEN];
	int status;

	if (d->watched & BIT(node))
		return 0;
	node_path(d, node, path);
	node_token(d, node, token);
	status = xs_conn_watch(domains->xs, path, token);
	if (status == 0)
		d->watched |= BIT(node);
	return status;
}

static void
unwatch_nodes(struct domains *domains, struct domain *d)
{
	char path[TTY_NODE], token[XS_TOKEN];

	for (unsigned node = 0; node <= NODE_VM; node++) {
		if (!domains->xs || !(d->watched & BIT(node)))
			continue;
		node_path(d, node, path);
		node_token(d, node, token);
		xs_conn_unwatch(domains->xs, path, token);
	}
}

/* A console with a `name` is a channel, where a guest's agent speaks binary
 * (tools/libs/light/libxl_console.c, libxl__append_channel_list). */
static int
is_channel(struct domains *domains, const struct domain *d, unsigned number)
{
	char path[TTY_NODE], name[2];
	int status;

	snprintf(path, sizeof path, "/local/domain/%u/device/console/%u/name",
	    d->domid, number);
	status = xs_conn_read(domains->xs, path, name, sizeof name);
	return status == -ENOTCONN ? status : status != -ENOENT;
}

/* Watches the consoles behind the first of each kind, as far as there are
 * any: dir is device/console or serial, first the console number 0 of it. */
static int
find_others(
    struct domains *domains, struct domain *d, const char *dir, unsigned first)
{
	char path[TTY_NODE];
	uint32_t *numbers;
	size_t n;
	int status;

	snprintf(path, sizeof path, "/local/domain/%u/%s", d->domid, dir);
	status = xs_conn_numbers(domains->xs, path, &numbers, &n);
	if (status < 0)
		return status == -ENOTCONN ? status : 0;
	for (size_t i = 0; status == 0 && i < n; i++) {
		if (numbers[i] == 0 || numbers[i] >= LIMIT_CONSOLES_OF_KIND)
			continue;
		status =
		    first == PV(0) ? is_channel(domains, d, numbers[i]) : 0;
		if (status == 0)
			status = watch_node(domains, d, first + numbers[i]);
		else if (status > 0)
			status = 0;
	}
	free(numbers);
	return status == -ENOTCONN ? status : 0;
}

/*
 * The uuid stands in the value of D/vm, "/vm/<uuid>".  What is below that
 * path goes away when the old half of a localhost migration is destroyed
 * (tools/libs/light/libxl_domain.c, devices_destroy_cb).
 */
static int
read_identity(struct domains *domains, struct domain *d, struct facts *facts)
{
	char path[TTY_NODE], vm[64];
	int status;

	node_path(d, NODE_VM, path);
	status = xs_conn_read(domains->xs, path, vm, sizeof vm);
	if (status == -ENOTCONN)
		return status;
	facts->has_uuid = status == 0 && strncmp(vm, "/vm/", 4) == 0 &&
			  console_uuid_parse(vm + 4, facts->uuid);
	node_path(d, NODE_NAME, path);
	status =
	    xs_conn_read(domains->xs, path, facts->name, sizeof facts->name);
	if (status == -ENOTCONN)
		return status;
	if (facts->has_uuid &&
	    (status < 0 || !text_is_clean(facts->name, LIMIT_NAME)))
		memcpy(facts->name, vm + 4, strlen(vm + 4) + 1);
	return 0;
}

static int
read_ttys(struct domains *domains, struct domain *d, struct facts *facts)
{
	for (unsigned i = 0; i < CONSOLES; i++) {
		char path[TTY_NODE];
		int status;

		if (!(d->watched & BIT(i)))
			continue;
		node_path(d, i, path);
		status = xs_conn_read(
		    domains->xs, path, facts->tty[i], sizeof facts->tty[i]);
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

static unsigned
default_console(const struct facts *facts)
{
	return facts->present & BIT(SERIAL(0)) ? SERIAL(0) : PV(0);
}

/* ---- telling of them --------------------------------------------------- */

/*
 * Of two domains with one uuid (a migration to the same host, until its old
 * half is destroyed) a console follows the later one that has a tty, and
 * while none has, the later one.
 */
static struct domain *
find_console(struct domains *domains, const struct console_key *key)
{
	unsigned i =
	    key->kind == CONSOLE_SERIAL ? SERIAL(key->number) : PV(key->number);
	struct domain *d, *next, *best = NULL;

	if (key->kind > CONSOLE_SERIAL || key->number >= LIMIT_CONSOLES_OF_KIND)
		return NULL;
	HASH_ITER (hh, domains->all, d, next) {
		bool filled, best_filled;

		if (!d->facts.has_uuid || !(d->facts.present & BIT(i)) ||
		    memcmp(d->facts.uuid, key->uuid, UUID_BYTES) != 0)
			continue;
		filled = d->facts.tty[i][0] != '\0';
		best_filled = best && best->facts.tty[i][0] != '\0';
		if (!best || filled > best_filled ||
		    (filled == best_filled && d->order > best->order))
			best = d;
	}
	return best;
}

static void
make_key(const struct facts *facts, unsigned i, struct console_key *out)
{
	memcpy(out->uuid, facts->uuid, UUID_BYTES);
	out->kind = KIND(i);
	out->number = NUMBER(i);
}

static void
tell(struct domains *domains, const struct domain *d, const struct facts *facts,
    unsigned which, unsigned ttys)
{
	for (unsigned i = 0; i < CONSOLES; i++) {
		struct console_key key;
		bool tty;

		if (!facts->has_uuid || !(which & BIT(i)))
			continue;
		make_key(facts, i, &key);
		/* Not the event of a domain the console has left. */
		tty = (ttys & BIT(i)) && find_console(domains, &key) == d;
		domains->listener->changed(domains->listener->ctx, &key, tty);
	}
}

/* Takes over what is seen now and tells what is new. */
static void
update(struct domains *domains, struct domain *d, const struct facts *now)
{
	struct facts before = d->facts;
	unsigned ttys = d->events, changed;

	d->facts = *now;
	d->events = 0;
	for (unsigned i = 0; i < CONSOLES; i++) {
		if (strcmp(before.tty[i], now->tty[i]) == 0)
			continue;
		d->named[i] = ++domains->clock;
		ttys |= BIT(i);
	}
	changed = ttys | (before.present ^ now->present);
	if (before.has_uuid != now->has_uuid ||
	    memcmp(before.uuid, now->uuid, UUID_BYTES) != 0) {
		tell(domains, d, &before, before.present, 0);
		changed |= now->present;
	}
	if (strcmp(before.name, now->name) != 0 ||
	    default_console(&before) != default_console(now))
		changed |= now->present;
	tell(domains, d, now, changed & (before.present | now->present), ttys);
}

/* Reads the domain again; `all`: and looks for more consoles. */
static int
look(struct domains *domains, struct domain *d, bool all)
{
	struct facts now = {0};
	int status = 0;

	if (all)
		status = find_others(domains, d, "device/console", PV(0));
	if (all && status == 0)
		status = find_others(domains, d, "serial", SERIAL(0));
	if (status == 0)
		status = read_identity(domains, d, &now);
	if (status == 0)
		status = read_ttys(domains, d, &now);
	if (status < 0)
		return status;
	d->dirty = false;
	update(domains, d, &now);
	return 0;
}

/* Begins to watch, then reads, so that no change lies between. */
static int
follow(struct domains *domains, struct domain *d)
{
	static const unsigned nodes[] = {NODE_NAME, NODE_VM, PV(0), SERIAL(0)};
	unsigned watched = d->watched; /* by the connection before this one */
	int status = 0;

	d->watched = d->primed = 0;
	for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
		watched |= BIT(nodes[i]);
	for (unsigned node = 0; status == 0 && node <= NODE_VM; node++)
		if (watched & BIT(node))
			status = watch_node(domains, d, node);
	if (status == -ENOTCONN)
		return status;
	return look(domains, d, true);
}

static struct domain *
find_domain(struct domains *domains, uint32_t domid)
{
	struct domain *d;

	HASH_FIND(hh, domains->all, &domid, sizeof domid, d);
	return d;
}

static struct domain *
add_domain(struct domains *domains, uint32_t domid)
{
	struct domain *d;

	if (HASH_COUNT(domains->all) > LIMIT_CONSOLES)
		return NULL;
	d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->domid = domid;
	if (domid > domains->highest)
		domains->highest = domid;
	d->order = ++domains->clock;
	HASH_ADD(hh, domains->all, domid, sizeof d->domid, d);
	return d;
}

static void
remove_domain(struct domains *domains, struct domain *d)
{
	struct facts facts = d->facts;

	unwatch_nodes(domains, d);
	HASH_DEL(domains->all, d);
	tell(domains, d, &facts, facts.present, 0);
	free(d);
}

/* ---- the list of domains ----------------------------------------------- */

static bool
probe(struct domains *domains, uint32_t domid, int *status)
{
	char path[TTY_NODE], vm[64];

	if (*status == -ENOTCONN)
		return false;
	snprintf(path, sizeof path, "/local/domain/%u/vm", domid);
	*status = xs_conn_read(domains->xs, path, vm, sizeof vm);
	return *status == 0;
}

/*
 * Without a listing: once every domid there can be, then those that are
 * known and the ones above all so far, since libxl counts up; and, because
 * it begins again after the highest, a few of the others each time.
 */
static bool
is_likely(struct domains *domains, uint32_t domid)
{
	return domains->probed < DOMID_END ||
	       domid - domains->highest - 1 < PROBED_PER_TURN ||
	       domid - domains->probed % DOMID_END < PROBED_PER_TURN ||
	       find_domain(domains, domid);
}

static int
probe_domids(struct domains *domains, uint32_t **out, size_t *count)
{
	int status = 0;

	*count = 0;
	*out = malloc(DOMID_END * sizeof **out);
	if (!*out)
		return -EACCES;
	for (uint32_t domid = 1; domid < DOMID_END; domid++)
		if (is_likely(domains, domid) && probe(domains, domid, &status))
			(*out)[(*count)++] = domid;
	if (status == -ENOTCONN) {
		free(*out);
		return status;
	}
	domains->probed += domains->probed ? PROBED_PER_TURN : DOMID_END;
	return 0;
}

/*
 * oxenstored answers with more than the 4096 bytes that libxenstore takes
 * when some 700 domains are listed, and that ends the connection
 * (tools/ocaml/libs/xb/xb.ml, packet_of; tools/libs/store/xs.c,
 * read_message).  After the second time it is not asked for any more.
 */
static int
list_domids(struct domains *domains, uint32_t **out, size_t *count)
{
	int status;

	if (domains->list_deaths >= 2)
		return probe_domids(domains, out, count);
	status = xs_conn_numbers(domains->xs, "/local/domain", out, count);
	if (status == -ENOENT) { /* a store that has no domain yet */
		*out = NULL;
		*count = 0;
		return 0;
	}
	if (status == 0)
		domains->list_deaths = 0;
	if (status == -ENOTCONN && ++domains->list_deaths == 2)
		log_warn("xenstore: listing the domains ends the connection "
			 "(too many for oxenstored); looking for each instead");
	return status;
}

/* Domains come and go.  New ones are read and followed. */
static int
relist(struct domains *domains)
{
	struct domain *d, *next;
	uint32_t *domids;
	size_t n;
	int status = list_domids(domains, &domids, &n);

	if (status < 0)
		return status;
	domains->relist = false;
	HASH_ITER (hh, domains->all, d, next)
		d->listed = false;
	for (size_t i = 0; status != -ENOTCONN && i < n; i++) {
		if (domids[i] == 0)
			continue;
		d = find_domain(domains, domids[i]);
		if (!d)
			d = add_domain(domains, domids[i]);
		if (!d)
			continue;
		d->listed = true;
		if (!d->watched)
			status = follow(domains, d);
	}
	free(domids);
	if (status == -ENOTCONN)
		return status;
	HASH_ITER (hh, domains->all, d, next)
		if (!d->listed)
			remove_domain(domains, d);
	return 0;
}

/* Not built to its end: the bootloader runs, or no tty has come yet. */
static bool
incomplete(const struct domain *d)
{
	return !d->facts.has_uuid || d->facts.tty[PV(0)][0] == '\0';
}

/* Lists, and reads again some of the domains, the next ones each time. */
static int
rescan(struct domains *domains)
{
	unsigned count, budget = SCANNED_PER_TURN;
	int status = relist(domains);

	count = HASH_COUNT(domains->all);
	while (status == 0 && count-- > 0) {
		struct domain *d = domains->all;

		/* To the end of the table's order. */
		HASH_DEL(domains->all, d);
		HASH_ADD(hh, domains->all, domid, sizeof d->domid, d);
		if (budget == 0 && !incomplete(d))
			continue;
		if (budget > 0)
			budget--;
		status = look(domains, d, true);
	}
	if (status == 0)
		domains->listener->rescanned(domains->listener->ctx);
	return status;
}

/* ---- the connection ---------------------------------------------------- */

static void on_readable(evutil_socket_t fd, short what, void *arg);

static void
retry_later(struct domains *domains)
{
	const struct timeval delay = {.tv_sec = domains->retry_ms / 1000,
	    .tv_usec = domains->retry_ms % 1000 * 1000};

	event_add(domains->retry, &delay);
	domains->retry_ms *= 2;
	if (domains->retry_ms > RETRY_MAX_MS)
		domains->retry_ms = RETRY_MAX_MS;
}

/* Nothing is declared gone: open ttys do not depend on xenstored. */
static void
lost(struct domains *domains, const char *why)
{
	if (!domains->complained)
		log_warn("xenstore: %s: %s; consoles stay as they are",
		    domains->config->xenstore, why);
	domains->complained = true;
	if (domains->readable)
		event_free(domains->readable);
	domains->readable = NULL;
	xs_conn_close(domains->xs);
	domains->xs = NULL;
	retry_later(domains);
}

/* Watches and reads everything, on a new connection. */
static int
start_over(struct domains *domains)
{
	struct domain *d, *next;
	int status =
	    xs_conn_watch(domains->xs, "@introduceDomain", TOKEN_INTRODUCE);

	if (status == 0)
		status =
		    xs_conn_watch(domains->xs, "@releaseDomain", TOKEN_RELEASE);
	HASH_ITER (hh, domains->all, d, next)
		if (status == 0)
			status = follow(domains, d);
	return status == 0 ? rescan(domains) : status;
}

static void
connect_now(struct domains *domains)
{
	int status;

	domains->xs = xs_conn_open(domains->config->xenstore);
	if (!domains->xs) {
		lost(domains, strerror(errno));
		return;
	}
	domains->readable = event_new(domains->base, xs_conn_fd(domains->xs),
	    EV_READ | EV_PERSIST, on_readable, domains);
	if (!domains->readable || event_add(domains->readable, NULL) < 0) {
		lost(domains, "no memory");
		return;
	}
	status = start_over(domains);
	if (status < 0) {
		lost(domains, strerror(-status));
		return;
	}
	if (domains->complained)
		log_info("xenstore: connected, %u domains",
		    HASH_COUNT(domains->all));
	domains->complained = false;
	domains->retry_ms = RETRY_FIRST_MS;
}

/* "7/8": node 8 of domain 7. */
static void
mark(struct domains *domains, const char *token)
{
	uint64_t domid, node;
	struct domain *d;

	if (strcmp(token, TOKEN_INTRODUCE) == 0 ||
	    strcmp(token, TOKEN_RELEASE) == 0) {
		domains->relist = true;
		return;
	}
	if (!number_take(&token, &domid) || *token++ != '/' ||
	    !number_parse(token, 0, NODE_VM, &node) || domid >= DOMID_END)
		return;
	d = find_domain(domains, (uint32_t)domid);
	if (!d)
		return;
	d->dirty = true;
	/* The first event only says that the watch stands. */
	if (!(d->primed & BIT(node)))
		d->primed |= BIT(node);
	else if (node < CONSOLES)
		d->events |= BIT(node);
}

static int
take_events(struct domains *domains)
{
	char token[XS_TOKEN];
	int status = 1;

	for (int i = 0; status == 1 && i < EVENTS_PER_TURN; i++) {
		status = xs_conn_event(domains->xs, token);
		if (status == 1)
			mark(domains, token);
	}
	return status < 0 ? status : 0;
}

/* Reads what the events were about. */
static int
settle(struct domains *domains)
{
	struct domain *d, *next;
	int status = domains->relist ? relist(domains) : 0;

	HASH_ITER (hh, domains->all, d, next)
		if (status == 0 && d->dirty)
			status = look(domains, d, false);
	return status;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct domains *domains = arg;
	int status = take_events(domains);

	(void)fd;
	(void)what;
	if (status == 0)
		status = settle(domains);
	if (status < 0)
		lost(domains, "connection lost");
}

static void
on_rescan(evutil_socket_t fd, short what, void *arg)
{
	struct domains *domains = arg;
	int status;

	(void)fd;
	(void)what;
	if (!domains->xs)
		return;
	/* The only way to see that a quiet connection is dead. */
	status = take_events(domains);
	if (status == 0)
		status = settle(domains);
	if (status == 0)
		status = rescan(domains);
	if (status < 0)
		lost(domains, "connection lost");
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	connect_now(arg);
}

struct domains *
domains_create(struct event_base *base, const struct config *config,
    const struct domains_listener *listener)
{
	struct domains *domains = calloc(1, sizeof *domains);

	if (!domains)
		return NULL;
	domains->base = base;
	domains->config = config;
	domains->listener = listener;
	domains->retry_ms = RETRY_FIRST_MS;
	domains->retry = evtimer_new(base, on_retry, domains);
	domains->rescan = event_new(base, -1, EV_PERSIST, on_rescan, domains);
	if (!domains->retry || !domains->rescan) {
		domains_destroy(domains);
		return NULL;
	}
	return domains;
}

void
domains_start(struct domains *domains)
{
	const struct timeval every = {.tv_sec = domains->config->rescan};

	event_add(domains->rescan, &every);
	connect_now(domains);
}

void
domains_destroy(struct domains *domains)
{
	struct domain *d, *next;

	if (!domains)
		return;
	if (domains->readable)
		event_free(domains->readable);
	if (domains->retry)
		event_free(domains->retry);
	if (domains->rescan)
		event_free(domains->rescan);
	xs_conn_close(domains->xs);
	HASH_ITER (hh, domains->all, d, next) {
		HASH_DEL(domains->all, d);
		free(d);
	}
	free(domains);
}

bool
domains_lookup(struct domains *domains, const struct console_key *key,
    struct domain_console *out)
{
	const struct domain *d = find_console(domains, key);
	unsigned i;

	if (!d)
		return false;
	i = key->kind == CONSOLE_SERIAL ? SERIAL(key->number) : PV(key->number);
	out->domid = d->domid;
	out->name = d->facts.name;
	out->tty = d->facts.tty[i];
	out->is_default = default_console(&d->facts) == i;
	return true;
}

bool
domains_alive(struct domains *domains, uint32_t domid)
{
	const struct domain *d = find_domain(domains, domid);

	return d && d->facts.has_uuid;
}

bool
domains_claimant(
    struct domains *domains, const char *tty, struct console_key *out)
{
	const struct domain *d;
	uint64_t first = UINT64_MAX;

	for (d = domains->all; d; d = d->hh.next)
		for (unsigned i = 0; i < CONSOLES; i++) {
			if (!d->facts.has_uuid || d->named[i] >= first ||
			    strcmp(d->facts.tty[i], tty) != 0)
				continue;
			first = d->named[i];
			make_key(&d->facts, i, out);
		}
	return first != UINT64_MAX;
}

struct xs_conn *
domains_xs(struct domains *domains)
{
	return domains->xs;
}
