#define _GNU_SOURCE
#include "cli/command.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/filter.h"

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

size_t
list_length(struct json_object *obj, const char *name)
{
	struct json_object *list;

	return json_object_object_get_ex(obj, name, &list)
		   ? json_object_array_length(list)
		   : 0;
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

enum exit_status
show_answer(struct answer *a, const char *end)
{
	print_filtered(a->body, a->len);
	fputs(end, stdout);
	client_free(a);
	return EXIT_DONE;
}
