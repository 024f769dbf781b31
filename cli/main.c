/*
 * xenterm: the consoles of Xen guests, from dom0's shell.
 *
 * A client of the worker's admin interface, and nothing more: what it does can
 * be done with curl.
 */
#include <config.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/filter.h"
#include "common/config.h"

#define BODY_MAX (16 * 1024)

/* A sentence of the worker's, with names in it. */
#define COMPLAINT 4096

void
print_clean(FILE *to, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (; *p; p++) {
		/* C1 as UTF-8: c2 80 to c2 9f. */
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		putc((*p < 0x20 && *p != '\t') || *p == 0x7f || c1 ? '?' : *p,
		    to);
		p += c1;
	}
}

void
print_filtered(const char *bytes, size_t len)
{
	struct filter filter = {0};
	char *out;

	if (!isatty(STDOUT_FILENO)) {
		fwrite(bytes, 1, len, stdout);
		return;
	}
	out = malloc(len + FILTER_MAX);
	if (!out) {
		complain("out of memory");
		return;
	}
	fwrite(out, 1, filter_take(&filter, bytes, len, out), stdout);
	free(out);
}

void
complain(const char *fmt, ...)
{
	char text[COMPLAINT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fputs("xenterm: ", stderr);
	print_clean(stderr, text);
	fputc('\n', stderr);
}

const char *
text_member(struct json_object *obj, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(obj, name, &value))
		return "";
	value = json_object_is_type(value, json_type_null) ? NULL : value;
	return value ? json_object_get_string(value) : "";
}

enum exit_status
refused(const struct answer *answer)
{
	struct json_object *body = json_tokener_parse(answer->body);
	const char *detail = body ? text_member(body, "detail") : "";

	if (*detail)
		complain("%s", detail);
	else
		complain("the worker answers with status %ld", answer->status);
	json_object_put(body);
	return answer->status == 404 ? EXIT_NO_CONSOLE : EXIT_REFUSED;
}

enum exit_status
ask_with(const char *method, const char *path, const void *body, size_t len,
    const char *type, struct answer *out)
{
	const struct call call = {.method = method,
	    .path = path,
	    .body = body,
	    .len = len,
	    .type = type};
	CURLcode error = client_call(&call, out);
	enum exit_status status;

	if (error) {
		complain("the worker cannot be reached: %s. `xenterm doctor` "
			 "looks what is wrong",
		    curl_easy_strerror(error));
		client_free(out);
		return EXIT_UNREACHABLE;
	}
	if (out->status >= 200 && out->status < 300)
		return EXIT_DONE;
	status = refused(out);
	client_free(out);
	return status;
}

enum exit_status
ask(const char *method, const char *path, struct answer *out)
{
	return ask_with(method, path, NULL, 0, NULL, out);
}

char *
console_path(const char *verb, const char *name, const char *more)
{
	char *escaped = client_escape(name), *path;

	if (!escaped ||
	    asprintf(&path, "/%s?console=%s%s", verb, escaped, more) < 0) {
		complain("out of memory");
		exit(EXIT_REFUSED);
	}
	free(escaped);
	return path;
}

/* Writes an answer as it is. */
static enum exit_status
show(struct answer *a, const char *end)
{
	print_filtered(a->body, a->len);
	fputs(end, stdout);
	client_free(a);
	return EXIT_DONE;
}

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
		return show(&a, "\n");
	body = json_tokener_parse(a.body);
	client_free(&a);
	puts(head);
	if (json_object_object_get_ex(body, member, &list))
		for (size_t i = 0; i < json_object_array_length(list); i++)
			row(json_object_array_get_idx(list, i));
	json_object_put(body);
	return EXIT_DONE;
}

static size_t
list_length(struct json_object *obj, const char *name)
{
	struct json_object *list;

	return json_object_object_get_ex(obj, name, &list)
		   ? json_object_array_length(list)
		   : 0;
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

static enum exit_status
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

static enum exit_status
run_who(const struct options *o, char **args, int n)
{
	(void)args;
	(void)n;
	return show_list(o, "/sessions", "sessions",
	    "SESSION           MODE   USER  CONSOLE", session_row);
}

/* A call of which only the success matters. */
static enum exit_status
tell(const struct options *o, const char *method, char *path)
{
	struct answer a;
	enum exit_status status = ask(method, path, &a);

	free(path);
	if (status == EXIT_DONE)
		status = show(&a, o->json ? "{}\n" : "");
	return status;
}

static enum exit_status
run_hold(const struct options *o, char **args, int n)
{
	(void)n;
	return tell(o, "POST", console_path("hold", args[0], ""));
}

static enum exit_status
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
		return show(&a, "\n");
	client_free(&a);
	return EXIT_DONE;
}

static enum exit_status
run_release(const struct options *o, char **args, int n)
{
	(void)n;
	return tell(o, "POST", console_path("release", args[0], ""));
}

static enum exit_status
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

static enum exit_status
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
		status = show(&a, o->json ? "{}\n" : "");
	return status;
}

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
	return status ? status : show(&a, "");
}

static enum exit_status
run_screen(const struct options *o, char **args, int n)
{
	const char *format = o->format ? o->format : o->json ? "json" : "text";

	(void)n;
	return get_view("screen", args[0], format, o->history);
}

static enum exit_status
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

static enum exit_status
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
		show(&a, "\n");
	else
		client_free(&a);
	return done ? EXIT_DONE : EXIT_UNMET;
}

