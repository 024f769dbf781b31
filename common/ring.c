#define _GNU_SOURCE
#include "common/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"

#define RING_MAGIC   0x3147524d52455458ull /* "XTERMRG1" */
#define RING_NAME    0x00ffffffffffffffull /* without the layout's digit */
#define RING_HEADER  4096
#define RING_RUN_MAX ((1ull << 48) - 1) /* short enough to read in a log */

/* What expected bytes are before they have come, as many as tell it. */
#define BLANK  0xff
#define BLANKS 64

/* At the start of the memfd.  Only what is atomic changes after ring_make(). */
struct ring_header {
	uint64_t magic;
	uint64_t size;
	uint64_t run;
	_Atomic uint64_t end;
	_Atomic uint64_t expected_at, expected; /* offset and length */
};

struct ring {
	struct ring_header *header;
	uint8_t *data;
	size_t size;
};

/* Two processes could draw the same number once in 2^48 times. */
static uint64_t
new_run(void)
{
	uint64_t run = 0;

	while (run == 0) {
		if (getrandom(&run, sizeof run, 0) != sizeof run)
			return 0;
		run &= RING_RUN_MAX;
	}
	return run;
}

static size_t
round_up(size_t size)
{
	size_t n = LIMIT_RING_MIN;

	while (n < size && n < LIMIT_RING_MAX)
		n *= 2;
	return n;
}

int
ring_make(size_t size)
{
	struct ring_header header = {.magic = RING_MAGIC};

	header.size = round_up(size);
	header.run = new_run();
	if (header.run == 0)
		return -EIO;
	return memfd_make(
	    "xenterm-ring", RING_HEADER + header.size, &header, sizeof header);
}

/* Reads the header of fd, a ring if 0 is returned. */
static int
check(int fd, struct ring_header *header)
{
	if (pread(fd, header, sizeof *header, 0) != sizeof *header ||
	    (header->magic & RING_NAME) != (RING_MAGIC & RING_NAME))
		return -EPROTO;
	if (header->magic != RING_MAGIC)
		return -EPROTONOSUPPORT;
	if (header->run == 0 || header->size < LIMIT_RING_MIN ||
	    header->size > LIMIT_RING_MAX ||
	    (header->size & (header->size - 1)) != 0 ||
	    !memfd_is_sealed(fd, RING_HEADER + header->size))
		return -EPROTO;
	return 0;
}

int
ring_identify(int fd, uint64_t *run)
{
	struct ring_header header;
	int error = check(fd, &header);

	if (error == 0)
		*run = header.run;
	return error;
}

static struct ring *
map(int fd, int prot)
{
	struct ring_header header;
	struct ring *ring;
	uint8_t *base;
	size_t size;

	if (check(fd, &header) < 0) {
		errno = EPROTO;
		return NULL;
	}
	size = header.size;
	ring = malloc(sizeof *ring);
	if (!ring)
		return NULL;
	base = mmap(NULL, RING_HEADER + 2 * size, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		goto fail;
	if (mmap(base, RING_HEADER + size, prot, MAP_SHARED | MAP_FIXED, fd,
		0) == MAP_FAILED ||
	    mmap(base + RING_HEADER + size, size, prot, MAP_SHARED | MAP_FIXED,
		fd, RING_HEADER) == MAP_FAILED) {
		munmap(base, RING_HEADER + 2 * size);
		goto fail;
	}
	ring->header = (struct ring_header *)base;
	ring->data = base + RING_HEADER;
	ring->size = size;
	return ring;
fail:
	free(ring);
	return NULL;
}

/* What the writer before us had read, and was killed before it said so. */
static void
recover(struct ring *ring)
{
	uint64_t len = atomic_load(&ring->header->expected);
	size_t space;
	const uint8_t *bytes = ring_space(ring, &space);

	if (atomic_load(&ring->header->expected_at) != ring_end(ring) ||
	    len > LIMIT_READ)
		return;
	for (size_t i = 0; i < len && i < BLANKS; i++) {
		if (bytes[i] != BLANK) {
			ring_commit(ring, len);
			return;
		}
	}
}

struct ring *
ring_map(int fd)
{
	struct ring *ring = map(fd, PROT_READ | PROT_WRITE);

	if (ring)
		recover(ring);
	return ring;
}

struct ring *
ring_map_read_only(int fd)
{
	return map(fd, PROT_READ);
}

void
ring_unmap(struct ring *ring)
{
	if (!ring)
		return;
	munmap(ring->header, RING_HEADER + 2 * ring->size);
	free(ring);
}

uint64_t
ring_run(const struct ring *ring)
{
	return ring->header->run;
}

uint64_t
ring_end(const struct ring *ring)
{
	return atomic_load_explicit(&ring->header->end, memory_order_acquire);
}

uint64_t
ring_begin(const struct ring *ring)
{
	uint64_t end = ring_end(ring);

	return end > ring->size ? end - ring->size : 0;
}

bool
ring_copy(const struct ring *ring, uint64_t offset, void *to, size_t len)
{
	uint64_t end, oldest;

	memcpy(to, ring_at(ring, offset), len);
	/* The bytes have been read before it is asked what became of them. */
	atomic_thread_fence(memory_order_acquire);
	end = ring_end(ring) + LIMIT_READ; /* one may be on its way */
	oldest = end > ring->size ? end - ring->size : 0;
	return offset >= oldest;
}

size_t
ring_size(const struct ring *ring)
{
	return ring->size;
}

const uint8_t *
ring_at(const struct ring *ring, uint64_t offset)
{
	return ring->data + (offset & (ring->size - 1));
}

void
ring_expect(struct ring *ring, size_t len)
{
	size_t space;
	uint8_t *to = ring_space(ring, &space);

	memset(to, BLANK, len < BLANKS ? len : BLANKS);
	atomic_store(&ring->header->expected, len);
	atomic_store(&ring->header->expected_at, ring_end(ring));
}

uint8_t *
ring_space(struct ring *ring, size_t *len)
{
	*len = ring->size;
	return ring->data + (ring_end(ring) & (ring->size - 1));
}

void
ring_commit(struct ring *ring, size_t len)
{
	atomic_store_explicit(
	    &ring->header->end, ring_end(ring) + len, memory_order_release);
}
