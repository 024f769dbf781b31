/*
 * A file that is appended to: what does not fit on the disk is not there at
 * all, and what a logger that was killed had not accounted for is cut off.
 */
#ifndef XENTERM_FILE_H
#define XENTERM_FILE_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

struct file {
	int fd; /* -1: not open */
	uint64_t inode, size;
	char path[PATH_MAX];
};

/*
 * Opens path, or makes it.  If it is the file of this inode, what is in it
 * behind size is cut off; inode 0: nothing is.  0 or a negative errno.
 */
int file_open(struct file *f, const char *path, uint64_t inode, uint64_t size);
void file_close(struct file *f);

/* All of it, or nothing and a negative errno. */
int file_append(struct file *f, const void *bytes, size_t len);

#endif
