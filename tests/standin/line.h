/*
 * Where a guest's console bytes go: the PV console ring that xenconsoled
 * serves, or the pty of an emulated serial port. Neither ever blocks.
 */
#ifndef STANDIN_LINE_H
#define STANDIN_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line;

/* The ring page of this domain, and its event channel. NULL: errno. */
struct line *line_open_ring(uint32_t domid, uint32_t port);
/* A pty as qemu's "-serial pty" makes it; path is /dev/pts/N. NULL: errno. */
struct line *line_open_serial(const char **path);

/* To wait on (EPOLLIN | EPOLLOUT | EPOLLET), and to call after a wake-up. */
int line_fd(const struct line *line);
void line_awake(struct line *line);

/* How much was moved; 0 when the line is empty, or full. */
size_t line_read(struct line *line, char *bytes, size_t size);
size_t line_write(struct line *line, const char *bytes, size_t size);
/* Tells the other side, once, what line_read and line_write did. */
void line_notify(struct line *line);
/* Has the other side taken everything? */
bool line_drained(const struct line *line);

#endif
