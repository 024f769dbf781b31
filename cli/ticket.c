/* ticket: launch tickets, made and revoked. */
#define _GNU_SOURCE
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"

/* The body of POST tickets; the caller frees it.  NULL: it was complained. */
static char *
body_of(const struct options *o, char **args)
{
	struct json_object *body;
	char *end, *text;
	long seconds = 0;

	if (o->timeout) {
		seconds = strtol(o->timeout, &end, 10);
		if (!*o->timeout || *end) {
			complain("--timeout: %s is no number", o->timeout);
			return NULL;
		}
	}
	body = json_object_new_object();
	json_object_object_add(
	    body, "console", json_object_new_string(args[0]));
	json_object_object_add(body, "user", json_object_new_string(args[1]));
	json_object_object_add(
	    body, "mode", json_object_new_string(o->mode ? o->mode : "watch"));
	if (o->timeout)
		json_object_object_add(
		    body, "seconds", json_object_new_int64(seconds));
	text = strdup(json_object_to_json_string(body));
	json_object_put(body);
	return text;
}

static void
print_member(const char *head, struct json_object *body, const char *name)
{
	printf("%s ", head);
	print_clean(stdout, text_member(body, name));
	putchar('\n');
}

static enum exit_status
make(const struct options *o, char **args)
{
	char *text = body_of(o, args);
	struct json_object *body;
	enum exit_status status;
	struct answer a;

	if (!text)
		return EXIT_USAGE;
	status = ask_with(
	    "POST", "/tickets", text, strlen(text), "application/json", &a);
	free(text);
	if (status)
		return status;
	if (o->json) {
		print_filtered(a.body, a.len);
		putchar('\n');
	} else {
		body = json_tokener_parse(a.body);
		print_member("ticket ", body, "ticket");
		print_member("id     ", body, "id");
		print_member("expires", body, "expires");
		json_object_put(body);
	}
	client_free(&a);
	return EXIT_DONE;
}

static enum exit_status
revoke(const struct options *o, const char *id)
{
	char *escaped = client_escape(id), *path = NULL;
	enum exit_status status;
	struct answer a;

	if (!escaped || asprintf(&path, "/tickets/%s", escaped) < 0)
		return EXIT_REFUSED;
	free(escaped);
	status = ask("DELETE", path, &a);
	free(path);
	if (status)
		return status;
	if (o->json)
		puts("{}");
	client_free(&a);
	return EXIT_DONE;
}

enum exit_status
run_ticket(const struct options *o, char **args, int n)
{
	if (n == 3 && strcmp(args[0], "make") == 0)
		return make(o, args + 1);
	if (n == 2 && strcmp(args[0], "revoke") == 0)
		return revoke(o, args[1]);
	complain("ticket make CONSOLE USER, or ticket revoke ID");
	return EXIT_USAGE;
}
