/*
 * xenterm.conf, and after it the files *.conf of the directory conf.d beside
 * it, in the order of their names; read by both programs with libconfuse.
 *
 * Every mistake is reported with file, line and reason (config_report.h).
 */
#ifndef XENTERM_CONFIG_H
#define XENTERM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_files;

enum {
	RIGHT_LIST = 1,	  /* see that the console exists, and its state */
	RIGHT_WATCH = 2,  /* read its output */
	RIGHT_TYPE = 4,	  /* send it input, set its size */
	RIGHT_JOIN = 8,	  /* also while other users do */
	RIGHT_FORCE = 16, /* make them watchers */
	RIGHT_LOG = 32,	  /* read what xenterm-logger has kept of it */
	RIGHT_POWER = 64, /* ask its guest to shut down or to reboot */
};

/*
 * Who may do what.  The lists end with NULL.  A user is a name, "@group" for
 * all of a group, or "*"; a console a pattern of names as fnmatch(3) has it.
 */
struct config_access {
	char **users;
	char **consoles;
	uint32_t rights;
};

/* How a launch ticket is signed. */
enum ticket_algorithm {
	TICKET_HS256, /* HMAC-SHA-256, with a secret that the panel has too */
	TICKET_EDDSA, /* Ed25519 */
};

/* A key that signs launch tickets, and what they can open at most. */
struct config_ticket_key {
	char *name;
	enum ticket_algorithm algorithm;
	char *file;
	char *audience; /* this host, as tickets name it */
	char **consoles;
	uint32_t rights;
};

struct config_hold {
	char *pattern;
	bool always;
};

/* What a guest's PV console makes of Ctrl-O. */
struct config_keys {
	char *pattern;
	bool sysrq; /* SysRq, as Linux' hvc0 does; else nothing special */
};

enum config_record {
	RECORD_OFF,
	RECORD_SESSIONS, /* while somebody is there */
	RECORD_ALWAYS,
};

/* What xenterm-logger keeps of a guest's consoles. */
struct config_log {
	char *pattern;
	bool text;
	enum config_record record;
	bool input;	     /* recordings have what is typed, too */
	unsigned size, keep; /* bytes of a log file; how many there are */
	unsigned record_size, record_keep; /* the same of recordings */
	unsigned days;	 /* older files are removed; 0: never */
	unsigned silent; /* seconds without output to tell of; 0: never */
	char **crash;	 /* patterns of lines that a crash begins with */
};

/* Whom xenterm-logger tells what happens. */
struct config_hook {
	char *name;
	char **consoles; /* patterns of guests' names */
	char **events;	 /* "up", "gone", "silent", "crash", "take-over" */
	char **lines;	 /* patterns of lines; the event "line" */
	char *url;	 /* "": none */
	char **command;	 /* an absolute path and its arguments; {}: none */
	unsigned per_minute;
};

struct config {
	char *run_dir;	       /* broker.sock, fcgi.sock, admin.sock lie here */
	char *user;	       /* the worker's */
	char *socket_group;    /* nginx' group: may connect to fcgi.sock */
	char *xenstore;	       /* xenstored's socket */
	char *lock_dir;	       /* of xenconsole's lock files */
	char *screen_program;  /* xenterm-screen */
	char *audit_file;      /* "": into the log */
	char *log_dir;	       /* xenterm-logger's files */
	char *log_user;	       /* the logger's; never "" */
	char *log_group;       /* may read them; "": the worker's alone */
	char **host_names;     /* that requests may be for; {}: any */
	bool verify_owner;     /* ask who holds the other end */
	size_t ring_size;      /* bytes a console */
	unsigned rescan;       /* seconds between two looks at all domains */
	unsigned gone_after;   /* seconds a guest may be away before `gone` */
	unsigned forget_after; /* seconds a `gone` console is kept */
	unsigned session_idle; /* seconds */
	unsigned session_max;  /* seconds */
	unsigned sessions_total, sessions_per_user, sessions_per_console;
	unsigned failures_per_minute; /* of an address */
	unsigned waiting_total; /* requests of nginx at a time, output waits */
	struct config_hold *holds;
	size_t nholds;
	struct config_keys *keys;
	size_t nkeys;
	struct config_access *access;
	size_t naccess;
	struct config_ticket_key *ticket_keys;
	size_t nticket_keys;
	struct config_log *logs;
	size_t nlogs;
	struct config_hook *hooks;
	size_t nhooks;
};

/* The file and its parts, for config_parse() (common/config_parse.h), which may
 * be somebody's who may not open them.  False: a mistake has been reported. */
bool config_read(const char *path, struct config_files *files);
/* Both.  NULL when the file cannot be read or is wrong; that has been
 * reported. */
struct config *config_load(const char *path);
void config_free(struct config *config);

/* Makes one the other, so who has a pointer to `now` sees the next. */
void config_exchange(struct config *now, struct config *next);
/* Gives `next` those options of `now` that only a start can change, and says
 * so in the log where they differ. */
void config_keep_fixed(struct config *now, struct config *next);

/* A request for this host (its header Host, perhaps with a port) is for us. */
bool config_is_host(const struct config *config, const char *host);

/* hold = always for a guest of this name; the last fitting section wins. */
bool config_hold_always(const struct config *config, const char *name);

/* Somebody may ask a guest of this name to shut down. */
bool config_gives_power(const struct config *config, const char *name);

/* Ctrl-O begins a SysRq on the PV console of a guest of this name, unless the
 * last fitting section says otherwise. */
bool config_ctrl_o_is_sysrq(const struct config *config, const char *name);

/* What to keep of the consoles of a guest of this name: the last fitting
 * section; NULL: nothing. */
const struct config_log *config_log_of(
    const struct config *config, const char *name);

/* run_dir/name, or -ENAMETOOLONG when it is no address of a socket. */
int config_socket(
    const struct config *config, const char *name, char *out, size_t size);

#endif
