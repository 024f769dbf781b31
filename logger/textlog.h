/*
 * A console's output as a log of lines, in the file console.log of its folder:
 *
 *   2026-11-23T10:50:35.123Z | a line
 *   2026-11-23T10:50:36.456Z + what came later of the same line
 *   2026-11-23T10:50:37.789Z * what the logger has to say
 *
 * When it is full it becomes console.log.1, and so on.
 */
#ifndef XENTERM_TEXTLOG_H
#define XENTERM_TEXTLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "logger/file.h"
#include "logger/plain.h"

/* A line that has been completed, without a NUL in it. */
typedef void (*textlog_line)(void *ctx, const char *line);

struct textlog {
	struct file file;
	char dir[PATH_MAX];
	unsigned size, keep;
	struct plain plain;
	uint64_t base; /* the offset in the console's output of plain's 0 */
	FILE *mem;     /* what is not written yet; NULL: nothing */
	char *text;
	size_t len;
	/* What could not be written: bytes of the log, and since when. */
	uint64_t lost;
	char lost_since[32];
	int lost_error;
	textlog_line told;
	void *ctx;
};

struct textlog_saved {
	uint64_t inode, size, at;
	uint32_t piece;
};

/* dir exists.  size, keep: of config_log.  saved: zeroed, or what was saved.
 * 0 or a negative errno. */
int textlog_open(struct textlog *t, const char *dir, unsigned size,
    unsigned keep, const struct textlog_saved *saved, textlog_line told,
    void *ctx);
void textlog_close(struct textlog *t);
int textlog_reopen(struct textlog *t);
void textlog_save(const struct textlog *t, struct textlog_saved *saved);

/* The offset of the output that comes next. */
uint64_t textlog_at(const struct textlog *t);
/* Output goes on at this offset, in no sequence and on a new line. */
void textlog_jump(struct textlog *t, uint64_t offset);

/* These three are written with textlog_commit(). */
void textlog_output(struct textlog *t, const uint8_t *bytes, size_t len);
/* Also what is there of a line that may go on. */
void textlog_flush(struct textlog *t);
void textlog_mark(struct textlog *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void textlog_commit(struct textlog *t);

/* There is a part of a line that was not written. */
bool textlog_has_part(const struct textlog *t);

#endif
