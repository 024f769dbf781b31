#include "common/config.h"

#include <confuse.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "common/config_files.h"
#include "common/config_text.h"
#include "common/limits.h"
#include "common/log.h"

struct right_name {
	const char *name;
	uint32_t right;
};

static const struct right_name right_names[] = {
    {"list", RIGHT_LIST},
    {"watch", RIGHT_WATCH},
    {"type", RIGHT_TYPE},
    {"join", RIGHT_JOIN},
    {"force", RIGHT_FORCE},
    {"log", RIGHT_LOG},
    {"power", RIGHT_POWER},
};

/* What kernels that give up print first. */
#define CRASH_PATTERNS                                                  \
	"{\"Kernel panic\", \"BUG: \", \"Oops: \", \"Unable to handle " \
	"kernel\","                                                     \
	" \"panic: \"}"

/* An option that is a number, with the range it must lie in. */
struct number_option {
	const char *name;
	long fallback, min, max;
	size_t offset; /* of an unsigned in struct config */
};

static const struct number_option number_options[] = {
    {"rescan", 10, 1, 3600, offsetof(struct config, rescan)},
    {"gone_after", 60, 1, 86400, offsetof(struct config, gone_after)},
    {"forget_after", 3600, 1, 604800, offsetof(struct config, forget_after)},
    {"session_idle", 300, 5, 86400, offsetof(struct config, session_idle)},
    {"session_max", 43200, 5, 604800, offsetof(struct config, session_max)},
    {"sessions_total", LIMIT_SESSIONS, 1, LIMIT_SESSIONS,
	offsetof(struct config, sessions_total)},
    {"sessions_per_user", LIMIT_SESSIONS_PER_USER, 1, LIMIT_SESSIONS_PER_USER,
	offsetof(struct config, sessions_per_user)},
    {"sessions_per_console", LIMIT_SESSIONS, 1, LIMIT_SESSIONS,
	offsetof(struct config, sessions_per_console)},
    {"failures_per_minute", 120, 1, 1000000,
	offsetof(struct config, failures_per_minute)},
    {"waiting_total", LIMIT_CONNS, 1, LIMIT_CONNS,
	offsetof(struct config, waiting_total)},
};

/* The same of sections log and hook. */
static const struct number_option log_options[] = {
    {"size", 8 * 1024 * 1024, 4096, INT_MAX, offsetof(struct config_log, size)},
    {"keep", 4, 1, 100, offsetof(struct config_log, keep)},
    {"record_size", 32 * 1024 * 1024, 4096, INT_MAX,
	offsetof(struct config_log, record_size)},
    {"record_keep", 20, 1, 10000, offsetof(struct config_log, record_keep)},
    {"days", 0, 0, 36500, offsetof(struct config_log, days)},
    {"silent", 0, 0, 31536000, offsetof(struct config_log, silent)},
};

static const struct number_option hook_options[] = {
    {"per_minute", 10, 1, 6000, offsetof(struct config_hook, per_minute)},
};

