/*
 * One line per event an operator would act on.
 *
 * To stderr in front, else to syslog.  Control bytes in what is logged are
 * escaped, since names and paths come from guests and browsers.  Keystrokes
 * and screen contents are never passed here.
 */
#ifndef XENTERM_LOG_H
#define XENTERM_LOG_H

#include <stdbool.h>

/* ident is kept, not copied.  debug lets log_debug() through. */
void log_init(const char *ident, bool to_stderr, bool debug);

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For start-up only: logs and ends the program with status 1. */
void log_fatal(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

#endif
