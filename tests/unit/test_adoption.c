/*
 * What a broker leaves to the next one, by way of a service manager that this
 * test plays; and all that must not be believed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/domains.h"
#include "broker/hold.h"
#include "broker/keep.h"
#include "broker/lock.h"
#include "broker/memory.h"
#include "broker/state.h"
#include "common/config.h"
#include "common/memfd.h"
#include "common/ring.h"
#include "common/service.h"
#include "tests/unit/stubs.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- the service manager ------------------------------------------------ */

static struct stored {
	char name[SERVICE_NAME];
	int fd;
} stored[256], coming[256];
static size_t nstored, ncoming;

int
service_store(const char *name, const int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++) {
		assert_true(nstored < COUNT(stored));
		snprintf(stored[nstored].name, SERVICE_NAME, "%s", name);
		stored[nstored++].fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
	}
	return 0;
}

int
service_unstore(const char *name)
{
	size_t left = 0;

	for (size_t i = 0; i < nstored; i++)
		if (strcmp(stored[i].name, name) == 0)
			close(stored[i].fd);
		else
			stored[left++] = stored[i];
	nstored = left;
	return 0;
}

int
service_take(const char *name, char *name_out)
{
	assert_null(name);
	if (ncoming == 0)
		return -ENOENT;
	memcpy(name_out, coming[--ncoming].name, SERVICE_NAME);
	return coming[ncoming].fd;
}

bool
service_is_there(void)
{
	return true;
}

/* hold.c's, for which there is no xenstore here. */
struct xs_conn *
domains_xs(struct domains *domains)
{
	(void)domains;
	return NULL;
}

bool
domains_claimant(
    struct domains *domains, const char *tty, struct console_key *out)
{
	(void)domains;
	(void)tty;
	(void)out;
	return false;
}

static bool
is_stored(const char *name)
{
	for (size_t i = 0; i < nstored; i++)
		if (strcmp(stored[i].name, name) == 0)
			return true;
	return false;
}

static int
stored_fd(const char *name)
{
	for (size_t i = 0; i < nstored; i++)
		if (strcmp(stored[i].name, name) == 0)
			return stored[i].fd;
	fail_msg("%s is not stored", name);
	return -1;
}

/* Puts another in its place. */
static void
swap_stored(const char *name, int fd)
{
	service_unstore(name);
	assert_true(fd >= 0);
	service_store(name, &fd, 1);
	close(fd);
}

/* A new broker has come, and has got all that is stored. */
static struct keep *
come(void)
{
	struct keep *keep;

	assert_int_equal(ncoming, 0);
	for (size_t i = 0; i < nstored; i++) {
		coming[ncoming] = stored[i];
		coming[ncoming++].fd = fcntl(stored[i].fd, F_DUPFD_CLOEXEC, 0);
	}
	keep = keep_create();
	assert_non_null(keep);
	return keep;
}

static int fds_before;

static int
set_up(void **state)
{
	(void)state;
	fds_before = count_fds();
	return 0;
}

/* And nothing is left open. */
static int
tear_down(void **state)
{
	(void)state;
	while (nstored > 0)
		close(stored[--nstored].fd);
	assert_int_equal(count_fds(), fds_before);
	return 0;
}

/* ---- names -------------------------------------------------------------- */

static void
test_names(void **state)
{
	static const char *const bad[] = {"", "r", "r2048", "r-1", "r01", "x1",
	    "b1", "b", "l32752", "ring", "r1 ", "unknown", "r99999999999"};
	static const char *const good[] = {"b0", "r0", "r2047", "l32751"};
	struct keep *keep;
	uint32_t number;
	int zero = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		service_store(bad[i], &zero, 1);
	for (size_t i = 0; i < COUNT(good); i++)
		service_store(good[i], &zero, 1);
	keep = come();
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_false(is_stored(bad[i]));
	close(keep_take(keep, KEEP_STATE, 0));
	close(keep_take(keep, KEEP_RING, 2047));
	assert_int_equal(keep_take(keep, KEEP_RING, 2047), -ENOENT);
	assert_int_equal(keep_take(keep, KEEP_TTY, 0), -ENOENT);
	assert_true(keep_find(keep, KEEP_LOCK, &number));
	assert_int_equal(number, 32751);
	close(keep_take(keep, KEEP_LOCK, number));
	assert_false(keep_find(keep, KEEP_LOCK, &number));
	keep_destroy(keep);
	/* What nobody has taken is given up. */
	assert_false(is_stored("r0"));
	assert_true(is_stored("r2047"));
}

