/* The queue in shared memory: an ordinary one, and one that workers die at. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fcgi/input_queue.h"

static struct input_queue queue;

static int
setup(void **state)
{
	(void)state;
	memset(&queue, 0xff, sizeof queue);
	memset(&queue, 0, offsetof(struct input_queue, area));
	return 0;
}

/* Takes up to n bytes out, as a write of them does. */
static size_t
take(char *to, size_t n)
{
	size_t len;
	const uint8_t *bytes = input_queue_next(&queue, &len);

	if (len > n)
		len = n;
	input_queue_begin(&queue, len);
	memcpy(to, bytes ? (const void *)bytes : "", len);
	input_queue_end(&queue, len);
	return len;
}

static void
test_order(void **state)
{
	char got[16] = "";
	size_t n = 0, len;

	(void)state;
	assert_true(input_queue_check(&queue));
	assert_null(input_queue_next(&queue, &len));
	assert_true(input_queue_add(&queue, "abc", 3, NULL));
	assert_true(input_queue_add(&queue, "defgh", 5, NULL));
	assert_int_equal(input_queue_pending(&queue), 8);
	while (input_queue_pending(&queue) > 0)
		n += take(got + n, 2);
	assert_string_equal(got, "abcdefgh");
	/* Empty, it begins at its beginning. */
	assert_int_equal(queue.state, 0);
}

static void
test_undo(void **state)
{
	char got[4];

	(void)state;
	assert_false(input_queue_undo(&queue, 1));
	assert_true(input_queue_add(&queue, "abc", 3, NULL));
	assert_true(input_queue_add(&queue, "defgh", 5, NULL));
	assert_true(input_queue_undo(&queue, 5));
	assert_int_equal(input_queue_pending(&queue), 3);
	assert_int_equal(take(got, 1), 1);
	/* Some of it has gone. */
	assert_false(input_queue_undo(&queue, 3));
	assert_int_equal(input_queue_pending(&queue), 2);
}

/* Against the simplest queue there is, over the area's end and back. */
static void
test_long(void **state)
{
	static char model[INPUT_QUEUE_AREA];
	static char bytes[20000], got[sizeof bytes];
	size_t nmodel = 0, full = 0;
	unsigned byte = 0;

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		size_t len =
		    1 + (size_t)rand() % (rand() % 50 ? 60 : sizeof bytes);

		for (size_t k = 0; k < len; k++)
			bytes[k] = (char)(byte + k * 7);
		if (nmodel + len <= sizeof model &&
		    input_queue_add(&queue, bytes, len, NULL)) {
			memcpy(model + nmodel, bytes, len);
			nmodel += len;
			byte++;
		} else {
			full++;
		}
		assert_true(input_queue_check(&queue));
		assert_int_equal(input_queue_pending(&queue), nmodel);
		len = take(got, (size_t)rand() % 1500);
		assert_memory_equal(got, model, len);
		memmove(model, model + len, nmodel - len);
		nmodel -= len;
	}
	assert_true(full > 0);
}

static void
count(void *ctx, const struct input_by *by)
{
	*(uint64_t *)ctx += by->seq * by->slot;
	assert_string_equal((const char *)by->session, "alice");
}

static void
test_each(void **state)
{
	const struct input_by alice = {.session = "alice", .slot = 3, .seq = 5};
	const struct input_by unkept = {
	    .session = "bob", .slot = INPUT_NO_SLOT, .seq = 9};
	uint64_t sum = 0;

	(void)state;
	assert_true(input_queue_add(&queue, "a", 1, NULL));
	assert_true(input_queue_add(&queue, "b", 1, &alice));
	assert_true(input_queue_add(&queue, "c", 1, &unkept));
	assert_true(input_queue_add(&queue, "d", 1, &alice));
	input_queue_each(&queue, count, &sum);
	assert_int_equal(sum, 30);
	assert_int_equal(input_queue_cancel(&queue, unkept.session), 1);
	assert_int_equal(input_queue_cancel(&queue, alice.session), 2);
	assert_int_equal(input_queue_pending(&queue), 1);
	assert_int_equal(input_queue_cancel(&queue, NULL), 1);
	assert_int_equal(queue.state, 0);
}

/* What was typed is nowhere in the memory when it has gone. */
static void
test_wiped(void **state)
{
	char got[32];

	(void)state;
	assert_true(input_queue_add(&queue, "the password", 12, NULL));
	assert_true(input_queue_add(&queue, "the password", 12, NULL));
	assert_true(input_queue_add(&queue, "the password", 12, NULL));
	assert_true(input_queue_undo(&queue, 12));
	assert_int_equal(take(got, 32), 12);
	assert_int_equal(input_queue_cancel(&queue, NULL), 12);
	assert_null(memmem(&queue, sizeof queue, "pass", 4));
}

/* Where a worker can end around a write, and what the next one makes of it. */
static void
test_settle(void **state)
{
	size_t len;

	(void)state;
	assert_true(input_queue_add(&queue, "abcdef", 6, NULL));
	assert_int_equal(input_queue_settle(&queue), 0);
	input_queue_begin(&queue, 4);
	assert_int_equal(input_queue_settle(&queue), 4);
	assert_int_equal(input_queue_settle(&queue), 0);
	assert_int_equal(input_queue_pending(&queue), 2);
	/* Said, but not yet that it was said. */
	input_queue_next(&queue, &len);
	input_queue_begin(&queue, len);
	input_queue_end(&queue, 1);
	queue.length = len;
	assert_int_equal(input_queue_settle(&queue), 0);
	assert_int_equal(input_queue_pending(&queue), 1);
}

