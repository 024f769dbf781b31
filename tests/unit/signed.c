#include "tests/unit/signed.h"

#include <sodium.h>
#include <string.h>

uint8_t signed_public[crypto_sign_PUBLICKEYBYTES];

static void
encode(const void *bytes, size_t len, char *out)
{
	const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

	sodium_bin2base64(
	    out, sodium_base64_ENCODED_LEN(len, variant), bytes, len, variant);
}

void
sign_token(
    const char *header, const char *claims, const char *secret, char *out)
{
	uint8_t secret_key[crypto_sign_SECRETKEYBYTES];
	const uint8_t seed[crypto_sign_SEEDBYTES] = {1, 2, 3};
	uint8_t signature[crypto_sign_BYTES];
	crypto_auth_hmacsha256_state state;
	size_t n = crypto_auth_hmacsha256_BYTES, len;

	encode(header, strlen(header), out);
	strcat(out, ".");
	encode(claims, strlen(claims), out + strlen(out));
	len = strlen(out);
	crypto_sign_seed_keypair(signed_public, secret_key, seed);
	if (secret) {
		crypto_auth_hmacsha256_init(
		    &state, (const uint8_t *)secret, strlen(secret));
		crypto_auth_hmacsha256_update(
		    &state, (const uint8_t *)out, len);
		crypto_auth_hmacsha256_final(&state, signature);
	} else {
		n = crypto_sign_BYTES;
		crypto_sign_detached(
		    signature, NULL, (const uint8_t *)out, len, secret_key);
	}
	strcat(out, ".");
	encode(signature, n, out + strlen(out));
}