/* Which of them is right cannot be said. */
static void
test_two_of_a_name(void **state)
{
	struct keep *keep;
	int zero = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		service_store("r5", &zero, 1);
	service_store("r6", &zero, 1);
	keep = come();
	assert_int_equal(keep_take(keep, KEEP_RING, 5), -ENOENT);
	assert_false(is_stored("r5"));
	close(keep_take(keep, KEEP_RING, 6));
	keep_destroy(keep);
}

/* ---- the state ---------------------------------------------------------- */

static struct state_console
a_console(uint8_t which)
{
	struct state_console c = {.key = {.uuid = {which}, .kind = CONSOLE_PV},
	    .run = 1000u + which,
	    .domid = which,
	    .tty_domid = which,
	    .tty_serial = 7,
	    .device = 34816};

	snprintf(c.name, sizeof c.name, "web%u", which);
	return c;
}

static struct state *
next_state(void)
{
	struct keep *keep = come();
	struct state *s = state_create(keep);

	assert_non_null(s);
	keep_destroy(keep);
	return s;
}

static void
test_state(void **state)
{
	struct state *s = next_state();
	struct state_console one = a_console(1), two = a_console(2), got;
	uint32_t slots[3], serial = state_serial(s);

	(void)state;
	for (int i = 0; i < 3; i++) {
		slots[i] = state_take(s);
		assert_int_equal(slots[i], i);
		/* Taken, but nothing is known of it yet. */
		assert_false(state_get(s, slots[i], &got));
	}
	state_put(s, slots[0], &one);
	state_put(s, slots[1], &two);
	state_put(s, slots[2], &one);
	for (uint32_t i = 0; i < 5; i++) {
		two.domid = 40 + i;
		state_put(s, slots[1], &two);
		assert_true(state_get(s, slots[1], &got));
		assert_int_equal(got.domid, 40 + i);
	}
	state_free(s, slots[2]);
	state_destroy(s);

	s = next_state();
	assert_true(state_get(s, slots[0], &got));
	assert_memory_equal(&got, &one, sizeof got);
	assert_true(state_get(s, slots[1], &got));
	assert_memory_equal(&got, &two, sizeof got);
	assert_false(state_get(s, slots[2], &got));
	assert_int_equal(state_take(s), slots[2]);
	assert_int_equal(state_serial(s), serial + 1);
	state_destroy(s);
}

static void
test_state_is_full(void **state)
{
	struct state *s = next_state();

	(void)state;
	for (uint32_t i = 0; i < LIMIT_CONSOLES; i++)
		assert_int_equal(state_take(s), i);
	assert_int_equal(state_take(s), LIMIT_CONSOLES);
	state_free(s, 77);
	assert_int_equal(state_take(s), 77);
	state_destroy(s);
}

/* As broker/state.c lays it out. */
#define SLOTS	   4096
#define SLOT(n)	   (SLOTS + (n) * (8 + 2 * sizeof(struct state_console)))
#define COPY(n, i) (SLOT(n) + 8 + (i) * sizeof(struct state_console))

static void
scribble(const char *name, const void *bytes, size_t size, size_t at)
{
	assert_int_equal(
	    pwrite(stored_fd(name), bytes, size, (off_t)at), (ssize_t)size);
}

