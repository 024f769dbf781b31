#include "common/config_check.h"

#include <confuse.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "common/limits.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

const struct config_number config_numbers[] = {
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
    {NULL, 0, 0, 0, 0},
};

const struct config_number config_log_numbers[] = {
    {"size", 8 * 1024 * 1024, 4096, INT_MAX, offsetof(struct config_log, size)},
    {"keep", 4, 1, 100, offsetof(struct config_log, keep)},
    {"record_size", 32 * 1024 * 1024, 4096, INT_MAX,
	offsetof(struct config_log, record_size)},
    {"record_keep", 20, 1, 10000, offsetof(struct config_log, record_keep)},
    {"days", 0, 0, 36500, offsetof(struct config_log, days)},
    {"silent", 0, 0, 31536000, offsetof(struct config_log, silent)},
    {NULL, 0, 0, 0, 0},
};

const struct config_number config_hook_numbers[] = {
    {"per_minute", 10, 1, 6000, offsetof(struct config_hook, per_minute)},
    {NULL, 0, 0, 0, 0},
};

static const struct config_number *const all_numbers[] = {
    config_numbers, config_log_numbers, config_hook_numbers};

/* An option that is one of some words. */
struct word_option {
	const char *path, *words[4], *told;
};

static const struct word_option word_options[] = {
    {"hold|mode", {"always", "on-demand"}, "always or on-demand"},
    {"keys|ctrl_o", {"sysrq", "plain"}, "sysrq or plain"},
    {"log|record", {"off", "sessions", "always"}, "off, sessions or always"},
    {"ticket_key|algorithm", {"HS256", "EdDSA"}, "HS256 or EdDSA"},
};

static const char *const hook_events[] = {
    "up", "gone", "silent", "crash", "take-over"};

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

uint32_t
config_right(const char *name)
{
	for (size_t i = 0; i < COUNT(right_names); i++)
		if (strcmp(right_names[i].name, name) == 0)
			return right_names[i].right;
	return 0;
}

static const struct config_number *
find_number(const char *name)
{
	for (size_t i = 0; i < COUNT(all_numbers); i++)
		for (const struct config_number *n = all_numbers[i]; n->name;
		     n++)
			if (strcmp(n->name, name) == 0)
				return n;
	return NULL;
}

long
config_fallback(const char *name)
{
	return find_number(name)->fallback;
}

static int
check_number(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct config_number *n = find_number(cfg_opt_name(opt));
	long value = cfg_opt_getnint(opt, 0);

	if (value >= n->min && value <= n->max)
		return 0;
	cfg_error(cfg, "%s = %ld: must be from %ld to %ld", n->name, value,
	    n->min, n->max);
	return -1;
}

/* The one whose path ends so. */
static const struct word_option *
find_words(const char *name)
{
	const struct word_option *w = word_options;

	while (strcmp(strchr(w->path, '|') + 1, name) != 0)
		w++;
	return w;
}

static int
check_word(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct word_option *w = find_words(cfg_opt_name(opt));
	const char *value = cfg_opt_getnstr(opt, 0);

	for (size_t i = 0; w->words[i]; i++)
		if (strcmp(w->words[i], value) == 0)
			return 0;
	cfg_error(
	    cfg, "%s = \"%s\": must be %s", cfg_opt_name(opt), value, w->told);
	return -1;
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

static int
check_rights(cfg_t *cfg, cfg_opt_t *opt)
{
	for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
		const char *name = cfg_opt_getnstr(opt, i);

		if (config_right(name) == 0) {
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
		if (config_right(cfg_opt_getnstr(opt, i)) == RIGHT_POWER) {
			cfg_error(cfg, "rights: a ticket cannot give power");
			return -1;
		}
	return check_rights(cfg, opt);
}

static void
check_numbers(
    cfg_t *cfg, const char *section, const struct config_number *numbers)
{
	char path[64];

	for (; numbers->name; numbers++) {
		snprintf(path, sizeof path, "%s%s", section, numbers->name);
		cfg_set_validate_func(cfg, path, check_number);
	}
}

void
config_check(cfg_t *cfg)
{
	static const char *const paths[] = {"run_dir", "xenstore", "lock_dir",
	    "audit_file", "screen_program", "log_dir", "ticket_key|file"};

	for (size_t i = 0; i < COUNT(paths); i++)
		cfg_set_validate_func(cfg, paths[i], check_path);
	for (size_t i = 0; i < COUNT(word_options); i++)
		cfg_set_validate_func(cfg, word_options[i].path, check_word);
	check_numbers(cfg, "", config_numbers);
	check_numbers(cfg, "log|", config_log_numbers);
	check_numbers(cfg, "hook|", config_hook_numbers);
	cfg_set_validate_func(cfg, "ring_size", check_ring_size);
	cfg_set_validate_func(cfg, "host_names", check_host_names);
	cfg_set_validate_func(cfg, "hook", check_hook);
	cfg_set_validate_func(cfg, "hook|events", check_events);
	cfg_set_validate_func(cfg, "access|rights", check_rights);
	cfg_set_validate_func(cfg, "ticket_key", check_ticket_key);
	cfg_set_validate_func(cfg, "ticket_key|rights", check_key_rights);
}
