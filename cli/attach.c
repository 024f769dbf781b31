/*
 * attach and watch: a console in the terminal at hand, shared with all its
 * other viewers.
 *
 * One long poll is always under way, and one request with what was typed when
 * there is something.  The position and the session's token outlive a restart
 * of the worker, so both go on where they were.
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/escape.h"
#include "cli/filter.h"
#include "cli/frame.h"
#include "cli/recorder.h"

#define TYPED_MAX 4096
#define RETRY_MS  250
/* The worker is away for so long at most. */
#define PATIENCE_SECONDS 60

#define CLEAR "\033[H\033[2J"

#define HELP                                                    \
	"\r\n[~. or Ctrl-] ends, ~~ types a ~, ~? shows this; " \
	"keys go to the guest otherwise]\r\n"

struct attach {
	const struct options *o;
	const char *console;
	bool types, to_terminal, raw;
	struct recorder *recorder; /* of all that is told; NULL: it is shown */
	time_t until;		   /* 0: for ever */
	struct termios before, while_raw;
	char token[80], at[64];
	char name[128], state[16];
	CURLM *multi;
	CURL *poll, *typing; /* under way; NULL: not */
	struct answer polled, typed_answer;
	struct call poll_call, type_call;
	char poll_path[160], type_path[64];
	char typed[TYPED_MAX + 1];
	size_t ntyped;
	unsigned long long seq; /* of what is or was under way */
	struct escape escape;
	struct filter filter;
	bool ended, input_over;
	enum exit_status status;
	time_t away_since; /* 0: the worker is there */
	struct timespec again;
};

static volatile sig_atomic_t interrupted, continued;

static void
on_signal(int number)
{
	if (number == SIGCONT)
		continued = 1;
	else
		interrupted = 1;
}

static void
stop(struct attach *a, enum exit_status status)
{
	a->ended = true;
	a->status = status;
}

/* Nobody reads it any more: that is the end. */
static void
put(struct attach *a, const char *bytes, size_t len)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);

		/* Who shares the terminal may have made it non-blocking. */
		if (n < 0 && errno == EAGAIN)
			poll(&out, 1, -1);
		else if (n < 0 && errno != EINTR)
			break;
		if (n <= 0)
			continue;
		bytes += n;
		len -= (size_t)n;
	}
	if (len > 0)
		stop(a, EXIT_REFUSED);
}

static void
notice(const struct attach *a, const char *what)
{
	if (!a->to_terminal) {
		complain("%s: %s", a->name, what);
		return;
	}
	fputs("\r\n[", stderr);
	print_clean(stderr, a->name);
	fputs(": ", stderr);
	print_clean(stderr, what);
	fputs("]\r\n", stderr);
}

/* ---- the session ----------------------------------------------------------
 */

static void
keep_text(struct json_object *body, const char *member, char *out, size_t size)
{
	snprintf(out, size, "%s", text_member(body, member));
}

static void
hint_size(struct json_object *body)
{
	struct json_object *size;
	struct winsize window;
	int rows, cols;

	if (!json_object_object_get_ex(body, "size", &size) ||
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) < 0)
		return;
	rows = atoi(text_member(size, "rows"));
	cols = atoi(text_member(size, "cols"));
	if (window.ws_row < rows || window.ws_col < cols)
		fprintf(stderr,
		    "[the console has %d columns and %d rows, this terminal "
		    "%d and %d]\r\n",
		    cols, rows, window.ws_col, window.ws_row);
}

