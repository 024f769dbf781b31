/*
 * Typing once and in order: what POST input and POST keys have in common.
 *
 * Both are numbered by the same count, see session_seq().  The calls that
 * return false have answered the request.
 */
#ifndef XENTERM_TYPING_H
#define XENTERM_TYPING_H

#include <stdbool.h>
#include <stdint.h>

struct request;

/* This session may type. */
bool typing_allowed(struct request *r);

/* seq is the next number, or (*again) the last one once more: such a request
 * is acknowledged, whatever it brings, and nothing is typed. */
bool typing_in_turn(struct request *r, uint64_t seq, bool *again);

/* Answers that nothing was typed at r->console: error is what console_type()
 * has returned. */
void typing_refuse(struct request *r, int error);

/* The number is used up, if error is 0.  Otherwise nothing was typed:
 * error is what console_type() has returned. */
bool typing_done(struct request *r, uint64_t seq, int error);

/* 200: typed now, or before. */
void typing_acknowledge(struct request *r, uint64_t seq, bool typed);

#endif
