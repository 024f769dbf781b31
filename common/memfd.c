#define _GNU_SOURCE
#include "common/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int
memfd_make(const char *name, size_t size, const void *head, size_t head_size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0 &&
	    pwrite(fd, head, head_size, 0) == (ssize_t)head_size &&
	    fcntl(fd, F_ADD_SEALS, MEMFD_SEALS) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

int
memfd_reopen_read_only(int fd)
{
	char path[32];
	int copy;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	copy = open(path, O_RDONLY | O_CLOEXEC);
	return copy < 0 ? -errno : copy;
}

bool
memfd_is_sealed(int fd, size_t size)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & MEMFD_SEALS) == MEMFD_SEALS &&
	       fstat(fd, &st) == 0 && (size_t)st.st_size == size;
}
