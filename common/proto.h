/*
 * The messages between xenterm-broker and xenterm-fcgi.
 *
 * One SOCK_SEQPACKET packet each, so a message arrives whole and its
 * descriptors belong to it.  Fixed sizes, no pointers, no padding.  The
 * broker listens, one worker is connected at a time.  docs/protocol.md
 * section 3 tells the conversation.
 */
#ifndef XENTERM_PROTO_H
#define XENTERM_PROTO_H

#include <stdint.h>

#include "common/console_key.h"
#include "common/limits.h"
#include "common/screen_proto.h"

#define PROTO_VERSION 3

/* What comes with MSG_TTY, in this order. */
enum tty_fd {
	TTY_RING,	    /* the ring's memfd */
	TTY_RING_READ_ONLY, /* the same, for the screen process */
	TTY_CHECKPOINT,	    /* the memfd of the screen's checkpoints */
	TTY_STORE,	    /* the memfd of what a worker leaves to the next */
	TTY_PTY,
	TTY_FDS,
};
#define PROTO_MAX_FDS 5

enum msg_type {
	/* worker to broker */
	MSG_HELLO = 1, /* struct msg_hello, first and once */
	MSG_WANT,      /* struct msg_key: hold it, its guest has a viewer */
	MSG_UNWANT,    /* struct msg_key: let go when the guest ends */
	MSG_RELEASE,   /* struct msg_key: let go now, until MSG_WANT */
	MSG_HANGUP, /* struct msg_hangup: this tty has been read to its end */
	MSG_RELOAD, /* struct msg_hello: read the configuration again */
	MSG_POWER,  /* struct msg_power: ask a guest; answered by MSG_POWERED */

	/* broker to worker */
	MSG_CONSOLE = 64, /* struct msg_console: new, or changed */
	MSG_TTY,	  /* struct msg_tty + descriptors of enum tty_fd */
	MSG_REMOVED,	  /* struct msg_key: forgotten */
	MSG_SYNCED,	  /* struct msg_hello: you have been told everything */
	MSG_CONFIG,	 /* struct msg_config + descriptors of enum config_fd */
	MSG_CONFIG_KEPT, /* struct msg_hello: it is wrong; the old one stays */
	MSG_SESSIONS, /* struct msg_hello + the memfd of the sessions, first */
	MSG_POWERED,  /* struct msg_powered: what became of it */
};

enum proto_state {
	STATE_UP,
	STATE_WAITING,
	STATE_BUSY,
	STATE_RELEASED,
	STATE_REFUSED,
	STATE_GONE,
	STATE_COUNT,
};

/* Flags of struct msg_console. */
#define CONSOLE_DEFAULT 1u /* what the guest's bare name stands for */

/* What comes with MSG_CONFIG, in this order. */
enum config_fd {
	CONFIG_FD_FILES, /* memfd: struct config_files' data */
	CONFIG_FD_AUDIT, /* to append to; else the same memfd again */
	CONFIG_FDS,
};

enum power_action {
	POWER_SHUTDOWN,
	POWER_REBOOT,
	POWER_ACTIONS,
};

/* What becomes of a MSG_POWER. */
enum power_outcome {
	POWER_TAKEN,	   /* the guest has taken it, or has ended */
	POWER_NO_ANSWER,   /* it has not; it is not asked any more */
	POWER_REFUSED,	   /* it says that it does not do so */
	POWER_PENDING,	   /* it is asked for something already */
	POWER_OTHER,	   /* the console has another domain, or none */
	POWER_NOT_OFFERED, /* its domain has no place for it */
	POWER_FORBIDDEN,   /* the configuration gives nobody the right */
	POWER_NO_STORE,	   /* xenstored is away: nobody knows */
	POWER_OUTCOMES,
};

struct msg_config {
	uint32_t type;
	uint32_t size; /* of the files */
	uint32_t has_audit;
};

struct msg_hello {
	uint32_t type;
	uint32_t version;
};

struct msg_key {
	uint32_t type;
	struct console_key key;
};

struct msg_hangup {
	uint32_t type;
	uint32_t serial;
	struct console_key key;
};

struct msg_console {
	uint32_t type;
	uint32_t state;
	uint32_t domid;
	uint32_t flags;
	struct console_key key;
	char name[LIMIT_NAME + 1];     /* UTF-8, NUL-terminated */
	char holder[LIMIT_HOLDER + 1]; /* with STATE_BUSY, if known */
};

/* serial counts the ttys of all consoles; MSG_HANGUP names one by it.  domid
 * is whose tty it is: it comes before the MSG_CONSOLE that tells it too. */
struct msg_tty {
	uint32_t type;
	uint32_t serial;
	uint32_t domid;
	struct console_key key;
};

/* number is the worker's, for the answer.  domid: which domain is meant. */
struct msg_power {
	uint32_t type;
	uint32_t number;
	uint32_t action;
	uint32_t domid;
	struct console_key key;
};

struct msg_powered {
	uint32_t type;
	uint32_t number;
	uint32_t outcome;
};

/* With those of common/screen_proto.h that bring descriptors or go the same
 * way. */
union msg {
	uint32_t type;
	struct msg_hello hello;
	struct msg_key key;
	struct msg_hangup hangup;
	struct msg_console console;
	struct msg_tty tty;
	struct msg_config config;
	struct msg_power power;
	struct msg_powered powered;
	struct spawn_msg spawn;
	struct spawn_ended spawn_ended;
};

_Static_assert(sizeof(struct msg_hello) == 8, "no padding");
_Static_assert(sizeof(struct msg_config) == 12, "no padding");
_Static_assert(sizeof(struct msg_key) == 28, "no padding");
_Static_assert(sizeof(struct msg_hangup) == 32, "no padding");
_Static_assert(sizeof(struct msg_console) == 232, "no padding");
_Static_assert(sizeof(struct msg_tty) == 36, "no padding");
_Static_assert(sizeof(struct msg_power) == 40, "no padding");
_Static_assert(sizeof(struct msg_powered) == 12, "no padding");

/* "up", "waiting", … as the HTTP interface spells them. */
const char *proto_state_name(uint32_t state);

#endif
