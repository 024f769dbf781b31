/*
 * xenterm.conf: one file, read by both programs with libconfuse.
 *
 * Every mistake is reported on stderr with file, line and reason.
 */
#ifndef XENTERM_CONFIG_H
#define XENTERM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RIGHT_LIST = 1,	 /* see that the console exists, and its state */
	RIGHT_WATCH = 2, /* read its output */
	RIGHT_TYPE = 4,	 /* send it input, set its size */
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

struct config_hold {
	char *pattern;
	bool always;
};

/* What a guest's PV console makes of Ctrl-O. */
struct config_keys {
	char *pattern;
	bool sysrq; /* SysRq, as Linux' hvc0 does; else nothing special */
};

struct config {
	char *run_dir;	       /* broker.sock, fcgi.sock, admin.sock lie here */
	char *user;	       /* the worker's */
	char *socket_group;    /* nginx' group: may connect to fcgi.sock */
	char *xenstore;	       /* xenstored's socket */
	char *lock_dir;	       /* of xenconsole's lock files */
	char *screen_program;  /* xenterm-screen */
	bool verify_owner;     /* ask who holds the other end */
	size_t ring_size;      /* bytes a console */
	unsigned rescan;       /* seconds between two looks at all domains */
	unsigned gone_after;   /* seconds a guest may be away before `gone` */
	unsigned forget_after; /* seconds a `gone` console is kept */
	unsigned session_idle; /* seconds */
	unsigned session_max;  /* seconds */
	struct config_hold *holds;
	size_t nholds;
	struct config_keys *keys;
	size_t nkeys;
	struct config_access *access;
	size_t naccess;
};

/* NULL when the file cannot be read or is wrong; that has been reported. */
struct config *config_load(const char *path);
void config_free(struct config *config);

/* hold = always for a guest of this name; the last fitting section wins. */
bool config_hold_always(const struct config *config, const char *name);

/* Ctrl-O begins a SysRq on the PV console of a guest of this name, unless the
 * last fitting section says otherwise. */
bool config_ctrl_o_is_sysrq(const struct config *config, const char *name);

/* run_dir/name, or -ENAMETOOLONG when it is no address of a socket. */
int config_socket(
    const struct config *config, const char *name, char *out, size_t size);

#endif