static const char *const hook_events[] = {
    "up", "gone", "silent", "crash", "take-over"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool into_log;

/* A line for the operator. */
static void __attribute__((format(printf, 1, 2))) report(const char *fmt, ...)
{
	char line[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	if (into_log)
		log_error("%s", line);
	else
		fprintf(stderr, "%s\n", line);
}

static void __attribute__((format(printf, 2, 0)))
on_error(cfg_t *cfg, const char *fmt, va_list args)
{
	char line[768];

	vsnprintf(line, sizeof line, fmt, args);
	if (cfg && cfg->filename && cfg->line)
		report("%s:%d: %s", cfg->filename, cfg->line, line);
	else
		report("%s", line);
}

void
config_reports_to_log(void)
{
	into_log = true;
}

static int
check_number_in(
    cfg_t *cfg, cfg_opt_t *opt, const struct number_option *table, size_t count)
{
	const char *name = cfg_opt_name(opt);
	long value = cfg_opt_getnint(opt, 0);

	for (size_t i = 0; i < count; i++) {
		const struct number_option *n = &table[i];

		if (strcmp(n->name, name) != 0)
			continue;
		if (value < n->min || value > n->max) {
			cfg_error(cfg, "%s = %ld: must be from %ld to %ld",
			    name, value, n->min, n->max);
			return -1;
		}
	}
	return 0;
}

static int
check_number(cfg_t *cfg, cfg_opt_t *opt)
{
	return check_number_in(cfg, opt, number_options, COUNT(number_options));
}

static int
check_log_number(cfg_t *cfg, cfg_opt_t *opt)
{
	return check_number_in(cfg, opt, log_options, COUNT(log_options));
}

static int
check_hook_number(cfg_t *cfg, cfg_opt_t *opt)
{
	return check_number_in(cfg, opt, hook_options, COUNT(hook_options));
}

static int
check_record(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);

	if (strcmp(value, "off") != 0 && strcmp(value, "sessions") != 0 &&
	    strcmp(value, "always") != 0) {
		cfg_error(cfg,
		    "record = \"%s\": must be off, sessions or always", value);
		return -1;
	}
	return 0;
}

static int
check_events(cfg_t *cfg, cfg_opt_t *opt)
{
	for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
		const char *name = cfg_opt_getnstr(opt, i);
		size_t k = 0;

		while (
		    k < COUNT(hook_events) && strcmp(hook_events[k], name) != 0)
			k++;
		if (k == COUNT(hook_events)) {
			cfg_error(cfg,
			    "events: \"%s\" is none of up, gone, silent, "
			    "crash, take-over",
			    name);
			return -1;
		}
	}
	return 0;
}

/* As they stand in an address, between "https://" and the port. */
static int
check_host_names(cfg_t *cfg, cfg_opt_t *opt)
{
	for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
		const char *name = cfg_opt_getnstr(opt, i);
		const char *end = name;

		if (*name == '[')
			end += 1 + strspn(name + 1, "0123456789ABCDEFabcdef:.");
		if (*name == '[' && end > name + 1 && *end == ']')
			end++;
		else
			end = name + strcspn(name, ":/@?#[] \t\r\n");
		if (end == name || *end) {
			cfg_error(cfg,
			    "host_names: \"%s\" must be a name or an address, "
			    "without https:// and without a port",
			    name);
			return -1;
		}
	}
	if (cfg_opt_size(opt) > LIMIT_RULES) {
		cfg_error(cfg, "host_names: more than %d names", LIMIT_RULES);
		return -1;
	}
	return 0;
}

/* The section that has just been read: it tells somebody, in one way. */
static int
check_hook(cfg_t *cfg, cfg_opt_t *opt)
{
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
	const char *url = cfg_getstr(section, "url");
	bool has_command = cfg_size(section, "command") > 0;

	if ((*url != '\0') == has_command) {
		cfg_error(cfg, "hook \"%s\": needs url or command, one of them",
		    cfg_title(section));
		return -1;
	}
	if (*url && strncmp(url, "http://", 7) != 0 &&
	    strncmp(url, "https://", 8) != 0) {
		cfg_error(cfg,
		    "hook \"%s\": url must begin with http:// or "
		    "https://",
		    cfg_title(section));
		return -1;
	}
	if (has_command && cfg_getnstr(section, "command", 0)[0] != '/') {
		cfg_error(cfg, "hook \"%s\": command must be an absolute path",
		    cfg_title(section));
		return -1;
	}
	return 0;
}

static int
check_ring_size(cfg_t *cfg, cfg_opt_t *opt)
{
	long value = cfg_opt_getnint(opt, 0);

	if (value < LIMIT_RING_MIN || value > LIMIT_RING_MAX) {
		cfg_error(cfg, "ring_size = %ld: must be from %d to %d bytes",
		    value, LIMIT_RING_MIN, LIMIT_RING_MAX);
		return -1;
	}
	return 0;
}

static int
check_path(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);

	if (!value || value[0] != '/') {
		cfg_error(
		    cfg, "%s: must be an absolute path", cfg_opt_name(opt));
		return -1;
	}
	return 0;
}

