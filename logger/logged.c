#define _GNU_SOURCE
#include "logger/logged.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/console_key.h"
#include "common/feed_proto.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pattern.h"
#include "logger/folder.h"
#include "logger/hooks.h"
#include "logger/link.h"
#include "logger/recording.h"
#include "logger/textlog.h"

/* A part of a line, such as a prompt, is written when nothing has come for so
 * long. */
#define PART_SECONDS 1

/* A screen that was asked for and has not come is asked for again. */
#define SCREEN_AGAIN_SECONDS 20

/* Bytes of the line that begins a crash, in its mark. */
#define CRASH_SHOWN 200

#define NO_DOMAIN UINT32_MAX

/* The file `state`; of this machine alone. */
struct saved {
	char magic[8];
	uint64_t run;
	uint32_t domid, reserved;
	struct textlog_saved text;
	struct recording_saved recording;
};
#define MAGIC "xtlog 1"

struct logged {
	const struct logger *logger;
	const struct config_log *config; /* NULL: only hooks want it */
	char id[CONSOLE_KEY_TEXT];
	char name[LIMIT_NAME + CONSOLE_KEY_TEXT], guest[LIMIT_NAME + 1];
	char dir[PATH_MAX]; /* "": nothing is written */
	char state[16];
	uint32_t number, domid;
	unsigned rows, cols, viewers;
	uint64_t run; /* of the output; 0: there was none yet */
	int state_fd;
	bool has_run; /* the worker has a screen of it */
	bool text_on, told_gone, crashed;
	struct textlog text;
	struct recording recording;
	time_t asked; /* for a screen; 0: not */
	struct pattern **crash;
	size_t ncrash;
	struct event *part, *silence;
	time_t printed; /* when there was output last */
};

/* --- What is told of it ----------------------------------------------------
 */

static struct hook_event
event_of(const struct logged *l, const char *what)
{
	return (struct hook_event){.event = what,
	    .console = l->id,
	    .name = l->name,
	    .guest = l->guest,
	    .domid = l->domid};
}

static void
tell(const struct logged *l, const char *what)
{
	const struct hook_event event = event_of(l, what);

	hooks_tell(l->logger->hooks, &event);
}

/* A mark in the log and in the recording. */
static void mark(struct logged *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void
mark(struct logged *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof text)
		n = (int)sizeof text - 1;
	if (l->text_on)
		textlog_mark(&l->text, "%s", text);
	recording_event(&l->recording, 'm', text, (size_t)n);
}

static bool
is_crash(const struct logged *l, const char *line)
{
	struct pattern_match match;

	for (size_t i = 0; i < l->ncrash; i++) {
		size_t resume = 0;

		if (pattern_find(l->crash[i], (const uint8_t *)line,
			strlen(line), &resume, &match) > 0)
			return true;
	}
	return false;
}

/* Bytes of the line that a mark has: not a part of a character. */
static int
shown_of(const char *line)
{
	size_t n = strnlen(line, CRASH_SHOWN + 1);

	if (n > CRASH_SHOWN)
		while (((unsigned char)line[--n] & 0xc0) == 0x80)
			;
	return (int)n;
}

static void
on_line(void *ctx, const char *line)
{
	struct logged *l = ctx;
	struct hook_event event = event_of(l, "line");

	event.line = line;
	hooks_line(l->logger->hooks, &event);
	/* One crash has many such lines. */
	if (l->crashed || !is_crash(l, line))
		return;
	l->crashed = true;
	mark(l, "crash: %.*s", shown_of(line), line);
	event.event = "crash";
	hooks_tell(l->logger->hooks, &event);
}

/* --- Where it stands
 * ----------------------------------------------------------- */

/* Writes what is to be written, and then that it was. */
static void
commit(struct logged *l)
{
	struct saved saved = {.magic = MAGIC, .run = l->run, .domid = l->domid};

	if (l->text_on) {
		textlog_commit(&l->text);
		textlog_save(&l->text, &saved.text);
	}
	recording_save(&l->recording, &saved.recording);
	if (l->state_fd >= 0 &&
	    pwrite(l->state_fd, &saved, sizeof saved, 0) != sizeof saved)
		log_warn("%s/state: %s", l->dir, strerror(errno));
}

