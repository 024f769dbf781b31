/* The ring in shared memory, and descriptors that only look like one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/ring.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* As ring.h draws it: a page of header, in it these words. */
#define PAGE	    4096
#define AT_MAGIC    0
#define AT_SIZE	    8
#define AT_RUN	    16
#define AT_EXPECTED 40
#define ALL_SEALS   (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

static size_t
size_of(struct ring *ring)
{
	size_t size;

	ring_space(ring, &size);
	return size;
}

static uint8_t
nth(uint64_t n)
{
	return (uint8_t)(n * 7 + n / 251);
}

/* Appends len bytes, of which each tells its offset. */
static void
fill(struct ring *ring, size_t len)
{
	uint64_t at = ring_end(ring);
	size_t space;
	uint8_t *to = ring_space(ring, &space);

	assert_true(len <= space);
	for (size_t i = 0; i < len; i++)
		to[i] = nth(at + i);
	ring_commit(ring, len);
}

static void
check_held(const struct ring *ring)
{
	uint64_t begin = ring_begin(ring), end = ring_end(ring);
	const uint8_t *bytes = ring_at(ring, begin);

	for (uint64_t i = begin; i < end; i++)
		if (bytes[i - begin] != nth(i))
			fail_msg("byte %zu is wrong", (size_t)i);
}