static int
check_mode(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);

	if (strcmp(value, "always") != 0 && strcmp(value, "on-demand") != 0) {
		cfg_error(
		    cfg, "mode = \"%s\": must be always or on-demand", value);
		return -1;
	}
	return 0;
}

static int
check_ctrl_o(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);

	if (strcmp(value, "sysrq") != 0 && strcmp(value, "plain") != 0) {
		cfg_error(
		    cfg, "ctrl_o = \"%s\": must be sysrq or plain", value);
		return -1;
	}
	return 0;
}

static int
check_algorithm(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *value = cfg_opt_getnstr(opt, 0);

	if (strcmp(value, "HS256") != 0 && strcmp(value, "EdDSA") != 0) {
		cfg_error(
		    cfg, "algorithm = \"%s\": must be HS256 or EdDSA", value);
		return -1;
	}
	return 0;
}

/* The section that has just been read: nothing in it can be guessed. */
static int
check_ticket_key(cfg_t *cfg, cfg_opt_t *opt)
{
	static const char *const needed[] = {"algorithm", "file", "audience"};
	cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);

	for (size_t i = 0; i < COUNT(needed); i++) {
		const char *value = cfg_getstr(section, needed[i]);

		if (!value || !*value) {
			cfg_error(cfg, "ticket_key \"%s\": needs %s",
			    cfg_title(section), needed[i]);
			return -1;
		}
	}
	return 0;
}

static uint32_t
right_of(const char *name)
{
	for (size_t i = 0; i < COUNT(right_names); i++)
		if (strcmp(right_names[i].name, name) == 0)
			return right_names[i].right;
	return 0;
}

static int
check_rights(cfg_t *cfg, cfg_opt_t *opt)
{
	for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
		const char *name = cfg_opt_getnstr(opt, i);

		if (right_of(name) == 0) {
			cfg_error(cfg,
			    "rights: \"%s\" is none of list, watch, type, "
			    "join, "
			    "force, log, power",
			    name);
			return -1;
		}
	}
	return 0;
}

/* A ticket opens a console; a panel has buttons of its own for the rest. */
static int
check_key_rights(cfg_t *cfg, cfg_opt_t *opt)
{
	for (unsigned i = 0; i < cfg_opt_size(opt); i++)
		if (right_of(cfg_opt_getnstr(opt, i)) == RIGHT_POWER) {
			cfg_error(cfg, "rights: a ticket cannot give power");
			return -1;
		}
	return check_rights(cfg, opt);
}

static char *
copy(const char *text)
{
	char *s = strdup(text);

	if (!s)
		abort(); /* see config.h */
	return s;
}

static void *
zeroed(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort(); /* see config.h */
	return p;
}

static char **
copy_list(cfg_t *section, const char *name)
{
	unsigned n = cfg_size(section, name);
	char **list = zeroed(n + 1, sizeof *list);

	for (unsigned i = 0; i < n; i++)
		list[i] = copy(cfg_getnstr(section, name, i));
	return list;
}

static uint32_t
rights_of(cfg_t *section)
{
	uint32_t rights = 0;

	for (unsigned i = 0; i < cfg_size(section, "rights"); i++)
		rights |= right_of(cfg_getnstr(section, "rights", i));
	return rights;
}

static void
take_ticket_keys(struct config *config, cfg_t *cfg)
{
	config->nticket_keys = cfg_size(cfg, "ticket_key");
	config->ticket_keys =
	    zeroed(config->nticket_keys, sizeof *config->ticket_keys);
	for (size_t i = 0; i < config->nticket_keys; i++) {
		struct config_ticket_key *key = &config->ticket_keys[i];
		cfg_t *section = cfg_getnsec(cfg, "ticket_key", (unsigned)i);

		key->name = copy(cfg_title(section));
		key->algorithm =
		    strcmp(cfg_getstr(section, "algorithm"), "HS256") == 0
			? TICKET_HS256
			: TICKET_EDDSA;
		key->file = copy(cfg_getstr(section, "file"));
		key->audience = copy(cfg_getstr(section, "audience"));
		key->consoles = copy_list(section, "consoles");
		key->rights = rights_of(section);
	}
}

