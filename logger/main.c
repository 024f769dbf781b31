/*
 * xenterm-logger: writes what consoles print to files, and tells others what
 * happens to guests.
 *
 * A reader of the worker's feed, and nothing more: it can type nowhere, and
 * has neither programs nor a network; the hooks' process has.  Where it stands
 * is in its files, so after a restart of either side it goes on where it was,
 * as far as the console's ring reaches back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <json-c/json.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uthash.h>

#include "common/config.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/pattern.h"
#include "common/privdrop.h"
#include "common/program.h"
#include "logger/confine.h"
#include "logger/hooks.h"
#include "logger/link.h"
#include "logger/logged.h"

/* For each console its log, its recording and its state. */
#define DESCRIPTORS (3 * LIMIT_CONSOLES + 64)

#define DAY 86400

struct entry {
	struct logged *logged;
	const char *id;
	uint32_t number; /* 0: the worker has none for it */
	UT_hash_handle hh, by_number;
};

struct all {
	struct logger logger;
	struct entry *by_id, *by_number;
	struct event *daily;
	bool full;
};

static struct entry *
find(struct all *all, uint32_t number)
{
	struct entry *e;

	HASH_FIND(by_number, all->by_number, &number, sizeof number, e);
	return e;
}

/* The one that is started next goes on where the files end. */
static void
out_of_memory(void)
{
	log_fatal("out of memory");
}

static void
set_number(struct all *all, struct entry *e, uint32_t number)
{
	if (e->number)
		HASH_DELETE(by_number, all->by_number, e);
	e->number = number;
	if (!number)
		return;
	HASH_ADD(by_number, all->by_number, number, sizeof e->number, e);
	if (!e->by_number.tbl)
		out_of_memory();
}

static void
on_connected(void *ctx)
{
	struct all *all = ctx;
	struct entry *e, *next;

	HASH_ITER (hh, all->by_id, e, next) {
		set_number(all, e, 0);
		logged_forget_number(e->logged);
	}
}

static struct entry *
entry_of(struct all *all, struct json_object *obj)
{
	struct json_object *value;
	const char *id;
	struct entry *e;

	if (!json_object_object_get_ex(obj, "console", &value) ||
	    !json_object_is_type(value, json_type_string))
		return NULL;
	id = json_object_get_string(value);
	HASH_FIND_STR(all->by_id, id, e);
	if (e)
		return e;
	if (HASH_COUNT(all->by_id) >= LIMIT_CONSOLES) {
		if (!all->full)
			log_error("more than %d consoles; the others are left "
				  "out",
			    LIMIT_CONSOLES);
		all->full = true;
		return NULL;
	}
	e = calloc(1, sizeof *e);
	if (!e)
		return NULL;
	e->logged = logged_create(&all->logger, obj);
	if (!e->logged) {
		free(e);
		return NULL;
	}
	e->id = logged_id(e->logged);
	HASH_ADD_KEYPTR(hh, all->by_id, e->id, strlen(e->id), e);
	if (!e->hh.tbl)
		out_of_memory();
	return e;
}

static void
on_console(void *ctx, uint32_t number, struct json_object *obj)
{
	struct all *all = ctx;
	struct entry *e = entry_of(all, obj);

	if (!e)
		return;
	if (e->number != number)
		set_number(all, e, number);
	logged_update(e->logged, number, obj);
}

static void
entry_free(struct all *all, struct entry *e)
{
	set_number(all, e, 0);
	HASH_DELETE(hh, all->by_id, e);
	logged_destroy(e->logged);
	free(e);
}

static void
on_removed(void *ctx, uint32_t number)
{
	struct all *all = ctx;
	struct entry *e = find(all, number);

	if (!e)
		return;
	logged_removed(e->logged);
	entry_free(all, e);
}

static void
on_output(void *ctx, uint32_t number, uint64_t run, uint64_t offset,
    const uint8_t *bytes, size_t len)
{
	struct entry *e = find(ctx, number);

	if (e)
		logged_output(e->logged, run, offset, bytes, len);
}

static void
on_input(void *ctx, uint32_t number, const uint8_t *bytes, size_t len)
{
	struct entry *e = find(ctx, number);

	if (e)
		logged_input(e->logged, bytes, len);
}

static void
on_snapshot(void *ctx, uint32_t number, uint64_t run, uint64_t offset,
    const uint8_t *bytes, size_t len)
{
	struct entry *e = find(ctx, number);

	if (e)
		logged_snapshot(e->logged, run, offset, bytes, len);
}