static void
test_unsound(void **state)
{
	(void)state;
	for (int bit = 0; bit < 64; bit++) {
		setup(NULL);
		assert_true(input_queue_add(&queue, "abcdef", 6, NULL));
		assert_true(input_queue_add(&queue, "ghi", 3, NULL));
		queue.state ^= 1ull << bit;
		queue.length = UINT64_MAX;
		queue.writing = queue.state;
		if (!input_queue_check(&queue))
			assert_int_equal(input_queue_pending(&queue), 0);
		assert_true(input_queue_settle(&queue) <= 9);
		assert_true(input_queue_pending(&queue) <= INPUT_QUEUE_AREA);
	}
	/* A request that is longer than the queue, and behind it whole ones for
	 * ever. */
	memset(&queue, 0, sizeof queue);
	for (size_t at = 0; at < sizeof queue.area; at += 32)
		queue.area[at] = 1;
	queue.state = 1ull << 32;
	assert_false(input_queue_check(&queue));
	setup(NULL);
	assert_true(input_queue_add(&queue, "abcdef", 6, NULL));
	memset(queue.area, 0xff, 32);
	assert_false(input_queue_check(&queue));
	assert_true(input_queue_add(&queue, "abc", 3, NULL));
	assert_true(input_queue_check(&queue));
}

/* ---- killed ------------------------------------------------------------- */

#define KILLS  300
#define RECORD 8

/* What the workers share: as a console's and a session's memory. */
struct shared {
	struct input_queue queue;
	_Atomic uint64_t seq;
	_Atomic uint64_t uncertain;
};

static void
raise_seq(void *ctx, const struct input_by *by)
{
	struct shared *shared = ctx;

	if (shared->seq < by->seq)
		shared->seq = by->seq;
}

/* Types records that tell their number, in pieces of odd sizes, for ever. */
static void
worker(struct shared *shared, int fd)
{
	char record[RECORD + 1];
	size_t len;

	shared->uncertain += input_queue_settle(&shared->queue);
	input_queue_each(&shared->queue, raise_seq, shared);
	for (unsigned n = 1;; n++) {
		struct input_by by = {.seq = shared->seq + 1};
		const uint8_t *bytes;

		snprintf(record, sizeof record, "%07u\n",
		    (unsigned)by.seq % 10000000);
		if (input_queue_add(&shared->queue, record, RECORD, &by))
			shared->seq = by.seq;
		bytes = input_queue_next(&shared->queue, &len);
		if (len > 1 + n % 7)
			len = 1 + n % 7;
		input_queue_begin(&shared->queue, len);
		input_queue_end(&shared->queue, (size_t)write(fd, bytes, len));
	}
}

/* Reads what comes into a tail of the stream; returns how many bytes that are
 * missing there have been passed over. */
static size_t
follow(int fd, uint64_t *at, bool last)
{
	char bytes[65536], record[RECORD + 1];
	size_t missing = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0) {
		for (ssize_t i = 0; i < n; (*at)++) {
			snprintf(record, sizeof record, "%07u\n",
			    (unsigned)(1 + *at / RECORD) % 10000000);
			if (bytes[i] == record[*at % RECORD])
				i++;
			else
				missing++;
			if (missing > 100 * RECORD)
				fail_msg("byte %zu was not typed, or twice",
				    (size_t)*at);
		}
		if (!last)
			break;
	}
	return missing;
}

/* Workers that are killed anywhere, one after the other: each byte arrives
 * once and in order, but for those that were said to be uncertain. */
static void
test_killed(void **state)
{
	struct shared *shared = mmap(NULL, sizeof *shared,
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t at = 0;
	size_t missing = 0;
	int fds[2];

	(void)state;
	assert_ptr_not_equal(shared, MAP_FAILED);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int i = 0; i < KILLS; i++) {
		uint64_t begun = shared->seq;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			worker(shared, fds[1]);
			_exit(0);
		}
		while (shared->seq < begun + 20 + (uint64_t)i % 13)
			missing += follow(fds[0], &at, false);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	missing += follow(fds[0], &at, true);
	shared->uncertain += input_queue_settle(&shared->queue);
	assert_true(missing <= shared->uncertain);
	/* What was taken has arrived, waits, or is uncertain. */
	assert_true(
	    at + input_queue_pending(&shared->queue) + shared->uncertain >=
	    shared->seq * RECORD);
	assert_true(at + input_queue_pending(&shared->queue) <=
		    (shared->seq + 1) * RECORD);
	close(fds[0]);
	close(fds[1]);
	munmap(shared, sizeof *shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_order, setup),
	    cmocka_unit_test_setup(test_undo, setup),
	    cmocka_unit_test_setup(test_long, setup),
	    cmocka_unit_test_setup(test_each, setup),
	    cmocka_unit_test_setup(test_wiped, setup),
	    cmocka_unit_test_setup(test_settle, setup),
	    cmocka_unit_test_setup(test_unsound, setup),
	    cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
