#define _GNU_SOURCE
#include "logger/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/console_key.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"

#define DAY 86400

bool
folder_make(const char *log_dir, const char *id, char dir[PATH_MAX])
{
	char *slash;

	if ((size_t)snprintf(dir, PATH_MAX, "%s/%s", log_dir, id) >= PATH_MAX)
		return false;
	slash = strrchr(dir, '/');
	*slash = '.';
	if (mkdir(dir, 0750) == 0 || errno == EEXIST)
		return true;
	log_error("%s: %s", dir, strerror(errno));
	return false;
}

void
folder_name(const char *log_dir, const char *dir, const char *name)
{
	/* Each byte of a name may become three. */
	char file[3 * (LIMIT_NAME + CONSOLE_KEY_TEXT)], fresh[PATH_MAX + 1024],
	    path[PATH_MAX + 1024], to[PATH_MAX];

	text_as_file_name(name, file, sizeof file);
	if (strlen(file) > NAME_MAX - 4)
		return;
	snprintf(path, sizeof path, "%s/by-name/%s", log_dir, file);
	snprintf(fresh, sizeof fresh, "%s/by-name/.new", log_dir);
	snprintf(to, sizeof to, "../%s", strrchr(dir, '/') + 1);
	unlink(fresh);
	if (symlink(to, fresh) < 0 || rename(fresh, path) < 0)
		log_warn("%s: %s", path, strerror(errno));
}

/* Recordings by name, which is by time; other files are left out. */
static int
is_recording(const struct dirent *entry)
{
	return fnmatch("*T*Z.cast", entry->d_name, 0) == 0;
}

void
folder_keep_recordings(const char *dir, unsigned keep)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_recording, alphasort);
	char path[2 * PATH_MAX];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
		if (n - i > (int)keep)
			unlink(path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

void
folder_remove_old(const char *dir, unsigned days)
{
	char path[2 * PATH_MAX];
	struct dirent *entry;
	struct stat st;
	DIR *d = opendir(dir);

	while (d && (entry = readdir(d)) != NULL) {
		if (!is_recording(entry) &&
		    fnmatch("console.log.*", entry->d_name, 0) != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
		if (stat(path, &st) == 0 &&
		    st.st_mtime < time(NULL) - (time_t)days * DAY)
			unlink(path);
	}
	if (d)
		closedir(d);
}
