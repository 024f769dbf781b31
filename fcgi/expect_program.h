/*
 * What a call of expect is to do: its steps, read from JSON.
 *
 *	{"steps": [{"name", "send", "until", "timeout", "else", "on"}, …]}
 *
 * docs/protocol.md 1.13 tells what each means.
 */
#ifndef XENTERM_EXPECT_PROGRAM_H
#define XENTERM_EXPECT_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

struct pattern;

/* What follows; others are indices of steps. */
#define EXPECT_DONE (-1)
#define EXPECT_FAIL (-2)

struct expect_pattern {
	struct pattern *pattern;
	int then;
};

struct expect_step {
	char name[LIMIT_EXPECT_NAME + 1]; /* "": none */
	char *send;			  /* NULL: nothing */
	size_t send_len;
	struct expect_pattern patterns[LIMIT_EXPECT_PATTERNS];
	size_t npatterns; /* 0: it does not wait */
	unsigned timeout_ms;
	int otherwise;
	bool on_screen;
};

struct expect_program {
	struct expect_step *steps;
	size_t nsteps;
};

#define EXPECT_ERROR 320

/* NULL: error, of EXPECT_ERROR bytes, says in a sentence what is wrong. */
struct expect_program *expect_program_parse(
    const uint8_t *json, size_t len, char error[EXPECT_ERROR]);
/* NULL is fine. */
void expect_program_free(struct expect_program *program);

#endif
