#include "common/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is wrong with a file of this mode, or NULL. */
static const char *
mode_fault(const struct stat *st, enum ticket_algorithm algorithm)
{
	if (!S_ISREG(st->st_mode))
		return "this is no file";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "others than its owner can write it (chmod 640)";
	if (algorithm == TICKET_HS256 && (st->st_mode & S_IROTH))
		return "everybody can read this secret (chmod 640)";
	return NULL;
}

static const char *
read_from(int fd, enum ticket_algorithm algorithm, char text[KEY_FILE_MAX],
    size_t *len)
{
	const char *fault;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	fault = mode_fault(&st, algorithm);
	if (fault)
		return fault;
	n = read(fd, text, KEY_FILE_MAX);
	if (n < 0)
		return strerror(errno);
	if (n == KEY_FILE_MAX)
		return "the file is longer than any key";
	*len = (size_t)n;
	return NULL;
}

const char *
key_file_read(const struct config_ticket_key *section, char text[KEY_FILE_MAX],
    size_t *len)
{
	int fd = open(section->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *fault;

	if (fd < 0)
		return strerror(errno);
	fault = read_from(fd, section->algorithm, text, len);
	close(fd);
	return fault;
}
