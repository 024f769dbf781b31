/* list, who: all consoles, and all sessions. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"

/* Calls row for each member of the list that a GET answers with. */
static enum exit_status
show_list(const struct options *o, const char *path, const char *member,
    const char *head, void (*row)(struct json_object *one))
{
	struct json_object *body, *list;
	struct answer a;
	enum exit_status status = ask("GET", path, &a);

	if (status)
		return status;
	if (o->json)
		return show_answer(&a, "\n");
	body = json_tokener_parse(a.body);
	client_free(&a);
	puts(head);
	if (json_object_object_get_ex(body, member, &list))
		for (size_t i = 0; i < json_object_array_length(list); i++)
			row(json_object_array_get_idx(list, i));
	json_object_put(body);
	return EXIT_DONE;
}

/* A member in a column so wide, and a space. */
static void
print_column(struct json_object *obj, const char *name, size_t width)
{
	const char *text = text_member(obj, name);
	size_t len = strlen(text);

	print_clean(stdout, text);
	printf("%*s ", len < width ? (int)(width - len) : 0, "");
}

static void
console_row(struct json_object *c)
{
	const char *domid = text_member(c, "domid");
	bool held = strcmp(text_member(c, "held"), "true") == 0;

	print_column(c, "state", 9);
	printf("%-4s %5s %7zu  ", held ? "yes" : "no",
	    strspn(domid, "0123456789") == strlen(domid) && *domid ? domid
								   : "-",
	    list_length(c, "viewers"));
	print_clean(stdout, text_member(c, "name"));
	if (*text_member(c, "holder")) {
		fputs("  (", stdout);
		print_clean(stdout, text_member(c, "holder"));
		putchar(')');
	}
	putchar('\n');
}

enum exit_status
run_list(const struct options *o, char **args, int n)
{
	(void)args;
	(void)n;
	return show_list(o, "/consoles", "consoles",
	    "STATE     HELD DOMID VIEWERS  NAME", console_row);
}

static void
session_row(struct json_object *s)
{
	print_column(s, "session", 17);
	print_column(s, "mode", 6);
	print_clean(stdout, text_member(s, "user"));
	fputs("  ", stdout);
	print_clean(stdout, text_member(s, "name"));
	putchar('\n');
}

enum exit_status
run_who(const struct options *o, char **args, int n)
{
	(void)args;
	(void)n;
	return show_list(o, "/sessions", "sessions",
	    "SESSION           MODE   USER  CONSOLE", session_row);
}
