#include "fcgi/metrics.h"

#include <config.h>
#include <event2/buffer.h>
#include <inttypes.h>

#include "common/proto.h"
#include "common/ring.h"
#include "fcgi/broker_link.h"
#include "fcgi/console.h"
#include "fcgi/consoles.h"
#include "fcgi/counters.h"
#include "fcgi/feed.h"
#include "fcgi/server.h"
#include "fcgi/session.h"
#include "fcgi/worker.h"

static const struct {
	const char *name, *help;
} series[COUNTERS] = {
    [COUNT_OUTPUT_BYTES] = {"xenterm_console_output_bytes_total",
	"Bytes read from guests' consoles."},
    [COUNT_INPUT_BYTES] = {"xenterm_console_input_bytes_total",
	"Bytes taken to be typed into guests' consoles."},
    [COUNT_INPUT_LOST] = {"xenterm_console_input_lost_bytes_total",
	"Bytes taken to be typed that were not: the guest ended, the console "
	"was released, or the worker was killed while it wrote them."},
    [COUNT_REQUESTS] = {"xenterm_requests_total",
	"Requests, of nginx and on the admin socket."},
    [COUNT_PROBLEMS] = {"xenterm_problems_total",
	"Requests that were answered with a problem."},
    [COUNT_SESSIONS] = {"xenterm_sessions_opened_total", "Sessions made."},
};

static void
head(struct evbuffer *out, const char *name, const char *type, const char *help)
{
	evbuffer_add_printf(
	    out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
gauge(struct evbuffer *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "gauge", help);
	evbuffer_add_printf(out, "%s %" PRIu64 "\n", name, value);
}

/* What all consoles add up to. */
struct sums {
	uint64_t state[STATE_COUNT], open, typists, watchers, ring_bytes;
};

static void
add_console(struct sums *sums, const struct console *c)
{
	const struct viewer *v = console_viewers(c);
	const struct ring *ring = console_ring(c);

	sums->state[console_state(c)]++;
	sums->open += console_is_open(c);
	if (ring)
		sums->ring_bytes += ring_size(ring);
	for (; v; v = v->next) {
		if (v->away)
			continue;
		sums->typists += v->may_type;
		sums->watchers += !v->may_type;
	}
}

static void
write_consoles(const struct worker *w, struct evbuffer *out)
{
	struct console *c = NULL;
	struct sums sums = {0};

	while ((c = consoles_next(w->consoles, c)) != NULL)
		add_console(&sums, c);
	head(out, "xenterm_consoles", "gauge", "Consoles by state.");
	for (uint32_t state = 0; state < STATE_COUNT; state++)
		evbuffer_add_printf(out,
		    "xenterm_consoles{state=\"%s\"} %" PRIu64 "\n",
		    proto_state_name(state), sums.state[state]);
	gauge(out, "xenterm_consoles_open", "Consoles whose tty is held.",
	    sums.open);
	gauge(out, "xenterm_ring_bytes", "Memory of the rings that are mapped.",
	    sums.ring_bytes);
	head(out, "xenterm_viewers", "gauge",
	    "Viewers who are there, by what they may do.");
	evbuffer_add_printf(out,
	    "xenterm_viewers{mode=\"type\"} %" PRIu64 "\n"
	    "xenterm_viewers{mode=\"watch\"} %" PRIu64 "\n",
	    sums.typists, sums.watchers);
}

void
metrics_write(const struct worker *w, struct evbuffer *out)
{
	head(out, "xenterm_build_info", "gauge", "The version that runs.");
	evbuffer_add_printf(
	    out, "xenterm_build_info{version=\"%s\"} 1\n", PACKAGE_VERSION);
	gauge(out, "xenterm_broker_connected",
	    "1 while the broker is there and has told all it knows.",
	    broker_link_synced(w->broker));
	gauge(out, "xenterm_logger_connected",
	    "1 while xenterm-logger reads what there is to log.",
	    feed_is_read(w->feed));
	write_consoles(w, out);
	gauge(out, "xenterm_sessions", "Sessions that are open.",
	    sessions_count(w->sessions));
	gauge(out, "xenterm_fastcgi_connections", "Connections of nginx.",
	    server_connections(w->server));
	gauge(out, "xenterm_fastcgi_requests",
	    "Requests of nginx that are not answered yet.",
	    server_requests(w->server));
	for (int i = 0; i < COUNTERS; i++) {
		head(out, series[i].name, "counter", series[i].help);
		evbuffer_add_printf(out, "%s %" PRIu64 "\n", series[i].name,
		    counters_get((enum counter)i));
	}
}