static void
load(struct logged *l, struct saved *saved)
{
	char path[PATH_MAX + 16];

	memset(saved, 0, sizeof *saved);
	snprintf(path, sizeof path, "%s/state", l->dir);
	l->state_fd =
	    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (l->state_fd < 0) {
		log_error("%s: %s", path, strerror(errno));
		return;
	}
	if (pread(l->state_fd, saved, sizeof *saved, 0) != sizeof *saved ||
	    memcmp(saved->magic, MAGIC, sizeof saved->magic) != 0)
		memset(saved, 0, sizeof *saved);
	/* It is written again and again, also while the disk is full. */
	if (posix_fallocate(l->state_fd, 0, sizeof *saved) != 0)
		log_warn("%s: there is no room for it", path);
}

/* --- Output
 * -------------------------------------------------------------------- */

static void
arm(struct event *event, time_t seconds)
{
	const struct timeval delay = {.tv_sec = seconds};

	if (event && !evtimer_pending(event, NULL))
		event_add(event, &delay);
}

/* Output may have come since the timer was set. */
static void
on_part(evutil_socket_t fd, short what, void *arg)
{
	struct logged *l = arg;

	(void)fd;
	(void)what;
	if (clock_seconds() < l->printed + PART_SECONDS) {
		arm(l->part, PART_SECONDS);
		return;
	}
	textlog_flush(&l->text);
	commit(l);
}

static void
on_silence(evutil_socket_t fd, short what, void *arg)
{
	struct logged *l = arg;
	struct hook_event event = event_of(l, "silent");
	time_t left = l->printed + (time_t)l->config->silent - clock_seconds();

	(void)fd;
	(void)what;
	if (strcmp(l->state, "up") != 0)
		return;
	if (left > 0) {
		arm(l->silence, left);
		return;
	}
	event.seconds = l->config->silent;
	mark(l, "silent for %u seconds", l->config->silent);
	commit(l);
	hooks_tell(l->logger->hooks, &event);
}

static void
watch_silence(struct logged *l)
{
	l->printed = clock_seconds();
	if (l->config && l->config->silent > 0)
		arm(l->silence, (time_t)l->config->silent);
}

static bool
wants_recording(const struct logged *l)
{
	return l->config &&
	       (l->config->record == RECORD_ALWAYS ||
		   (l->config->record == RECORD_SESSIONS && l->viewers > 0));
}

/* A recording begins with the screen. */
static void
ask_screen(struct logged *l)
{
	if (l->asked && clock_seconds() < l->asked + SCREEN_AGAIN_SECONDS)
		return;
	l->asked = clock_seconds();
	link_ask_snapshot(l->logger->link, l->number);
}

/* Begins, ends or begins anew what is not as it should be. */
static void
look_after_recording(struct logged *l)
{
	struct recording *r = &l->recording;

	if (!wants_recording(l)) {
		l->asked = 0;
		recording_end(r);
		return;
	}
	if (l->has_run && (!recording_is_on(r) || r->broken ||
			      r->file.size >= l->config->record_size))
		ask_screen(l);
}

static uint8_t
flags(const struct logged *l)
{
	return l->config && l->config->input && l->config->record != RECORD_OFF
		   ? FEED_WITH_INPUT
		   : 0;
}

/* From where the one of the two that has less stands. */
static void
follow(const struct logged *l)
{
	uint64_t from = l->text_on ? textlog_at(&l->text) : UINT64_MAX;

	if (recording_is_on(&l->recording) && l->recording.at < from)
		from = l->recording.at;
	if (from == UINT64_MAX)
		from = 0;
	link_follow(l->logger->link, l->number, l->run, from, flags(l));
}

/* The history is another one: what is known of the old one counts no more. */
static void
begin_run(struct logged *l, uint64_t run, uint64_t offset)
{
	if (l->text_on)
		textlog_jump(&l->text, 0);
	recording_end(&l->recording);
	if (l->run != 0)
		mark(l, "the output before this may not be complete: its "
			"history began anew");
	if (offset > 0)
		mark(l, "%" PRIu64 " bytes before this are not held any more",
		    offset);
	if (l->text_on)
		textlog_jump(&l->text, offset);
	l->run = run;
}

