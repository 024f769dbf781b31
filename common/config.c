#include "common/config.h"

#include <confuse.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "common/config_text.h"
#include "common/limits.h"

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
};

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
    {"waiting_total", LIMIT_CONNS, 1, LIMIT_CONNS,
	offsetof(struct config, waiting_total)},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int
check_number(cfg_t *cfg, cfg_opt_t *opt)
{
	const char *name = cfg_opt_name(opt);
	long value = cfg_opt_getnint(opt, 0);

	for (size_t i = 0; i < COUNT(number_options); i++) {
		const struct number_option *n = &number_options[i];

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
			    "force",
			    name);
			return -1;
		}
	}
	return 0;
}

static char *
copy(const char *text)
{
	char *s = strdup(text);

	if (!s)
		abort(); /* start-up only */
	return s;
}

static void *
zeroed(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort(); /* start-up only */
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
parse_file(cfg_t *cfg, const char *path)
{
	char *text = config_text_read(path);
	const char *unclosed;
	unsigned line;
	int status = CFG_PARSE_ERROR;

	if (!text) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return false;
	}
	unclosed = config_text_blank(text, &line);
	if (unclosed)
		fprintf(stderr, "%s:%u: this %s is not closed\n", path, line,
		    unclosed);
	if (!unclosed)
		status = parse_text(cfg, path, text);
	free(text);
	return status == CFG_SUCCESS;
}

static int
is_part(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && end != entry->d_name && strcmp(end, ".conf") == 0;
}

/* The files of conf.d beside the file, in the order of their names. */
static bool
parse_parts(cfg_t *cfg, const char *path)
{
	const char *slash = strrchr(path, '/');
	int n, folder_len = slash ? (int)(slash - path) + 1 : 0;
	char folder[PATH_MAX], part[PATH_MAX + NAME_MAX + 2];
	struct dirent **entries = NULL;
	bool ok = true;

	snprintf(folder, sizeof folder, "%.*sconf.d", folder_len, path);
	n = scandir(folder, &entries, is_part, alphasort);
	if (n < 0 && errno != ENOENT) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return false;
	}
	for (int i = 0; i < n; i++) {
		snprintf(
		    part, sizeof part, "%s/%s", folder, entries[i]->d_name);
		ok = ok && parse_file(cfg, part);
		free(entries[i]);
	}
	free(entries);
	return ok;
}

static bool
parse(cfg_t *cfg, const char *path)
{
	if (!parse_file(cfg, path) || !parse_parts(cfg, path))
		return false;
	if (cfg_size(cfg, "hold") > LIMIT_RULES ||
	    cfg_size(cfg, "keys") > LIMIT_RULES ||
	    cfg_size(cfg, "access") > LIMIT_RULES ||
	    cfg_size(cfg, "ticket_key") > LIMIT_RULES) {
		fprintf(stderr, "%s: more than %d sections of a kind\n", path,
		    LIMIT_RULES);
		return false;
	}
	return true;
}

struct config *
config_load(const char *path)
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
	cfg_opt_t options[] = {
	    CFG_STR("run_dir", "/run/xenterm", CFGF_NONE),
	    CFG_STR("user", "xenterm", CFGF_NONE),
	    CFG_STR("socket_group", "www-data", CFGF_NONE),
	    CFG_STR("xenstore", "/run/xenstored/socket", CFGF_NONE),
	    CFG_STR("lock_dir", "/run/lock", CFGF_NONE),
	    CFG_STR("screen_program", XENTERM_SCREEN, CFGF_NONE),
	    CFG_STR("audit_file", "", CFGF_NONE),
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
	    CFG_INT("waiting_total", number_options[8].fallback, CFGF_NONE),
	    CFG_SEC("hold", hold, named),
	    CFG_SEC("keys", keys, named),
	    CFG_SEC("access", access, named),
	    CFG_SEC("ticket_key", ticket_key, named),
	    CFG_END(),
	};
	cfg_t *cfg = cfg_init(options, CFGF_NONE);
	struct config *config = NULL;

	if (!cfg)
		abort(); /* start-up only */
	cfg_set_validate_func(cfg, "run_dir", check_path);
	cfg_set_validate_func(cfg, "xenstore", check_path);
	cfg_set_validate_func(cfg, "lock_dir", check_path);
	cfg_set_validate_func(cfg, "audit_file", check_path);
	cfg_set_validate_func(cfg, "screen_program", check_path);
	cfg_set_validate_func(cfg, "ring_size", check_ring_size);
	cfg_set_validate_func(cfg, "hold|mode", check_mode);
	cfg_set_validate_func(cfg, "keys|ctrl_o", check_ctrl_o);
	cfg_set_validate_func(cfg, "access|rights", check_rights);
	cfg_set_validate_func(cfg, "ticket_key", check_ticket_key);
	cfg_set_validate_func(cfg, "ticket_key|algorithm", check_algorithm);
	cfg_set_validate_func(cfg, "ticket_key|file", check_path);
	cfg_set_validate_func(cfg, "ticket_key|rights", check_rights);
	for (size_t i = 0; i < COUNT(number_options); i++)
		cfg_set_validate_func(
		    cfg, number_options[i].name, check_number);
	if (parse(cfg, path))
		config = take(cfg);
	cfg_free(cfg);
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
config_ctrl_o_is_sysrq(const struct config *config, const char *name)
{
	bool sysrq = true;

	for (size_t i = 0; i < config->nkeys; i++)
		if (fnmatch(config->keys[i].pattern, name, 0) == 0)
			sysrq = config->keys[i].sysrq;
	return sysrq;
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
