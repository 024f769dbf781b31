#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fcgi/console.h"
#include "tests/unit/stubs.h"

struct stub_told stub_told;

static void
on_hangup(void *ctx, struct console *c, uint32_t serial)
{
	struct stub_told *told = ctx;

	/* It is closed and told of by now. */
	assert_false(console_is_open(c));
	told->hangups++;
	told->serial = serial;
}

static void
on_wanted(void *ctx, struct console *c)
{
	struct stub_told *told = ctx;

	told->wanted++;
	told->nviewers = console_nviewers(c);
}

const struct console_owner stub_owner = {
    .hangup = on_hangup, .wanted = on_wanted, .ctx = &stub_told};
