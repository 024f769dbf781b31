/* log: what xenterm-logger has written of a console. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/files.h"
#include "common/config.h"

static void
show_line(void *ctx, const struct log_line *line)
{
	const struct options *o = ctx;
	struct json_object *obj;
	const char kind[] = {line->kind, '\0'};

	if (!o->json) {
		print_clean(stdout, line->time);
		printf(" %c ", line->kind);
		print_clean(stdout, line->text);
		putchar('\n');
		return;
	}
	obj = json_object_new_object();
	json_object_object_add(obj, "time", json_object_new_string(line->time));
	json_object_object_add(obj, "kind", json_object_new_string(kind));
	json_object_object_add(obj, "text", json_object_new_string(line->text));
	puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	json_object_put(obj);
}

static void
show_path(void *ctx, const char *path)
{
	const struct options *o = ctx;
	struct json_object *obj;

	if (!o->json) {
		puts(path);
		return;
	}
	obj = json_object_new_object();
	json_object_object_add(obj, "path", json_object_new_string(path));
	puts(json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN));
	json_object_put(obj);
}

/* False: it was complained. */
static bool
take_choice(const struct options *o, struct log_choice *choice)
{
	char *end;

	if (o->boot) {
		choice->by_boot = true;
		choice->boot = strtol(o->boot, &end, 10);
		if (!*o->boot || *end) {
			complain("--boot: %s is no number", o->boot);
			return false;
		}
	}
	if (o->history) {
		choice->lines = strtoul(o->history, &end, 10);
		if (!*o->history || *end || *o->history == '-') {
			complain("--lines: %s is no number", o->history);
			return false;
		}
	}
	choice->crash = o->crash;
	return true;
}

/* The caller frees it.  NULL: it was complained. */
static char *
find_folder(const struct options *o, const char *console)
{
	const char *file = o->config ? o->config : XENTERM_CONF;
	struct config *config = NULL;
	char *folder;

	if (o->config || access(file, R_OK) == 0) {
		config = config_load(file);
		if (!config)
			exit(EXIT_USAGE);
	}
	folder = files_folder(
	    config ? config->log_dir : "/var/log/xenterm/consoles", console);
	config_free(config);
	if (!folder)
		complain("there is no log of %s", console);
	return folder;
}

enum exit_status
run_log(const struct options *o, char **args, int n)
{
	struct log_choice choice = {0};
	enum exit_status status = EXIT_DONE;
	char *folder;

	(void)n;
	if (!take_choice(o, &choice))
		return EXIT_USAGE;
	folder = find_folder(o, args[0]);
	if (!folder)
		return EXIT_NO_CONSOLE;
	if (o->recordings) {
		if (!files_recordings(folder, show_path, (void *)o))
			status = EXIT_REFUSED;
	} else if (!files_log(folder, &choice, show_line, (void *)o)) {
		complain(choice.crash	  ? "there is no crash in the log"
			 : choice.by_boot ? "there is no such boot in the log"
					  : "there is no log, or it may not be "
					    "read");
		status = EXIT_REFUSED;
	}
	free(folder);
	return status;
}
