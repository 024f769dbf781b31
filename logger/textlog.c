#include "logger/textlog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/text.h"

#define NAME "console.log"

/* "2026-11-23T10:50:35.123Z" */
static void
format_now(char out[32])
{
	struct timespec now;
	struct tm utc;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
	snprintf(out + n, 32 - n, ".%03uZ", (unsigned)(now.tv_nsec / 1000000));
}

static int
open_file(struct textlog *t, uint64_t inode, uint64_t size)
{
	char path[PATH_MAX + 32];
	int error;

	snprintf(path, sizeof path, "%s/" NAME, t->dir);
	error = file_open(&t->file, path, inode, size);
	if (error)
		log_error("%s: %s", path, strerror(-error));
	return error;
}

int
textlog_open(struct textlog *t, const char *dir, unsigned size, unsigned keep,
    const struct textlog_saved *saved, textlog_line told, void *ctx)
{
	memset(t, 0, sizeof *t);
	snprintf(t->dir, sizeof t->dir, "%s", dir);
	t->size = size;
	t->keep = keep;
	t->told = told;
	t->ctx = ctx;
	t->base = saved->at;
	t->plain.piece = saved->piece;
	return open_file(t, saved->inode, saved->size);
}

void
textlog_close(struct textlog *t)
{
	if (t->mem) {
		fclose(t->mem);
		free(t->text);
	}
	t->mem = NULL;
	file_close(&t->file);
}

int
textlog_reopen(struct textlog *t)
{
	file_close(&t->file);
	return open_file(t, 0, 0);
}

void
textlog_save(const struct textlog *t, struct textlog_saved *saved)
{
	saved->inode = t->file.inode;
	saved->size = t->file.size;
	saved->at = t->base + t->plain.clean;
	saved->piece = t->plain.piece;
}

uint64_t
textlog_at(const struct textlog *t)
{
	return t->base + t->plain.at;
}

/* NULL: out of memory. */
static FILE *
stream(struct textlog *t)
{
	if (!t->mem)
		t->mem = open_memstream(&t->text, &t->len);
	return t->mem;
}

static void
put_line(struct textlog *t, char kind, const char *line)
{
	FILE *mem = stream(t);
	char now[32];

	format_now(now);
	if (mem)
		fprintf(mem, "%s %c %s\n", now, kind, line);
}

static void
on_line(void *ctx, const char *bytes, size_t len, bool piece)
{
	struct textlog *t = ctx;
	size_t n;
	char *line;

	/* A line of which all is there already has come to its end. */
	if (piece && len == 0)
		return;
	line = text_repair((const uint8_t *)bytes, len, &n);
	if (!line)
		return;
	put_line(t, piece ? '+' : '|', line);
	t->told(t->ctx, line);
	free(line);
}

void
textlog_output(struct textlog *t, const uint8_t *bytes, size_t len)
{
	plain_take(&t->plain, bytes, len, on_line, t);
}

void
textlog_flush(struct textlog *t)
{
	plain_flush(&t->plain, on_line, t);
}

bool
textlog_has_part(const struct textlog *t)
{
	return t->plain.len > 0;
}

void
textlog_jump(struct textlog *t, uint64_t offset)
{
	if (t->plain.len > 0)
		on_line(t, t->plain.line, t->plain.len, t->plain.piece);
	memset(&t->plain, 0, sizeof t->plain);
	t->base = offset;
}

void
textlog_mark(struct textlog *t, const char *fmt, ...)
{
	char line[PLAIN_LINE + 256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	put_line(t, '*', line);
}

/* console.log.2 becomes console.log.3, and so on; the oldest one goes. */
static void
rotate(struct textlog *t)
{
	char from[PATH_MAX + 32], to[PATH_MAX + 32];

	for (unsigned i = t->keep - 1; i > 0; i--) {
		snprintf(to, sizeof to, "%s/" NAME ".%u", t->dir, i);
		snprintf(from, sizeof from, "%s/" NAME, t->dir);
		if (i > 1)
			snprintf(
			    from, sizeof from, "%s/" NAME ".%u", t->dir, i - 1);
		if (rename(from, to) < 0 && errno != ENOENT)
			log_warn("%s: %s", from, strerror(errno));
	}
	if (t->keep == 1)
		remove(t->file.path);
	file_close(&t->file);
	open_file(t, 0, 0);
}

/* False: they could not be written, as those before. */
static bool
tell_lost(struct textlog *t)
{
	char now[32], line[256];
	int n;

	if (t->lost == 0)
		return true;
	format_now(now);
	n = snprintf(line, sizeof line,
	    "%s * %" PRIu64 " bytes of this log could not be written since "
	    "%s: %s\n",
	    now, t->lost, t->lost_since, strerror(-t->lost_error));
	if (file_append(&t->file, line, (size_t)n) != 0)
		return false;
	log_info("%s: goes on", t->file.path);
	t->lost = 0;
	return true;
}

static void
write_out(struct textlog *t)
{
	int error = tell_lost(t) ? file_append(&t->file, t->text, t->len)
				 : t->lost_error;

	if (error && t->lost == 0) {
		log_error("%s: %s; what cannot be written is left out",
		    t->file.path, strerror(-error));
		format_now(t->lost_since);
		t->lost_error = error;
	}
	if (error)
		t->lost += t->len;
}

void
textlog_commit(struct textlog *t)
{
	if (!t->mem)
		return;
	fclose(t->mem);
	t->mem = NULL;
	write_out(t);
	free(t->text);
	t->text = NULL;
	if (t->file.size >= t->size)
		rotate(t);
}
