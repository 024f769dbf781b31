#include "common/config_report.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/log.h"

static bool into_log;

void
config_report(const char *fmt, ...)
{
	char line[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	if (into_log)
		log_error("%s", line);
	else
		fprintf(stderr, "%s\n", line);
}

void
config_reports_to_log(void)
{
	into_log = true;
}
