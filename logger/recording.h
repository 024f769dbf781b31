/*
 * A recording of one console, asciicast v2, while it goes on: begins with the
 * screen as it was, and goes over restarts of the logger.
 */
#ifndef XENTERM_RECORDING_H
#define XENTERM_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cast.h"
#include "logger/file.h"

/* "2026-11-23T10-50-35.123Z.cast" and the NUL. */
#define RECORDING_NAME 40

struct recording {
	struct file file; /* fd -1: none */
	struct cast cast;
	char name[RECORDING_NAME];
	uint64_t began_us; /* since 1970 */
	uint64_t at;	   /* the offset of what comes next */
	bool broken;	   /* something could not be written */
};

/* What is kept of it, to go on. */
struct recording_saved {
	char name[RECORDING_NAME];
	uint64_t inode, size, began_us, at;
	struct cast cast;
};

/* A new one in dir: the terminal's size, the screen, and the offset after
 * which output follows.  0 or a negative errno. */
int recording_begin(struct recording *r, const char *dir, const char *title,
    unsigned rows, unsigned cols, const uint8_t *screen, size_t len,
    uint64_t at);
/* The one that was saved.  False: it is not there. */
bool recording_resume(
    struct recording *r, const char *dir, const struct recording_saved *saved);
void recording_save(const struct recording *r, struct recording_saved *saved);
void recording_end(struct recording *r);

bool recording_is_on(const struct recording *r);

/* Each does nothing while none is on, or once it is broken. */
void recording_output(struct recording *r, const uint8_t *bytes, size_t len);
void recording_event(
    struct recording *r, char code, const void *bytes, size_t len);
void recording_size(struct recording *r, unsigned rows, unsigned cols);

#endif
