/* Signed tokens, most of them forged. */
#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fcgi/jwt.h"
#include "tests/unit/signed.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

#define HS "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"panel\"}"
#define ED "{\"alg\":\"EdDSA\",\"kid\":\"panel\"}"

static struct jwt_key secret, public;
static char token[SIGNED_SIZE];

static int
setup(void **state)
{
	(void)state;
	if (sodium_init() < 0)
		return -1;
	sign_token(HS, "{}", NULL, token); /* makes signed_public */
	public.algorithm = TICKET_EDDSA;
	public.len = sizeof signed_public;
	memcpy(public.bytes, signed_public, public.len);
	return jwt_key_read(
		   &secret, TICKET_HS256, SIGNED_SECRET, strlen(SIGNED_SECRET))
		   ? -1
		   : 0;
}

static void
assert_good(const struct jwt_key *key, const char *want)
{
	struct json_object *claims = jwt_claims(token, key), *member;

	assert_non_null(claims);
	assert_true(json_object_object_get_ex(claims, "sub", &member));
	assert_string_equal(json_object_get_string(member), want);
	json_object_put(claims);
}

static void
assert_bad(void)
{
	struct json_object *claims = jwt_claims(token, &secret);

	if (!claims)
		claims = jwt_claims(token, &public);
	if (claims)
		fail_msg("taken: %s", token);
}

static void
test_good(void **state)
{
	char name[LIMIT_STRING + 1];

	(void)state;
	sign_token(HS, "{\"sub\": \"alice\", \"n\": 1}", SIGNED_SECRET, token);
	assert_good(&secret, "alice");
	assert_int_equal(jwt_key_name(token, name), 0);
	assert_string_equal(name, "panel");
	sign_token(ED, "{\"sub\":\"bob\"}", NULL, token);
	assert_good(&public, "bob");
}

/* Made by another program: openssl dgst -sha256 -hmac. */
static void
test_vector(void **state)
{
	static const char made[] =
	    "eyJhbGciOiJIUzI1NiIsImtpZCI6InBhbmVsIn0."
	    "eyJzdWIiOiJhbGljZSJ9."
	    "klgHBUVsUqjxvckdE3DIFtkgHWu6wrBFSB2uL1jwXR8";

	(void)state;
	snprintf(token, sizeof token, "%s", made);
	assert_good(&secret, "alice");
}

static void
test_headers(void **state)
{
	static const char *const headers[] = {
	    "{}",
	    "{\"alg\":\"HS256\"}",
	    "{\"kid\":\"panel\"}",
	    "{\"alg\":\"none\",\"kid\":\"panel\"}",
	    "{\"alg\":\"None\",\"kid\":\"panel\"}",
	    "{\"alg\":\"\",\"kid\":\"panel\"}",
	    "{\"alg\":null,\"kid\":\"panel\"}",
	    "{\"alg\":\"hs256\",\"kid\":\"panel\"}",
	    "{\"alg\":\"HS512\",\"kid\":\"panel\"}",
	    "{\"alg\":\"RS256\",\"kid\":\"panel\"}",
	    "{\"alg\":\"HS256\\u0000\",\"kid\":\"panel\"}",
	    "{\"alg\":[\"HS256\"],\"kid\":\"panel\"}",
	    "{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"panel\"}",
	    "{\"alg\":\"HS256\",\"alg\":\"EdDSA\",\"kid\":\"panel\"}",
	    "{\"alg\":\"HS256\",\"kid\":\"panel\",\"crit\":[\"exp\"]}",
	    "{\"alg\":\"HS256\",\"kid\":\"panel\",\"jku\":\"https://x\"}",
	    "{\"alg\":\"HS256\",\"kid\":\"panel\",\"b64\":false}",
	    "{\"alg\":\"HS256\",\"kid\":\"panel\",\"jwk\":{}}",
	    "{\"alg\":\"HS256\",\"kid\":\"panel\",\"typ\":\"JWE\"}",
	    "{\"alg\":\"HS256\",\"kid\":\"panel\",\"typ\":1}",
	    "{\"alg\":\"HS256\",\"kid\":1}",
	    "{\"alg\":\"HS256\",\"kid\":\"\"}",
	    "{\"alg\":\"HS256\",\"kid\":\"a\\nb\"}",
	    "[\"HS256\"]",
	    "\"HS256\"",
	    "",
	    "{",
	    "{\"alg\":\"HS256\",\"kid\":\"panel\"}{}",
	    "{'alg':'HS256','kid':'panel'}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		sign_token(
		    headers[i], "{\"sub\":\"alice\"}", SIGNED_SECRET, token);
		assert_bad();
		sign_token(headers[i], "{\"sub\":\"alice\"}", NULL, token);
		assert_bad();
	}
}

