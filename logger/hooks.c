#define _GNU_SOURCE
#include "logger/hooks.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/pattern.h"
#include "logger/runner.h"

/* Bytes of calls that wait here, beside those that the socket has taken: some
 * hundred calls each. */
#define WAITING_MAX (128 * 1024)

struct hook {
	const struct config_hook *config;
	struct pattern **lines;
	size_t nlines;
	/* Calls that it may still have, in thousandths; since when. */
	uint64_t credit, since_ms;
	uint64_t dropped;
};

struct hooks {
	struct hook *all;
	size_t count;
	pid_t runner;
	struct bufferevent *calls; /* NULL: there are no hooks */
};

/* So many a minute, and as many at once after a minute of rest. */
static bool
may_call(struct hook *hook)
{
	uint64_t now = clock_ms(), full = hook->config->per_minute * 60000ull;

	hook->credit += (now - hook->since_ms) * hook->config->per_minute;
	hook->since_ms = now;
	if (hook->credit > full)
		hook->credit = full;
	if (hook->credit < 60000)
		return false;
	hook->credit -= 60000;
	return true;
}

static void
add_text(struct json_object *obj, const char *name, const char *text)
{
	if (text)
		json_object_object_add(obj, name, json_object_new_string(text));
}

static char *
body_of(struct hook *hook, const struct hook_event *event)
{
	struct json_object *obj = json_object_new_object();
	time_t now = time(NULL);
	struct tm utc;
	char when[32];
	char *text;

	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	add_text(obj, "event", event->event);
	add_text(obj, "time", when);
	add_text(obj, "console", event->console);
	add_text(obj, "name", event->name);
	json_object_object_add(
	    obj, "domid", json_object_new_int64(event->domid));
	add_text(obj, "line", event->line);
	add_text(obj, "by", event->by);
	if (event->seconds > 0)
		json_object_object_add(
		    obj, "seconds", json_object_new_uint64(event->seconds));
	if (hook->dropped > 0)
		json_object_object_add(
		    obj, "dropped", json_object_new_uint64(hook->dropped));
	text =
	    strdup(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	json_object_put(obj);
	return text;
}

/* False: too much waits. */
static bool
hand_over(struct hooks *hooks, const struct hook *hook, const char *body)
{
	const struct runner_call call = {.hook = (uint32_t)(hook - hooks->all),
	    .len = (uint32_t)strlen(body)};
	struct evbuffer *waiting = bufferevent_get_output(hooks->calls);

	return evbuffer_get_length(waiting) < WAITING_MAX &&
	       call.len <= RUNNER_BODY &&
	       evbuffer_expand(waiting, sizeof call + call.len) == 0 &&
	       evbuffer_add(waiting, &call, sizeof call) == 0 &&
	       evbuffer_add(waiting, body, call.len) == 0;
}

static void
call(struct hooks *hooks, struct hook *hook, const struct hook_event *event)
{
	char *body = may_call(hook) ? body_of(hook, event) : NULL;

	if (body && hand_over(hooks, hook, body))
		hook->dropped = 0;
	else
		hook->dropped++;
	free(body);
}

static bool
fits_any(char **patterns, const char *name)
{
	for (; *patterns; patterns++)
		if (fnmatch(*patterns, name, 0) == 0)
			return true;
	return false;
}

static bool
wants_event(const struct hook *hook, const char *event)
{
	for (char **e = hook->config->events; *e; e++)
		if (strcmp(*e, event) == 0)
			return true;
	return false;
}

static bool
wants_line(const struct hook *hook, const char *line)
{
	struct pattern_match match;

	for (size_t i = 0; i < hook->nlines; i++) {
		size_t resume = 0;

		if (pattern_find(hook->lines[i], (const uint8_t *)line,
			strlen(line), &resume, &match) > 0)
			return true;
	}
	return false;
}

void
hooks_tell(struct hooks *hooks, const struct hook_event *event)
{
	for (size_t i = 0; i < hooks->count; i++)
		if (wants_event(&hooks->all[i], event->event) &&
		    fits_any(hooks->all[i].config->consoles, event->guest))
			call(hooks, &hooks->all[i], event);
}

void
hooks_line(struct hooks *hooks, const struct hook_event *event)
{
	for (size_t i = 0; i < hooks->count; i++)
		if (fits_any(hooks->all[i].config->consoles, event->guest) &&
		    wants_line(&hooks->all[i], event->line))
			call(hooks, &hooks->all[i], event);
}

static void
take(struct hook *hook, const struct config_hook *config)
{
	char error[PATTERN_ERROR];
	size_t n = 0;

	hook->config = config;
	hook->credit = config->per_minute * 60000ull;
	hook->since_ms = clock_ms();
	while (config->lines[n])
		n++;
	hook->lines = calloc(n + 1, sizeof *hook->lines);
	if (!hook->lines)
		log_fatal("out of memory");
	for (; hook->nlines < n; hook->nlines++) {
		const char *text = config->lines[hook->nlines];

		hook->lines[hook->nlines] = pattern_compile(text, false, error);
		if (!hook->lines[hook->nlines])
			log_fatal("hook %s: lines: %s: %s", config->name, text,
			    error);
	}
}

/* The one that is started next has another. */
static void
on_runner(struct bufferevent *calls, short what, void *arg)
{
	(void)calls;
	(void)what;
	(void)arg;
	log_fatal("the process that calls the hooks has ended");
}

static void
start_runner(struct hooks *hooks, struct event_base *base)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		log_fatal("hooks: %s", strerror(errno));
	hooks->runner = fork();
	if (hooks->runner == 0) {
		close(ends[0]);
		runner_run(ends[1], hooks->all[0].config, hooks->count);
	}
	close(ends[1]);
	if (hooks->runner < 0 || evutil_make_socket_nonblocking(ends[0]) < 0)
		log_fatal("hooks: %s", strerror(errno));
	hooks->calls =
	    bufferevent_socket_new(base, ends[0], BEV_OPT_CLOSE_ON_FREE);
	if (!hooks->calls ||
	    bufferevent_enable(hooks->calls, EV_READ | EV_WRITE) < 0)
		log_fatal("out of memory");
	bufferevent_setcb(hooks->calls, NULL, NULL, on_runner, NULL);
}

struct hooks *
hooks_create(const struct config *config, struct event_base *base)
{
	struct hooks *hooks = calloc(1, sizeof *hooks);

	if (!hooks)
		log_fatal("out of memory");
	hooks->all = calloc(config->nhooks + 1, sizeof *hooks->all);
	if (!hooks->all)
		log_fatal("out of memory");
	for (; hooks->count < config->nhooks; hooks->count++)
		take(&hooks->all[hooks->count], &config->hooks[hooks->count]);
	if (hooks->count > 0)
		start_runner(hooks, base);
	return hooks;
}

void
hooks_destroy(struct hooks *hooks)
{
	if (!hooks)
		return;
	if (hooks->calls) {
		shutdown(bufferevent_getfd(hooks->calls), SHUT_RDWR);
		bufferevent_free(hooks->calls);
		while (waitpid(hooks->runner, NULL, 0) < 0 && errno == EINTR)
			;
	}
	for (size_t i = 0; i < hooks->count; i++) {
		for (size_t k = 0; k < hooks->all[i].nlines; k++)
			pattern_free(hooks->all[i].lines[k]);
		free(hooks->all[i].lines);
	}
	free(hooks->all);
	free(hooks);
}
