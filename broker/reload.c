#define _GNU_SOURCE
#include "broker/reload.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "broker/console.h"
#include "broker/worker.h"
#include "common/audit_file.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/config_files.h"
#include "common/config_parse.h"
#include "common/key_file.h"
#include "common/log.h"
#include "common/memfd.h"
#include "common/program.h"
#include "common/timer.h"

struct reload {
	struct config *config;
	struct consoles *consoles;
	struct worker *worker;
	struct event *due;
	time_t last; /* monotonic seconds */
};

/* Adds the keys that the configuration names. */
static bool
add_keys(const struct config *config, struct config_files *files)
{
	for (size_t i = 0; i < config->nticket_keys; i++) {
		const struct config_ticket_key *section =
		    &config->ticket_keys[i];
		char text[KEY_FILE_MAX + 1] = "";
		struct config_file file = {
		    CONFIG_FILE_KEY, section->file, text, 0};
		const char *fault = key_file_read(section, text, &file.len);

		if (!fault && config_files_add(files, &file) != 0)
			fault = "this configuration is too large";
		explicit_bzero(text, sizeof text);
		if (!fault)
			continue;
		log_error("ticket_key \"%s\": %s: %s", section->name,
		    section->file, fault);
		return false;
	}
	return true;
}

static int
open_audit(const struct config *config)
{
	int fd = audit_file_open(config->audit_file);

	if (fd < 0)
		log_error(
		    "audit_file %s: %s", config->audit_file, strerror(-fd));
	return fd;
}

/* What the worker gets of a configuration that is right. */
static bool
hand_over(struct reload *reload, const struct config *next,
    const struct config_files *files)
{
	bool has_audit = next->audit_file[0] != '\0';
	int audit = has_audit ? open_audit(next) : -1;
	int text;

	if (has_audit && audit < 0)
		return false;
	text =
	    memfd_make("xenterm-config", files->size, files->data, files->size);
	if (text >= 0) {
		worker_give_config(
		    reload->worker, text, (uint32_t)files->size, audit);
		return true;
	}
	log_error("configuration: %s", strerror(-text));
	if (audit >= 0)
		close(audit);
	return false;
}

static bool
read_again(struct reload *reload)
{
	struct config_files files;
	struct config *next = NULL;
	bool ok = config_read(program_config_path(), &files);

	if (ok)
		next = config_parse(&files);
	ok = next && add_keys(next, &files) && hand_over(reload, next, &files);
	config_files_free(&files);
	if (ok) {
		config_keep_fixed(reload->config, next);
		config_exchange(reload->config, next);
	}
	config_free(next);
	return ok;
}

static void
on_due(evutil_socket_t fd, short what, void *arg)
{
	struct reload *reload = arg;

	(void)fd;
	(void)what;
	if (read_again(reload)) {
		log_info("configuration: read again");
		consoles_reconfigured(reload->consoles);
	} else {
		log_error("configuration: not taken; the one before stays");
		worker_keep_config(reload->worker);
	}
}

void
reload_ask(void *ctx)
{
	struct reload *reload = ctx;
	struct timeval delay = {0};
	const time_t now = clock_seconds();

	if (event_pending(reload->due, EV_TIMEOUT, NULL))
		return;
	if (reload->last != 0 && now <= reload->last)
		delay.tv_sec = 1;
	reload->last = now + delay.tv_sec;
	timer_start(reload->due, &delay);
}

struct reload *
reload_create(struct event_base *base, struct config *config,
    struct consoles *consoles, struct worker *worker)
{
	struct reload *reload = calloc(1, sizeof *reload);

	if (!reload)
		return NULL;
	*reload = (struct reload){
	    .config = config, .consoles = consoles, .worker = worker};
	reload->due = evtimer_new(base, on_due, reload);
	if (reload->due)
		return reload;
	free(reload);
	return NULL;
}

void
reload_destroy(struct reload *reload)
{
	event_free(reload->due);
	free(reload);
}
