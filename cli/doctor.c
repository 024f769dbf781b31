/*
 * doctor: looks along the way a console takes, from xenstore to nginx, and
 * says of each part whether it is well, and if not what helps.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "common/config.h"

#define NGINX_LINE 4096

struct doctor {
	bool json, sick;
	struct json_object *checks;
	struct config *config;
	char run_dir[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/* One finding; advice NULL: all is well. */
__attribute__((format(printf, 4, 5))) static void
found(struct doctor *d, const char *part, const char *advice, const char *fmt,
    ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	d->sick = d->sick || advice;
	if (d->json) {
		struct json_object *one = json_object_new_object();

		json_object_object_add(
		    one, "part", json_object_new_string(part));
		json_object_object_add(
		    one, "ok", json_object_new_boolean(!advice));
		json_object_object_add(
		    one, "found", json_object_new_string(text));
		if (advice)
			json_object_object_add(
			    one, "advice", json_object_new_string(advice));
		json_object_array_add(d->checks, one);
		return;
	}
	printf("%-4s %-10s ", advice ? "BAD" : "ok", part);
	print_clean(stdout, text);
	putchar('\n');
	if (advice)
		printf("     %-10s -> %s\n", "", advice);
}

static void
look_at_config(struct doctor *d, const struct options *o)
{
	const char *file = o->config ? o->config : XENTERM_CONF;

	d->config = config_load(file);
	if (!d->config) {
		found(d, "config",
		    "correct the file; `xenterm-fcgi -t` checks it",
		    "%s cannot be used", file);
		return;
	}
	if (d->config->naccess == 0)
		found(d, "config",
		    "add an access section: without one nobody may do anything",
		    "%s lets nobody do anything", file);
	else
		found(d, "config", NULL, "%s", file);
}

/* Somebody listens at path. */
static int
try_socket(const char *path, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), error = 0;

	if (fd < 0)
		return errno;
	if (strlen(path) >= sizeof address.sun_path)
		error = ENAMETOOLONG;
	else
		strcpy(address.sun_path, path);
	if (!error &&
	    connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		error = errno;
	close(fd);
	return error;
}

static void
look_at_xenstore(struct doctor *d)
{
	const char *path = d->config->xenstore;
	int error = try_socket(path, SOCK_STREAM);

	if (error)
		found(d, "xenstore",
		    "is this a Xen dom0, and does xenstored run?", "%s: %s",
		    path, strerror(error));
	else
		found(d, "xenstore", NULL, "xenstored answers at %s", path);
}

static void
look_at_broker(struct doctor *d, const char *state)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 16];
	struct stat st;

	/* It speaks to the worker only, so it is not called from here. */
	snprintf(path, sizeof path, "%s/broker.sock", d->run_dir);
	if (strcmp(state, "connected") == 0)
		found(d, "broker", NULL, "is connected with the worker");
	else if (stat(path, &st) < 0)
		found(d, "broker", "start it: systemctl start xenterm-broker",
		    "%s: %s", path, strerror(errno));
	else
		found(d, "broker",
		    "look into its log: journalctl -u xenterm-broker",
		    "the worker has no connection with it");
}

static void
look_at_consoles(struct doctor *d)
{
	const struct call call = {
	    .method = "GET", .path = "/consoles", .timeout = 5};
	struct json_object *body = NULL, *list;
	struct answer a;
	size_t n = 0;

	if (client_call(&call, &a) == CURLE_OK)
		body = json_tokener_parse(a.body);
	client_free(&a);
	if (json_object_object_get_ex(body, "consoles", &list))
		n = json_object_array_length(list);
	for (size_t i = 0; i < n; i++) {
		struct json_object *c = json_object_array_get_idx(list, i);
		const char *name = text_member(c, "name");
		const char *state = text_member(c, "state");

		if (strcmp(state, "refused") == 0)
			found(d, "console",
			    "the broker's log says which check failed, and "
			    "verify_owner in xenterm.conf is one of them",
			    "%s: its tty is refused", name);
		else if (strcmp(state, "busy") == 0)
			found(d, "console",
			    "end that program, or leave the console to it",
			    "%s: %s has it", name,
			    *text_member(c, "holder") ? text_member(c, "holder")
						      : "somebody else");
	}
	found(d, "consoles",
	    n ? NULL
	      : "is there a guest with a console? `xl list`, and `xenstore-ls "
		"-f | grep tty`",
	    "%zu known", n);
	json_object_put(body);
}

