#include "common/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int
audit_file_open(const char *path)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
			  O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags, 0640);

	if (fd < 0)
		return -errno;
	/* The worker, to whom this goes, can do without O_APPEND but cannot
	 * move in a file: so what is written already stays. */
	lseek(fd, 0, SEEK_END);
	return fd;
}
