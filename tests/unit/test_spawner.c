/* The worker's end of xenterm-screen, with the program itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/ring.h"
#include "fcgi/spawner.h"

/* Turns the loop until so many more can be started, which are. */
static void
start_again(
    struct event_base *base, struct spawner *spawner, const int fds[2], int n)
{
	uint32_t id;

	while (n > 0) {
		int fd = spawner_screen(spawner, fds[0], fds[1], &id);

		if (fd == -EAGAIN) {
			assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
			continue;
		}
		assert_true(fd >= 0);
		close(fd);
		n--;
	}
}

static void
test_ceiling(void **state)
{
	struct event_base *base = event_base_new();
	int program = spawner_open("./xenterm-screen");
	int ring = ring_make(LIMIT_RING_MIN);
	const int fds[] = {memfd_reopen_read_only(ring),
	    memfd_make("checkpoint", LIMIT_CHECKPOINT, NULL, 0)};
	struct spawner *spawner;
	int first, second;
	uint32_t id;

	(void)state;
	assert_true(program >= 0);
	spawner = spawner_start(program, 2);
	assert_non_null(spawner);
	assert_int_equal(spawner_watch(spawner, base), 0);
	first = spawner_screen(spawner, fds[0], fds[1], &id);
	second = spawner_screen(spawner, fds[0], fds[1], &id);
	assert_true(first >= 0 && second >= 0);
	assert_int_equal(spawner_screen(spawner, fds[0], fds[1], &id), -EAGAIN);
	spawner_kill(spawner, id);
	start_again(base, spawner, fds, 1);
	close(first);
	start_again(base, spawner, fds, 10);
	close(second);
	spawner_stop(spawner);
	event_base_free(base);
	close(ring);
	close(fds[0]);
	close(fds[1]);
}

static void
test_no_program(void **state)
{
	(void)state;
	assert_int_equal(spawner_open("./no-such-program"), -ENOENT);
	assert_null(spawner_start(spawner_open("/bin/true"), 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ceiling),
	    cmocka_unit_test(test_no_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