/* Killed in the middle of a change: what was true is. */
static void
test_state_half_written(void **state)
{
	struct state *s = next_state();
	struct state_console one = a_console(1), got;
	const uint32_t first = 1, none = 3;

	(void)state;
	state_take(s);
	state_put(s, 0, &one);
	state_destroy(s);
	scribble("b0", &first, sizeof first, SLOT(0));
	scribble("b0", "half of it", 10, COPY(0, 1));
	s = next_state();
	assert_true(state_get(s, 0, &got));
	assert_memory_equal(&got, &one, sizeof got);
	state_destroy(s);

	/* A mark that is none. */
	scribble("b0", &none, sizeof none, SLOT(0));
	s = next_state();
	assert_false(state_get(s, 0, &got));
	state_destroy(s);
}

static void
test_state_that_cannot_be(void **state)
{
	struct state_console bad[5], got;
	struct state *s = next_state();

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		bad[i] = a_console(1);
	bad[0].key.kind = 9;
	bad[1].key.number = LIMIT_CONSOLES_OF_KIND;
	memset(bad[2].name, 'x', sizeof bad[2].name);
	strcpy(bad[3].name, "\x1b[2J");
	bad[4].domid = 0x7ff0;
	state_take(s);
	for (size_t i = 0; i < COUNT(bad); i++) {
		state_put(s, 0, &bad[i]);
		assert_false(state_get(s, 0, &got));
	}
	state_destroy(s);
}

static int
unsealed(const char *magic)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, 1024 * 1024), 0);
	assert_int_equal(pwrite(fd, magic, 8, 0), 8);
	return fd;
}

/* All that it says, and whoever has it could take it away from us. */
static int
same_but_unsealed(const char *name)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int from = stored_fd(name);
	uint8_t page[4096];
	struct stat st;

	assert_int_equal(fstat(from, &st), 0);
	for (off_t at = 0; at < st.st_size; at += (off_t)sizeof page) {
		ssize_t n = pread(from, page, sizeof page, at);

		assert_true(n > 0 && pwrite(fd, page, (size_t)n, at) == n);
	}
	return fd;
}

/* Nothing of it is taken, and the log says so. */
static void
check_state_refused(void)
{
	struct state *s = next_state();
	struct state_console got;

	assert_false(state_get(s, 0, &got));
	state_destroy(s);
	/* A new one is kept in its place. */
	s = next_state();
	assert_int_equal(state_take(s), 0);
	state_put(s, 0, &(struct state_console){.name = "x"});
	state_destroy(s);
	s = next_state();
	assert_true(state_get(s, 0, &got));
	state_destroy(s);
	service_unstore("b0");
}

static void
test_state_refused(void **state)
{
	struct state_console one = a_console(1);
	const uint32_t other = 17;
	struct state *s;

	(void)state;
	/* An older layout, a newer one, and other sizes. */
	for (int i = 0; i < 4; i++) {
		s = next_state();
		state_take(s);
		state_put(s, 0, &one);
		state_destroy(s);
		if (i < 2)
			scribble("b0", i ? "2" : "0", 1, 7);
		else
			scribble("b0", &other, sizeof other, 8 + 4u * (i & 1));
		check_state_refused();
	}
	swap_stored("b0", unsealed("XTERMBS1"));
	check_state_refused();
	s = next_state();
	state_take(s);
	state_put(s, 0, &one);
	state_destroy(s);
	swap_stored("b0", same_but_unsealed("b0"));
	check_state_refused();
	swap_stored("b0", unsealed("nothing!"));
	check_state_refused();
	swap_stored("b0", open("/dev/null", O_RDWR | O_CLOEXEC));
	check_state_refused();
}

/* ---- memory ------------------------------------------------------------- */

/* A console's memory, made and left behind; its run. */
static uint64_t
leave_memory(uint32_t slot)
{
	struct memory memory;
	uint64_t run;

	memory_init(&memory, slot);
	assert_int_equal(memory_make(&memory, LIMIT_RING_MIN), 0);
	assert_int_equal(memory_make(&memory, LIMIT_RING_MIN), 0);
	for (int i = 0; i < TTY_FDS; i++)
		assert_true((memory.fds[i] >= 0) == (i != TTY_PTY));
	run = memory.run;
	memory_close(&memory);
	return run;
}