static void
take_text(struct logged *l, uint64_t offset, const uint8_t *bytes, size_t len)
{
	uint64_t at = textlog_at(&l->text);

	if (offset > at) {
		textlog_jump(&l->text, at);
		textlog_mark(&l->text,
		    "%" PRIu64 " bytes of output are missing here",
		    offset - at);
		textlog_jump(&l->text, offset);
		at = offset;
	}
	if (offset + len > at)
		textlog_output(&l->text, bytes + (at - offset),
		    (size_t)(offset + len - at));
	if (textlog_has_part(&l->text))
		arm(l->part, PART_SECONDS);
}

static void
take_recording(
    struct logged *l, uint64_t offset, const uint8_t *bytes, size_t len)
{
	struct recording *r = &l->recording;
	char text[80];
	int n;

	if (!recording_is_on(r))
		return;
	if (offset > r->at) {
		n = snprintf(text, sizeof text,
		    "%" PRIu64 " bytes of output are missing here",
		    offset - r->at);
		recording_event(r, 'm', text, (size_t)n);
		r->at = offset;
		r->broken = true; /* another begins with the screen */
	}
	if (offset + len > r->at)
		recording_output(r, bytes + (r->at - offset),
		    (size_t)(offset + len - r->at));
}

void
logged_output(struct logged *l, uint64_t run, uint64_t offset,
    const uint8_t *bytes, size_t len)
{
	if (run != l->run)
		begin_run(l, run, offset);
	watch_silence(l);
	if (l->text_on)
		take_text(l, offset, bytes, len);
	take_recording(l, offset, bytes, len);
	look_after_recording(l);
	commit(l);
}

void
logged_input(struct logged *l, const uint8_t *bytes, size_t len)
{
	recording_event(&l->recording, 'i', bytes, len);
}

void
logged_snapshot(struct logged *l, uint64_t run, uint64_t offset,
    const uint8_t *bytes, size_t len)
{
	int error;

	l->asked = 0;
	/* Nothing has been printed yet. */
	if (run != l->run && offset == 0)
		begin_run(l, run, 0);
	if (!wants_recording(l) || run != l->run)
		return;
	error = recording_begin(&l->recording, l->dir, l->name, l->rows,
	    l->cols, bytes, len, offset);
	if (error) {
		log_warn("%s: recording: %s", l->dir, strerror(-error));
		return;
	}
	folder_keep_recordings(l->dir, l->config->record_keep);
	/* What was printed since is told again. */
	follow(l);
	commit(l);
}

/* --- The console
 * ------------------------------------------------------------------ */

static const char *
text_of(struct json_object *obj, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(obj, name, &value) &&
		       json_object_is_type(value, json_type_string)
		   ? json_object_get_string(value)
		   : "";
}

static uint64_t
number_of(struct json_object *obj, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(obj, name, &value)
		   ? json_object_get_uint64(value)
		   : 0;
}

/* A part of a line of the domain before goes with it. */
static void
end_domain(struct logged *l)
{
	if (l->text_on)
		textlog_jump(&l->text, textlog_at(&l->text));
	l->crashed = false;
}

static void
take_state(struct logged *l, const char *state, uint32_t domid)
{
	bool up = strcmp(state, "up") == 0, was_up = !strcmp(l->state, "up");

	if (up && domid != l->domid) {
		end_domain(l);
		mark(l, "boot: domain %" PRIu32, domid);
		l->domid = domid;
		l->told_gone = false;
		tell(l, "up");
	} else if (was_up && !up) {
		mark(l, "the console is %s", state);
	}
	if (strcmp(state, "gone") == 0 && !l->told_gone) {
		l->told_gone = true;
		tell(l, "gone");
	}
	snprintf(l->state, sizeof l->state, "%s", state);
	if (up && !was_up)
		watch_silence(l);
}

static void
take_size(struct logged *l, unsigned rows, unsigned cols)
{
	if (rows != l->rows || cols != l->cols)
		recording_size(&l->recording, rows, cols);
	l->rows = rows;
	l->cols = cols;
}

static void
take_viewers(struct logged *l, unsigned viewers)
{
	if (viewers != l->viewers)
		mark(l, "viewers: %u", viewers);
	l->viewers = viewers;
}

static void
take_over(struct logged *l, const char *user)
{
	struct hook_event event = event_of(l, "take-over");

	if (!*user)
		return;
	mark(l, "taken over by %s", user);
	event.by = user;
	hooks_tell(l->logger->hooks, &event);
}

