/* play: a recording, in the terminal at hand. */
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/filter.h"

/* A terminal as it is when it has just been opened, and nothing on it. */
#define RESET "\030\033c"

static volatile sig_atomic_t interrupted;

static void
on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

struct player {
	double speed, idle; /* idle 0: as long as it was */
	double at;	    /* seconds into the recording */
	bool to_terminal;
	struct filter filter;
};

static void
wait_until(struct player *p, double at)
{
	double left = at - p->at;
	struct timespec delay;

	p->at = at > p->at ? at : p->at;
	if (p->idle > 0 && left > p->idle)
		left = p->idle;
	left /= p->speed;
	if (!(left > 0) || !p->to_terminal)
		return;
	/* A year is for ever. */
	if (left > 31536000)
		left = 31536000;
	fflush(stdout);
	delay.tv_sec = (time_t)left;
	delay.tv_nsec = (long)((left - (double)delay.tv_sec) * 1e9);
	while (nanosleep(&delay, &delay) < 0 && errno == EINTR && !interrupted)
		;
}

/* Recordings are of guests' making: what attach keeps from the terminal is
 * kept from it here as well. */
static void
show(struct player *p, const char *bytes, size_t len)
{
	char *out;

	if (!p->to_terminal) {
		fwrite(bytes, 1, len, stdout);
		return;
	}
	out = malloc(len + FILTER_MAX);
	if (!out)
		return;
	fwrite(out, 1, filter_take(&p->filter, bytes, len, out), stdout);
	free(out);
}

/* False: it is no event. */
static bool
play_event(struct player *p, struct json_object *event)
{
	struct json_object *time, *code, *data;

	if (!json_object_is_type(event, json_type_array) ||
	    json_object_array_length(event) < 3)
		return false;
	time = json_object_array_get_idx(event, 0);
	code = json_object_array_get_idx(event, 1);
	data = json_object_array_get_idx(event, 2);
	if (!json_object_is_type(code, json_type_string) ||
	    !json_object_is_type(data, json_type_string) ||
	    !isfinite(json_object_get_double(time)))
		return false;
	if (strcmp(json_object_get_string(code), "o") != 0)
		return true;
	wait_until(p, json_object_get_double(time));
	if (!interrupted)
		show(p, json_object_get_string(data),
		    (size_t)json_object_get_string_len(data));
	return true;
}

static bool
is_head(struct json_object *head)
{
	return head && json_object_is_type(head, json_type_object) &&
	       strcmp(text_member(head, "version"), "2") == 0;
}

/* False: the file is none. */
static bool
play(struct player *p, FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	bool good = getline(&line, &size, f) > 0;
	struct json_object *one = good ? json_tokener_parse(line) : NULL;

	good = good && is_head(one);
	json_object_put(one);
	if (good && p->to_terminal)
		fputs(RESET, stdout);
	while (good && !interrupted && getline(&line, &size, f) > 0) {
		/* The last line may not be complete yet. */
		if (!strchr(line, '\n'))
			break;
		one = json_tokener_parse(line);
		good = one && play_event(p, one);
		json_object_put(one);
	}
	free(line);
	fflush(stdout);
	return good;
}

static bool
take_number(const char *text, double least, double *out)
{
	char *end;

	if (!text)
		return true;
	*out = strtod(text, &end);
	return *text && !*end && isfinite(*out) && *out >= least;
}

enum exit_status
run_play(const struct options *o, char **args, int n)
{
	const struct sigaction action = {.sa_handler = on_signal};
	struct player p = {.speed = 1, .to_terminal = isatty(STDOUT_FILENO)};
	FILE *f;
	bool good;

	(void)n;
	if (!take_number(o->speed, 0.01, &p.speed) ||
	    !take_number(o->idle, 0, &p.idle)) {
		complain("wrong speed, or limit of idle time");
		return EXIT_USAGE;
	}
	f = strcmp(args[0], "-") == 0 ? stdin : fopen(args[0], "re");
	if (!f) {
		complain("%s: %s", args[0], strerror(errno));
		return EXIT_REFUSED;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	good = play(&p, f);
	if (p.to_terminal)
		fputs(FILTER_RESET "\r\n", stdout);
	if (f != stdin)
		fclose(f);
	if (!good)
		complain("%s is no recording (asciicast v2), or is damaged",
		    args[0]);
	return good ? EXIT_DONE : EXIT_REFUSED;
}
