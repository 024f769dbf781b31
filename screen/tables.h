/* Cleaning up the two side tables: attributes and marks. */
#ifndef XENTERM_SCREEN_TABLES_H
#define XENTERM_SCREEN_TABLES_H

#include "screen/state.h"

#define TABLE_NONE UINT32_MAX

void tables_init(struct emulator *e);

/*
 * A table was found full.  Frees the entries that no cell uses, unless that
 * has been tried just before: a guest that fills the tables must not make
 * every one of its bytes expensive.
 */
void tables_clean(struct emulator *e);

static inline uint32_t
tables_hash(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	uint64_t h = a * 0x9e3779b97f4a7c15u;

	h = (h ^ h >> 29 ^ b) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 29 ^ c) * 0x94d049bb133111ebu;
	h = (h ^ h >> 29 ^ d) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32);
}

#endif
