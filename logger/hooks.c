#define _GNU_SOURCE
#include "logger/hooks.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <json-c/json.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/pattern.h"
#include "common/text.h"

/* Calls that wait for the thread. */
#define QUEUE_MAX 256

extern char **environ;

struct hook {
	const struct config_hook *config;
	struct pattern **lines;
	size_t nlines;
	/* Calls that it may still have, in thousandths; since when. */
	uint64_t credit, since_ms;
	uint64_t dropped;
};

/* A call that is to be made. */
struct due {
	const struct config_hook *config;
	char *body;
	struct due *prev, *next;
};

struct hooks {
	struct hook *all;
	size_t count;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t more;
	struct due *queue;
	size_t nqueued;
	bool ends;
};

/* --- In the thread ---------------------------------------------------------
 */

static size_t
ignore(char *bytes, size_t size, size_t n, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * n;
}

static void
post(const struct due *due)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers =
	    curl_slist_append(NULL, "Content-Type: application/json");
	CURLcode error = CURLE_OUT_OF_MEMORY;

	if (curl && headers) {
		curl_easy_setopt(curl, CURLOPT_URL, due->config->url);
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)HOOK_SECONDS);
		curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, due->body);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
		error = curl_easy_perform(curl);
	}
	if (error)
		log_warn("hook %s: %s", due->config->name,
		    curl_easy_strerror(error));
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
}

/* The command with the event on its standard input; 0 or a negative errno. */
static int
start(const struct due *due, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, pipe_only;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	sigemptyset(&none);
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, ends[0], STDIN_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &pipe_only);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
						  POSIX_SPAWN_SETSIGDEF |
						  POSIX_SPAWN_SETPGROUP);
	error = posix_spawn(pid, due->config->command[0], &files, &attributes,
	    due->config->command, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	close(ends[0]);
	/* It fits into the pipe: nobody is waited for. */
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	if (error == 0 && write(ends[1], due->body, strlen(due->body)) < 0)
		log_warn("hook %s: does not read", due->config->name);
	close(ends[1]);
	return -error;
}

static void
run(const struct due *due)
{
	pid_t pid;
	int error = start(due, &pid), status = 0, fd;
	struct pollfd end;

	if (error) {
		log_warn("hook %s: %s", due->config->name, strerror(-error));
		return;
	}
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	end = (struct pollfd){.fd = fd, .events = POLLIN};
	if (fd >= 0 && poll(&end, 1, HOOK_SECONDS * 1000) == 0) {
		log_warn("hook %s: takes too long", due->config->name);
		kill(-pid, SIGKILL);
	}
	if (fd >= 0)
		close(fd);
	waitpid(pid, &status, 0);
	if (status != 0 && WIFEXITED(status))
		log_warn("hook %s: ends with status %d", due->config->name,
		    WEXITSTATUS(status));
}

static void
due_free(struct due *due)
{
	free(due->body);
	free(due);
}

/* NULL: it is over. */
static struct due *
next_due(struct hooks *hooks)
{
	struct due *due = NULL;

	pthread_mutex_lock(&hooks->lock);
	while (!hooks->queue && !hooks->ends)
		pthread_cond_wait(&hooks->more, &hooks->lock);
	if (!hooks->ends) {
		due = hooks->queue;
		DL_DELETE(hooks->queue, due);
		hooks->nqueued--;
	}
	pthread_mutex_unlock(&hooks->lock);
	return due;
}

static void *
work(void *arg)
{
	struct due *due;

	while ((due = next_due(arg)) != NULL) {
		if (*due->config->url)
			post(due);
		else
			run(due);
		due_free(due);
	}
	return NULL;
}

/* --- In the loop ------------------------------------------------------------
 */

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

static bool
enqueue(struct hooks *hooks, struct due *due)
{
	bool fits;

	pthread_mutex_lock(&hooks->lock);
	fits = hooks->nqueued < QUEUE_MAX;
	if (fits) {
		DL_APPEND(hooks->queue, due);
		hooks->nqueued++;
		pthread_cond_signal(&hooks->more);
	}
	pthread_mutex_unlock(&hooks->lock);
	return fits;
}

static void
call(struct hooks *hooks, struct hook *hook, const struct hook_event *event)
{
	struct due *due = may_call(hook) ? calloc(1, sizeof *due) : NULL;

	if (due) {
		due->config = hook->config;
		due->body = body_of(hook, event);
	}
	if (due && due->body && enqueue(hooks, due)) {
		hook->dropped = 0;
		return;
	}
	if (due)
		due_free(due);
	hook->dropped++;
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

struct hooks *
hooks_create(const struct config *config)
{
	struct hooks *hooks = calloc(1, sizeof *hooks);

	if (!hooks)
		log_fatal("out of memory");
	hooks->all = calloc(config->nhooks + 1, sizeof *hooks->all);
	if (!hooks->all)
		log_fatal("out of memory");
	for (; hooks->count < config->nhooks; hooks->count++)
		take(&hooks->all[hooks->count], &config->hooks[hooks->count]);
	pthread_mutex_init(&hooks->lock, NULL);
	pthread_cond_init(&hooks->more, NULL);
	if (pthread_create(&hooks->thread, NULL, work, hooks) != 0)
		log_fatal("cannot start a thread");
	return hooks;
}

void
hooks_destroy(struct hooks *hooks)
{
	struct due *due, *next;

	if (!hooks)
		return;
	pthread_mutex_lock(&hooks->lock);
	hooks->ends = true;
	pthread_cond_signal(&hooks->more);
	pthread_mutex_unlock(&hooks->lock);
	pthread_join(hooks->thread, NULL);
	DL_FOREACH_SAFE (hooks->queue, due, next)
		due_free(due);
	for (size_t i = 0; i < hooks->count; i++) {
		for (size_t k = 0; k < hooks->all[i].nlines; k++)
			pattern_free(hooks->all[i].lines[k]);
		free(hooks->all[i].lines);
	}
	free(hooks->all);
	free(hooks);
}
