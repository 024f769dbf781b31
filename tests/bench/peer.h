/*
 * A viewer of another program that shows a terminal in a browser, behind the
 * same nginx: what the program's own page asks for, and nothing else.  Its
 * session runs a command that says something first.  What fails ends the
 * program.
 *
 *   siab    shellinabox: a POST that waits for output, another for each key
 *   ttyd    a WebSocket
 *   wetty   socket.io on a WebSocket
 */
#ifndef XENTERM_BENCH_PEER_H
#define XENTERM_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/http.h"

struct peer;

/* What one peer_read() can bring. */
#define PEER_OUTPUT (64 * 1024)

/* Whether there is one of that name. */
bool peer_known(const char *name);

/* After http_init().  Returns when the session's command has said something. */
struct peer *peer_open(const char *name);

/* Returns when the key before is acknowledged, where keys are, and this one is
 * on its way. */
void peer_type(struct peer *peer, char key);

/* The output that has come, at most PEER_OUTPUT bytes; asks for more where that
 * has to be asked for. */
size_t peer_read(struct peer *peer, uint8_t *to);

/* Waits for something to read, but no longer than ms milliseconds. */
void peer_wait(struct peer *peer, int ms);

/* Brings to an end what a key's echo has not. */
void peer_settle(struct peer *peer);

/* Answers what a page answers at any time, until standard input, which has no
 * buffer, can be read.  NULL: returns at once. */
void peer_idle(struct peer *peer);

/* Where output comes. */
int peer_fd(const struct peer *peer);

struct http_wire peer_wire(const struct peer *peer);

#endif