static void
test_sizes(void **state)
{
	static const struct {
		size_t asked, got;
	} cases[] = {
	    {0, LIMIT_RING_MIN},
	    {1, LIMIT_RING_MIN},
	    {LIMIT_RING_MIN, LIMIT_RING_MIN},
	    {LIMIT_RING_MIN + 1, 2 * LIMIT_RING_MIN},
	    {LIMIT_RING_DEFAULT, LIMIT_RING_DEFAULT},
	    {LIMIT_RING_MAX, LIMIT_RING_MAX},
	    {SIZE_MAX, LIMIT_RING_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int fd = ring_make(cases[i].asked);
		struct ring *ring;

		assert_true(fd >= 0);
		ring = ring_map(fd);
		assert_non_null(ring);
		assert_int_equal(size_of(ring), cases[i].got);
		ring_unmap(ring);
		close(fd);
	}
}

static void
test_new(void **state)
{
	int fd = ring_make(LIMIT_RING_MIN), other_fd = ring_make(1);
	struct ring *ring = ring_map(fd), *other = ring_map(other_fd);

	(void)state;
	assert_non_null(ring);
	assert_non_null(other);
	assert_int_not_equal(ring_run(ring), 0);
	assert_int_not_equal(ring_run(ring), ring_run(other));
	assert_int_equal(ring_begin(ring), 0);
	assert_int_equal(ring_end(ring), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	ring_unmap(ring);
	ring_unmap(other);
	ring_unmap(NULL);
	/* Unmapping leaves the descriptor to its owner. */
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(other_fd), 0);
}

/* Nobody can take the pages away under a mapping. */
static void
test_sealed(void **state)
{
	int fd = ring_make(LIMIT_RING_MIN);

	(void)state;
	assert_int_equal(fcntl(fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, LIMIT_RING_MAX), -1);
	assert_int_equal(errno, EPERM);
	close(fd);
}

static void
test_arithmetic(void **state)
{
	int fd = ring_make(LIMIT_RING_MIN);
	struct ring *ring = ring_map(fd);
	const uint64_t size = LIMIT_RING_MIN;

	(void)state;
	fill(ring, 10);
	assert_int_equal(ring_begin(ring), 0);
	assert_int_equal(ring_end(ring), 10);
	fill(ring, size - 10);
	assert_int_equal(ring_begin(ring), 0);
	assert_int_equal(ring_end(ring), size);
	check_held(ring);
	fill(ring, 1);
	assert_int_equal(ring_begin(ring), 1);
	assert_int_equal(ring_end(ring), size + 1);
	check_held(ring);
	ring_commit(ring, 0);
	assert_int_equal(ring_end(ring), size + 1);
	ring_unmap(ring);
	close(fd);
}

/* A stretch over the end of the data is one piece, to write and to read. */
static void
test_wrap(void **state)
{
	int fd = ring_make(LIMIT_RING_MIN);
	struct ring *ring = ring_map(fd);
	const size_t size = LIMIT_RING_MIN;

	(void)state;
	fill(ring, size - 5);
	fill(ring, 12);
	check_held(ring);
	assert_memory_equal(
	    ring_at(ring, size), ring_at(ring, size - 1) + 1, 7);
	/* Many turns, with lengths that meet the end in all ways. */
	for (int i = 0; i < 50; i++) {
		fill(ring, 4099 * (size_t)(i % 15) + 1);
		check_held(ring);
	}
	fill(ring, size);
	check_held(ring);
	assert_int_equal(ring_end(ring) - ring_begin(ring), size);
	ring_unmap(ring);
	close(fd);
}

/* The history outlives who has written it. */
static void
test_map_again(void **state)
{
	int fd = ring_make(LIMIT_RING_MIN);
	struct ring *ring = ring_map(fd), *again;
	uint64_t run = ring_run(ring);

	(void)state;
	fill(ring, LIMIT_RING_MIN);
	fill(ring, 77);
	again = ring_map(fd);
	assert_non_null(again);
	fill(ring, 1);
	ring_unmap(ring);
	assert_int_equal(ring_run(again), run);
	assert_int_equal(ring_end(again), LIMIT_RING_MIN + 78);
	check_held(again);
	ring_unmap(again);
	close(fd);
}

/* A writer that was killed around its read(): what it had read counts, once;
 * what it had not read does not, and neither does what is in the old bytes. */
static void
test_killed(void **state)
{
	int fd = ring_make(LIMIT_RING_MIN);
	struct ring *ring = ring_map(fd);
	const size_t len = 100, fills[] = {0, LIMIT_RING_MIN - 250, 7};
	size_t space;

	(void)state;
	for (size_t i = 0; i < COUNT(fills); i++) {
		uint64_t end;

		fill(ring, fills[i]);
		end = ring_end(ring);
		/* Before it. */
		ring_expect(ring, len);
		ring_unmap(ring);
		ring = ring_map(fd);
		assert_int_equal(ring_end(ring), end);
		/* Behind it; one byte tells. */
		for (size_t n = 1; n <= 64; n++) {
			end = ring_end(ring);
			ring_expect(ring, n);
			ring_space(ring, &space)[n - 1] = '\0';
			ring_unmap(ring);
			ring = ring_map(fd);
			assert_int_equal(ring_end(ring), end + n);
			assert_int_equal(*ring_at(ring, end + n - 1), '\0');
		}
		/* All that a read gets. */
		end = ring_end(ring);
		ring_expect(ring, LIMIT_READ);
		memset(ring_space(ring, &space), 'x', LIMIT_READ);
		ring_unmap(ring);
		ring = ring_map(fd);
		assert_int_equal(ring_end(ring), end + LIMIT_READ);
		/* Behind ring_commit(). */
		end = ring_end(ring);
		ring_expect(ring, len);
		fill(ring, len);
		ring_unmap(ring);
		ring = ring_map(fd);
		assert_int_equal(ring_end(ring), end + len);
		ring_unmap(ring);
		ring = ring_map(fd);
		assert_int_equal(ring_end(ring), end + len);
	}
	ring_unmap(ring);
	close(fd);
}

/* What a writer that was taken over may have left there. */
static void
test_wrong_expectation(void **state)
{
	static const uint64_t lens[] = {
	    0, LIMIT_READ + 1, LIMIT_RING_MIN, UINT64_MAX};
	int fd = ring_make(LIMIT_RING_MIN);
	struct ring *ring = ring_map(fd);

	(void)state;
	fill(ring, LIMIT_RING_MIN);
	ring_expect(ring, 1);
	ring_unmap(ring);
	for (size_t i = 0; i < COUNT(lens); i++) {
		assert_int_equal(
		    pwrite(fd, &lens[i], sizeof lens[i], AT_EXPECTED),
		    sizeof lens[i]);
		ring = ring_map(fd);
		assert_int_equal(ring_end(ring), LIMIT_RING_MIN);
		ring_unmap(ring);
	}
	close(fd);
}

static void
assert_refused(int fd, const char *what)
{
	struct ring *ring;

	assert_true(fd >= 0);
	errno = 0;
	ring = ring_map(fd);
	if (ring)
		fail_msg("%s was mapped", what);
	if (errno != EPROTO)
		fail_msg("%s: errno is %d", what, errno);
	close(fd);
}

static void
test_not_a_memfd(void **state)
{
	FILE *file = tmpfile();
	int pipes[2];

	(void)state;
	assert_non_null(file);
	assert_int_equal(ftruncate(fileno(file), PAGE + LIMIT_RING_MIN), 0);
	assert_refused(dup(fileno(file)), "a file");
	fclose(file);
	assert_refused(open("/dev/null", O_RDWR), "/dev/null");
	assert_refused(open("/", O_RDONLY), "a directory");
	assert_int_equal(pipe(pipes), 0);
	assert_refused(pipes[0], "a pipe");
	close(pipes[1]);
	errno = 0;
	assert_null(ring_map(-1));
	assert_int_equal(errno, EPROTO);
}

/* A good ring with one word of its header changed. */
static void
test_wrong_header(void **state)
{
	static const struct {
		off_t at;
		uint64_t value;
		const char *what;
	} cases[] = {
	    {AT_MAGIC, 0, "no magic"},
	    {AT_MAGIC, 0x3247524d52455458ull, "the magic of another version"},
	    {AT_RUN, 0, "no run"},
	    {AT_SIZE, 0, "no size"},
	    {AT_SIZE, 1, "size 1"},
	    {AT_SIZE, PAGE, "a size below the least"},
	    {AT_SIZE, LIMIT_RING_MIN - 1, "an odd size"},
	    {AT_SIZE, LIMIT_RING_MIN * 2, "more than there is"},
	    {AT_SIZE, LIMIT_RING_MIN * 3 / 2, "no power of two"},
	    {AT_SIZE, LIMIT_RING_MAX * 2ull, "more than the most"},
	    {AT_SIZE, 1ull << 63, "half of everything"},
	    {AT_SIZE, UINT64_MAX, "everything"},
	    {AT_SIZE, UINT64_MAX - PAGE + 1, "a sum of zero"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int fd = ring_make(LIMIT_RING_MIN);

		assert_int_equal(
		    pwrite(fd, &cases[i].value, 8, cases[i].at), 8);
		assert_refused(fd, cases[i].what);
	}
}

/* A memfd with the header of a ring, of this length, with these seals. */
static int
forge(off_t length, int seals)
{
	int ring = ring_make(LIMIT_RING_MIN);
	int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t header[64];

	assert_int_equal(pread(ring, header, sizeof header, 0), sizeof header);
	close(ring);
	assert_int_equal(pwrite(fd, header, sizeof header, 0), sizeof header);
	assert_int_equal(ftruncate(fd, length), 0);
	if (seals)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Sealed, and as long as its header says: the size itself is wrong. */
static void
test_wrong_size(void **state)
{
	static const uint64_t sizes[] = {
	    LIMIT_RING_MIN / 2, LIMIT_RING_MIN * 3, LIMIT_RING_MAX * 2ull, 0};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		int fd = forge((off_t)(PAGE + sizes[i]), 0);

		assert_int_equal(pwrite(fd, &sizes[i], 8, AT_SIZE), 8);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
		assert_refused(fd, "a size that no ring has");
	}
}

/* What may have been written over while it was copied is not believed: one read
 * can be on its way. */
static void
test_copy(void **state)
{
	int fd = ring_make(LIMIT_RING_MIN);
	struct ring *ring = ring_map(fd);
	uint8_t bytes[100];
	uint64_t oldest;

	(void)state;
	fill(ring, 1000);
	assert_true(ring_copy(ring, 0, bytes, sizeof bytes));
	assert_int_equal(bytes[99], nth(99));
	fill(ring, LIMIT_RING_MIN);
	oldest = ring_end(ring) + LIMIT_READ - LIMIT_RING_MIN;
	assert_true(ring_copy(ring, oldest, bytes, sizeof bytes));
	for (size_t i = 0; i < sizeof bytes; i++)
		assert_int_equal(bytes[i], nth(oldest + i));
	assert_false(ring_copy(ring, oldest - 1, bytes, sizeof bytes));
	assert_false(ring_copy(ring, 0, bytes, sizeof bytes));
	ring_unmap(ring);
	close(fd);
}

/* Who gets a descriptor for reading can read, and no more. */
static void
test_read_only(void **state)
{
	int fd = ring_make(LIMIT_RING_MIN), copy = memfd_reopen_read_only(fd);
	struct ring *ring = ring_map(fd), *reader = ring_map_read_only(copy);

	(void)state;
	assert_non_null(reader);
	fill(ring, 1000);
	assert_int_equal(ring_end(reader), 1000);
	assert_int_equal(*ring_at(reader, 999), nth(999));
	assert_null(ring_map(copy));
	ring_unmap(reader);
	ring_unmap(ring);
	close(copy);
	close(fd);
}

static void
test_unsealed(void **state)
{
	const off_t length = PAGE + LIMIT_RING_MIN;
	struct ring *ring;
	int fd;

	(void)state;
	assert_refused(forge(length, 0), "one without seals");
	assert_refused(
	    forge(length, F_SEAL_GROW | F_SEAL_SEAL), "one that can shrink");
	assert_refused(
	    forge(length, F_SEAL_SHRINK | F_SEAL_SEAL), "one that can grow");
	assert_refused(forge(length, F_SEAL_SHRINK | F_SEAL_GROW),
	    "one whose seals are open");
	/* The forgery is good apart from that. */
	fd = forge(length, ALL_SEALS);
	ring = ring_map(fd);
	assert_non_null(ring);
	ring_unmap(ring);
	close(fd);
}

static void
test_truncated(void **state)
{
	static const off_t lengths[] = {0, 1, 31, PAGE - 1, PAGE, PAGE + 1,
	    LIMIT_RING_MIN, PAGE + LIMIT_RING_MIN - 1,
	    PAGE + LIMIT_RING_MIN + 1, PAGE + 2 * LIMIT_RING_MIN};

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++)
		assert_refused(
		    forge(lengths[i], ALL_SEALS), "one of a wrong length");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_new),
	    cmocka_unit_test(test_sealed),
	    cmocka_unit_test(test_arithmetic),
	    cmocka_unit_test(test_wrap),
	    cmocka_unit_test(test_map_again),
	    cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_wrong_expectation),
	    cmocka_unit_test(test_not_a_memfd),
	    cmocka_unit_test(test_wrong_header),
	    cmocka_unit_test(test_wrong_size),
	    cmocka_unit_test(test_copy),
	    cmocka_unit_test(test_read_only),
	    cmocka_unit_test(test_unsealed),
	    cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
