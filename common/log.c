#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

/* A line of the audit log, with names as long as they may be. */
#define LINE_MAX_BYTES 2048

static const char *log_ident = "xenterm";
static bool log_to_stderr = true;
static bool log_debugging;

void
log_init(const char *ident, bool to_stderr, bool debug)
{
	log_ident = ident;
	log_to_stderr = to_stderr;
	log_debugging = debug;
	if (!to_stderr)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

/*
 * Control bytes become \xHH.  Bytes of UTF-8 pass, but not the C1 range,
 * neither as two bytes (C2 80 to C2 9F) nor as one that nothing leads.
 */
static void
escape(char *out, size_t size, const char *in)
{
	const unsigned char *p = (const unsigned char *)in;
	bool led = false; /* the byte before is a piece of UTF-8 */
	size_t n = 0;

	for (; *p && n + 5 < size; p++) {
		bool lone = *p >= 0x80 && *p < 0xa0 && !led;
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		led = false;
		if (*p < 0x20 || *p == 0x7f || lone || c1) {
			n += snprintf(out + n, size - n, "\\x%02x", *p);
		} else {
			led = *p >= 0x80;
			out[n++] = (char)*p;
		}
	}
	out[n] = '\0';
}

static void __attribute__((format(printf, 3, 0)))
log_line(int level, const char *word, const char *fmt, va_list ap)
{
	char raw[LINE_MAX_BYTES], line[LINE_MAX_BYTES * 2];

	vsnprintf(raw, sizeof raw, fmt, ap);
	escape(line, sizeof line, raw);
	if (log_to_stderr)
		fprintf(stderr, "%s: %s%s\n", log_ident, word, line);
	else
		syslog(level, "%s%s", word, line);
}

#define DEFINE_LOG(name, level, word)           \
	void name(const char *fmt, ...)         \
	{                                       \
		va_list ap;                     \
                                                \
		va_start(ap, fmt);              \
		log_line(level, word, fmt, ap); \
		va_end(ap);                     \
	}

DEFINE_LOG(log_error, LOG_ERR, "error: ")
DEFINE_LOG(log_warn, LOG_WARNING, "warning: ")
DEFINE_LOG(log_info, LOG_INFO, "")

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	if (!log_debugging)
		return;
	va_start(ap, fmt);
	log_line(LOG_DEBUG, "debug: ", fmt, ap);
	va_end(ap);
}

void
log_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_line(LOG_ERR, "error: ", fmt, ap);
	va_end(ap);
	exit(1);
}
