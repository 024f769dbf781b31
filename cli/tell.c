/*
 * send, hold, release, power, kick: what a console or a session is told, in one
 * call.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"

/* A call of which only the success matters. */
static enum exit_status
tell(const struct options *o, const char *method, char *path)
{
	struct answer a;
	enum exit_status status = ask(method, path, &a);

	free(path);
	if (status == EXIT_DONE)
		status = show_answer(&a, o->json ? "{}\n" : "");
	return status;
}

enum exit_status
run_hold(const struct options *o, char **args, int n)
{
	(void)n;
	return tell(o, "POST", console_path("hold", args[0], ""));
}

enum exit_status
run_power(const struct options *o, char **args, int n)
{
	bool reboot = strcmp(args[1], "reboot") == 0;
	enum exit_status status;
	struct answer a;
	char *path;

	(void)n;
	if (!reboot && strcmp(args[1], "shutdown") != 0) {
		complain("power: %s is neither reboot nor shutdown", args[1]);
		return EXIT_USAGE;
	}
	path = console_path(
	    "power", args[0], reboot ? "&action=reboot" : "&action=shutdown");
	status = ask("POST", path, &a);
	free(path);
	if (status != EXIT_DONE)
		return status;
	if (o->json)
		return show_answer(&a, "\n");
	client_free(&a);
	return EXIT_DONE;
}

enum exit_status
run_release(const struct options *o, char **args, int n)
{
	(void)n;
	return tell(o, "POST", console_path("release", args[0], ""));
}

enum exit_status
run_kick(const struct options *o, char **args, int n)
{
	char *escaped = client_escape(args[0]), *path;

	(void)n;
	if (!escaped || asprintf(&path, "/sessions/%s", escaped) < 0)
		return EXIT_REFUSED;
	free(escaped);
	return tell(o, "DELETE", path);
}

/* Standard input, or the words with spaces between them.  False: too long. */
static bool
gather(char **words, int n, char *out, size_t *len)
{
	*len = 0;
	if (n == 0 || (n == 1 && strcmp(words[0], "-") == 0)) {
		*len = fread(out, 1, BODY_MAX, stdin);
		return feof(stdin) || getchar() == EOF;
	}
	for (int i = 0; i < n; i++) {
		size_t size = strlen(words[i]);

		if (*len + size + 1 > BODY_MAX)
			return false;
		if (i > 0)
			out[(*len)++] = ' ';
		memcpy(out + *len, words[i], size);
		*len += size;
	}
	return true;
}

enum exit_status
run_send(const struct options *o, char **args, int n)
{
	static char bytes[BODY_MAX + 1];
	enum exit_status status;
	struct answer a;
	size_t len;
	char *path;

	if (!gather(args + 1, n - 1, bytes, &len)) {
		complain("one call sends at most %d bytes", BODY_MAX);
		return EXIT_USAGE;
	}
	if (o->enter && len <= BODY_MAX)
		bytes[len++] = '\r';
	path = console_path("send", args[0], "");
	status =
	    ask_with("POST", path, bytes, len, "application/octet-stream", &a);
	free(path);
	if (status == EXIT_DONE)
		status = show_answer(&a, o->json ? "{}\n" : "");
	return status;
}
