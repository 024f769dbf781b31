/*
 * A viewer that reads a console's output as it comes, over the stream or by
 * long polls.  What fails ends the program.
 */
#ifndef XENTERM_BENCH_VIEWER_H
#define XENTERM_BENCH_VIEWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;
struct viewer;

/* What one viewer_read() can bring: an answer's output and its snapshot. */
#define VIEWER_OUTPUT (320 * 1024)

/* How long a poll waits, in seconds, of all viewers: 60 unless it is said. */
void viewer_set_wait(unsigned seconds);

/* Opens a connection of its own and returns when the screen is there. */
struct viewer *viewer_open(const char *token, bool stream);

/* Waits for it, but no longer than ms milliseconds. */
void viewer_wait(struct viewer *viewer, int ms);

/* The guest's bytes that have come, at most VIEWER_OUTPUT of them. */
size_t viewer_read(struct viewer *viewer, uint8_t *to);

/* viewer_read() is to bring the bytes of snapshots, too. */
void viewer_show_snapshots(struct viewer *viewer);

/* How often it was told: here is the screen, what was before is skipped. */
unsigned viewer_snapshots(const struct viewer *viewer);

const struct http *viewer_http(const struct viewer *viewer);

#endif
