/*
 * Signed JSON Web Tokens (RFC 7519), as few of their ways as do.
 *
 * The compact form, HS256 or EdDSA (Ed25519).  Which of the two is a matter of
 * the key, never of the token: its header must name the key, and the algorithm
 * that this key has, and nothing besides; so there is no "none", no key taken
 * for one of the other kind, and none that the token brings along.
 */
#ifndef XENTERM_JWT_H
#define XENTERM_JWT_H

#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/limits.h"

struct json_object;

struct jwt_key {
	enum ticket_algorithm algorithm;
	uint8_t bytes[LIMIT_TICKET_KEY]; /* the secret, or the public key */
	size_t len;
};

/*
 * Takes a key as a file has it.  HS256: the secret, as it is, but for one line
 * feed at its end.  EdDSA: a public key in PEM.  NULL, or what is wrong with
 * it in words.
 */
const char *jwt_key_read(struct jwt_key *key, enum ticket_algorithm algorithm,
    const char *text, size_t len);

/* The name of the key ("kid") that text says it is signed with; nothing else
 * is checked.  0 or -EBADMSG. */
int jwt_key_name(const char *text, char name[LIMIT_STRING + 1]);

/* The claims of text, all of them plain values, if key has signed it; they
 * are the caller's.  NULL: it has not, or text is no such token. */
struct json_object *jwt_claims(const char *text, const struct jwt_key *key);

#endif
