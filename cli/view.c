/* screen, history: what a console shows, and what it has shown. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"

static enum exit_status
get_view(
    const char *verb, const char *name, const char *format, const char *history)
{
	char more[128] = "", *path;
	enum exit_status status;
	struct answer a;

	if (strspn(format, "abcdefghijklmnopqrstuvwxyz") != strlen(format) ||
	    (history && strspn(history, "0123456789") != strlen(history))) {
		complain("wrong format, or number of lines");
		return EXIT_USAGE;
	}
	snprintf(more, sizeof more, "&format=%.20s%s%.20s", format,
	    history ? "&history=" : "", history ? history : "");
	path = console_path(verb, name, more);
	status = ask("GET", path, &a);
	free(path);
	return status ? status : show_answer(&a, "");
}

enum exit_status
run_screen(const struct options *o, char **args, int n)
{
	const char *format = o->format ? o->format : o->json ? "json" : "text";

	(void)n;
	return get_view("screen", args[0], format, o->history);
}

enum exit_status
run_history(const struct options *o, char **args, int n)
{
	struct json_object *text;
	enum exit_status status;
	struct answer a;
	char *path;

	(void)n;
	if (!o->json)
		return get_view(
		    "history", args[0], o->format ? o->format : "text", NULL);
	path = console_path("history", args[0], "&format=text");
	status = ask("GET", path, &a);
	free(path);
	if (status)
		return status;
	text = json_object_new_object();
	json_object_object_add(
	    text, "text", json_object_new_string_len(a.body, (int)a.len));
	puts(json_object_to_json_string_ext(text, JSON_C_TO_STRING_PLAIN));
	json_object_put(text);
	client_free(&a);
	return EXIT_DONE;
}
