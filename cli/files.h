/* xenterm-logger's files, docs/xenterm-logger.8. */
#ifndef XENTERM_FILES_H
#define XENTERM_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* The folder of a console, by name or id, in log_dir; the caller frees it.
 * NULL: there is none. */
char *files_folder(const char *log_dir, const char *console);

/* A line of a log, without its end. */
struct log_line {
	const char *time, *text;
	char kind; /* '|', '+', '*' */
};
typedef void (*log_line_fn)(void *ctx, const struct log_line *line);

/* Which lines of a log. */
struct log_choice {
	bool by_boot;
	long boot;  /* 0: the last one, -1 the one before; 1: the first kept */
	bool crash; /* of the boot (or of the last that had one) from
		     * shortly before the crash on */
	size_t lines; /* the last ones; 0: all */
};

/* Calls take for each line.  False: there is no such boot, or no crash, or
 * nothing could be read. */
bool files_log(const char *folder, const struct log_choice *choice,
    log_line_fn take, void *ctx);

/* Calls take with the path of each recording, the oldest first.  False: the
 * folder cannot be read. */
bool files_recordings(
    const char *folder, void (*take)(void *ctx, const char *path), void *ctx);

#endif