/* A public key is known to everybody, and must not do as a secret. */
static void
test_confusion(void **state)
{
	char public_text[sizeof signed_public + 1] = {0};

	(void)state;
	memcpy(public_text, signed_public, sizeof signed_public);
	sign_token(HS, "{\"sub\":\"alice\"}", public_text, token);
	assert_bad();
	sign_token(ED, "{\"sub\":\"alice\"}", public_text, token);
	assert_bad();
	/* Signed well, but as the other kind says. */
	sign_token(ED, "{\"sub\":\"alice\"}", SIGNED_SECRET, token);
	assert_bad();
	sign_token(HS, "{\"sub\":\"alice\"}", NULL, token);
	assert_bad();
	sign_token(HS, "{\"sub\":\"alice\"}", "", token);
	assert_bad();
	sign_token(HS, "{\"sub\":\"alice\"}",
	    "another secret of thirty-two bytes..", token);
	assert_bad();
}

static void
test_claims(void **state)
{
	static const char *const claims[] = {
	    "",
	    "[]",
	    "\"alice\"",
	    "{\"sub\":\"alice\"",
	    "{\"sub\":\"alice\"}}",
	    "{\"sub\":\"alice\",\"sub\":\"bob\"}",
	    "{\"sub\":[\"alice\"]}",
	    "{\"sub\":\"alice\",\"more\":{}}",
	    "{\"sub\":\"\xff\"}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(claims); i++) {
		sign_token(HS, claims[i], SIGNED_SECRET, token);
		assert_bad();
	}
}

/* Any other byte at any place is another token, or none. */
static void
test_each_byte(void **state)
{
	static const char bytes[] = "A_.=+/ \n";
	size_t len;

	(void)state;
	for (int ed = 0; ed < 2; ed++) {
		sign_token(ed ? ED : HS, "{\"sub\":\"alice\"}",
		    ed ? NULL : SIGNED_SECRET, token);
		len = strlen(token);
		for (size_t i = 0; i < len; i++) {
			char was = token[i];

			for (size_t j = 0; j + 1 < sizeof bytes; j++) {
				if (bytes[j] == was)
					continue;
				token[i] = bytes[j];
				assert_bad();
			}
			token[i] = '\0';
			assert_bad();
			token[i] = was;
		}
		assert_good(ed ? &public : &secret, "alice");
	}
}

/* Base64 has other texts for the same bytes: padding, bits left over. */
static void
test_not_canonical(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len;
	char *last;
	const char *at;

	(void)state;
	sign_token(HS, "{\"sub\":\"alice\"}", SIGNED_SECRET, token);
	len = strlen(token);
	strcat(token, "=");
	assert_bad();
	token[len] = '\0';
	/* 32 bytes end in a digit of which two bits are not used. */
	last = token + len - 1;
	at = strchr(digits, *last);
	assert_non_null(at);
	for (int i = 1; i < 4; i++) {
		char was = *last;

		*last = digits[(at - digits) ^ i];
		assert_bad();
		*last = was;
	}
	assert_good(&secret, "alice");
}

/* As long as what makes it, and no longer or shorter. */
static void
test_signature_length(void **state)
{
	size_t len;

	(void)state;
	sign_token(HS, "{\"sub\":\"alice\"}", SIGNED_SECRET, token);
	len = strlen(token);
	/* A 33rd byte: the 32 stand in 42 digits and 4 bits of one more. */
	strcat(token, "A");
	assert_bad();
	strcat(token, "A");
	assert_bad();
	token[len] = '\0';
	assert_good(&secret, "alice");
	/* 30 of them. */
	token[len - 3] = '\0';
	assert_bad();
	sign_token(ED, "{\"sub\":\"alice\"}", NULL, token);
	strcat(token, "AA");
	assert_bad();
}

