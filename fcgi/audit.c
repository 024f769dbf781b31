#include "fcgi/audit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/audit_file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "fcgi/console.h"
#include "fcgi/json_build.h"

static int audit_fd = -1;

int
audit_open(const char *path)
{
	int fd = *path ? audit_file_open(path) : -1;

	if (*path && fd < 0)
		return fd;
	audit_use(fd);
	return 0;
}

void
audit_use(int fd)
{
	audit_close();
	audit_fd = fd;
}

void
audit_close(void)
{
	if (audit_fd >= 0)
		close(audit_fd);
	audit_fd = -1;
}

static void
put(struct json_object **line, const char *name, const char *value)
{
	if (value && *value)
		json_put_text(line, name,
		    text_is_clean(value, LIMIT_STRING) ? value : "?");
}

static void
put_time(struct json_object **line)
{
	char day[sizeof "2026-11-23T08:00:00"], text[sizeof day + 8];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof text, "%s.%03dZ", day,
	    (int)(now.tv_nsec / 1000000) % 1000);
	put(line, "time", text);
}

/* One call, so that lines stay whole whoever else writes. */
static void
write_line(const char *text, size_t len)
{
	struct iovec parts[] = {{(char *)text, len}, {"\n", 1}};

	if (audit_fd < 0)
		log_info("audit: %s", text);
	else if (writev(audit_fd, parts, 2) != (ssize_t)len + 1)
		log_error("audit: cannot write: %s", text);
}

void
audit(const struct audit *entry)
{
	struct json_object *line = json_object_new_object();
	const char *text;
	size_t len;

	put_time(&line);
	put(&line, "event", entry->event);
	put(&line, "user", entry->user);
	put(&line, "address", entry->address);
	if (entry->console) {
		put(&line, "console", console_id(entry->console));
		put(&line, "name", console_name(entry->console));
	}
	put(&line, "wanted", entry->wanted);
	put(&line, "session", entry->session);
	put(&line, "mode", entry->mode);
	put(&line, "why", entry->why);
	put(&line, "ticket", entry->ticket);
	put(&line, "key", entry->key);
	text = json_text(line, &len);
	if (text)
		write_line(text, len);
	else
		log_error("audit: no memory for a line: %s, user %s",
		    entry->event, entry->user ? entry->user : "-");
	json_object_put(line);
}

void
audit_refused(
    const char *address, const char *user, const char *wanted, const char *why)
{
	audit(&(struct audit){.event = "refused",
	    .user = user,
	    .address = address,
	    .wanted = wanted,
	    .why = why});
}
