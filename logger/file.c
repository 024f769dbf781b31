#include "logger/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int
file_open(struct file *f, const char *path, uint64_t inode, uint64_t size)
{
	struct stat st;

	f->fd = -1;
	if ((size_t)snprintf(f->path, sizeof f->path, "%s", path) >=
	    sizeof f->path)
		return -ENAMETOOLONG;
	f->fd = open(
	    path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return -errno;
	if (st.st_ino == inode && (uint64_t)st.st_size > size &&
	    ftruncate(f->fd, (off_t)size) == 0)
		st.st_size = (off_t)size;
	f->inode = st.st_ino;
	f->size = (uint64_t)st.st_size;
	return 0;
}

void
file_close(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int
file_append(struct file *f, const void *bytes, size_t len)
{
	const char *from = bytes;
	size_t done = 0;
	int error;

	if (f->fd < 0)
		return -EBADF;
	while (done < len) {
		ssize_t n = write(f->fd, from + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			error = n < 0 ? -errno : -EIO;
			/* Should it fail, the next start cuts it off. */
			if (done > 0 && ftruncate(f->fd, (off_t)f->size) < 0)
				f->size += done;
			return error;
		}
		done += (size_t)n;
	}
	f->size += len;
	return 0;
}
