#define PCRE2_CODE_UNIT_WIDTH 8
#include "common/pattern.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Backtracking: steps from one starting point, how deep, and KiB for it. */
#define MATCH_STEPS 1000000
#define MATCH_DEPTH 20000
#define MATCH_KIB   4096

struct pattern {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
	uint64_t work; /* of this search */
	size_t at;     /* where the last callout was */
};

/*
 * Called at each item of the pattern.  PCRE2's own limits count from each
 * starting point anew, and not the characters that a repetition runs over;
 * both add up here.
 */
static int
on_item(pcre2_callout_block *block, void *arg)
{
	struct pattern *p = arg;
	size_t at = block->current_position;

	p->work += 1 + (at > p->at ? at - p->at : p->at - at);
	p->at = at;
	return p->work > LIMIT_PATTERN_WORK ? PCRE2_ERROR_MATCHLIMIT : 0;
}

static pcre2_code *
compile(const char *text, bool utf, char error[PATTERN_ERROR])
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	uint32_t options = PCRE2_MULTILINE | PCRE2_AUTO_CALLOUT |
			   PCRE2_NEVER_BACKSLASH_C |
			   (utf ? PCRE2_UTF : PCRE2_NEVER_UTF);
	PCRE2_UCHAR message[PATTERN_ERROR - 40];
	pcre2_code *code;
	PCRE2_SIZE offset;
	int number;

	if (!context) {
		snprintf(error, PATTERN_ERROR, "out of memory");
		return NULL;
	}
	pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
	code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options,
	    &number, &offset, context);
	pcre2_compile_context_free(context);
	if (code)
		return code;
	pcre2_get_error_message(number, message, sizeof message);
	snprintf(error, PATTERN_ERROR, "%s, at character %zu", (char *)message,
	    (size_t)offset);
	return NULL;
}

struct pattern *
pattern_compile(const char *text, bool utf, char error[PATTERN_ERROR])
{
	struct pattern *p = calloc(1, sizeof *p);

	if (!p) {
		snprintf(error, PATTERN_ERROR, "out of memory");
		return NULL;
	}
	p->code = compile(text, utf, error);
	if (!p->code) {
		free(p);
		return NULL;
	}
	p->data = pcre2_match_data_create(LIMIT_PATTERN_GROUPS + 1, NULL);
	p->context = pcre2_match_context_create(NULL);
	if (!p->data || !p->context) {
		pattern_free(p);
		snprintf(error, PATTERN_ERROR, "out of memory");
		return NULL;
	}
	pcre2_set_match_limit(p->context, MATCH_STEPS);
	pcre2_set_depth_limit(p->context, MATCH_DEPTH);
	pcre2_set_heap_limit(p->context, MATCH_KIB);
	pcre2_set_callout(p->context, on_item, p);
	return p;
}

void
pattern_free(struct pattern *p)
{
	if (!p)
		return;
	pcre2_match_context_free(p->context);
	pcre2_match_data_free(p->data);
	pcre2_code_free(p->code);
	free(p);
}

/* rc: as pcre2_match() gives it; 0: there are more groups than are told. */
static void
take_match(const struct pattern *p, int rc, struct pattern_match *out)
{
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->data);
	unsigned pairs = rc == 0 ? LIMIT_PATTERN_GROUPS + 1 : (unsigned)rc;

	memset(out, 0, sizeof *out);
	out->begin = at[0];
	out->end = at[1];
	out->ngroups = pairs - 1;
	for (unsigned i = 1; i < pairs; i++) {
		out->groups[i - 1].set = at[2 * i] != PCRE2_UNSET;
		if (!out->groups[i - 1].set)
			continue;
		out->groups[i - 1].begin = at[2 * i];
		out->groups[i - 1].end = at[2 * i + 1];
	}
	/* \K in a lookahead can put its begin behind its end. */
	if (out->begin > out->end)
		out->begin = out->end;
}

int
pattern_find(struct pattern *p, const uint8_t *subject, size_t len,
    size_t *resume, struct pattern_match *out)
{
	int rc;

	p->work = 0;
	p->at = *resume;
	rc = pcre2_match(p->code, subject, len, *resume,
	    PCRE2_PARTIAL_SOFT | PCRE2_NOTEMPTY, p->data, p->context);
	if (rc >= 0) {
		take_match(p, rc, out);
		return 1;
	}
	switch (rc) {
	case PCRE2_ERROR_NOMATCH:
		*resume = len;
		return 0;
	case PCRE2_ERROR_PARTIAL:
		*resume = pcre2_get_ovector_pointer(p->data)[0];
		return 0;
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_RECURSELOOP:
		return -E2BIG;
	case PCRE2_ERROR_NOMEMORY:
		return -ENOMEM;
	default:
		return -EINVAL;
	}
}
