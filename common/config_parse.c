#include "common/config_parse.h"

#include <confuse.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/config_check.h"
#include "common/config_files.h"
#include "common/config_report.h"
#include "common/config_text.h"
#include "common/limits.h"

/* What kernels that give up print first. */
#define CRASH_PATTERNS                                                  \
	"{\"Kernel panic\", \"BUG: \", \"Oops: \", \"Unable to handle " \
	"kernel\","                                                     \
	" \"panic: \"}"

#define NUMBER(name) CFG_INT(name, config_fallback(name), CFGF_NONE)

static void __attribute__((format(printf, 2, 0)))
on_error(cfg_t *cfg, const char *fmt, va_list args)
{
	char line[768];

	vsnprintf(line, sizeof line, fmt, args);
	if (cfg && cfg->filename && cfg->line)
		config_report("%s:%d: %s", cfg->filename, cfg->line, line);
	else
		config_report("%s", line);
}

static char *
copy(const char *text)
{
	char *s = strdup(text);

	if (!s)
		abort(); /* see config_parse.h */
	return s;
}

static void *
zeroed(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort(); /* see config_parse.h */
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
		rights |= config_right(cfg_getnstr(section, "rights", i));
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
take_numbers(void *to, cfg_t *section, const struct config_number *numbers)
{
	for (; numbers->name; numbers++)
		*(unsigned *)((char *)to + numbers->offset) =
		    (unsigned)cfg_getint(section, numbers->name);
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
		take_numbers(log, section, config_log_numbers);
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
		take_numbers(hook, section, config_hook_numbers);
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
	take_numbers(config, cfg, config_numbers);
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
		config_report(
		    "%s:%u: this %s is not closed", file->path, line, unclosed);
	if (!unclosed)
		status = parse_text(cfg, file->path, text);
	free(text);
	return status == CFG_SUCCESS;
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
		config_report("%s: more than %d sections of a kind", file.path,
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
	    NUMBER("size"),
	    NUMBER("keep"),
	    NUMBER("record_size"),
	    NUMBER("record_keep"),
	    NUMBER("days"),
	    NUMBER("silent"),
	    CFG_STR_LIST("crash", CRASH_PATTERNS, CFGF_NONE),
	    CFG_END(),
	};
	cfg_opt_t hook[] = {
	    CFG_STR_LIST("consoles", "{\"*\"}", CFGF_NONE),
	    CFG_STR_LIST("events", "{}", CFGF_NONE),
	    CFG_STR_LIST("lines", "{}", CFGF_NONE),
	    CFG_STR("url", "", CFGF_NONE),
	    CFG_STR_LIST("command", "{}", CFGF_NONE),
	    NUMBER("per_minute"),
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
	    NUMBER("rescan"),
	    NUMBER("gone_after"),
	    NUMBER("forget_after"),
	    NUMBER("session_idle"),
	    NUMBER("session_max"),
	    NUMBER("sessions_total"),
	    NUMBER("sessions_per_user"),
	    NUMBER("sessions_per_console"),
	    NUMBER("failures_per_minute"),
	    NUMBER("waiting_total"),
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
		abort(); /* see config_parse.h */
	cfg_set_error_function(cfg, on_error);
	config_check(cfg);
	if (parse(cfg, files))
		config = take(cfg);
	cfg_free(cfg);
	return config;
}
