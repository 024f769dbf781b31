/* Tokens signed by the tests, with any header and any claims. */
#ifndef XENTERM_SIGNED_H
#define XENTERM_SIGNED_H

#include <stdint.h>

#include "common/limits.h"

#define SIGNED_SIZE (2 * LIMIT_TICKET)

/* 32 bytes or more of text. */
#define SIGNED_SECRET "a secret of at least thirty-two bytes"

/* Into out, of SIGNED_SIZE bytes; NULL as secret: with the Ed25519 key whose
 * public half is signed_public. */
void sign_token(
    const char *header, const char *claims, const char *secret, char *out);
extern uint8_t signed_public[32];

#endif
