#include "fcgi/reload.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/config.h"
#include "common/config_files.h"
#include "common/config_parse.h"
#include "common/log.h"
#include "common/memfd.h"
#include "fcgi/audit.h"
#include "fcgi/broker_link.h"
#include "fcgi/console.h"
#include "fcgi/session.h"
#include "fcgi/ticket_keys.h"
#include "fcgi/tickets.h"
#include "fcgi/worker.h"

struct reload {
	struct worker *worker;
	struct config *config;
	struct ticket_keys *keys;
};

struct reload *
reload_create(struct worker *w, struct config *config, struct ticket_keys *keys)
{
	struct reload *reload = malloc(sizeof *reload);

	if (reload)
		*reload = (struct reload){w, config, keys};
	return reload;
}

void
reload_destroy(struct reload *reload)
{
	ticket_keys_free(reload->keys);
	config_free(reload->config);
	free(reload);
}

void
reload_ask(void *ctx)
{
	struct reload *reload = ctx;

	if (!broker_link_reload(reload->worker->broker))
		log_error("configuration: there is no xenterm-broker to read "
			  "it; the one before stays");
}

/* With the keys that it names. */
static bool
exchange(struct reload *reload, struct config *next,
    const struct config_files *files)
{
	struct ticket_keys *keys;

	config_exchange(reload->config, next);
	keys = ticket_keys_load(reload->config, files);
	if (!keys) {
		config_exchange(reload->config, next);
		return false;
	}
	config_keep_fixed(next, reload->config);
	tickets_set_keys(reload->worker->tickets, keys);
	ticket_keys_free(reload->keys);
	reload->keys = keys;
	return true;
}

static bool
take(struct reload *reload, const struct config_files *files)
{
	struct config *next = config_parse(files);
	bool ok = next && exchange(reload, next, files);

	config_free(next);
	return ok;
}

void
reload_take(struct reload *reload, int fd, uint32_t size, int audit)
{
	struct config_files files = {.size = size};
	bool ok = false;
	void *data = MAP_FAILED;

	if (size <= CONFIG_FILES_MAX && memfd_is_sealed(fd, size))
		data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (data != MAP_FAILED) {
		files.data = data;
		ok = take(reload, &files);
		munmap(data, size);
	}
	if (!ok) {
		log_error("configuration: not taken; the one before stays");
		if (audit >= 0)
			close(audit);
		return;
	}
	audit_use(audit);
	log_info("configuration: read again");
	sessions_recheck(reload->worker->sessions);
}