static ino_t
inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void
test_memory(void **state)
{
	struct memory memory;
	uint64_t run = leave_memory(3);
	struct keep *keep = come();

	(void)state;
	memory_init(&memory, 3);
	assert_int_equal(memory_adopt(&memory, keep, run, "a"), 0);
	keep_destroy(keep);
	assert_int_equal(memory.run, run);
	assert_int_equal(inode(memory.fds[TTY_RING]), inode(stored_fd("r3")));
	assert_int_equal(
	    inode(memory.fds[TTY_RING_READ_ONLY]), inode(stored_fd("r3")));
	assert_int_equal(
	    fcntl(memory.fds[TTY_RING_READ_ONLY], F_GETFL) & O_ACCMODE,
	    O_RDONLY);
	assert_int_equal(
	    inode(memory.fds[TTY_CHECKPOINT]), inode(stored_fd("c3")));
	assert_int_equal(inode(memory.fds[TTY_STORE]), inode(stored_fd("s3")));
	/* It is not made again; and it is gone when it is dropped. */
	assert_int_equal(memory_make(&memory, LIMIT_RING_MIN), 0);
	assert_int_equal(memory.run, run);
	memory_drop(&memory);
	assert_int_equal(nstored, 0);
}

/* The ring is refused, and with it what belongs to it. */
static void
check_memory_refused(uint64_t run)
{
	struct keep *keep = come();
	struct memory memory;

	memory_init(&memory, 3);
	assert_true(memory_adopt(&memory, keep, run, "a") < 0);
	assert_int_equal(memory.run, 0);
	keep_destroy(keep);
	assert_int_equal(nstored, 0);
	assert_int_equal(memory_make(&memory, LIMIT_RING_MIN), 0);
	assert_true(memory.run != 0 && is_stored("r3"));
	memory_drop(&memory);
	assert_int_equal(nstored, 0);
}

static void
test_memory_refused(void **state)
{
	const uint64_t huge = 1ull << 40;
	uint64_t run;

	(void)state;
	check_memory_refused(leave_memory(3) + 1); /* another's */
	run = leave_memory(3);
	scribble("r3", "0", 1, 7); /* an older layout */
	check_memory_refused(run);
	run = leave_memory(3);
	scribble("r3", &huge, sizeof huge, 8);
	check_memory_refused(run);
	run = leave_memory(3);
	swap_stored("r3", unsealed("XTERMRG1"));
	check_memory_refused(run);
	run = leave_memory(3);
	swap_stored("r3", open("/dev/null", O_RDWR | O_CLOEXEC));
	check_memory_refused(run);
	run = leave_memory(3);
	service_unstore("r3");
	check_memory_refused(run);
}

/* The history stays; what is wrong beside it is made anew. */
static void
test_memory_incomplete(void **state)
{
	static const char *const names[] = {"c3", "s3"};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(names); i++) {
		const char *name = names[i / 2];
		uint64_t run = leave_memory(3);
		struct memory memory;
		struct keep *keep;

		if (i % 2)
			swap_stored(name, unsealed("whatever"));
		else
			service_unstore(name);
		keep = come();
		memory_init(&memory, 3);
		assert_int_equal(memory_adopt(&memory, keep, run, "a"), 0);
		keep_destroy(keep);
		assert_int_equal(memory.run, run);
		assert_true(memfd_is_sealed(
		    memory.fds[TTY_CHECKPOINT], LIMIT_CHECKPOINT));
		assert_true(memfd_is_sealed(
		    memory.fds[TTY_STORE], LIMIT_CONSOLE_STORE));
		assert_int_equal(nstored, 3);
		memory_drop(&memory);
	}
}

static void
test_sessions(void **state)
{
	struct keep *keep = come();
	int fd = memory_sessions(keep);
	ino_t made = inode(fd);

	(void)state;
	keep_destroy(keep);
	close(fd);
	keep = come();
	fd = memory_sessions(keep);
	assert_int_equal(inode(fd), made);
	close(fd);
	keep_destroy(keep);
	swap_stored("w0", unsealed("whatever"));
	keep = come();
	fd = memory_sessions(keep);
	assert_true(memfd_is_sealed(fd, LIMIT_SESSION_STORE));
	close(fd);
	keep_destroy(keep);
	assert_int_equal(inode(stored_fd("w0")) == made, false);
}

