#include "common/config.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "common/config_files.h"
#include "common/config_parse.h"
#include "common/config_report.h"
#include "common/config_text.h"
#include "common/log.h"

static bool
read_file(struct config_files *files, const char *path)
{
	char *text = config_text_read(path);
	int error = -errno;

	if (text)
		error = config_files_add(
		    files, &(struct config_file){.kind = CONFIG_FILE_TEXT,
			       .path = path,
			       .text = text,
			       .len = strlen(text)});
	free(text);
	if (error)
		config_report("%s: %s", path, strerror(-error));
	return error == 0;
}

static int
is_part(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && end != entry->d_name && strcmp(end, ".conf") == 0;
}

/* The files of conf.d beside the file, in the order of their names. */
static bool
read_parts(struct config_files *files, const char *path)
{
	const char *slash = strrchr(path, '/');
	int n, folder_len = slash ? (int)(slash - path) + 1 : 0;
	char folder[PATH_MAX], part[PATH_MAX + NAME_MAX + 2];
	struct dirent **entries = NULL;
	bool ok = true;

	snprintf(folder, sizeof folder, "%.*sconf.d", folder_len, path);
	n = scandir(folder, &entries, is_part, alphasort);
	if (n < 0 && errno != ENOENT) {
		config_report("%s: %s", folder, strerror(errno));
		return false;
	}
	for (int i = 0; i < n; i++) {
		snprintf(
		    part, sizeof part, "%s/%s", folder, entries[i]->d_name);
		ok = ok && read_file(files, part);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

bool
config_read(const char *path, struct config_files *files)
{
	*files = (struct config_files){NULL, 0};
	if (read_file(files, path) && read_parts(files, path))
		return true;
	config_files_free(files);
	return false;
}

struct config *
config_load(const char *path)
{
	struct config_files files;
	struct config *config;

	if (!config_read(path, &files))
		return NULL;
	config = config_parse(&files);
	config_files_free(&files);
	return config;
}

static void
free_list(char **list)
{
	for (char **p = list; *p; p++)
		free(*p);
	free(list);
}

void
config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->nholds; i++)
		free(config->holds[i].pattern);
	for (size_t i = 0; i < config->nkeys; i++)
		free(config->keys[i].pattern);
	for (size_t i = 0; i < config->naccess; i++) {
		free_list(config->access[i].users);
		free_list(config->access[i].consoles);
	}
	for (size_t i = 0; i < config->nticket_keys; i++) {
		free(config->ticket_keys[i].name);
		free(config->ticket_keys[i].file);
		free(config->ticket_keys[i].audience);
		free_list(config->ticket_keys[i].consoles);
	}
	for (size_t i = 0; i < config->nlogs; i++) {
		free(config->logs[i].pattern);
		free_list(config->logs[i].crash);
	}
	for (size_t i = 0; i < config->nhooks; i++) {
		free(config->hooks[i].name);
		free_list(config->hooks[i].consoles);
		free_list(config->hooks[i].events);
		free_list(config->hooks[i].lines);
		free(config->hooks[i].url);
		free_list(config->hooks[i].command);
	}
	free_list(config->host_names);
	free(config->logs);
	free(config->hooks);
	free(config->log_dir);
	free(config->log_group);
	free(config->log_user);
	free(config->holds);
	free(config->keys);
	free(config->access);
	free(config->ticket_keys);
	free(config->run_dir);
	free(config->user);
	free(config->socket_group);
	free(config->xenstore);
	free(config->lock_dir);
	free(config->screen_program);
	free(config->audit_file);
	free(config);
}

/* A text of the start that stays; says so if it was to change. */
static void
keep(const char *name, char **now, char **next)
{
	char *text = *next;

	if (strcmp(*now, text) != 0)
		log_warn("%s = \"%s\": not before the next start", name, text);
	*next = *now;
	*now = text;
}

void
config_exchange(struct config *now, struct config *next)
{
	struct config old = *now;

	*now = *next;
	*next = old;
}

void
config_keep_fixed(struct config *now, struct config *next)
{
	keep("run_dir", &now->run_dir, &next->run_dir);
	keep("user", &now->user, &next->user);
	keep("socket_group", &now->socket_group, &next->socket_group);
	keep("xenstore", &now->xenstore, &next->xenstore);
	keep("lock_dir", &now->lock_dir, &next->lock_dir);
	keep("screen_program", &now->screen_program, &next->screen_program);
	if (now->rescan != next->rescan)
		log_warn(
		    "rescan = %u: not before the next start", next->rescan);
}

bool
config_is_host(const struct config *config, const char *host)
{
	size_t len = strcspn(host, *host == '[' ? "]" : ":");

	len += host[len] == ']';
	if (!*config->host_names)
		return true;
	if (host[len] != '\0' && host[len] != ':')
		return false;
	for (char **name = config->host_names; *name; name++)
		if (strlen(*name) == len && strncasecmp(*name, host, len) == 0)
			return true;
	return false;
}

bool
config_hold_always(const struct config *config, const char *name)
{
	bool always = false;

	for (size_t i = 0; i < config->nholds; i++)
		if (fnmatch(config->holds[i].pattern, name, 0) == 0)
			always = config->holds[i].always;
	return always;
}

bool
config_gives_power(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->naccess; i++) {
		const struct config_access *rule = &config->access[i];

		if (!(rule->rights & RIGHT_POWER))
			continue;
		for (char *const *pattern = rule->consoles; *pattern; pattern++)
			if (fnmatch(*pattern, name, 0) == 0)
				return true;
	}
	return false;
}

bool
config_ctrl_o_is_sysrq(const struct config *config, const char *name)
{
	bool sysrq = true;

	for (size_t i = 0; i < config->nkeys; i++)
		if (fnmatch(config->keys[i].pattern, name, 0) == 0)
			sysrq = config->keys[i].sysrq;
	return sysrq;
}

const struct config_log *
config_log_of(const struct config *config, const char *name)
{
	const struct config_log *found = NULL;

	for (size_t i = 0; i < config->nlogs; i++)
		if (fnmatch(config->logs[i].pattern, name, 0) == 0)
			found = &config->logs[i];
	return found;
}

int
config_socket(
    const struct config *config, const char *name, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/%s", config->run_dir, name);

	if (n < 0 || (size_t)n >= size ||
	    (size_t)n >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return -ENAMETOOLONG;
	return 0;
}
