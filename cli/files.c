#define _GNU_SOURCE
#include "cli/files.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"

/* Lines that are shown of what came before a crash. */
#define BEFORE_CRASH 200

#define TIME_LENGTH 24 /* "2026-11-23T10:50:35.123Z" */

char *
files_folder(const char *log_dir, const char *console)
{
	char name[NAME_MAX + 1], *path = NULL, *slash;

	text_as_file_name(console, name, sizeof name);
	if (asprintf(&path, "%s/by-name/%s", log_dir, name) < 0)
		path = NULL;
	if (path && access(path, F_OK) == 0)
		return path;
	free(path);
	/* An id, whose slash is a dot there. */
	if (strchr(console, '.') ||
	    asprintf(&path, "%s/%s", log_dir, console) < 0)
		return NULL;
	slash = strrchr(path, '/');
	if (slash > path + strlen(log_dir))
		*slash = '.';
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	return NULL;
}

/* All lines of a log, the oldest first. */
struct lines {
	char **all;
	size_t n, room;
};

static void
add_line(struct lines *lines, char *line)
{
	if (lines->n == lines->room) {
		size_t room = lines->room ? 2 * lines->room : 1024;
		char **grown = realloc(lines->all, room * sizeof *grown);

		if (!grown) {
			free(line);
			return;
		}
		lines->all = grown;
		lines->room = room;
	}
	lines->all[lines->n++] = line;
}

static bool
read_file(struct lines *lines, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!f)
		return false;
	while ((len = getline(&line, &size, f)) > 0) {
		if (line[len - 1] != '\n')
			break; /* it is being written */
		line[--len] = '\0';
		if (len > TIME_LENGTH + 2 && line[TIME_LENGTH] == ' ') {
			add_line(lines, line);
			line = NULL;
			size = 0;
		}
	}
	free(line);
	fclose(f);
	return true;
}

static bool
read_all(struct lines *lines, const char *folder)
{
	char path[4096];
	bool any = false;

	/* keep is 100 at most. */
	for (int i = 100; i >= 0; i--) {
		snprintf(path, sizeof path, "%s/console.log", folder);
		if (i > 0)
			snprintf(
			    path, sizeof path, "%s/console.log.%d", folder, i);
		any = read_file(lines, path) || any;
	}
	return any;
}

static bool
is_mark(const char *line, const char *text)
{
	return line[TIME_LENGTH + 1] == '*' &&
	       strncmp(line + TIME_LENGTH + 3, text, strlen(text)) == 0;
}

/* From *begin to *end are the lines of one boot. */
static bool
find_boot(const struct lines *lines, long boot, size_t *begin, size_t *end)
{
	long count = 0, wanted;

	for (size_t i = 0; i < lines->n; i++)
		count += is_mark(lines->all[i], "boot: ");
	wanted = boot > 0 ? boot : count + boot;
	if (wanted < 1 || wanted > count)
		return false;
	*begin = *end = lines->n;
	for (size_t i = 0, at = 0; i < lines->n; i++) {
		if (!is_mark(lines->all[i], "boot: "))
			continue;
		at++;
		if ((long)at == wanted)
			*begin = i;
		else if ((long)at == wanted + 1)
			*end = i;
	}
	return true;
}

/* The last crash in there, and what came around it in its boot. */
static bool
find_crash(const struct lines *lines, size_t *begin, size_t *end)
{
	size_t at = *end, first = *begin;

	while (at > first && !is_mark(lines->all[at - 1], "crash: "))
		at--;
	if (at-- == first)
		return false;
	for (size_t i = at; i < *end; i++)
		if (i > at && is_mark(lines->all[i], "boot: "))
			*end = i;
	*begin = at > first + BEFORE_CRASH ? at - BEFORE_CRASH : first;
	for (size_t i = at; i > *begin; i--)
		if (is_mark(lines->all[i], "boot: "))
			*begin = i;
	return true;
}

static void
tell(char *line, log_line_fn take, void *ctx)
{
	const struct log_line told = {.time = line,
	    .kind = line[TIME_LENGTH + 1],
	    .text = line + TIME_LENGTH + 3};

	line[TIME_LENGTH] = '\0';
	take(ctx, &told);
}

bool
files_log(const char *folder, const struct log_choice *choice, log_line_fn take,
    void *ctx)
{
	struct lines lines = {0};
	bool found = read_all(&lines, folder);
	size_t begin = 0, end = lines.n;

	if (found && choice->by_boot)
		found = find_boot(&lines, choice->boot, &begin, &end);
	if (found && choice->crash)
		found = find_crash(&lines, &begin, &end);
	if (choice->lines > 0 && end - begin > choice->lines)
		begin = end - choice->lines;
	for (size_t i = begin; found && i < end; i++)
		tell(lines.all[i], take, ctx);
	for (size_t i = 0; i < lines.n; i++)
		free(lines.all[i]);
	free(lines.all);
	return found;
}

static int
is_recording(const struct dirent *entry)
{
	return fnmatch("*.cast", entry->d_name, 0) == 0;
}

bool
files_recordings(
    const char *folder, void (*take)(void *ctx, const char *path), void *ctx)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, is_recording, alphasort);
	char *path;

	for (int i = 0; i < n; i++) {
		if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) >= 0) {
			take(ctx, path);
			free(path);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return n >= 0;
}
