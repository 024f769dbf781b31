#include "logger/recording.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A clock that was put back stands still. */
static double
seconds(const struct recording *r)
{
	uint64_t now = now_us();

	return now > r->began_us ? (double)(now - r->began_us) / 1e6 : 0;
}

/* Takes ownership of text. */
static void
append(struct recording *r, char *text, size_t len)
{
	int error = file_append(&r->file, text, len);

	if (error) {
		log_warn("%s: %s", r->file.path, strerror(-error));
		r->broken = true;
	}
	free(text);
}

static bool
is_writable(const struct recording *r)
{
	return recording_is_on(r) && !r->broken;
}

int
recording_begin(struct recording *r, const char *dir, const char *title,
    unsigned rows, unsigned cols, const uint8_t *screen, size_t len,
    uint64_t at)
{
	char path[PATH_MAX + RECORDING_NAME], when[20], *text;
	size_t size;
	FILE *mem;
	time_t second;
	struct tm utc;
	int error;

	recording_end(r);
	memset(r, 0, sizeof *r);
	r->began_us = now_us();
	r->at = at;
	second = (time_t)(r->began_us / 1000000);
	strftime(
	    when, sizeof when, "%Y-%m-%dT%H-%M-%S", gmtime_r(&second, &utc));
	snprintf(r->name, sizeof r->name, "%s.%03uZ.cast", when,
	    (unsigned)(r->began_us / 1000 % 1000) % 1000);
	snprintf(path, sizeof path, "%s/%s", dir, r->name);
	error = file_open(&r->file, path, 0, 0);
	if (error) {
		r->file.fd = -1;
		return error;
	}
	mem = open_memstream(&text, &size);
	if (!mem) {
		recording_end(r);
		return -ENOMEM;
	}
	cast_header(mem, rows, cols, (int64_t)second, title);
	cast_output(&r->cast, mem, 0, screen, len);
	fclose(mem);
	append(r, text, size);
	if (!r->broken)
		return 0;
	unlink(path);
	recording_end(r);
	return -ENOSPC;
}

bool
recording_resume(
    struct recording *r, const char *dir, const struct recording_saved *saved)
{
	char path[PATH_MAX + RECORDING_NAME];

	memset(r, 0, sizeof *r);
	r->file.fd = -1;
	if (saved->name[0] == '\0' ||
	    !memchr(saved->name, '\0', sizeof saved->name))
		return false;
	snprintf(path, sizeof path, "%s/%s", dir, saved->name);
	if (access(path, F_OK) != 0 ||
	    file_open(&r->file, path, saved->inode, saved->size) != 0)
		return false;
	memcpy(r->name, saved->name, sizeof r->name);
	r->began_us = saved->began_us;
	r->at = saved->at;
	r->cast = saved->cast;
	if (r->cast.nheld >= sizeof r->cast.held)
		r->cast.nheld = 0;
	return true;
}

void
recording_save(const struct recording *r, struct recording_saved *saved)
{
	memset(saved, 0, sizeof *saved);
	if (!recording_is_on(r))
		return;
	memcpy(saved->name, r->name, sizeof saved->name);
	saved->inode = r->file.inode;
	saved->size = r->file.size;
	saved->began_us = r->began_us;
	saved->at = r->at;
	saved->cast = r->cast;
}

void
recording_end(struct recording *r)
{
	file_close(&r->file);
	r->name[0] = '\0';
}

bool
recording_is_on(const struct recording *r)
{
	return r->name[0] != '\0';
}

void
recording_output(struct recording *r, const uint8_t *bytes, size_t len)
{
	size_t size;
	char *text;
	FILE *mem;

	r->at += len;
	if (!is_writable(r))
		return;
	mem = open_memstream(&text, &size);
	if (!mem) {
		r->broken = true;
		return;
	}
	cast_output(&r->cast, mem, seconds(r), bytes, len);
	fclose(mem);
	append(r, text, size);
}

void
recording_event(struct recording *r, char code, const void *bytes, size_t len)
{
	size_t size;
	char *text;
	FILE *mem;

	mem = is_writable(r) ? open_memstream(&text, &size) : NULL;
	if (!mem)
		return;
	cast_event(mem, seconds(r), code, bytes, len);
	fclose(mem);
	append(r, text, size);
}

void
recording_size(struct recording *r, unsigned rows, unsigned cols)
{
	char text[32];
	int n = snprintf(text, sizeof text, "%ux%u", cols, rows);

	recording_event(r, 'r', text, (size_t)n);
}