static void
take_holds(struct config *config, cfg_t *cfg)
{
	config->nholds = cfg_size(cfg, "hold");
	config->holds = zeroed(config->nholds, sizeof *config->holds);
	for (size_t i = 0; i < config->nholds; i++) {
		cfg_t *section = cfg_getnsec(cfg, "hold", (unsigned)i);
		const char *mode = cfg_getstr(section, "mode");

		config->holds[i].pattern = copy(cfg_title(section));
		config->holds[i].always = strcmp(mode, "always") == 0;
	}
}

static void
take_keys(struct config *config, cfg_t *cfg)
{
	config->nkeys = cfg_size(cfg, "keys");
	config->keys = zeroed(config->nkeys, sizeof *config->keys);
	for (size_t i = 0; i < config->nkeys; i++) {
		cfg_t *section = cfg_getnsec(cfg, "keys", (unsigned)i);
		const char *ctrl_o = cfg_getstr(section, "ctrl_o");

		config->keys[i].pattern = copy(cfg_title(section));
		config->keys[i].sysrq = strcmp(ctrl_o, "sysrq") == 0;
	}
}

static void
take_numbers(
    void *to, cfg_t *section, const struct number_option *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		*(unsigned *)((char *)to + table[i].offset) =
		    (unsigned)cfg_getint(section, table[i].name);
}

static void
take_logs(struct config *config, cfg_t *cfg)
{
	config->nlogs = cfg_size(cfg, "log");
	config->logs = zeroed(config->nlogs, sizeof *config->logs);
	for (size_t i = 0; i < config->nlogs; i++) {
		struct config_log *log = &config->logs[i];
		cfg_t *section = cfg_getnsec(cfg, "log", (unsigned)i);
		const char *record = cfg_getstr(section, "record");

		log->pattern = copy(cfg_title(section));
		log->text = cfg_getbool(section, "text");
		log->input = cfg_getbool(section, "input");
		log->record = strcmp(record, "off") == 0      ? RECORD_OFF
			      : strcmp(record, "always") == 0 ? RECORD_ALWAYS
							      : RECORD_SESSIONS;
		log->crash = copy_list(section, "crash");
		take_numbers(log, section, log_options, COUNT(log_options));
	}
}

static void
take_hooks(struct config *config, cfg_t *cfg)
{
	config->nhooks = cfg_size(cfg, "hook");
	config->hooks = zeroed(config->nhooks, sizeof *config->hooks);
	for (size_t i = 0; i < config->nhooks; i++) {
		struct config_hook *hook = &config->hooks[i];
		cfg_t *section = cfg_getnsec(cfg, "hook", (unsigned)i);

		hook->name = copy(cfg_title(section));
		hook->consoles = copy_list(section, "consoles");
		hook->events = copy_list(section, "events");
		hook->lines = copy_list(section, "lines");
		hook->url = copy(cfg_getstr(section, "url"));
		hook->command = copy_list(section, "command");
		take_numbers(hook, section, hook_options, COUNT(hook_options));
	}
}

static void
take_access(struct config *config, cfg_t *cfg)
{
	config->naccess = cfg_size(cfg, "access");
	config->access = zeroed(config->naccess, sizeof *config->access);
	for (size_t i = 0; i < config->naccess; i++) {
		cfg_t *section = cfg_getnsec(cfg, "access", (unsigned)i);

		config->access[i].users = copy_list(section, "users");
		config->access[i].consoles = copy_list(section, "consoles");
		config->access[i].rights = rights_of(section);
	}
}

