#include "cli/recorder.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/command.h"
#include "cli/frame.h"
#include "common/cast.h"

/* A snapshot is for a terminal that is reset: CAN, and RIS. */
#define RESET "\030\033c"

struct recorder {
	FILE *f;
	struct cast cast;
	struct timespec began;
	bool has_head;
};

struct recorder *
recorder_create(const char *path)
{
	struct recorder *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->f = strcmp(path, "-") == 0 ? stdout : fopen(path, "wxe");
	if (r->f)
		return r;
	free(r);
	return NULL;
}

bool
recorder_end(struct recorder *r)
{
	bool good;

	if (!r)
		return true;
	good = fflush(r->f) == 0 && !ferror(r->f);
	if (r->f != stdout && fclose(r->f) != 0)
		good = false;
	free(r);
	return good;
}

static double
seconds(const struct recorder *r)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - r->began.tv_sec) +
	       (double)(now.tv_nsec - r->began.tv_nsec) / 1e9;
}

static unsigned
number_member(struct json_object *obj, const char *name)
{
	return (unsigned)strtoul(text_member(obj, name), NULL, 10);
}

void
recorder_session(struct recorder *r, struct json_object *session)
{
	struct json_object *size;

	if (r->has_head || !json_object_object_get_ex(session, "size", &size))
		return;
	r->has_head = true;
	clock_gettime(CLOCK_MONOTONIC, &r->began);
	cast_header(r->f, number_member(size, "rows"),
	    number_member(size, "cols"), (int64_t)time(NULL),
	    text_member(session, "name"));
}

static void
take_event(struct recorder *r, struct json_object *event)
{
	const char *type = text_member(event, "type");
	char text[128];
	int n = 0;

	if (strcmp(type, "size") == 0) {
		n = snprintf(text, sizeof text, "%ux%u",
		    number_member(event, "cols"), number_member(event, "rows"));
		cast_event(r->f, seconds(r), 'r', text, (size_t)n);
		return;
	}
	if (strcmp(type, "state") == 0)
		n = snprintf(text, sizeof text, "state: %.16s, domain %.10s",
		    text_member(event, "state"), text_member(event, "domid"));
	else if (strcmp(type, "viewers") == 0)
		n = snprintf(text, sizeof text, "viewers: %.10s",
		    text_member(event, "count"));
	else if (strcmp(type, "mode") == 0)
		n = snprintf(text, sizeof text, "taken over by %.80s",
		    text_member(event, "by"));
	if (n > 0)
		cast_event(r->f, seconds(r), 'm', text, (size_t)n);
}

bool
recorder_frame(struct recorder *r, const struct frame *f)
{
	struct json_tokener *tokener;
	struct json_object *event;

	if (f->type == 'j') {
		tokener = json_tokener_new();
		event = json_tokener_parse_ex(tokener, f->bytes, (int)f->len);
		take_event(r, event);
		json_object_put(event);
		json_tokener_free(tokener);
	} else {
		if (f->type == 's') {
			memset(&r->cast, 0, sizeof r->cast);
			cast_output(&r->cast, r->f, seconds(r),
			    (const uint8_t *)RESET, sizeof RESET - 1);
		}
		cast_output(&r->cast, r->f, seconds(r),
		    (const uint8_t *)f->bytes, f->len);
	}
	return fflush(r->f) == 0 && !ferror(r->f);
}