static void
take_name(struct logged *l, struct json_object *obj)
{
	char old[sizeof l->name];

	memcpy(old, l->name, sizeof old);
	snprintf(l->name, sizeof l->name, "%s", text_of(obj, "name"));
	snprintf(l->guest, sizeof l->guest, "%s", text_of(obj, "guest"));
	if (strcmp(old, l->name) == 0)
		return;
	if (*old)
		mark(l, "%s is %s now", old, l->name);
	if (*l->dir)
		folder_name(l->logger->config->log_dir, l->dir, l->name);
}

void
logged_update(struct logged *l, uint32_t number, struct json_object *obj)
{
	bool anew = l->number != number;

	l->number = number;
	l->has_run = number_of(obj, "run") != 0;
	take_name(l, obj);
	take_size(l, (unsigned)number_of(obj, "rows"),
	    (unsigned)number_of(obj, "cols"));
	take_state(l, text_of(obj, "state"), (uint32_t)number_of(obj, "domid"));
	take_viewers(l, (unsigned)number_of(obj, "viewers"));
	take_over(l, text_of(obj, "taken_by"));
	if (anew && *l->dir)
		follow(l);
	look_after_recording(l);
	commit(l);
}

void
logged_forget_number(struct logged *l)
{
	l->number = 0;
	l->asked = 0;
}

void
logged_removed(struct logged *l)
{
	if (!l->told_gone)
		tell(l, "gone");
	l->told_gone = true;
}

static void
take_patterns(struct logged *l)
{
	char error[PATTERN_ERROR];
	size_t n = 0;

	while (l->config->crash[n])
		n++;
	l->crash = calloc(n + 1, sizeof *l->crash);
	for (size_t i = 0; l->crash && i < n; i++) {
		l->crash[l->ncrash] =
		    pattern_compile(l->config->crash[i], false, error);
		l->ncrash += l->crash[l->ncrash] != NULL;
	}
}

static void
open_files(struct logged *l)
{
	const struct config_log *config = l->config;
	struct saved saved;

	if ((!config->text && config->record == RECORD_OFF) ||
	    !folder_make(l->logger->config->log_dir, l->id, l->dir)) {
		l->dir[0] = '\0';
		return;
	}
	load(l, &saved);
	l->run = saved.run;
	if (*saved.magic)
		l->domid = saved.domid;
	if (config->text)
		l->text_on = textlog_open(&l->text, l->dir, config->size,
				 config->keep, &saved.text, on_line, l) == 0;
	recording_resume(&l->recording, l->dir, &saved.recording);
	take_patterns(l);
}

struct logged *
logged_create(const struct logger *logger, struct json_object *first)
{
	struct logged *l = calloc(1, sizeof *l);
	struct console_key key;

	if (!l || !console_key_parse(text_of(first, "console"), &key)) {
		free(l);
		return NULL;
	}
	l->logger = logger;
	l->state_fd = -1;
	l->recording.file.fd = -1;
	l->domid = NO_DOMAIN;
	console_key_format(&key, l->id);
	l->config = config_log_of(logger->config, text_of(first, "guest"));
	l->rows = (unsigned)number_of(first, "rows");
	l->cols = (unsigned)number_of(first, "cols");
	l->part = evtimer_new(logger->base, on_part, l);
	l->silence = evtimer_new(logger->base, on_silence, l);
	if (!l->part || !l->silence) {
		logged_destroy(l);
		return NULL;
	}
	if (l->config)
		open_files(l);
	return l;
}

void
logged_destroy(struct logged *l)
{
	if (!l)
		return;
	if (l->text_on)
		textlog_close(&l->text);
	recording_end(&l->recording);
	if (l->state_fd >= 0)
		close(l->state_fd);
	for (size_t i = 0; i < l->ncrash; i++)
		pattern_free(l->crash[i]);
	free(l->crash);
	if (l->part)
		event_free(l->part);
	if (l->silence)
		event_free(l->silence);
	free(l);
}

const char *
logged_id(const struct logged *l)
{
	return l->id;
}

void
logged_reopen(struct logged *l)
{
	if (!l->text_on)
		return;
	textlog_reopen(&l->text);
	commit(l);
}

void
logged_tidy(struct logged *l)
{
	if (recording_is_on(&l->recording))
		ask_screen(l);
	if (*l->dir && l->config->days > 0)
		folder_remove_old(l->dir, l->config->days);
}
