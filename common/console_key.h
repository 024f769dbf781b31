/*
 * What names a console for good: the uuid of its guest, its kind and number.
 * A domid changes at every reboot and a name whenever the admin likes.
 */
#ifndef XENTERM_CONSOLE_KEY_H
#define XENTERM_CONSOLE_KEY_H

#include <stdbool.h>
#include <stdint.h>

enum console_kind {
	CONSOLE_PV,	/* hvc: console/tty and device/console/N/tty */
	CONSOLE_SERIAL, /* an emulated UART: serial/N/tty */
};

/* No padding: it is hashed and sent as it lies. */
struct console_key {
	uint8_t uuid[16];
	uint32_t kind;
	uint32_t number;
};

_Static_assert(sizeof(struct console_key) == 24, "sent and hashed as bytes");

/* "0f3c9a52-6d0e-4b0e-9c3a-5f1d2e3c4b91/pv0" and the NUL. */
#define CONSOLE_KEY_TEXT 56

void console_key_format(
    const struct console_key *key, char out[CONSOLE_KEY_TEXT]);

/* False unless all of text is an id as console_key_format() writes it, in
 * small or capital letters. */
bool console_key_parse(const char *text, struct console_key *out);

/* "pv0", "serial1": all of text. */
bool console_kind_parse(const char *text, uint32_t *kind, uint32_t *number);
const char *console_kind_name(uint32_t kind);

/* 36 characters of a uuid, upper or lower case; nothing behind them. */
bool console_uuid_parse(const char *text, uint8_t out[16]);

#endif
