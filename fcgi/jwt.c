#include "fcgi/jwt.h"

#include <errno.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "fcgi/strict_json.h"

#define PEM_HEAD "-----BEGIN PUBLIC KEY-----\n"
#define PEM_TAIL "-----END PUBLIC KEY-----\n"

_Static_assert(
    crypto_sign_BYTES >= crypto_auth_hmacsha256_BYTES, "a signature has room");

/* The three parts of a token, none of them decoded. */
struct parts {
	const char *header, *claims, *signature, *end;
};

static bool
split(const char *text, struct parts *p)
{
	const char *first, *second;

	if (strlen(text) > LIMIT_TICKET)
		return false;
	first = strchr(text, '.');
	second = first ? strchr(first + 1, '.') : NULL;
	if (!second || strchr(second + 1, '.'))
		return false;
	*p = (struct parts){
	    text, first + 1, second + 1, second + strlen(second)};
	return true;
}

/* Base64url as RFC 7515 has it: no padding, no other character, and no bits
 * left over, so that there is one text for each value. */
static bool
decode(const char *begin, const char *end, uint8_t *out, size_t size, size_t *n)
{
	return sodium_base642bin(out, size, begin, (size_t)(end - begin), NULL,
		   n, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

/* NULL: it is no object of plain values, each there once. */
static struct json_object *
decode_object(const char *begin, const char *end)
{
	uint8_t bytes[LIMIT_TICKET];
	struct json_object *obj;
	size_t n;

	if (!decode(begin, end, bytes, sizeof bytes, &n))
		return NULL;
	obj = strict_json_object(bytes, n);
	if (obj && (!strict_json_is_plain(obj) ||
		       !strict_json_is_exact(obj, bytes, n))) {
		json_object_put(obj);
		obj = NULL;
	}
	return obj;
}

/* The header, if it is one: alg, kid and perhaps typ.  NULL: it is not. */
static struct json_object *
decode_header(const struct parts *p)
{
	struct json_object *header = decode_object(p->header, p->claims - 1);
	const char *typ;
	int known = 2;

	if (!header)
		return NULL;
	typ = strict_json_text(header, "typ", LIMIT_STRING);
	if (typ && strcasecmp(typ, "JWT") == 0)
		known++;
	if (strict_json_text(header, "alg", LIMIT_STRING) &&
	    strict_json_text(header, "kid", LIMIT_STRING) &&
	    json_object_object_length(header) == known)
		return header;
	json_object_put(header);
	return NULL;
}

int
jwt_key_name(const char *text, char name[LIMIT_STRING + 1])
{
	struct json_object *header = NULL;
	struct parts p;

	if (split(text, &p))
		header = decode_header(&p);
	if (!header)
		return -EBADMSG;
	strcpy(name, strict_json_text(header, "kid", LIMIT_STRING));
	json_object_put(header);
	return 0;
}

static bool
has_algorithm(const struct parts *p, enum ticket_algorithm algorithm)
{
	struct json_object *header = decode_header(p);
	bool is;

	if (!header)
		return false;
	is = strcmp(strict_json_text(header, "alg", LIMIT_STRING),
		 algorithm == TICKET_HS256 ? "HS256" : "EdDSA") == 0;
	json_object_put(header);
	return is;
}

static bool
is_mac(const uint8_t *mac, const uint8_t *text, size_t len,
    const struct jwt_key *key)
{
	uint8_t right[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state state;
	bool same;

	crypto_auth_hmacsha256_init(&state, key->bytes, key->len);
	crypto_auth_hmacsha256_update(&state, text, len);
	crypto_auth_hmacsha256_final(&state, right);
	same = sodium_memcmp(mac, right, sizeof right) == 0;
	sodium_memzero(&state, sizeof state);
	sodium_memzero(right, sizeof right);
	return same;
}

static bool
is_signed(const struct parts *p, const struct jwt_key *key)
{
	const uint8_t *text = (const uint8_t *)p->header;
	size_t n, len = (size_t)(p->signature - 1 - p->header);
	uint8_t signature[crypto_sign_BYTES];

	if (!decode(p->signature, p->end, signature, sizeof signature, &n))
		return false;
	if (key->algorithm == TICKET_HS256)
		return n == crypto_auth_hmacsha256_BYTES &&
		       is_mac(signature, text, len, key);
	return n == crypto_sign_BYTES && crypto_sign_verify_detached(signature,
					     text, len, key->bytes) == 0;
}

struct json_object *
jwt_claims(const char *text, const struct jwt_key *key)
{
	struct parts p;

	if (!split(text, &p) || !has_algorithm(&p, key->algorithm) ||
	    !is_signed(&p, key))
		return NULL;
	return decode_object(p.claims, p.signature - 1);
}

static const char *
read_secret(struct jwt_key *key, const char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\n')
		len--;
	if (len < LIMIT_TICKET_KEY_MIN)
		return "the secret is shorter than 32 bytes";
	if (len > sizeof key->bytes)
		return "the secret is longer than 256 bytes";
	memcpy(key->bytes, text, len);
	key->len = len;
	return NULL;
}

/* SubjectPublicKeyInfo of Ed25519 (RFC 8410): always these bytes, the key. */
static const char *
read_public(struct jwt_key *key, const char *text, size_t len)
{
	static const uint8_t head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b,
	    0x65, 0x70, 0x03, 0x21, 0x00};
	uint8_t der[sizeof head + crypto_sign_PUBLICKEYBYTES];
	const size_t around = strlen(PEM_HEAD) + strlen(PEM_TAIL);
	size_t n;

	if (len > around && memcmp(text, PEM_HEAD, strlen(PEM_HEAD)) == 0 &&
	    memcmp(text + len - strlen(PEM_TAIL), PEM_TAIL, strlen(PEM_TAIL)) ==
		0 &&
	    sodium_base642bin(der, sizeof der, text + strlen(PEM_HEAD),
		len - around, "\n", &n, NULL,
		sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    n == sizeof der && memcmp(der, head, sizeof head) == 0) {
		key->len = crypto_sign_PUBLICKEYBYTES;
		memcpy(key->bytes, der + sizeof head, key->len);
		return NULL;
	}
	return "this is no Ed25519 public key in PEM (openssl pkey -pubout)";
}

const char *
jwt_key_read(struct jwt_key *key, enum ticket_algorithm algorithm,
    const char *text, size_t len)
{
	key->algorithm = algorithm;
	return algorithm == TICKET_HS256 ? read_secret(key, text, len)
					 : read_public(key, text, len);
}
