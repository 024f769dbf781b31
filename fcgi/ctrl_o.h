/*
 * Ctrl-O on a guest's console.
 *
 * Linux' hvc driver takes it, on the line that is the kernel's console, for
 * SysRq: the key after it goes to the kernel, and a second Ctrl-O stands for
 * itself (linux: drivers/tty/hvc/hvc_console.c, __hvc_poll).
 */
#ifndef XENTERM_CTRL_O_H
#define XENTERM_CTRL_O_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct console;
struct input_by;

#define CTRL_O 0x0f

/* The guest takes Ctrl-O for SysRq: its first PV console does, unless the
 * configuration says otherwise. */
bool ctrl_o_is_sysrq(const struct config *config, const struct console *c);

/* As console_type(), for what a person typed: where Ctrl-O would be SysRq it
 * goes as the form that stands for itself. */
int ctrl_o_type(const struct config *config, struct console *c,
    const uint8_t *bytes, size_t len, const struct input_by *by);

#endif