static const struct command commands[] = {
    {"list", "", "all consoles", 0, 0, run_list},
    {"attach", "CONSOLE", "use one, here; ~. or Ctrl-] ends", 1, 1, run_attach},
    {"watch", "CONSOLE", "see what it prints", 1, 1, run_watch},
    {"send", "[-e] CONSOLE [TEXT...]", "type the text, or standard input", 1,
	-1, run_send},
    {"expect", "[-o FROM] CONSOLE -f FILE | [-s TEXT] -u PATTERN... [-t S]",
	"type, and wait for what comes", 1, 1, run_expect},
    {"screen", "[-F FORMAT] [-n LINES] CONSOLE", "what it shows now", 1, 1,
	run_screen},
    {"history", "[-F text|raw|cast] CONSOLE", "what went by", 1, 1,
	run_history},
    {"log", "[-b BOOT] [-k] [-n LINES] [-r] CONSOLE",
	"what xenterm-logger wrote of it", 1, 1, run_log},
    {"record", "[-t SECONDS] CONSOLE FILE", "record what it prints", 2, 2,
	run_record},
    {"play", "[-x SPEED] [-i SECONDS] FILE", "show a recording", 1, 1,
	run_play},
    {"ticket", "make [-m MODE] [-t SECONDS] CONSOLE USER | revoke ID",
	"a launch ticket", 2, 3, run_ticket},
    {"who", "", "all sessions", 0, 0, run_who},
    {"kick", "SESSION", "end one", 1, 1, run_kick},
    {"hold", "CONSOLE", "keep it open", 1, 1, run_hold},
    {"release", "CONSOLE", "hand it to `xl console`", 1, 1, run_release},
    {"power", "CONSOLE reboot|shutdown", "ask its guest", 2, 2, run_power},
    {"doctor", "", "look what is wrong, and what helps", 0, 0, run_doctor},
};

#define NCOMMANDS (sizeof commands / sizeof *commands)

static void
usage(FILE *to)
{
	fputs("usage: xenterm [-jhV] [-c FILE] [-S SOCKET] COMMAND ...\n", to);
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(to, "  %s %s\n        %s\n", commands[i].name,
		    commands[i].arguments, commands[i].does);
}

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"socket", required_argument, NULL, 'S'},
    {"json", no_argument, NULL, 'j'},
    {"enter", no_argument, NULL, 'e'},
    {"no-escape", no_argument, NULL, 'E'},
    {"format", required_argument, NULL, 'F'},
    {"lines", required_argument, NULL, 'n'},
    {"file", required_argument, NULL, 'f'},
    {"send", required_argument, NULL, 's'},
    {"until", required_argument, NULL, 'u'},
    {"timeout", required_argument, NULL, 't'},
    {"from", required_argument, NULL, 'o'},
    {"boot", required_argument, NULL, 'b'},
    {"crash", no_argument, NULL, 'k'},
    {"recordings", no_argument, NULL, 'r'},
    {"speed", required_argument, NULL, 'x'},
    {"idle", required_argument, NULL, 'i'},
    {"mode", required_argument, NULL, 'm'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static bool
take_option(struct options *o, int c)
{
	switch (c) {
	case 'c':
		o->config = optarg;
		return true;
	case 'S':
		o->socket = optarg;
		return true;
	case 'j':
		o->json = true;
		return true;
	case 'e':
		o->enter = true;
		return true;
	case 'E':
		o->no_escape = true;
		return true;
	case 'F':
		o->format = optarg;
		return true;
	case 'n':
		o->history = optarg;
		return true;
	case 'f':
		o->file = optarg;
		return true;
	case 's':
		o->send = optarg;
		return true;
	case 't':
		o->timeout = optarg;
		return true;
	case 'o':
		o->from = optarg;
		return true;
	case 'b':
		o->boot = optarg;
		return true;
	case 'k':
		o->crash = true;
		return true;
	case 'r':
		o->recordings = true;
		return true;
	case 'x':
		o->speed = optarg;
		return true;
	case 'i':
		o->idle = optarg;
		return true;
	case 'm':
		o->mode = optarg;
		return true;
	case 'u':
		if (o->nuntil == UNTIL_MAX)
			return false;
		o->until[o->nuntil++] = optarg;
		return true;
	}
	return false;
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:S:jeEF:n:f:s:u:t:o:b:krx:i:m:hV",
		    long_options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			exit(EXIT_DONE);
		}
		if (c == 'V') {
			puts("xenterm " PACKAGE_VERSION);
			exit(EXIT_DONE);
		}
		if (!take_option(o, c)) {
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
}

/* As -S says, or the configuration; without one the usual place. */
static const char *
find_socket(const struct options *o)
{
	static char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)] =
	    "/run/xenterm/admin.sock";
	const char *file = o->config ? o->config : XENTERM_CONF;
	struct config *config;

	if (o->socket)
		return o->socket;
	if (!o->config && access(file, R_OK) != 0)
		return path;
	config = config_load(file);
	if (!config ||
	    config_socket(config, "admin.sock", path, sizeof path) < 0)
		exit(EXIT_USAGE);
	config_free(config);
	return path;
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (name && strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int
main(int argc, char **argv)
{
	struct options o = {0};
	const struct command *command;
	int n;

	parse_options(&o, argc, argv);
	command = find_command(argv[optind]);
	n = argc - optind - 1;
	if (!command || n < command->min ||
	    (command->max >= 0 && n > command->max)) {
		usage(stderr);
		return EXIT_USAGE;
	}
	client_init(find_socket(&o));
	return (int)command->run(&o, argv + optind + 1, n);
}