static struct config *
take(cfg_t *cfg)
{
	struct config *config = zeroed(1, sizeof *config);

	config->run_dir = copy(cfg_getstr(cfg, "run_dir"));
	config->user = copy(cfg_getstr(cfg, "user"));
	config->socket_group = copy(cfg_getstr(cfg, "socket_group"));
	config->xenstore = copy(cfg_getstr(cfg, "xenstore"));
	config->lock_dir = copy(cfg_getstr(cfg, "lock_dir"));
	config->screen_program = copy(cfg_getstr(cfg, "screen_program"));
	config->audit_file = copy(cfg_getstr(cfg, "audit_file"));
	config->log_dir = copy(cfg_getstr(cfg, "log_dir"));
	config->log_group = copy(cfg_getstr(cfg, "log_group"));
	config->log_user = copy(cfg_getstr(
	    cfg, *cfg_getstr(cfg, "log_user") ? "log_user" : "user"));
	config->host_names = copy_list(cfg, "host_names");
	config->verify_owner = cfg_getbool(cfg, "verify_owner");
	config->ring_size = (size_t)cfg_getint(cfg, "ring_size");
	for (size_t i = 0; i < COUNT(number_options); i++) {
		const struct number_option *n = &number_options[i];

		*(unsigned *)((char *)config + n->offset) =
		    (unsigned)cfg_getint(cfg, n->name);
	}
	take_holds(config, cfg);
	take_keys(config, cfg);
	take_access(config, cfg);
	take_ticket_keys(config, cfg);
	take_logs(config, cfg);
	take_hooks(config, cfg);
	return config;
}

/* Not cfg_parse_buf(), which would name "[buf]" in its messages. */
static int
parse_text(cfg_t *cfg, const char *path, char *text)
{
	/* fmemopen() takes no empty buffer. */
	FILE *file = *text ? fmemopen(text, strlen(text), "r") : NULL;
	int status;

	if (!file)
		return *text ? CFG_FILE_ERROR : CFG_SUCCESS;
	free(cfg->filename);
	cfg->filename = copy(path);
	status = cfg_parse_fp(cfg, file);
	fclose(file);
	return status;
}

/* Adds a file to cfg; what is wrong has been reported when it fails. */
static bool
parse_file(cfg_t *cfg, const struct config_file *file)
{
	char *text = copy(file->text);
	const char *unclosed;
	unsigned line;
	int status = CFG_PARSE_ERROR;

	unclosed = config_text_blank(text, &line);
	if (unclosed)
		report(
		    "%s:%u: this %s is not closed", file->path, line, unclosed);
	if (!unclosed)
		status = parse_text(cfg, file->path, text);
	free(text);
	return status == CFG_SUCCESS;
}

static bool
read_file(struct config_files *files, const char *path)
{
	char *text = config_text_read(path);
	int error = -errno;

	if (text)
		error = config_files_add(
		    files, &(struct config_file){.kind = CONFIG_FILE_TEXT,
			       .path = path,
			       .text = text,
			       .len = strlen(text)});
	free(text);
	if (error)
		report("%s: %s", path, strerror(-error));
	return error == 0;
}

static int
is_part(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && end != entry->d_name && strcmp(end, ".conf") == 0;
}

