/* The file of a key that signs launch tickets. */
#ifndef XENTERM_KEY_FILE_H
#define XENTERM_KEY_FILE_H

#include <stddef.h>

#include "common/config.h"

/* No key, with what is around it, is as long. */
#define KEY_FILE_MAX 1024

/* Reads a key whose file others cannot write, nor, if it is a secret, read.
 * NULL and *len; or what is wrong, as a sentence's end. */
const char *key_file_read(const struct config_ticket_key *section,
    char text[KEY_FILE_MAX], size_t *len);

#endif