/* CURLE_OK: *status is 0, or why there is none. */
static CURLcode
open_session(struct attach *a, bool first, enum exit_status *status)
{
	char *path = console_path(
	    "sessions", a->console, a->types ? "&mode=type" : "&mode=watch");
	const struct call call = {
	    .method = "POST", .path = path, .timeout = 20};
	struct answer answer;
	CURLcode error = client_call(&call, &answer);
	struct json_object *body;

	free(path);
	*status = EXIT_DONE;
	if (error || answer.status != 201) {
		if (!error)
			*status = refused(&answer);
		client_free(&answer);
		return error;
	}
	body = json_tokener_parse(answer.body);
	keep_text(body, "token", a->token, sizeof a->token);
	keep_text(body, "name", a->name, sizeof a->name);
	keep_text(body, "state", a->state, sizeof a->state);
	/* A terminal begins with the screen, all else with what comes now. */
	if (first && !a->to_terminal && !a->recorder)
		keep_text(body, "from", a->at, sizeof a->at);
	if (first && a->to_terminal)
		hint_size(body);
	if (a->recorder)
		recorder_session(a->recorder, body);
	a->seq = 0;
	json_object_put(body);
	client_free(&answer);
	return CURLE_OK;
}

static void
close_session(struct attach *a)
{
	const struct call call = {.method = "DELETE",
	    .path = "/sessions/current",
	    .token = a->token,
	    .timeout = 2};
	struct answer answer;

	client_call(&call, &answer);
	client_free(&answer);
}

/* ---- output -----------------------------------------------------------------
 */

static void
show_output(struct attach *a, const char *bytes, size_t len)
{
	char *out;

	if (!a->to_terminal) {
		put(a, bytes, len);
		return;
	}
	out = malloc(len + FILTER_MAX);
	if (!out)
		return;
	put(a, out, filter_take(&a->filter, bytes, len, out));
	free(out);
}

static void
show_event(struct attach *a, const struct frame *f)
{
	char text[4096];
	struct json_object *event;

	if (f->len >= sizeof text)
		return;
	memcpy(text, f->bytes, f->len);
	text[f->len] = '\0';
	event = json_tokener_parse(text);
	if (strcmp(text_member(event, "type"), "state") == 0 &&
	    strcmp(text_member(event, "state"), a->state) != 0) {
		keep_text(event, "state", a->state, sizeof a->state);
		notice(a, a->state);
	}
	json_object_put(event);
}

static void
show_frames(struct attach *a)
{
	struct frame f;
	size_t at = 0;

	while (frame_take(a->polled.body, a->polled.len, &at, &f)) {
		if (a->recorder && !recorder_frame(a->recorder, &f))
			stop(a, EXIT_REFUSED);
		if (f.type == 'j') {
			show_event(a, &f);
			continue;
		}
		if (a->recorder)
			continue;
		if (f.type == 's' && a->to_terminal) {
			memset(&a->filter, 0, sizeof a->filter);
			put(a, FILTER_RESET CLEAR, strlen(FILTER_RESET CLEAR));
		}
		show_output(a, f.bytes, f.len);
	}
}

/* ---- requests
 * ----------------------------------------------------------------- */

/* In a while, and not for ever. */
static void
try_later(struct attach *a)
{
	time_t now = time(NULL);

	if (a->away_since == 0) {
		a->away_since = now;
		notice(a, "the worker is away");
	}
	if (now - a->away_since > PATIENCE_SECONDS) {
		complain("the worker stays away");
		stop(a, EXIT_UNREACHABLE);
	}
	clock_gettime(CLOCK_MONOTONIC, &a->again);
	a->again.tv_nsec += RETRY_MS * 1000000L;
}

static bool
may_try(const struct attach *a)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - a->again.tv_sec) * 1000000000L + now.tv_nsec -
		   a->again.tv_nsec >=
	       0;
}

static void
start(struct attach *a, CURL **curl, const struct call *call,
    struct answer *answer)
{
	*curl = client_begin(call, answer);
	if (*curl)
		curl_multi_add_handle(a->multi, *curl);
	else
		stop(a, EXIT_REFUSED);
}

static void
start_poll(struct attach *a)
{
	snprintf(a->poll_path, sizeof a->poll_path, "/output?wait=25%s%s",
	    *a->at ? "&from=" : "", a->at);
	a->poll_call = (struct call){.method = "GET",
	    .path = a->poll_path,
	    .token = a->token,
	    .accept = a->o->json && !a->recorder ? "application/json" : NULL,
	    .timeout = 90};
	start(a, &a->poll, &a->poll_call, &a->polled);
}

