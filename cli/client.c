#include "cli/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A reply of the worker is a history at most: a ring, or its rendering. */
#define ANSWER_MAX (128u * 1024 * 1024)

static const char *socket_path;

void
client_init(const char *socket)
{
	socket_path = socket;
	curl_global_init(CURL_GLOBAL_NOTHING);
}

static size_t
on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct answer *out = arg;
	size_t len = size * n;
	char *grown;

	if (len > ANSWER_MAX - out->len)
		return 0;
	grown = realloc(out->body, out->len + len + 1);
	if (!grown)
		return 0;
	memcpy(grown + out->len, bytes, len);
	out->body = grown;
	out->len += len;
	out->body[out->len] = '\0';
	return len;
}

static size_t
on_header(char *bytes, size_t size, size_t n, void *arg)
{
	static const char name[] = "Xenterm-Next: ";
	struct answer *out = arg;
	size_t len = size * n, skip = sizeof name - 1;

	if (len > skip && strncasecmp(bytes, name, skip) == 0)
		snprintf(out->next, sizeof out->next, "%.*s",
		    (int)strcspn(bytes + skip, "\r\n"), bytes + skip);
	return len;
}

/* What is said of a call beside its address. */
static struct curl_slist *
headers_of(const struct call *call)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	char line[256];

	if (call->type) {
		snprintf(line, sizeof line, "Content-Type: %s", call->type);
		list = curl_slist_append(list, line);
	}
	if (call->token) {
		snprintf(line, sizeof line, "Xenterm-Token: %s", call->token);
		list = curl_slist_append(list, line);
	}
	if (call->accept) {
		snprintf(line, sizeof line, "Accept: %s", call->accept);
		list = curl_slist_append(list, line);
	}
	return list;
}

CURL *
client_begin(const struct call *call, struct answer *out)
{
	CURL *curl = curl_easy_init();
	char url[2048];

	memset(out, 0, sizeof *out);
	if (!curl)
		return NULL;
	snprintf(url, sizeof url, "http://localhost%s", call->path);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, call->timeout);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
	if (call->body || strcmp(call->method, "POST") == 0) {
		curl_easy_setopt(
		    curl, CURLOPT_POSTFIELDS, call->body ? call->body : "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)call->len);
	}
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, out);
	struct curl_slist *headers = headers_of(call);

	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, headers);
	return curl;
}

void
client_end(CURL *curl, struct answer *out)
{
	char *headers = NULL;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
	curl_easy_getinfo(curl, CURLINFO_PRIVATE, &headers);
	curl_easy_cleanup(curl);
	curl_slist_free_all((struct curl_slist *)(void *)headers);
	if (!out->body)
		out->body = calloc(1, 1);
}

CURLcode
client_call(const struct call *call, struct answer *out)
{
	CURL *curl = client_begin(call, out);
	CURLcode error;

	if (!curl)
		return CURLE_OUT_OF_MEMORY;
	error = curl_easy_perform(curl);
	client_end(curl, out);
	if (!out->body)
		return CURLE_OUT_OF_MEMORY;
	return error;
}

void
client_free(struct answer *out)
{
	free(out->body);
	out->body = NULL;
}

char *
client_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, 0);
	char *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}
