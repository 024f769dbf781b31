#include "common/audit_file.h"

#include <errno.h>
#include <fcntl.h>

int
audit_file_open(const char *path)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
			  O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags, 0640);

	return fd < 0 ? -errno : fd;
}