/* ---- locks and ttys ----------------------------------------------------- */

static char dir[32], path[64];

static int
set_up_dir(void **state)
{
	strcpy(dir, "/tmp/test_adoption.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/xenconsole.7", dir);
	return set_up(state);
}

static int
tear_down_dir(void **state)
{
	int status = tear_down(state);

	unlink(path);
	return rmdir(dir) < 0 ? -1 : status;
}

/* Only root's files count as locks. */
static void
need_root(void)
{
	if (geteuid() != 0)
		skip();
}

static bool
is_locked(void)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool locked;

	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_EX | LOCK_NB) < 0;
	close(fd);
	return locked;
}

static void
leave_lock(void)
{
	struct locks *locks = locks_create(dir);
	char holder[LIMIT_HOLDER + 1];

	assert_int_equal(locks_take(locks, 7, holder), 0);
	locks_destroy(locks);
	/* The manager has it. */
	assert_true(is_locked());
}

static struct locks *
next_locks(void)
{
	struct locks *locks = locks_create(dir);
	struct keep *keep = come();

	locks_adopt(locks, keep);
	keep_destroy(keep);
	return locks;
}

static void
test_lock(void **state)
{
	char holder[LIMIT_HOLDER + 1];
	struct locks *locks;

	(void)state;
	need_root();
	leave_lock();
	locks = next_locks();
	assert_true(is_locked());
	assert_int_equal(locks_take(locks, 7, holder), 0);
	locks_sweep(locks);
	assert_true(is_locked());
	/* Given back at once, also what the manager still has open. */
	locks_drop(locks, 7);
	assert_false(is_locked());
	assert_int_equal(nstored, 0);
	assert_int_equal(access(path, F_OK), -1);
	locks_destroy(locks);

	/* Nobody wants it any more. */
	leave_lock();
	locks = next_locks();
	locks_sweep(locks);
	assert_false(is_locked());
	assert_int_equal(nstored, 0);
	locks_destroy(locks);
}

static void
test_lock_refused(void **state)
{
	struct locks *locks;
	int other;

	(void)state;
	need_root();
	/* Somebody has removed the file, and has a lock of his own. */
	leave_lock();
	unlink(path);
	other = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	locks = next_locks();
	assert_int_equal(nstored, 0);
	locks_sweep(locks);
	assert_true(is_locked());
	locks_destroy(locks);
	/* What was kept is that file, but not the lock. */
	swap_stored("l7", open(path, O_RDWR | O_CLOEXEC));
	locks = next_locks();
	assert_int_equal(nstored, 0);
	locks_destroy(locks);
	assert_true(is_locked());
	close(other);
	/* No file at all. */
	swap_stored("l7", open("/dev/null", O_RDWR | O_CLOEXEC));
	locks = next_locks();
	assert_int_equal(nstored, 0);
	locks_destroy(locks);
}

struct world {
	struct state *state;
	struct locks *locks;
	struct holds *holds;
	struct hold *hold;
	int master;
	struct state_console was;
};

/* Another broker's, in whose place a new one comes. */
static void
begin(struct world *w)
{
	const struct console_key key = {.uuid = {1}, .kind = CONSOLE_PV};
	static struct config config;
	struct termios raw = {0};
	struct stat st;
	int slave;

	cfmakeraw(&raw);
	assert_int_equal(openpty(&w->master, &slave, NULL, &raw, NULL), 0);
	assert_int_equal(fstat(slave, &st), 0);
	w->was = a_console(1);
	w->was.tty_domid = 7;
	w->was.device = st.st_rdev;
	swap_stored("t3", slave);
	leave_lock();
	w->locks = next_locks();
	w->state = next_state();
	service_unstore("b0");
	w->holds = holds_create(&config, w->locks, w->state);
	w->hold = hold_create(w->holds, &key, 3);
	assert_non_null(w->hold);
}

