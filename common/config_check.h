/*
 * What the options of xenterm.conf may be: their ranges and words, and the
 * functions that libconfuse has look at each one as it is read.
 */
#ifndef XENTERM_CONFIG_CHECK_H
#define XENTERM_CONFIG_CHECK_H

#include <stddef.h>
#include <stdint.h>

struct cfg_t;

/* An option that is a number, with the range it must lie in. */
struct config_number {
	const char *name;
	long fallback, min, max;
	size_t offset; /* of an unsigned in the struct of its part */
};

/* The numbers of struct config, config_log and config_hook.  The last one has
 * no name. */
extern const struct config_number config_numbers[], config_log_numbers[],
    config_hook_numbers[];

/* What a number is unless it is set; all have names of their own. */
long config_fallback(const char *name);

/* RIGHT_LIST for "list", and so on; 0: no such right. */
uint32_t config_right(const char *name);

/* From now on mistakes fail, and are told to cfg's error function. */
void config_check(struct cfg_t *cfg);

#endif