/* The files of conf.d beside the file, in the order of their names. */
static bool
read_parts(struct config_files *files, const char *path)
{
	const char *slash = strrchr(path, '/');
	int n, folder_len = slash ? (int)(slash - path) + 1 : 0;
	char folder[PATH_MAX], part[PATH_MAX + NAME_MAX + 2];
	struct dirent **entries = NULL;
	bool ok = true;

	snprintf(folder, sizeof folder, "%.*sconf.d", folder_len, path);
	n = scandir(folder, &entries, is_part, alphasort);
	if (n < 0 && errno != ENOENT) {
		report("%s: %s", folder, strerror(errno));
		return false;
	}
	for (int i = 0; i < n; i++) {
		snprintf(
		    part, sizeof part, "%s/%s", folder, entries[i]->d_name);
		ok = ok && read_file(files, part);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

bool
config_read(const char *path, struct config_files *files)
{
	*files = (struct config_files){NULL, 0};
	if (read_file(files, path) && read_parts(files, path))
		return true;
	config_files_free(files);
	return false;
}

static bool
parse(cfg_t *cfg, const struct config_files *files)
{
	struct config_file file = {.path = ""};
	size_t at = 0;

	while (config_files_next(files, &at, &file))
		if (file.kind == CONFIG_FILE_TEXT && !parse_file(cfg, &file))
			return false;
	if (cfg_size(cfg, "hold") > LIMIT_RULES ||
	    cfg_size(cfg, "keys") > LIMIT_RULES ||
	    cfg_size(cfg, "access") > LIMIT_RULES ||
	    cfg_size(cfg, "log") > LIMIT_RULES ||
	    cfg_size(cfg, "hook") > LIMIT_RULES ||
	    cfg_size(cfg, "ticket_key") > LIMIT_RULES) {
		report("%s: more than %d sections of a kind", file.path,
		    LIMIT_RULES);
		return false;
	}
	return true;
}

struct config *
config_parse(const struct config_files *files)
{
	const cfg_flag_t named = CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES;
	cfg_opt_t hold[] = {
	    CFG_STR("mode", "on-demand", CFGF_NONE),
	    CFG_END(),
	};
	cfg_opt_t keys[] = {
	    CFG_STR("ctrl_o", "sysrq", CFGF_NONE),
	    CFG_END(),
	};
	cfg_opt_t access[] = {
	    CFG_STR_LIST("users", "{}", CFGF_NONE),
	    CFG_STR_LIST("consoles", "{}", CFGF_NONE),
	    CFG_STR_LIST("rights", "{list}", CFGF_NONE),
	    CFG_END(),
	};
	cfg_opt_t ticket_key[] = {
	    CFG_STR("algorithm", NULL, CFGF_NONE),
	    CFG_STR("file", NULL, CFGF_NONE),
	    CFG_STR("audience", NULL, CFGF_NONE),
	    CFG_STR_LIST("consoles", "{}", CFGF_NONE),
	    CFG_STR_LIST("rights", "{}", CFGF_NONE),
	    CFG_END(),
	};
	cfg_opt_t log[] = {
	    CFG_BOOL("text", cfg_true, CFGF_NONE),
	    CFG_STR("record", "off", CFGF_NONE),
	    CFG_BOOL("input", cfg_false, CFGF_NONE),
	    CFG_INT("size", log_options[0].fallback, CFGF_NONE),
	    CFG_INT("keep", log_options[1].fallback, CFGF_NONE),
	    CFG_INT("record_size", log_options[2].fallback, CFGF_NONE),
	    CFG_INT("record_keep", log_options[3].fallback, CFGF_NONE),
	    CFG_INT("days", log_options[4].fallback, CFGF_NONE),
	    CFG_INT("silent", log_options[5].fallback, CFGF_NONE),
	    CFG_STR_LIST("crash", CRASH_PATTERNS, CFGF_NONE),
	    CFG_END(),
	};
	cfg_opt_t hook[] = {
	    CFG_STR_LIST("consoles", "{\"*\"}", CFGF_NONE),
	    CFG_STR_LIST("events", "{}", CFGF_NONE),
	    CFG_STR_LIST("lines", "{}", CFGF_NONE),
	    CFG_STR("url", "", CFGF_NONE),
	    CFG_STR_LIST("command", "{}", CFGF_NONE),
	    CFG_INT("per_minute", hook_options[0].fallback, CFGF_NONE),
	    CFG_END(),
	};
	cfg_opt_t options[] = {
	    CFG_STR("run_dir", "/run/xenterm", CFGF_NONE),
	    CFG_STR("user", "xenterm", CFGF_NONE),
	    CFG_STR("socket_group", "www-data", CFGF_NONE),
	    CFG_STR("xenstore", "/run/xenstored/socket", CFGF_NONE),
	    CFG_STR("lock_dir", "/run/lock", CFGF_NONE),
	    CFG_STR("screen_program", XENTERM_SCREEN, CFGF_NONE),
	    CFG_STR("audit_file", "", CFGF_NONE),
	    CFG_STR("log_group", "", CFGF_NONE),
	    CFG_STR("log_user", "", CFGF_NONE),
	    CFG_STR("log_dir", "/var/log/xenterm/consoles", CFGF_NONE),
	    CFG_STR_LIST("host_names", "{}", CFGF_NONE),
	    CFG_BOOL("verify_owner", cfg_true, CFGF_NONE),
	    CFG_INT("ring_size", LIMIT_RING_DEFAULT, CFGF_NONE),
	    CFG_INT("rescan", number_options[0].fallback, CFGF_NONE),
	    CFG_INT("gone_after", number_options[1].fallback, CFGF_NONE),
	    CFG_INT("forget_after", number_options[2].fallback, CFGF_NONE),
	    CFG_INT("session_idle", number_options[3].fallback, CFGF_NONE),
	    CFG_INT("session_max", number_options[4].fallback, CFGF_NONE),
	    CFG_INT("sessions_total", number_options[5].fallback, CFGF_NONE),
	    CFG_INT("sessions_per_user", number_options[6].fallback, CFGF_NONE),
	    CFG_INT(
		"sessions_per_console", number_options[7].fallback, CFGF_NONE),
	    CFG_INT(
		"failures_per_minute", number_options[8].fallback, CFGF_NONE),
	    CFG_INT("waiting_total", number_options[9].fallback, CFGF_NONE),
	    CFG_SEC("hold", hold, named),
	    CFG_SEC("keys", keys, named),
	    CFG_SEC("access", access, named),
	    CFG_SEC("ticket_key", ticket_key, named),
	    CFG_SEC("log", log, named),
	    CFG_SEC("hook", hook, named),
	    CFG_END(),
	};
	cfg_t *cfg = cfg_init(options, CFGF_NONE);
	struct config *config = NULL;

	if (!cfg)
		abort(); /* see config.h */
	cfg_set_error_function(cfg, on_error);
	cfg_set_validate_func(cfg, "run_dir", check_path);
	cfg_set_validate_func(cfg, "xenstore", check_path);
	cfg_set_validate_func(cfg, "lock_dir", check_path);
	cfg_set_validate_func(cfg, "audit_file", check_path);
	cfg_set_validate_func(cfg, "screen_program", check_path);
	cfg_set_validate_func(cfg, "log_dir", check_path);
	cfg_set_validate_func(cfg, "host_names", check_host_names);
	cfg_set_validate_func(cfg, "log|record", check_record);
	for (size_t i = 0; i < COUNT(log_options); i++) {
		char option[32];

		snprintf(option, sizeof option, "log|%s", log_options[i].name);
		cfg_set_validate_func(cfg, option, check_log_number);
	}
	cfg_set_validate_func(cfg, "hook", check_hook);
	cfg_set_validate_func(cfg, "hook|events", check_events);
	cfg_set_validate_func(cfg, "hook|per_minute", check_hook_number);
	cfg_set_validate_func(cfg, "ring_size", check_ring_size);
	cfg_set_validate_func(cfg, "hold|mode", check_mode);
	cfg_set_validate_func(cfg, "keys|ctrl_o", check_ctrl_o);
	cfg_set_validate_func(cfg, "access|rights", check_rights);
	cfg_set_validate_func(cfg, "ticket_key", check_ticket_key);
	cfg_set_validate_func(cfg, "ticket_key|algorithm", check_algorithm);
	cfg_set_validate_func(cfg, "ticket_key|file", check_path);
	cfg_set_validate_func(cfg, "ticket_key|rights", check_key_rights);
	for (size_t i = 0; i < COUNT(number_options); i++)
		cfg_set_validate_func(
		    cfg, number_options[i].name, check_number);
	if (parse(cfg, files))
		config = take(cfg);
	cfg_free(cfg);
	return config;
}

struct config *
config_load(const char *path)
{
	struct config_files files;
	struct config *config;

	if (!config_read(path, &files))
		return NULL;
	config = config_parse(&files);
	config_files_free(&files);
	return config;
}

static void
free_list(char **list)
{
	for (char **p = list; *p; p++)
		free(*p);
	free(list);
}

void
config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->nholds; i++)
		free(config->holds[i].pattern);
	for (size_t i = 0; i < config->nkeys; i++)
		free(config->keys[i].pattern);
	for (size_t i = 0; i < config->naccess; i++) {
		free_list(config->access[i].users);
		free_list(config->access[i].consoles);
	}
	for (size_t i = 0; i < config->nticket_keys; i++) {
		free(config->ticket_keys[i].name);
		free(config->ticket_keys[i].file);
		free(config->ticket_keys[i].audience);
		free_list(config->ticket_keys[i].consoles);
	}
	for (size_t i = 0; i < config->nlogs; i++) {
		free(config->logs[i].pattern);
		free_list(config->logs[i].crash);
	}
	for (size_t i = 0; i < config->nhooks; i++) {
		free(config->hooks[i].name);
		free_list(config->hooks[i].consoles);
		free_list(config->hooks[i].events);
		free_list(config->hooks[i].lines);
		free(config->hooks[i].url);
		free_list(config->hooks[i].command);
	}
	free_list(config->host_names);
	free(config->logs);
	free(config->hooks);
	free(config->log_dir);
	free(config->log_group);
	free(config->log_user);
	free(config->holds);
	free(config->keys);
	free(config->access);
	free(config->ticket_keys);
	free(config->run_dir);
	free(config->user);
	free(config->socket_group);
	free(config->xenstore);
	free(config->lock_dir);
	free(config->screen_program);
	free(config->audit_file);
	free(config);
}

