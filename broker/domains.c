#include "broker/domains.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "broker/nodes.h"
#include "broker/xs.h"
#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/timer.h"

/* Events taken in one turn of the loop. */
#define EVENTS_PER_TURN 1024

/* Domains read again in one rescan, beside those that are not complete: a
 * living connection loses no events, so this may take several rounds. */
#define SCANNED_PER_TURN 32

#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS   5000

/* Domids above the highest so far that are looked for without a list. */
#define PROBED_PER_TURN 64

#define BIT(n) (1u << (n))

#define TOKEN_INTRODUCE "introduce"
#define TOKEN_RELEASE	"release"

struct domain {
	uint32_t domid;
	uint64_t order;	  /* in which domains were found */
	uint64_t scanned; /* when a rescan has read it */
	struct nodes *nodes;
	struct domain_facts facts;
	uint64_t named[NODES_CONSOLES]; /* when the tty's name was first seen */
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

/* ---- telling of them --------------------------------------------------- */

/*
 * Of two domains with one uuid (a migration to the same host, until its old
 * half is destroyed) a console follows the later one that has a tty, and
 * while none has, the later one.
 */
static struct domain *
find_console(struct domains *domains, const struct console_key *key)
{
	unsigned i = nodes_console(key);
	struct domain *d, *next, *best = NULL;

	if (i == NODES_CONSOLES)
		return NULL;
	HASH_ITER (hh, domains->all, d, next) {
		bool filled, best_filled;

		if (!d->facts.has_uuid || !(d->facts.present & BIT(i)) ||
		    memcmp(d->facts.uuid, key->uuid, NODES_UUID_BYTES) != 0)
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
tell(struct domains *domains, const struct domain *d,
    const struct domain_facts *facts, unsigned which, unsigned ttys)
{
	for (unsigned i = 0; i < NODES_CONSOLES; i++) {
		struct console_key key;
		bool tty;

		if (!facts->has_uuid || !(which & BIT(i)))
			continue;
		facts_key(facts, i, &key);
		/* Not the event of a domain the console has left. */
		tty = (ttys & BIT(i)) && find_console(domains, &key) == d;
		domains->listener->changed(domains->listener->ctx, &key, tty);
	}
}

/* Takes over what is seen now and tells what is new. */
static void
update(
    struct domains *domains, struct domain *d, const struct domain_facts *now)
{
	struct domain_facts before = d->facts;
	unsigned ttys = nodes_take_written(d->nodes), changed;

	d->facts = *now;
	for (unsigned i = 0; i < NODES_CONSOLES; i++) {
		if (strcmp(before.tty[i], now->tty[i]) == 0)
			continue;
		d->named[i] = ++domains->clock;
		ttys |= BIT(i);
	}
	changed = ttys | (before.present ^ now->present);
	if (before.has_uuid != now->has_uuid ||
	    memcmp(before.uuid, now->uuid, NODES_UUID_BYTES) != 0) {
		tell(domains, d, &before, before.present, 0);
		changed |= now->present;
	}
	if (strcmp(before.name, now->name) != 0 ||
	    facts_default(&before) != facts_default(now))
		changed |= now->present;
	tell(domains, d, now, changed & (before.present | now->present), ttys);
}

/* Reads the domain again; `all`: and looks for more consoles. */
static int
look(struct domains *domains, struct domain *d, bool all)
{
	struct domain_facts now;
	int status = all ? nodes_find_more(d->nodes, domains->xs) : 0;

	if (status == 0)
		status = nodes_read(d->nodes, domains->xs, &now);
	if (status == 0)
		update(domains, d, &now);
	return status;
}

/* Begins to watch, then reads, so that no change lies between. */
static int
follow(struct domains *domains, struct domain *d)
{
	int status = nodes_watch(d->nodes, domains->xs);

	return status == 0 ? look(domains, d, true) : status;
}

static struct domain *
find_domain(struct domains *domains, uint32_t domid)
{
	struct domain *d;

	HASH_FIND(hh, domains->all, &domid, sizeof domid, d);
	return d;
}

static void
destroy_domain(struct domain *d)
{
	nodes_destroy(d->nodes);
	free(d);
}

/* NULL: out of memory, or there are too many. */
static struct domain *
add_domain(struct domains *domains, uint32_t domid)
{
	struct domain *d;

	if (HASH_COUNT(domains->all) > LIMIT_CONSOLES)
		return NULL;
	d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->nodes = nodes_create(domid);
	if (!d->nodes) {
		free(d);
		return NULL;
	}
	d->domid = domid;
	HASH_ADD(hh, domains->all, domid, sizeof d->domid, d);
	if (!d->hh.tbl) {
		destroy_domain(d);
		return NULL;
	}
	if (domid > domains->highest)
		domains->highest = domid;
	d->order = ++domains->clock;
	return d;
}

static void
remove_domain(struct domains *domains, struct domain *d)
{
	struct domain_facts facts = d->facts;

	if (domains->xs)
		nodes_unwatch(d->nodes, domains->xs);
	HASH_DEL(domains->all, d);
	tell(domains, d, &facts, facts.present, 0);
	destroy_domain(d);
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
	return domains->probed < NODES_DOMID_END ||
	       domid - domains->highest - 1 < PROBED_PER_TURN ||
	       domid - domains->probed % NODES_DOMID_END < PROBED_PER_TURN ||
	       find_domain(domains, domid);
}

static int
probe_domids(struct domains *domains, uint32_t **out, size_t *count)
{
	int status = 0;

	*count = 0;
	*out = malloc(NODES_DOMID_END * sizeof **out);
	if (!*out)
		return -ENOTCONN;
	for (uint32_t domid = 1; domid < NODES_DOMID_END; domid++)
		if (is_likely(domains, domid) && probe(domains, domid, &status))
			(*out)[(*count)++] = domid;
	if (status == -ENOTCONN) {
		free(*out);
		return status;
	}
	domains->probed += domains->probed ? PROBED_PER_TURN : NODES_DOMID_END;
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
		if (!nodes_are_watched(d->nodes))
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
	const struct console_key first = {.kind = CONSOLE_PV};

	return !d->facts.has_uuid ||
	       d->facts.tty[nodes_console(&first)][0] == '\0';
}

static int
by_scan(const struct domain *a, const struct domain *b)
{
	return a->scanned < b->scanned ? -1 : a->scanned > b->scanned;
}

/* Lists, and reads again some of the domains, the next ones each time. */
static int
rescan(struct domains *domains)
{
	unsigned budget = SCANNED_PER_TURN;
	int status = relist(domains);
	struct domain *d, *next;

	HASH_SORT(domains->all, by_scan);
	HASH_ITER (hh, domains->all, d, next) {
		if (status < 0 || (budget == 0 && !incomplete(d)))
			continue;
		if (budget > 0)
			budget--;
		d->scanned = ++domains->clock;
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

	timer_start(domains->retry, &delay);
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

static void
mark(struct domains *domains, const char *token)
{
	uint32_t domid;
	unsigned node;
	struct domain *d;

	if (strcmp(token, TOKEN_INTRODUCE) == 0 ||
	    strcmp(token, TOKEN_RELEASE) == 0) {
		domains->relist = true;
		return;
	}
	if (!nodes_token(token, &domid, &node))
		return;
	d = find_domain(domains, domid);
	if (d)
		nodes_event(d->nodes, node);
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
		if (status == 0 && nodes_changed(d->nodes))
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
		destroy_domain(d);
	}
	free(domains);
}

void
domains_tell_all(struct domains *domains)
{
	struct domain *d, *next;

	HASH_ITER (hh, domains->all, d, next)
		tell(domains, d, &d->facts, d->facts.present, 0);
}

bool
domains_lookup(struct domains *domains, const struct console_key *key,
    struct domain_console *out)
{
	const struct domain *d = find_console(domains, key);
	unsigned i;

	if (!d)
		return false;
	i = nodes_console(key);
	out->domid = d->domid;
	out->name = d->facts.name;
	out->tty = d->facts.tty[i];
	out->is_default = facts_default(&d->facts) == i;
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
	const uint64_t guests = UINT64_C(1) << 63; /* behind all others */
	uint64_t first = UINT64_MAX;
	const struct domain *d;

	for (d = domains->all; d; d = d->hh.next)
		for (unsigned i = 0; i < NODES_CONSOLES; i++) {
			uint64_t when =
			    d->named[i] | (nodes_is_guests(i) ? guests : 0);

			if (!d->facts.has_uuid || when >= first ||
			    strcmp(d->facts.tty[i], tty) != 0)
				continue;
			first = when;
			facts_key(&d->facts, i, out);
		}
	return first != UINT64_MAX;
}

struct xs_conn *
domains_xs(struct domains *domains)
{
	return domains->xs;
}