/* The longest ticket, and one byte more. */
static void
test_longest(void **state)
{
	char claims[SIGNED_SIZE];
	int fill = 0;

	(void)state;
	do {
		snprintf(claims, sizeof claims,
		    "{\"sub\":\"alice\",\"x\":\"%0*d\"}", ++fill, 0);
		sign_token(HS, claims, SIGNED_SECRET, token);
		if (strlen(token) <= LIMIT_TICKET)
			assert_good(&secret, "alice");
	} while (strlen(token) <= LIMIT_TICKET);
	assert_true(strlen(token) <= LIMIT_TICKET + 2);
	assert_bad();
}

static void
test_shapes(void **state)
{
	static const char *const texts[] = {"", ".", "..", "...", "a.b",
	    "a.b.c", "a.b.c.d", "eyJhbGciOiJub25lIiwia2lkIjoicGFuZWwifQ.e30.",
	    "eyJhbGciOiJIUzI1NiIsImtpZCI6InBhbmVsIn0.e30.",
	    "eyJhbGciOiJIUzI1NiIsImtpZCI6InBhbmVsIn0..", ".e30.AAAA"};
	char name[LIMIT_STRING + 1], claims[SIGNED_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		snprintf(token, sizeof token, "%s", texts[i]);
		assert_bad();
	}
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(jwt_key_name(texts[i], name), -EBADMSG);
	/* Longer than any ticket, and otherwise good. */
	snprintf(claims, sizeof claims, "{\"sub\":\"alice\",\"x\":\"%0*d\"}",
	    LIMIT_TICKET, 0);
	sign_token(HS, claims, SIGNED_SECRET, token);
	assert_bad();
	snprintf(claims, sizeof claims, "{\"sub\":\"alice\",\"x\":\"%0*d\"}",
	    1000, 0);
	sign_token(HS, claims, SIGNED_SECRET, token);
	assert_good(&secret, "alice");
}

static const char *
read_key(enum ticket_algorithm algorithm, const char *text)
{
	struct jwt_key key;

	return jwt_key_read(&key, algorithm, text, strlen(text));
}

#define PEM(body) \
	"-----BEGIN PUBLIC KEY-----\n" body "\n-----END PUBLIC KEY-----\n"

static void
test_keys(void **state)
{
	static const char *const pems[] = {
	    "",
	    "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
	    PEM("MCowBQYDK2VwAyEA"),
	    PEM("MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="),
	    PEM("AAowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="),
	    PEM("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"),
	    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
	    SIGNED_SECRET,
	};
	struct jwt_key key;
	char text[LIMIT_TICKET_KEY + 2];

	(void)state;
	assert_null(
	    read_key(TICKET_EDDSA, PEM("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lsh"
				       "QhqowtrbLDFw4rXAxZuE=")));
	for (size_t i = 0; i < COUNT(pems); i++)
		assert_non_null(read_key(TICKET_EDDSA, pems[i]));
	/* A line feed at the end is the editor's. */
	snprintf(text, sizeof text, "%s\n", SIGNED_SECRET);
	assert_null(jwt_key_read(&key, TICKET_HS256, text, strlen(text)));
	assert_int_equal(key.len, strlen(SIGNED_SECRET));
	memset(text, 'x', sizeof text);
	assert_null(jwt_key_read(&key, TICKET_HS256, text, 32));
	assert_null(jwt_key_read(&key, TICKET_HS256, text, LIMIT_TICKET_KEY));
	assert_non_null(jwt_key_read(&key, TICKET_HS256, text, 31));
	assert_non_null(jwt_key_read(&key, TICKET_HS256, text, 0));
	assert_non_null(
	    jwt_key_read(&key, TICKET_HS256, text, LIMIT_TICKET_KEY + 1));
	text[31] = '\n';
	assert_non_null(jwt_key_read(&key, TICKET_HS256, text, 32));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_vector),
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_confusion),
	    cmocka_unit_test(test_claims),
	    cmocka_unit_test(test_each_byte),
	    cmocka_unit_test(test_not_canonical),
	    cmocka_unit_test(test_signature_length),
	    cmocka_unit_test(test_longest),
	    cmocka_unit_test(test_shapes),
	    cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