/* The same number and bytes again are typed once. */
static void
start_typing(struct attach *a)
{
	snprintf(
	    a->type_path, sizeof a->type_path, "/input?seq=%llu", a->seq + 1);
	a->type_call = (struct call){.method = "POST",
	    .path = a->type_path,
	    .body = a->typed,
	    .len = a->ntyped,
	    .type = "application/octet-stream",
	    .token = a->token,
	    .timeout = 20};
	start(a, &a->typing, &a->type_call, &a->typed_answer);
}

/* The token is unknown.  After the worker was away that means: another one
 * runs; otherwise the session was closed. */
static void
lost_session(struct attach *a)
{
	enum exit_status status;

	if (a->away_since == 0) {
		notice(a, "this session was closed");
		stop(a, EXIT_ENDED);
		return;
	}
	if (a->ntyped > 0)
		notice(a, "what was typed last may be lost");
	a->ntyped = 0;
	if (open_session(a, false, &status) != CURLE_OK)
		try_later(a);
	else if (status == EXIT_REFUSED || status == EXIT_NO_CONSOLE)
		/* It does not know the guests yet. */
		try_later(a);
	else
		a->away_since = 0;
}

static void
polled(struct attach *a, CURLcode error)
{
	if (error) {
		try_later(a);
		return;
	}
	if (a->polled.status == 401) {
		lost_session(a);
		return;
	}
	if (a->polled.status != 200 && a->polled.status != 204) {
		try_later(a);
		return;
	}
	a->away_since = 0;
	snprintf(a->at, sizeof a->at, "%s", a->polled.next);
	if (a->polled.status == 204)
		return;
	if (a->o->json && !a->recorder) {
		put(a, a->polled.body, a->polled.len);
		put(a, "\n", 1);
	} else {
		show_frames(a);
	}
}

static void
was_typed(struct attach *a, CURLcode error)
{
	long status = a->typed_answer.status;

	if (error || status == 503) {
		/* Again, with the same number. */
		clock_gettime(CLOCK_MONOTONIC, &a->again);
		a->again.tv_nsec += RETRY_MS * 1000000L;
		return;
	}
	if (status == 401)
		return; /* the poll learns it too */
	if (status == 200)
		a->seq++;
	else
		notice(a, "the guest does not take what is typed");
	a->ntyped = 0;
}

static void
take_finished(struct attach *a)
{
	CURLMsg *msg;
	int left;

	while (!a->ended && (msg = curl_multi_info_read(a->multi, &left))) {
		CURL *curl = msg->easy_handle;
		CURLcode error = msg->data.result;

		curl_multi_remove_handle(a->multi, curl);
		if (curl == a->poll) {
			a->poll = NULL;
			client_end(curl, &a->polled);
			polled(a, error);
			client_free(&a->polled);
		} else {
			a->typing = NULL;
			client_end(curl, &a->typed_answer);
			was_typed(a, error);
			client_free(&a->typed_answer);
		}
	}
}

/* ---- input
 * ------------------------------------------------------------------- */

static void
take_input(struct attach *a)
{
	char bytes[TYPED_MAX / 2];
	ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
	enum escape_found found;

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		a->input_over = true;
		return;
	}
	if (!a->types)
		return;
	found = escape_take(&a->escape, bytes, (size_t)n, a->typed, &a->ntyped);
	if (found == ESCAPE_END)
		a->input_over = true;
	else if (found == ESCAPE_HELP)
		put(a, HELP, strlen(HELP));
}

/* It is read when what was read before has been typed. */
static bool
wants_input(const struct attach *a)
{
	return !a->input_over && a->ntyped == 0;
}

