/* expect: types, and waits for what comes, in steps. */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"

/* The steps of -f, or one of -s, -u and -t.  NULL: it was complained. */
static char *
expect_body(const struct options *o)
{
	struct json_object *root, *steps, *step, *until;
	char *text;

	if (o->file) {
		FILE *f =
		    strcmp(o->file, "-") == 0 ? stdin : fopen(o->file, "r");
		size_t len;

		text = calloc(1, BODY_MAX + 2);
		if (!f || !text) {
			complain("%s cannot be read", o->file);
			free(text);
			return NULL;
		}
		len = fread(text, 1, BODY_MAX + 1, f);
		if (f != stdin)
			fclose(f);
		text[len] = '\0';
		return text;
	}
	if (!o->send && o->nuntil == 0) {
		complain("expect wants -f FILE, or -s TEXT and -u PATTERN");
		return NULL;
	}
	root = json_object_new_object();
	steps = json_object_new_array();
	step = json_object_new_object();
	until = json_object_new_array();
	if (o->send)
		json_object_object_add(
		    step, "send", json_object_new_string(o->send));
	for (int i = 0; i < o->nuntil; i++)
		json_object_array_add(
		    until, json_object_new_string(o->until[i]));
	if (o->nuntil > 0)
		json_object_object_add(step, "until", json_object_get(until));
	if (o->timeout)
		json_object_object_add(step, "timeout",
		    json_object_new_double(strtod(o->timeout, NULL)));
	json_object_put(until);
	json_object_array_add(steps, step);
	json_object_object_add(root, "steps", steps);
	text = strdup(json_object_to_json_string(root));
	json_object_put(root);
	return text;
}

/* What came before the last match, and the match. */
static void
show_last(struct json_object *body)
{
	static const char *const members[] = {"before", "match"};
	struct json_object *steps, *last;
	size_t n = list_length(body, "steps");

	if (n == 0)
		return;
	json_object_object_get_ex(body, "steps", &steps);
	last = json_object_array_get_idx(steps, n - 1);
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		const char *text = text_member(last, members[i]);

		print_filtered(text, strlen(text));
	}
	putchar('\n');
}

/* The position of the first byte that is kept of a console's output: RUN.BEGIN,
 * "" where there is none yet.  EXIT_DONE, or it was complained. */
static enum exit_status
first_kept(const char *name, char *out, size_t size)
{
	struct json_object *body, *list, *one, *ring;
	struct answer a;
	enum exit_status status = ask("GET", "/consoles", &a);

	if (status)
		return status;
	*out = '\0';
	body = json_tokener_parse(a.body);
	client_free(&a);
	json_object_object_get_ex(body, "consoles", &list);
	for (size_t i = 0; i < list_length(body, "consoles"); i++) {
		one = json_object_array_get_idx(list, i);
		if ((strcmp(text_member(one, "name"), name) == 0 ||
			strcmp(text_member(one, "id"), name) == 0) &&
		    json_object_object_get_ex(one, "ring", &ring))
			snprintf(out, size, "%s.%s", text_member(ring, "run"),
			    text_member(ring, "begin"));
	}
	json_object_put(body);
	return EXIT_DONE;
}

/* As the parameter of expect; "" without --from. */
static enum exit_status
from_where(const struct options *o, const char *name, char *out, size_t size)
{
	char position[64];
	enum exit_status status = EXIT_DONE;

	*out = '\0';
	if (!o->from)
		return EXIT_DONE;
	snprintf(position, sizeof position, "%s", o->from);
	if (strcmp(o->from, "begin") == 0)
		status = first_kept(name, position, sizeof position);
	else if (strspn(o->from, "0123456789.") != strlen(o->from)) {
		complain("--from: begin, or a position as next gave it");
		return EXIT_USAGE;
	}
	if (*position)
		snprintf(out, size, "&from=%s", position);
	return status;
}

enum exit_status
run_expect(const struct options *o, char **args, int n)
{
	char *text = expect_body(o), *path, from[80];
	enum exit_status status;
	struct json_object *body;
	struct answer a;
	bool done;

	(void)n;
	if (!text)
		return EXIT_USAGE;
	status = from_where(o, args[0], from, sizeof from);
	if (status) {
		free(text);
		return status;
	}
	path = console_path("expect", args[0], from);
	status =
	    ask_with("POST", path, text, strlen(text), "application/json", &a);
	free(path);
	free(text);
	if (status)
		return status;
	body = json_tokener_parse(a.body);
	done = strcmp(text_member(body, "result"), "done") == 0;
	if (!o->json)
		show_last(body);
	if (!done)
		complain("step %s: %s", text_member(body, "step"),
		    text_member(body, "detail"));
	json_object_put(body);
	if (o->json)
		show_answer(&a, "\n");
	else
		client_free(&a);
	return done ? EXIT_DONE : EXIT_UNMET;
}
