/*
 * One regular expression (PCRE2), looked for in a console's output as it
 * comes, or in the text of a screen.
 *
 * What a pattern may cost is bounded, so that one which takes exponential time
 * ends with an error.  In output '.' stands for a byte; '^' and '$' hold at
 * lines, which end with CR, LF or both, and '$' also at the end of what has
 * come so far.  A pattern never matches nothing.
 */
#ifndef XENTERM_PATTERN_H
#define XENTERM_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

struct pattern;

#define PATTERN_ERROR 160

/* utf: for text that is UTF-8.  NULL: error, of PATTERN_ERROR bytes, says
 * why. */
struct pattern *pattern_compile(
    const char *text, bool utf, char error[PATTERN_ERROR]);
/* NULL is fine. */
void pattern_free(struct pattern *p);

struct pattern_match {
	size_t begin, end;
	/* The parentheses, as far as there are any. */
	unsigned ngroups;
	struct {
		bool set;
		size_t begin, end;
	} groups[LIMIT_PATTERN_GROUPS];
};

/*
 * Looks for the first match in subject that begins at *resume or behind it.
 * 1: there is one, in *out.  0: none; *resume is where one may still begin
 * when more has been added to the subject.  -E2BIG: it takes more work than
 * LIMIT_PATTERN_WORK.  -EINVAL: the text is not UTF-8.  -ENOMEM.
 */
int pattern_find(struct pattern *p, const uint8_t *subject, size_t len,
    size_t *resume, struct pattern_match *out);

#endif
