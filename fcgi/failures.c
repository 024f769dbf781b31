#include "fcgi/failures.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* An address is in one of the WAYS places that its hash names; who is new
 * there takes that of the one with the least against it. */
#define SETS 1024
#define WAYS 4

#define MINUTE 60000

struct entry {
	uint8_t address[8];
	uint64_t since; /* when all that it owed would have begun */
};

struct failures {
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct entry sets[SETS][WAYS];
};

struct failures *
failures_create(void)
{
	struct failures *all = calloc(1, sizeof *all);

	if (all)
		crypto_shorthash_keygen(all->key);
	return all;
}

void
failures_destroy(struct failures *all)
{
	free(all);
}

static bool
parse(const char *text, uint8_t address[8])
{
	uint8_t bytes[16] = {0};

	memset(address, 0, 8);
	if (inet_pton(AF_INET, text, address) == 1) {
		address[7] = 4; /* no IPv6 prefix in use looks like this */
		return true;
	}
	if (inet_pton(AF_INET6, text, bytes) != 1)
		return false;
	memcpy(address, bytes, 8);
	return true;
}

static struct entry *
find(struct failures *all, const uint8_t address[8])
{
	uint8_t hash[crypto_shorthash_BYTES];
	struct entry *set, *least;

	crypto_shorthash(hash, address, 8, all->key);
	set = least = all->sets[(hash[0] | hash[1] << 8) % SETS];
	for (struct entry *e = set; e < set + WAYS; e++) {
		if (memcmp(e->address, address, 8) == 0)
			return e;
		if (e->since < least->since)
			least = e;
	}
	memcpy(least->address, address, 8);
	least->since = 0;
	return least;
}

bool
failures_note(struct failures *all, const char *address, unsigned per_minute,
    uint64_t now)
{
	uint8_t key[8];
	struct entry *e;
	uint64_t each = (MINUTE + per_minute - 1) / per_minute;

	if (!parse(address, key))
		return true;
	/* Each costs its share of a minute; a minute's may be owed. */
	e = find(all, key);
	if (e->since < now)
		e->since = now;
	if (e->since + each > now + MINUTE)
		return false;
	e->since += each;
	return true;
}