static void
end(struct world *w)
{
	hold_destroy(w->hold);
	holds_destroy(w->holds);
	locks_sweep(w->locks);
	locks_destroy(w->locks);
	state_destroy(w->state);
	if (w->master >= 0)
		close(w->master);
	while (nstored > 0)
		close(stored[--nstored].fd);
}

/* begin() has given up the tty and the lock that were stored. */
static bool
adopt(struct world *w, int fd)
{
	struct keep *keep;
	bool adopted;

	swap_stored("t3", fd);
	keep = come();
	adopted = hold_adopt(w->hold, keep, &w->was);
	keep_destroy(keep);
	return adopted;
}

static int
slave_of(struct world *w, int flags)
{
	char name[64];

	assert_int_equal(ptsname_r(w->master, name, sizeof name), 0);
	return open(name, flags | O_NOCTTY | O_CLOEXEC);
}

static void
test_tty(void **state)
{
	struct state_console now = {.flags = 0};
	struct world w;

	(void)state;
	need_root();
	begin(&w);
	w.was.flags = KEPT_ENDED;
	assert_true(adopt(&w, slave_of(&w, O_RDWR)));
	assert_true(hold_is_open(w.hold) && !hold_is_live(w.hold));
	assert_true(fcntl(hold_fd(w.hold), F_GETFL) & O_NONBLOCK);
	assert_int_equal(hold_domid(w.hold), 7);
	assert_int_equal(hold_serial(w.hold), 7);
	/* Until xenstore has been asked it is only what was. */
	assert_true(hold_is_stale(w.hold));
	hold_describe(w.hold, &now);
	assert_int_equal(now.device, w.was.device);
	assert_int_equal(now.flags, KEPT_ENDED);
	hold_let_go(w.hold, "a");
	assert_false(is_stored("t3") || is_locked());
	end(&w);
}

static void
check_tty_refused(struct world *w, int fd)
{
	assert_false(adopt(w, fd));
	assert_false(hold_is_open(w->hold));
	assert_false(is_stored("t3"));
	end(w);
}

static void
test_tty_refused(void **state)
{
	struct termios raw = {0};
	int master, slave;
	struct world w;

	(void)state;
	need_root();
	begin(&w);
	check_tty_refused(&w, open("/dev/null", O_RDWR | O_CLOEXEC));
	begin(&w);
	check_tty_refused(&w, memfd_create("test", MFD_CLOEXEC));
	begin(&w);
	check_tty_refused(&w, slave_of(&w, O_RDONLY));
	begin(&w);
	check_tty_refused(&w, slave_of(&w, O_PATH));
	/* Its other end, and another one. */
	begin(&w);
	check_tty_refused(&w, fcntl(w.master, F_DUPFD_CLOEXEC, 0));
	begin(&w);
	assert_int_equal(openpty(&master, &slave, NULL, &raw, NULL), 0);
	check_tty_refused(&w, slave);
	close(master);
}

/* xenconsole has come in between. */
static void
test_tty_without_lock(void **state)
{
	struct world w;
	int other;

	(void)state;
	need_root();
	begin(&w);
	locks_sweep(w.locks);
	other = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	check_tty_refused(&w, slave_of(&w, O_RDWR));
	close(other);
}

#define IN_DIR(test) \
	cmocka_unit_test_setup_teardown(test, set_up_dir, tear_down_dir)
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_names),
	    TEST(test_two_of_a_name),
	    TEST(test_state),
	    TEST(test_state_is_full),
	    TEST(test_state_half_written),
	    TEST(test_state_that_cannot_be),
	    TEST(test_state_refused),
	    TEST(test_memory),
	    TEST(test_memory_refused),
	    TEST(test_memory_incomplete),
	    TEST(test_sessions),
	    IN_DIR(test_lock),
	    IN_DIR(test_lock_refused),
	    IN_DIR(test_tty),
	    IN_DIR(test_tty_refused),
	    IN_DIR(test_tty_without_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
