/*
 * What a screen process can still do, since a guest's bytes may have taken it
 * over: use the socket it has, compute, and take a bounded amount of memory
 * and processor time.
 *
 * Every other system call ends the process.  It runs without capabilities and
 * cannot gain any (privdrop_keep(), privdrop_harden()).
 */
#ifndef XENTERM_SCREEN_CONFINE_H
#define XENTERM_SCREEN_CONFINE_H

#include <stddef.h>

/* For good.  mapped: bytes of shared memory it has.  Returns 0 or a negative
 * errno. */
int process_confine(size_t mapped);

#endif
