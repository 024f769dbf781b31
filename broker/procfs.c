#include "broker/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/number.h"

#define PATH_BYTES 64
#define TEXT_BYTES 4096
#define PID_LIMIT  (1u << 22) /* what the kernel can count to */

/* As much of the file as fits, with a NUL behind it. */
static bool
slurp(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, out, size - 1);
	close(fd);
	if (n < 0)
		return false;
	out[n] = '\0';
	return true;
}

void
procfs_describe(pid_t pid, char *out, size_t size)
{
	char path[PATH_BYTES], comm[64];

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	if (!slurp(path, comm, sizeof comm)) {
		snprintf(out, size, "pid %d", (int)pid);
		return;
	}
	comm[strcspn(comm, "\n")] = '\0';
	/* Any process chooses its own comm; this one is shown in a page. */
	for (char *p = comm; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	snprintf(out, size, "%s (pid %d)", comm, (int)pid);
}

bool
procfs_parse_root(const char *status)
{
	/* The name in the first line is escaped, so it cannot forge this.
	 * The owner of /proc/PID would not do: it is root for every process
	 * that has made itself undumpable. */
	const char *line = strstr(status, "\nUid:");

	return line && strncmp(line, "\nUid:\t0\t0\t0\t0\n", 14) == 0;
}

static bool
runs_as_root(pid_t pid)
{
	char path[PATH_BYTES], status[TEXT_BYTES];

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	return slurp(path, status, sizeof status) && procfs_parse_root(status);
}

static bool
runs_program(pid_t pid, const char *const *programs)
{
	static const char deleted[] = " (deleted)"; /* upgraded since */
	char path[PATH_BYTES], exe[TEXT_BYTES];
	size_t tail = sizeof deleted - 1;
	const char *name;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof exe - 1);
	if (n < 0)
		return false;
	exe[n] = '\0';
	if ((size_t)n > tail && strcmp(exe + n - tail, deleted) == 0)
		exe[(size_t)n - tail] = '\0';
	name = strrchr(exe, '/');
	name = name ? name + 1 : exe;
	for (; *programs; programs++)
		if (strcmp(name, *programs) == 0)
			return true;
	return false;
}

bool
procfs_parse_master(const char *fdinfo, unsigned pts)
{
	static const char key[] = "\ntty-index:\t";
	const char *line = strstr(fdinfo, key);
	uint64_t index;

	if (!line)
		return false;
	line += sizeof key - 1;
	return number_take(&line, &index) && *line == '\n' && index == pts;
}

bool
procfs_has_master(pid_t pid, unsigned pts)
{
	char path[PATH_BYTES], text[TEXT_BYTES];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fdinfo", (int)pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		ssize_t n;
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof text - 1);
		close(fd);
		if (n <= 0)
			continue;
		text[n] = '\0';
		found = procfs_parse_master(text, pts);
	}
	closedir(dir);
	return found;
}

bool
procfs_program_has_master(const char *const *programs, unsigned pts)
{
	const struct dirent *entry;
	bool found = false;
	DIR *dir = opendir("/proc");

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		uint64_t pid;

		if (number_parse(entry->d_name, 1, PID_LIMIT, &pid))
			found = runs_program((pid_t)pid, programs) &&
				runs_as_root((pid_t)pid) &&
				procfs_has_master((pid_t)pid, pts);
	}
	closedir(dir);
	return found;
}

bool
procfs_parse_lock(const char *line, dev_t dev, ino_t ino, pid_t *holder)
{
	unsigned major_number, minor_number;
	unsigned long long inode;
	int pid;

	/* "3: FLOCK  ADVISORY  WRITE 4711 00:19:1234 0 EOF"; one that waits
	 * has "->" before FLOCK. */
	if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid,
		&major_number, &minor_number, &inode) != 4)
		return false;
	if (major_number != major(dev) || minor_number != minor(dev) ||
	    inode != ino || pid <= 0)
		return false;
	*holder = pid;
	return true;
}

pid_t
procfs_flock_holder(dev_t dev, ino_t ino)
{
	FILE *file = fopen("/proc/locks", "re");
	char line[256];
	pid_t holder = 0;

	if (!file)
		return 0;
	while (fgets(line, sizeof line, file))
		if (procfs_parse_lock(line, dev, ino, &holder))
			break;
	fclose(file);
	return holder;
}
