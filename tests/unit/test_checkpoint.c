/* Checkpoints: what was saved last comes back whole, or not at all. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "screen/checkpoint.h"

#define SIZE (40 * 4096 + 17)
#define RUN  99

static int fd;
static struct checkpoint *cp;
static uint8_t block[SIZE], copy[SIZE];

static int
setup(void **state)
{
	(void)state;
	fd = memfd_make("test", LIMIT_CHECKPOINT, NULL, 0);
	cp = checkpoint_map(fd);
	memset(block, 0, sizeof block);
	memset(copy, 0, sizeof copy);
	return fd >= 0 && cp ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	checkpoint_unmap(cp);
	close(fd);
	return 0;
}

static size_t
kilobytes_used(void)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (size_t)st.st_blocks / 2;
}

static void
fill(uint8_t with)
{
	for (size_t i = 3 * 4096; i < 5 * 4096; i++)
		block[i] = (uint8_t)(with + i % 7);
	block[SIZE - 1] = with;
}

static void
test_empty(void **state)
{
	uint64_t offset = 7;

	(void)state;
	assert_false(checkpoint_load(cp, RUN, copy, SIZE, UINT64_MAX, &offset));
	assert_false(checkpoint_load(cp, 0, copy, 0, UINT64_MAX, &offset));
	assert_int_equal(offset, 7);
	checkpoint_unmap(NULL);
}

static void
test_last_one(void **state)
{
	uint64_t offset;

	(void)state;
	for (uint8_t n = 1; n < 20; n++) {
		fill(n);
		checkpoint_save(cp, RUN, n * 1000, block, SIZE);
		memset(copy, 0, sizeof copy);
		assert_true(
		    checkpoint_load(cp, RUN, copy, SIZE, UINT64_MAX, &offset));
		assert_int_equal(offset, n * 1000);
		assert_memory_equal(copy, block, SIZE);
	}
	/* Two, and then one, without its empty pages. */
	assert_in_range(kilobytes_used(), 7 * 4, 8 * 4);
	checkpoint_tidy(cp);
	assert_in_range(kilobytes_used(), 4 * 4, 5 * 4);
	memset(copy, 0, sizeof copy);
	assert_true(checkpoint_load(cp, RUN, copy, SIZE, UINT64_MAX, &offset));
	assert_memory_equal(copy, block, SIZE);
}

/* Pages that are empty in the next state but one, which has the same place. */
static void
test_emptied(void **state)
{
	uint64_t offset;

	(void)state;
	for (uint8_t n = 1; n < 4; n++) {
		fill(n);
		checkpoint_save(cp, RUN, n, block, SIZE);
	}
	memset(block, 0, sizeof block);
	block[0] = 1;
	checkpoint_save(cp, RUN, 4, block, SIZE);
	assert_true(checkpoint_load(cp, RUN, copy, SIZE, UINT64_MAX, &offset));
	assert_memory_equal(copy, block, SIZE);
	checkpoint_tidy(cp);
	assert_int_equal(kilobytes_used(), 2 * 4); /* with the header */
}

/* Nothing of a state that is not for the one who asks. */
static void
test_not_for_us(void **state)
{
	static const uint8_t zeros[SIZE];
	uint64_t offset;

	(void)state;
	fill(5);
	checkpoint_save(cp, RUN, 1000, block, SIZE);
	assert_false(
	    checkpoint_load(cp, RUN + 1, copy, SIZE, UINT64_MAX, &offset));
	assert_false(
	    checkpoint_load(cp, RUN, copy, SIZE - 1, UINT64_MAX, &offset));
	assert_false(checkpoint_load(cp, RUN, copy, SIZE, 999, &offset));
	assert_memory_equal(copy, zeros, SIZE);
	assert_true(checkpoint_load(cp, RUN, copy, SIZE, 1000, &offset));
}

/* Another process sees it; and a layout or a number that cannot be is no
 * state. */
static void
test_from_outside(void **state)
{
	struct checkpoint *other = checkpoint_map(fd);
	uint32_t *memory =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint64_t offset;

	(void)state;
	assert_non_null(other);
	fill(9);
	checkpoint_save(cp, RUN, 1, block, SIZE);
	assert_true(checkpoint_load(other, RUN, copy, SIZE, 1, &offset));
	assert_memory_equal(copy, block, SIZE);
	memory[0] = 3;
	assert_false(checkpoint_load(other, RUN, copy, SIZE, 1, &offset));
	memory[0] = UINT32_MAX;
	assert_false(checkpoint_load(other, RUN, copy, SIZE, 1, &offset));
	memory[0] = 1;
	assert_true(checkpoint_load(other, RUN, copy, SIZE, 1, &offset));
	memory[2]++; /* the layout of the first slot */
	assert_false(checkpoint_load(other, RUN, copy, SIZE, 1, &offset));
	munmap(memory, 4096);
	checkpoint_unmap(other);
}

/* Somebody was killed while he saved: what he left does not show. */
static void
test_half_saved(void **state)
{
	uint8_t *memory = mmap(
	    NULL, LIMIT_CHECKPOINT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint64_t offset;

	(void)state;
	fill(1);
	checkpoint_save(cp, RUN, 1, block, SIZE);
	memset(memory + 4096 + LIMIT_SCREEN_STATE, 0xee, SIZE);
	assert_true(checkpoint_load(cp, RUN, copy, SIZE, 1, &offset));
	assert_memory_equal(copy, block, SIZE);
	fill(2);
	checkpoint_save(cp, RUN, 2, block, SIZE);
	memset(copy, 0, sizeof copy);
	assert_true(checkpoint_load(cp, RUN, copy, SIZE, 2, &offset));
	assert_int_equal(offset, 2);
	assert_memory_equal(copy, block, SIZE);
	munmap(memory, LIMIT_CHECKPOINT);
}

static void
test_not_one(void **state)
{
	int small = memfd_make("small", 4096, NULL, 0);
	int unsealed = memfd_create("unsealed", MFD_ALLOW_SEALING);

	(void)state;
	assert_int_equal(ftruncate(unsealed, LIMIT_CHECKPOINT), 0);
	for (int i = 0; i < 3; i++) {
		const int fds[] = {small, unsealed, -1};

		errno = 0;
		assert_null(checkpoint_map(fds[i]));
		assert_int_equal(errno, EPROTO);
	}
	close(small);
	close(unsealed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_last_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_emptied, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_not_for_us, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_from_outside, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_half_saved, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_not_one, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