static void
look_at_worker(struct doctor *d)
{
	const struct call call = {
	    .method = "GET", .path = "/healthz", .timeout = 5};
	struct json_object *body;
	struct answer a;
	CURLcode error = client_call(&call, &a);

	if (error) {
		found(d, "worker",
		    geteuid() == 0
			? "start it: systemctl start xenterm-fcgi"
			: "only root may ask it: sudo xenterm doctor",
		    "%s/admin.sock: %s", d->run_dir, curl_easy_strerror(error));
		client_free(&a);
		look_at_broker(d, "");
		return;
	}
	found(d, "worker", NULL, "answers at %s/admin.sock", d->run_dir);
	body = json_tokener_parse(a.body);
	look_at_broker(d, text_member(body, "broker"));
	json_object_put(body);
	client_free(&a);
	look_at_consoles(d);
}

static void
look_at_socket(struct doctor *d)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 16];
	struct stat st;

	snprintf(path, sizeof path, "%s/fcgi.sock", d->run_dir);
	if (stat(path, &st) < 0)
		found(d, "fcgi.sock", "start the worker", "%s: %s", path,
		    strerror(errno));
	else if ((st.st_mode & 0777) != 0660)
		found(d, "fcgi.sock", "restart the worker, which makes it anew",
		    "%s has mode %o, not 660", path,
		    (unsigned)st.st_mode & 0777);
	else
		found(d, "fcgi.sock", NULL, "%s is there for nginx", path);
}

/* All that nginx would read: whether it passes requests to the worker. */
static void
look_at_nginx(struct doctor *d)
{
	char line[NGINX_LINE], path[sizeof d->run_dir + 16];
	FILE *f = popen("nginx -T 2>/dev/null", "r");
	bool seen = false, passes = false;

	snprintf(path, sizeof path, "%s/fcgi.sock", d->run_dir);
	while (f && fgets(line, sizeof line, f)) {
		seen = true;
		if (line[strspn(line, " \t")] != '#' && strstr(line, path))
			passes = true;
	}
	if (f)
		pclose(f);
	if (!seen)
		found(d, "nginx", "install nginx, or look what `nginx -t` says",
		    "its configuration cannot be read");
	else if (!passes)
		found(d, "nginx",
		    "include snippets/xenterm.conf in a server, see "
		    "site.example, and reload nginx",
		    "its configuration does not name %s", path);
	else
		found(d, "nginx", NULL, "passes requests to %s", path);
}

/* Where the sockets are: beside the one that -S names. */
static void
find_run_dir(struct doctor *d, const struct options *o)
{
	const char *path = d->config ? d->config->run_dir : "/run/xenterm";
	int len = (int)strlen(path);

	if (o->socket) {
		const char *slash = strrchr(o->socket, '/');

		path = slash ? o->socket : ".";
		len = slash ? (int)(slash - o->socket) : 1;
	}
	snprintf(d->run_dir, sizeof d->run_dir, "%.*s", len, path);
}

enum exit_status
run_doctor(const struct options *o, char **args, int n)
{
	struct doctor d = {.json = o->json};

	(void)args;
	(void)n;
	d.checks = json_object_new_array();
	look_at_config(&d, o);
	find_run_dir(&d, o);
	if (d.config)
		look_at_xenstore(&d);
	look_at_worker(&d);
	look_at_socket(&d);
	look_at_nginx(&d);
	if (o->json)
		puts(json_object_to_json_string_ext(
		    d.checks, JSON_C_TO_STRING_PLAIN));
	json_object_put(d.checks);
	config_free(d.config);
	return d.sick ? EXIT_REFUSED : EXIT_DONE;
}
