#include "fcgi/expect_program.h"

#include <json-c/json.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pattern.h"
#include "common/text.h"
#include "fcgi/strict_json.h"

#define JSON_DEPTH 8

/* While it is read: the JSON, and where a mistake is said. */
struct reader {
	struct expect_program *program;
	struct json_object *steps;
	char *error;
};

/* Always false. */
__attribute__((format(printf, 2, 3))) static bool
wrong(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->error, EXPECT_ERROR, fmt, ap);
	va_end(ap);
	return false;
}

static bool
only_has(struct reader *r, struct json_object *obj, const char *what,
    const char *const *names)
{
	json_object_object_foreach(obj, key, value)
	{
		size_t i = 0;

		(void)value;
		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		if (!names[i])
			return wrong(r, "%s has no member %.40s.", what,
			    text_is_clean(key, 40) ? key : "of that name");
	}
	return true;
}

/* A string without NUL; NULL: it is none. */
static const char *
text_of(struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string)
			       ? json_object_get_string(value)
			       : NULL;

	if (text && strlen(text) != (size_t)json_object_get_string_len(value))
		return NULL;
	return text;
}

static const char *
step_name(struct json_object *step)
{
	return text_of(json_object_object_get(step, "name"));
}

/* "next", "done", "fail", or the name of a step. */
static bool
read_target(struct reader *r, size_t at, struct json_object *value, int *out)
{
	size_t nsteps = r->program->nsteps;
	const char *text = text_of(value);

	if (!text)
		return wrong(r,
		    "Step %zu: what follows must be next, done, fail or the "
		    "name of a step.",
		    at);
	if (strcmp(text, "done") == 0) {
		*out = EXPECT_DONE;
	} else if (strcmp(text, "fail") == 0) {
		*out = EXPECT_FAIL;
	} else if (strcmp(text, "next") == 0) {
		*out = at + 1 < nsteps ? (int)at + 1 : EXPECT_DONE;
	} else {
		for (size_t i = 0; i < nsteps; i++) {
			const char *name =
			    step_name(json_object_array_get_idx(r->steps, i));

			if (!name || strcmp(name, text) != 0)
				continue;
			*out = (int)i;
			return true;
		}
		return wrong(r, "Step %zu: there is no step %.40s.", at,
		    text_is_clean(text, 40) ? text : "of that name");
	}
	return true;
}

static bool
add_pattern(
    struct reader *r, size_t at, struct json_object *value, const char *text)
{
	struct expect_step *step = &r->program->steps[at];
	struct expect_pattern *p = &step->patterns[step->npatterns];
	char why[PATTERN_ERROR];

	(void)value;
	if (!text || !*text || strlen(text) > LIMIT_PATTERN)
		return wrong(r,
		    "Step %zu: a pattern must be a string of 1 to %d bytes.",
		    at, LIMIT_PATTERN);
	p->pattern = pattern_compile(text, step->on_screen, why);
	if (!p->pattern)
		return wrong(r, "Step %zu: the pattern number %zu: %s.", at,
		    step->npatterns, why);
	p->then = at + 1 < r->program->nsteps ? (int)at + 1 : EXPECT_DONE;
	step->npatterns++;
	return true;
}

/* "pattern", or {"match": "pattern", "then": "target"}. */
static bool
read_pattern(struct reader *r, size_t at, struct json_object *value)
{
	static const char *const names[] = {"match", "then", NULL};
	struct expect_step *step = &r->program->steps[at];
	struct json_object *match = value, *then = NULL;

	if (step->npatterns == LIMIT_EXPECT_PATTERNS)
		return wrong(r, "Step %zu: it may have at most %d patterns.",
		    at, LIMIT_EXPECT_PATTERNS);
	if (json_object_is_type(value, json_type_object)) {
		if (!only_has(r, value, "A pattern", names))
			return false;
		match = json_object_object_get(value, "match");
		then = json_object_object_get(value, "then");
	}
	if (!add_pattern(r, at, value, text_of(match)))
		return false;
	return !then || read_target(r, at, then,
			    &step->patterns[step->npatterns - 1].then);
}

static bool
read_until(struct reader *r, size_t at, struct json_object *value)
{
	size_t n;

	if (!json_object_is_type(value, json_type_array))
		return read_pattern(r, at, value);
	n = json_object_array_length(value);
	if (n == 0)
		return wrong(r, "Step %zu: until is an empty list.", at);
	for (size_t i = 0; i < n; i++)
		if (!read_pattern(r, at, json_object_array_get_idx(value, i)))
			return false;
	return true;
}

static bool
read_name(struct reader *r, size_t at, struct json_object *value)
{
	struct expect_step *step = &r->program->steps[at];
	const char *name = text_of(value);

	if (!name || !text_is_clean(name, LIMIT_EXPECT_NAME) ||
	    strcmp(name, "next") == 0 || strcmp(name, "done") == 0 ||
	    strcmp(name, "fail") == 0)
		return wrong(r,
		    "Step %zu: a name has 1 to %d bytes and is not next, done "
		    "or fail.",
		    at, LIMIT_EXPECT_NAME);
	for (size_t i = 0; i < at; i++)
		if (strcmp(r->program->steps[i].name, name) == 0)
			return wrong(
			    r, "Steps %zu and %zu have one name.", i, at);
	strcpy(step->name, name);
	return true;
}

