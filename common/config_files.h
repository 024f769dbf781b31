/*
 * The files of the configuration as one piece of memory: xenterm.conf, those
 * of conf.d, and the keys that they name.
 *
 * So who may open files can hand them to who may not.  The order is that of
 * reading: the configuration's files first.
 */
#ifndef XENTERM_CONFIG_FILES_H
#define XENTERM_CONFIG_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of them together have at most so many bytes. */
#define CONFIG_FILES_MAX (16 << 20)

struct config_files {
	uint8_t *data;
	size_t size;
};

enum config_file_kind {
	CONFIG_FILE_TEXT, /* of the configuration */
	CONFIG_FILE_KEY,
};

struct config_file {
	uint32_t kind;
	const char *path, *text; /* both end with a NUL that does not count */
	size_t len;
};

/* Adds a copy.  0, -EFBIG or -ENOMEM. */
int config_files_add(
    struct config_files *files, const struct config_file *file);
/* The file at *at, which then is that of the next one; 0 begins.  False: there
 * is none, or what stands there is no such piece. */
bool config_files_next(
    const struct config_files *files, size_t *at, struct config_file *file);
/* Its key of this path. */
bool config_files_key(const struct config_files *files, const char *path,
    struct config_file *file);
/* Overwrites it, for the keys. */
void config_files_free(struct config_files *files);

#endif