static void
on_reopen(void *ctx)
{
	struct all *all = ctx;
	struct entry *e, *next;

	log_info("opens its logs anew");
	HASH_ITER (hh, all->by_id, e, next)
		logged_reopen(e->logged);
}

static void
on_daily(evutil_socket_t fd, short what, void *arg)
{
	struct all *all = arg;
	struct entry *e, *next;

	(void)fd;
	(void)what;
	HASH_ITER (hh, all->by_id, e, next)
		logged_tidy(e->logged);
}

static void
run(const struct config *config)
{
	const struct timeval day = {.tv_sec = DAY};
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct all all = {.logger = {.config = config}};
	const struct link_owner owner = {on_connected, on_console, on_removed,
	    on_output, on_input, on_snapshot, &all};
	struct entry *e, *next;
	int error;

	if (config_socket(config, "feed.sock", path, sizeof path) < 0)
		log_fatal(
		    "run_dir is too long for a socket: %s", config->run_dir);
	all.logger.base = event_base_new();
	if (!all.logger.base)
		log_fatal("no event loop");
	all.logger.hooks = hooks_create(config, all.logger.base);
	all.daily = event_new(all.logger.base, -1, EV_PERSIST, on_daily, &all);
	all.logger.link = link_create(all.logger.base, path, &owner);
	if (!all.daily || !all.logger.link || event_add(all.daily, &day) < 0)
		log_fatal("out of memory");
	error = logger_confine();
	if (error)
		log_fatal("seccomp: %s", strerror(-error));
	log_info("ready");
	program_run(all.logger.base, &(struct program_reload){on_reopen, &all});
	link_destroy(all.logger.link);
	HASH_ITER (hh, all.by_id, e, next)
		entry_free(&all, e);
	hooks_destroy(all.logger.hooks);
	event_free(all.daily);
	event_base_free(all.logger.base);
}

/* False: it is there already. */
static bool
make_folder(const char *path)
{
	if (mkdir(path, 0750) == 0)
		return true;
	if (errno != EEXIST)
		log_fatal("%s: %s", path, strerror(errno));
	return false;
}

/* log_dir, which is the logger's: uid -1: made by its user. */
static void
make_log_dir(const char *path, uid_t uid, gid_t gid)
{
	if (!make_folder(path) || uid == (uid_t)-1)
		return;
	/* What is made in there has its group.  In this order CAP_CHOWN is
	 * enough. */
	if (chmod(path, 02750) < 0 || chown(path, uid, gid) < 0)
		log_fatal("%s: %s", path, strerror(errno));
}

/* log_group's, or else the logger's own. */
static gid_t
group_of_files(const struct config *config, gid_t own)
{
	struct group *group;

	if (*config->log_group == '\0')
		return own;
	group = getgrnam(config->log_group);
	if (!group)
		log_fatal("there is no group %s", config->log_group);
	return group->gr_gid;
}

/* Mistakes in patterns are to be seen at the start. */
static void
check_patterns(const struct config *config)
{
	char error[PATTERN_ERROR];

	for (size_t i = 0; i < config->nlogs; i++)
		for (char **text = config->logs[i].crash; *text; text++) {
			struct pattern *p =
			    pattern_compile(*text, false, error);

			if (!p)
				log_fatal("log %s: crash: %s: %s",
				    config->logs[i].pattern, *text, error);
			pattern_free(p);
		}
}

int
main(int argc, char **argv)
{
	struct config *config = program_start("xenterm-logger", argc, argv);
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1, group;
	char by_name[PATH_MAX];

	program_raise_files(DESCRIPTORS);
	/* The disk that is full, and the limit, are told by errno. */
	signal(SIGXFSZ, SIG_IGN);
	umask(0027);
	if (geteuid() == 0 && privdrop_lookup(config->log_user, &uid, &gid) < 0)
		log_fatal("there is no user %s", config->log_user);
	check_patterns(config);
	group = group_of_files(config, gid);
	make_log_dir(config->log_dir, uid, group);
	if (geteuid() == 0)
		privdrop_to(uid, gid);
	privdrop_keep(NULL, 0);
	privdrop_harden();
	snprintf(by_name, sizeof by_name, "%s/by-name", config->log_dir);
	make_folder(by_name);
	program_background();
	run(config);
	config_free(config);
	libevent_global_shutdown();
	return 0;
}
