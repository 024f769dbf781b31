#include "tests/unit/stubs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log.h"

static bool allowed;
static int errors;

void
stub_allow_errors(bool allow)
{
	allowed = allow;
	errors = 0;
}

int
stub_errors(void)
{
	return errors;
}

void
log_error(const char *fmt, ...)
{
	errors++;
	if (!allowed)
		fail_msg("%s", fmt);
}

void
log_warn(const char *fmt, ...)
{
	(void)fmt;
}

void
log_info(const char *fmt, ...)
{
	(void)fmt;
}

void
log_debug(const char *fmt, ...)
{
	(void)fmt;
}