static bool
read_send(struct reader *r, size_t at, struct json_object *value)
{
	struct expect_step *step = &r->program->steps[at];
	int len;

	if (!json_object_is_type(value, json_type_string))
		return wrong(r, "Step %zu: send must be a string.", at);
	len = json_object_get_string_len(value);
	if (len == 0)
		return wrong(r, "Step %zu: send is empty.", at);
	step->send = malloc((size_t)len);
	if (!step->send)
		return wrong(r, "The worker is out of memory.");
	memcpy(step->send, json_object_get_string(value), (size_t)len);
	step->send_len = (size_t)len;
	return true;
}

static bool
read_timeout(struct reader *r, size_t at, struct json_object *value)
{
	double seconds = -1;

	if (json_object_is_type(value, json_type_int) ||
	    json_object_is_type(value, json_type_double))
		seconds = json_object_get_double(value);
	if (!isfinite(seconds) || seconds < 0.001 ||
	    seconds > LIMIT_EXPECT_TIMEOUT)
		return wrong(r,
		    "Step %zu: timeout must be seconds, from 0.001 to %d.", at,
		    LIMIT_EXPECT_TIMEOUT);
	r->program->steps[at].timeout_ms = (unsigned)(seconds * 1000);
	return true;
}

static bool
read_on(struct reader *r, size_t at, struct json_object *value)
{
	const char *text = text_of(value);

	if (!text ||
	    (strcmp(text, "output") != 0 && strcmp(text, "screen") != 0))
		return wrong(r, "Step %zu: on must be output or screen.", at);
	r->program->steps[at].on_screen = strcmp(text, "screen") == 0;
	return true;
}

/* In this order: patterns depend on what they are looked for in. */
static const struct member {
	const char *name;
	bool (*read)(struct reader *r, size_t at, struct json_object *value);
} members[] = {
    {"name", read_name},
    {"send", read_send},
    {"on", read_on},
    {"timeout", read_timeout},
    {"until", read_until},
};

static bool
read_step(struct reader *r, size_t at, struct json_object *obj)
{
	static const char *const names[] = {
	    "name", "send", "until", "timeout", "else", "on", NULL};
	struct expect_step *step = &r->program->steps[at];
	struct json_object *value;

	if (!json_object_is_type(obj, json_type_object))
		return wrong(r, "Step %zu must be an object.", at);
	if (!only_has(r, obj, "A step", names))
		return false;
	step->timeout_ms = EXPECT_TIMEOUT * 1000;
	step->otherwise = EXPECT_FAIL;
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (json_object_object_get_ex(obj, members[i].name, &value) &&
		    !members[i].read(r, at, value))
			return false;
	if (json_object_object_get_ex(obj, "else", &value) &&
	    !read_target(r, at, value, &step->otherwise))
		return false;
	if (!step->send && step->npatterns == 0)
		return wrong(
		    r, "Step %zu neither sends nor waits for anything.", at);
	return true;
}

static bool
read_steps(struct reader *r, struct json_object *root)
{
	static const char *const names[] = {"steps", NULL};
	size_t n;

	if (!json_object_is_type(root, json_type_object))
		return wrong(r, "The body must be one JSON object.");
	if (!only_has(r, root, "The body", names))
		return false;
	r->steps = json_object_object_get(root, "steps");
	n = json_object_is_type(r->steps, json_type_array)
		? json_object_array_length(r->steps)
		: 0;
	if (n < 1 || n > LIMIT_EXPECT_STEPS)
		return wrong(r, "The member steps must be a list of 1 to %d.",
		    LIMIT_EXPECT_STEPS);
	r->program->steps = calloc(n, sizeof *r->program->steps);
	if (!r->program->steps)
		return wrong(r, "The worker is out of memory.");
	r->program->nsteps = n;
	for (size_t i = 0; i < n; i++)
		if (!read_step(r, i, json_object_array_get_idx(r->steps, i)))
			return false;
	return true;
}

struct expect_program *
expect_program_parse(const uint8_t *json, size_t len, char error[EXPECT_ERROR])
{
	struct reader r = {.error = error};
	struct json_object *root = strict_json_parse(json, len, JSON_DEPTH);
	bool ok = false;

	r.program = calloc(1, sizeof *r.program);
	if (!r.program)
		wrong(&r, "The worker is out of memory.");
	else if (!root)
		wrong(&r, "The body is not valid JSON.");
	else
		ok = read_steps(&r, root);
	json_object_put(root);
	if (ok)
		return r.program;
	expect_program_free(r.program);
	return NULL;
}

void
expect_program_free(struct expect_program *program)
{
	if (!program)
		return;
	for (size_t i = 0; i < program->nsteps; i++) {
		struct expect_step *step = &program->steps[i];

		for (size_t k = 0; k < step->npatterns; k++)
			pattern_free(step->patterns[k].pattern);
		free(step->send);
	}
	free(program->steps);
	free(program);
}
