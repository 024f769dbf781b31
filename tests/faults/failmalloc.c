/*
 * Preloaded into one program: refuses it memory when a test says so, and counts
 * the blocks that live.
 *
 * FAILMALLOC_PROGRAM is the program's name; its children with another name are
 * left alone.  FAILMALLOC_FILE is shared with the test: struct shared.  With
 * FAILMALLOC_SAYS in the environment each refusal is shown with its callers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT 16 /* of malloc() */

struct shared {
	atomic_int_least64_t countdown; /* 1: the next is refused; 0: none */
	atomic_int_least64_t more;	/* and so many after it */
	atomic_int_least64_t refused;	/* how many have been */
	atomic_int_least64_t live;	/* not freed yet */
};

/*
 * A program with a malloc() of its own (fcgi/wipe.c) calls the C library's by
 * these names, so both are replaced.  What is left of the C library's own: one
 * that allocates, and one that frees what is to have no size.
 */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void __libc_free(void *block);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static struct shared *shared;
static bool says;

__attribute__((constructor)) static void
begin(void)
{
	const char *program = getenv("FAILMALLOC_PROGRAM");
	const char *file = getenv("FAILMALLOC_FILE");
	void *frames[1], *map;
	int fd;

	if (!program || !file || strcmp(program, program_invocation_short_name))
		return;
	backtrace(frames, 1); /* which allocates when it is used first */
	fd = open(file, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		abort();
	map = mmap(
	    NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		abort();
	says = getenv("FAILMALLOC_SAYS");
	shared = map;
}

static void
say_where(void)
{
	void *frames[24];

	backtrace_symbols_fd(frames, backtrace(frames, 24), STDERR_FILENO);
	(void)!write(STDERR_FILENO, "--\n", 3);
}

/* The countdown stays at 1 while more are to be refused. */
static bool
is_refused(void)
{
	int_least64_t left;

	if (!shared)
		return false;
	left = atomic_load(&shared->countdown);
	while (left > 0) {
		int_least64_t next = left - 1;

		if (left == 1 && atomic_fetch_sub(&shared->more, 1) > 0)
			next = 1;
		if (!atomic_compare_exchange_strong(
			&shared->countdown, &left, next))
			continue;
		if (left > 1)
			return false;
		if (says)
			say_where();
		atomic_fetch_add(&shared->refused, 1);
		errno = ENOMEM;
		return true;
	}
	return false;
}

static void *
allocate(size_t alignment, size_t size)
{
	void *block;

	if (is_refused())
		return NULL;
	block = __libc_memalign(alignment, size);
	if (block && shared)
		atomic_fetch_add(&shared->live, 1);
	return block;
}

static void *
allocate_zeroed(size_t n, size_t size)
{
	void *block;

	if (__builtin_mul_overflow(n, size, &size))
		return NULL;
	block = allocate(ALIGNMENT, size);
	return block ? memset(block, 0, size) : NULL;
}

static void
give_back(void *block)
{
	if (!block)
		return;
	if (shared)
		atomic_fetch_sub(&shared->live, 1);
	__libc_realloc(block, 0);
}

void *
malloc(size_t size)
{
	return allocate(ALIGNMENT, size);
}

void *
calloc(size_t n, size_t size)
{
	return allocate_zeroed(n, size);
}

void *
realloc(void *old, size_t size)
{
	if (!old)
		return allocate(ALIGNMENT, size);
	return is_refused() ? NULL : __libc_realloc(old, size);
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return allocate(alignment, size);
}

int
posix_memalign(void **block, size_t alignment, size_t size)
{
	void *made = allocate(alignment, size);

	if (made)
		*block = made;
	return made ? 0 : ENOMEM;
}

void
free(void *block)
{
	give_back(block);
}

void *
__libc_malloc(size_t size)
{
	return allocate(ALIGNMENT, size);
}

void *
__libc_calloc(size_t n, size_t size)
{
	return allocate_zeroed(n, size);
}

void
__libc_free(void *block)
{
	give_back(block);
}
