#include "broker/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/limits.h"
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
procfs_parse_master(const char *fdinfo, unsigned *pts)
{
	static const char key[] = "\ntty-index:\t";
	const char *line = strstr(fdinfo, key);
	uint64_t index;

	if (!line)
		return false;
	line += sizeof key - 1;
	if (!number_take(&line, &index) || *line != '\n' || index > UINT_MAX)
		return false;
	*pts = (unsigned)index;
	return true;
}

/* ---- masters ------------------------------------------------------------ */

/*
 * Where masters have been seen, by their numbers.  xenconsoled has some
 * descriptors for each guest; who looked through them all for each console
 * would stop for a minute where a thousand are opened together.  It only says
 * where to look first: what is answered has been seen at that moment.
 */
static struct place {
	pid_t pid; /* 0: none */
	int fd;
	unsigned pts;
} places[2 * LIMIT_CONSOLES];

/* The last answer's: a new guest's descriptors follow those of the one before.
 * So many behind it are looked at. */
static struct place latest;
#define NEAR 16

static struct place *
place_of(unsigned pts)
{
	return &places[pts % (sizeof places / sizeof places[0])];
}

/* Remembers whose it is. */
static bool
is_master(pid_t pid, int fd, unsigned pts)
{
	struct place place = {.pid = pid, .fd = fd};
	char path[PATH_BYTES], text[TEXT_BYTES];

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)pid, fd);
	if (!slurp(path, text, sizeof text) ||
	    !procfs_parse_master(text, &place.pts))
		return false;
	*place_of(place.pts) = place;
	return place.pts == pts;
}

bool
procfs_has_master(pid_t pid, unsigned pts)
{
	char path[PATH_BYTES];
	const struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/fdinfo", (int)pid);
	dir = opendir(path);
	if (!dir)
		return false;
	/* To the end, so that the next ones are known. */
	while ((entry = readdir(dir))) {
		uint64_t fd;

		if (number_parse(entry->d_name, 0, INT_MAX, &fd))
			found |= is_master(pid, (int)fd, pts);
	}
	closedir(dir);
	return found;
}

static bool
is_program(pid_t pid, const char *const *programs)
{
	return runs_program(pid, programs) && runs_as_root(pid);
}

/* Where it was seen before, or behind the last one. */
static bool
is_where_expected(const char *const *programs, unsigned pts)
{
	const struct place seen = *place_of(pts), last = latest;

	if (seen.pid != 0 && seen.pts == pts &&
	    is_program(seen.pid, programs) && is_master(seen.pid, seen.fd, pts))
		return true;
	if (last.pid == 0 || !is_program(last.pid, programs))
		return false;
	for (int i = 1; i <= NEAR; i++)
		if (is_master(last.pid, last.fd + i, pts))
			return true;
	return false;
}

static bool
is_somewhere(const char *const *programs, unsigned pts)
{
	const struct dirent *entry;
	bool found = false;
	DIR *dir = opendir("/proc");

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		uint64_t pid;

		if (number_parse(entry->d_name, 1, PID_LIMIT, &pid))
			found = is_program((pid_t)pid, programs) &&
				procfs_has_master((pid_t)pid, pts);
	}
	closedir(dir);
	return found;
}

bool
procfs_program_has_master(const char *const *programs, unsigned pts)
{
	if (!is_where_expected(programs, pts) && !is_somewhere(programs, pts))
		return false;
	latest = *place_of(pts);
	return true;
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