/* A text of the start that stays; says so if it was to change. */
static void
keep(const char *name, char **now, char **next)
{
	char *text = *next;

	if (strcmp(*now, text) != 0)
		log_warn("%s = \"%s\": not before the next start", name, text);
	*next = *now;
	*now = text;
}

void
config_exchange(struct config *now, struct config *next)
{
	struct config old = *now;

	*now = *next;
	*next = old;
}

void
config_keep_fixed(struct config *now, struct config *next)
{
	keep("run_dir", &now->run_dir, &next->run_dir);
	keep("user", &now->user, &next->user);
	keep("socket_group", &now->socket_group, &next->socket_group);
	keep("xenstore", &now->xenstore, &next->xenstore);
	keep("lock_dir", &now->lock_dir, &next->lock_dir);
	keep("screen_program", &now->screen_program, &next->screen_program);
	if (now->rescan != next->rescan)
		log_warn(
		    "rescan = %u: not before the next start", next->rescan);
}

bool
config_is_host(const struct config *config, const char *host)
{
	size_t len = strcspn(host, *host == '[' ? "]" : ":");

	len += host[len] == ']';
	if (!*config->host_names)
		return true;
	if (host[len] != '\0' && host[len] != ':')
		return false;
	for (char **name = config->host_names; *name; name++)
		if (strlen(*name) == len && strncasecmp(*name, host, len) == 0)
			return true;
	return false;
}

