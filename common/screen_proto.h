/*
 * The messages between xenterm-fcgi, xenterm-screen and the screen processes.
 *
 * One SOCK_SEQPACKET packet each.  xenterm-screen, the spawner, is told to
 * start (SPAWN_START) a process for one console and hands nothing but the
 * descriptors on to it; all else is said between the worker and that process
 * alone.  The worker trusts neither its numbers nor its bytes: a guest may
 * have taken it over.
 */
#ifndef XENTERM_SCREEN_PROTO_H
#define XENTERM_SCREEN_PROTO_H

#include <stdint.h>

#define SCREEN_PROTO_VERSION 1

enum screen_msg_type {
	/* spawner to worker */
	SPAWN_HELLO = 128, /* struct msg_hello, first and once */
	SPAWN_ENDED,	   /* struct spawn_ended */
	/* worker to spawner */
	SPAWN_START, /* struct spawn_msg + socket, ring (read-only),
			checkpoint */
	SPAWN_KILL,  /* struct spawn_msg */

	/* worker to screen process */
	SCREEN_START = 160, /* struct screen_start, first and once */
	SCREEN_FEED,	    /* struct screen_msg: there is more in the ring */
	SCREEN_RESIZE,	    /* struct screen_resize */
	SCREEN_RENDER,	    /* struct screen_wish */
	/* screen process to worker */
	SCREEN_AT,    /* struct screen_at, once to each FEED, RESIZE, START */
	SCREEN_REPLY, /* struct screen_reply */
	SCREEN_DATA,  /* struct screen_msg and bytes: a part of a rendering */
	SCREEN_IMAGE, /* struct screen_image: the rendering is complete */
};

enum screen_format {
	SCREEN_ANSI, /* all of the state, for a reset terminal */
	SCREEN_TEXT,
	SCREEN_HTML,
	SCREEN_JSON,
	SCREEN_AJAXTERM, /* without history, as AjaxTerm's pages read it */
	SCREEN_AJAXTERM_MONO,
	SCREEN_FORMATS,
};

/* Of a rendering in one packet, and of the answers to one stretch of output. */
#define SCREEN_DATA_MAX	 (32 * 1024)
#define SCREEN_REPLY_MAX 256

struct spawn_msg {
	uint32_t type;
	uint32_t id;
};

struct spawn_ended {
	uint32_t type;
	uint32_t id;
	int32_t status; /* as waitpid(2) gives it */
};

struct screen_msg {
	uint32_t type;
};

/* START.  Answers to what the guest printed before `live` are not given. */
struct screen_start {
	uint32_t type;
	uint32_t afresh; /* 1: the checkpoint is not to be used */
	uint32_t rows, cols;
	uint64_t live;
};

/* Holds from this offset on. */
struct screen_resize {
	uint32_t type;
	uint32_t rows, cols;
	uint32_t pad;
	uint64_t offset;
};

struct screen_wish {
	uint32_t type;
	uint32_t format;  /* enum screen_format */
	uint32_t history; /* lines above the screen, as far as there are any */
	uint32_t pad;
	/* Nothing is rendered when the screen has not changed since this
	 * generation; UINT64_MAX: in any case. */
	uint64_t since;
};

struct screen_at {
	uint32_t type;
	uint32_t pad;
	uint64_t offset;     /* worked through up to here */
	uint64_t checkpoint; /* and saved up to here */
	uint64_t skipped;    /* bytes that had left the ring unread, in all */
};

/* What the terminal answers to the output before offset. */
struct screen_reply {
	uint32_t type;
	uint32_t len;
	uint64_t offset;
	char bytes[SCREEN_REPLY_MAX];
};

struct screen_image {
	uint32_t type;
	uint32_t format;
	uint32_t rows, cols;
	uint64_t offset;     /* the screen after the output up to here */
	uint64_t generation; /* of the screen */
	uint64_t len;	     /* bytes that came as DATA */
	uint32_t unchanged;  /* 1: nothing was rendered, see screen_wish */
	uint32_t pad;
};

_Static_assert(sizeof(struct spawn_ended) == 12, "no padding");
_Static_assert(sizeof(struct screen_start) == 24, "no padding");
_Static_assert(sizeof(struct screen_resize) == 24, "no padding");
_Static_assert(sizeof(struct screen_wish) == 24, "no padding");
_Static_assert(sizeof(struct screen_at) == 32, "no padding");
_Static_assert(sizeof(struct screen_reply) == 272, "no padding");
_Static_assert(sizeof(struct screen_image) == 48, "no padding");

#endif