static void
wait_for_something(struct attach *a)
{
	struct curl_waitfd in = {
	    .fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
	unsigned n = a->types && wants_input(a) ? 1 : 0;
	int running;

	curl_multi_poll(a->multi, &in, n, RETRY_MS, NULL);
	curl_multi_perform(a->multi, &running);
	if (n && in.revents)
		take_input(a);
}

/* Whoever stopped us has had the terminal for itself meanwhile. */
static void
go_on(struct attach *a)
{
	continued = 0;
	if (a->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &a->while_raw);
}

static void
run(struct attach *a)
{
	while (!a->ended && !interrupted &&
	       (a->until == 0 || time(NULL) < a->until)) {
		if (continued)
			go_on(a);
		if (!a->poll && may_try(a))
			start_poll(a);
		if (!a->typing && a->ntyped > 0 && may_try(a))
			start_typing(a);
		if (a->input_over && a->ntyped == 0 && !a->typing)
			return;
		wait_for_something(a);
		take_finished(a);
	}
}

/* ---- the terminal
 * -------------------------------------------------------------- */

static void
make_raw(struct attach *a)
{
	if (!a->types || tcgetattr(STDIN_FILENO, &a->before) < 0)
		return;
	a->while_raw = a->before;
	cfmakeraw(&a->while_raw);
	a->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &a->while_raw) == 0;
	if (!a->raw)
		return;
	fputs("[attached to ", stderr);
	print_clean(stderr, a->name);
	fputs("; ~. or Ctrl-] ends]\r\n", stderr);
}

static void
restore(struct attach *a)
{
	if (a->to_terminal) {
		put(a, FILTER_RESET "\r\n", strlen(FILTER_RESET "\r\n"));
	}
	if (a->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &a->before);
}

static void
end_request(struct attach *a, CURL *curl, struct answer *answer)
{
	if (!curl)
		return;
	curl_multi_remove_handle(a->multi, curl);
	client_end(curl, answer);
	client_free(answer);
}

/* Until somebody ends it. */
static enum exit_status
attach(struct attach *a)
{
	const struct sigaction action = {.sa_handler = on_signal};
	enum exit_status status;
	CURLcode error;

	error = open_session(a, true, &status);
	if (error) {
		complain("the worker cannot be reached: %s. `xenterm doctor` "
			 "looks what is wrong",
		    curl_easy_strerror(error));
		return EXIT_UNREACHABLE;
	}
	if (status)
		return status;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGCONT, &action, NULL);
	/* It would be the end with the terminal as it is now. */
	signal(SIGPIPE, SIG_IGN);
	a->multi = curl_multi_init();
	make_raw(a);
	run(a);
	restore(a);
	end_request(a, a->poll, &a->polled);
	end_request(a, a->typing, &a->typed_answer);
	curl_multi_cleanup(a->multi);
	if (a->status == EXIT_DONE)
		close_session(a);
	return a->status;
}

static enum exit_status
attach_here(const struct options *o, const char *console, bool types)
{
	struct attach a = {.o = o, .console = console, .types = types};

	a.to_terminal = isatty(STDOUT_FILENO) && !o->json;
	a.escape.off = o->no_escape || !isatty(STDIN_FILENO);
	return attach(&a);
}

enum exit_status
run_attach(const struct options *o, char **args, int n)
{
	(void)n;
	return attach_here(o, args[0], true);
}

enum exit_status
run_watch(const struct options *o, char **args, int n)
{
	(void)n;
	return attach_here(o, args[0], false);
}

enum exit_status
run_record(const struct options *o, char **args, int n)
{
	struct attach a = {.o = o, .console = args[0]};
	enum exit_status status;
	char *end = NULL;
	long seconds = o->timeout ? strtol(o->timeout, &end, 10) : 0;

	(void)n;
	if (o->timeout && (*end || seconds < 1)) {
		complain("--timeout: %s is no number of seconds", o->timeout);
		return EXIT_USAGE;
	}
	a.recorder = recorder_create(args[1]);
	if (!a.recorder) {
		complain("%s: %s", args[1], strerror(errno));
		return EXIT_REFUSED;
	}
	if (seconds)
		a.until = time(NULL) + seconds;
	status = attach(&a);
	if (recorder_end(a.recorder))
		return status;
	complain("%s: not all could be written", args[1]);
	return EXIT_REFUSED;
}