bool
config_hold_always(const struct config *config, const char *name)
{
	bool always = false;

	for (size_t i = 0; i < config->nholds; i++)
		if (fnmatch(config->holds[i].pattern, name, 0) == 0)
			always = config->holds[i].always;
	return always;
}

bool
config_gives_power(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->naccess; i++) {
		const struct config_access *rule = &config->access[i];

		if (!(rule->rights & RIGHT_POWER))
			continue;
		for (char *const *pattern = rule->consoles; *pattern; pattern++)
			if (fnmatch(*pattern, name, 0) == 0)
				return true;
	}
	return false;
}

bool
config_ctrl_o_is_sysrq(const struct config *config, const char *name)
{
	bool sysrq = true;

	for (size_t i = 0; i < config->nkeys; i++)
		if (fnmatch(config->keys[i].pattern, name, 0) == 0)
			sysrq = config->keys[i].sysrq;
	return sysrq;
}

const struct config_log *
config_log_of(const struct config *config, const char *name)
{
	const struct config_log *found = NULL;

	for (size_t i = 0; i < config->nlogs; i++)
		if (fnmatch(config->logs[i].pattern, name, 0) == 0)
			found = &config->logs[i];
	return found;
}

int
config_socket(
    const struct config *config, const char *name, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/%s", config->run_dir, name);

	if (n < 0 || (size_t)n >= size ||
	    (size_t)n >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return -ENAMETOOLONG;
	return 0;
}
