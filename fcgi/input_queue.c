#include "fcgi/input_queue.h"

#include <sodium.h>
#include <string.h>

/*
 * The area is a ring of units.  A request begins on a unit with its header; its
 * bytes follow, perhaps over the area's end.
 *
 * The state: | first unit, 16 bits | unit behind the last, 16 | written, 32 |
 *
 * Units are counted on for ever, modulo 2^16, and lie at their number modulo
 * UNITS; `written` is of the first request.  An empty queue begins at 0 again,
 * so that a guest that is typed at by hand has one page of it in memory.
 */
#define UNIT  32u
#define UNITS (INPUT_QUEUE_AREA / UNIT)

struct header {
	uint32_t len;
	uint32_t slot;
	uint64_t seq;
	uint8_t session[INPUT_SESSION_LEN];
	uint64_t cancelled; /* it is not to be typed any further */
};

_Static_assert(sizeof(struct header) == UNIT, "a header is never cut in two");
_Static_assert((UNITS & (UNITS - 1)) == 0 && UNITS < 65536 / 2, "modulo");

struct state {
	uint16_t first, behind;
	uint32_t written;
};

static uint64_t
pack(struct state s)
{
	return (uint64_t)s.first << 48 | (uint64_t)s.behind << 32 | s.written;
}

static struct state
unpack(uint64_t word)
{
	return (struct state){
	    (uint16_t)(word >> 48), (uint16_t)(word >> 32), (uint32_t)word};
}

static struct state
load(const struct input_queue *q)
{
	return unpack(atomic_load_explicit(&q->state, memory_order_acquire));
}

static void
store(struct input_queue *q, struct state s)
{
	if (s.first == s.behind)
		s = (struct state){0};
	atomic_store_explicit(&q->state, pack(s), memory_order_release);
}

static unsigned
units_of(size_t len)
{
	return 1 + (unsigned)((len + UNIT - 1) / UNIT);
}

static unsigned
in_use(struct state s)
{
	return (uint16_t)(s.behind - s.first);
}

static struct header *
header_at(const struct input_queue *q, uint16_t unit)
{
	return (struct header *)(q->area + unit % UNITS * UNIT);
}

/* The byte `at` of a request, and how many follow in one piece. */
static uint8_t *
byte_at(const struct input_queue *q, uint16_t unit, size_t at, size_t *piece)
{
	size_t i = ((size_t)unit % UNITS * UNIT + UNIT + at) % INPUT_QUEUE_AREA;

	*piece = INPUT_QUEUE_AREA - i;
	return (uint8_t *)q->area + i;
}

static void
copy_in(struct input_queue *q, uint16_t unit, const void *bytes, size_t len)
{
	size_t piece;
	uint8_t *to = byte_at(q, unit, 0, &piece);

	if (piece > len)
		piece = len;
	memcpy(to, bytes, piece);
	memcpy(q->area, (const uint8_t *)bytes + piece, len - piece);
}

static void
wipe(struct input_queue *q, uint16_t unit, size_t at, size_t len)
{
	while (len > 0) {
		size_t piece;
		uint8_t *bytes = byte_at(q, unit, at, &piece);

		if (piece > len)
			piece = len;
		sodium_memzero(bytes, piece);
		at += piece;
		len -= piece;
	}
}

bool
input_queue_check(struct input_queue *q)
{
	struct state s = load(q);
	uint16_t unit = s.first;
	bool sound = in_use(s) <= UNITS;

	while (sound && unit != s.behind) {
		const struct header *h = header_at(q, unit);
		unsigned left = (uint16_t)(s.behind - unit);

		sound = h->len > 0 && h->len <= INPUT_QUEUE_AREA &&
			units_of(h->len) <= left &&
			(unit != s.first || s.written < h->len);
		unit = (uint16_t)(unit + units_of(h->len));
	}
	if (sound)
		return true;
	store(q, (struct state){0});
	atomic_store(&q->length, 0);
	return false;
}

bool
input_queue_add(struct input_queue *q, const void *bytes, size_t len,
    const struct input_by *by)
{
	struct state s = load(q);
	struct header h = {.len = (uint32_t)len, .slot = INPUT_NO_SLOT};

	if (units_of(len) > UNITS - in_use(s))
		return false;
	if (by) {
		h.slot = by->slot;
		h.seq = by->seq;
		memcpy(h.session, by->session, sizeof h.session);
	}
	*header_at(q, s.behind) = h;
	copy_in(q, s.behind, bytes, len);
	s.behind = (uint16_t)(s.behind + units_of(len));
	store(q, s);
	return true;
}

bool
input_queue_undo(struct input_queue *q, size_t len)
{
	struct state s = load(q);
	uint16_t unit = (uint16_t)(s.behind - units_of(len));

	if (in_use(s) < units_of(len) || (unit == s.first && s.written > 0))
		return false;
	s.behind = unit;
	store(q, s);
	wipe(q, unit, 0, len);
	return true;
}

size_t
input_queue_pending(const struct input_queue *q)
{
	struct state s = load(q);
	size_t total = 0;

	for (uint16_t unit = s.first; unit != s.behind;) {
		const struct header *h = header_at(q, unit);

		if (!h->cancelled)
			total += h->len - (unit == s.first ? s.written : 0);
		unit = (uint16_t)(unit + units_of(h->len));
	}
	return total;
}

/* Goes on behind what was cancelled. */
static struct state
skip(struct input_queue *q)
{
	struct state s = load(q);

	while (s.first != s.behind && header_at(q, s.first)->cancelled) {
		s.first =
		    (uint16_t)(s.first + units_of(header_at(q, s.first)->len));
		s.written = 0;
		store(q, s);
	}
	return load(q);
}

const uint8_t *
input_queue_next(struct input_queue *q, size_t *len)
{
	struct state s = skip(q);
	const uint8_t *bytes;
	size_t left;

	*len = 0;
	if (s.first == s.behind)
		return NULL;
	bytes = byte_at(q, s.first, s.written, len);
	left = header_at(q, s.first)->len - s.written;
	if (*len > left)
		*len = left;
	return bytes;
}

void
input_queue_begin(struct input_queue *q, size_t len)
{
	atomic_store_explicit(&q->writing, pack(load(q)), memory_order_relaxed);
	atomic_store_explicit(&q->length, len, memory_order_release);
}

static void
advance(struct input_queue *q, size_t written)
{
	struct state s = load(q);
	uint16_t unit = s.first;
	uint32_t from = s.written;

	if (written == 0)
		return;
	s.written += (uint32_t)written;
	if (s.written >= header_at(q, unit)->len) {
		s.first = (uint16_t)(unit + units_of(header_at(q, unit)->len));
		s.written = 0;
	}
	store(q, s);
	wipe(q, unit, from, written);
}

void
input_queue_end(struct input_queue *q, size_t written)
{
	advance(q, written);
	atomic_store_explicit(&q->length, 0, memory_order_release);
}

/* The state is still the one that was to be left. */
size_t
input_queue_settle(struct input_queue *q)
{
	size_t len = atomic_load(&q->length), piece = 0;

	if (len > 0 && atomic_load(&q->writing) == pack(load(q)))
		input_queue_next(q, &piece);
	if (len > piece)
		len = piece;
	input_queue_end(q, len);
	return len;
}

size_t
input_queue_cancel(
    struct input_queue *q, const uint8_t session[INPUT_SESSION_LEN])
{
	struct state s = load(q);
	size_t before = input_queue_pending(q);

	for (uint16_t unit = s.first; unit != s.behind;) {
		struct header *h = header_at(q, unit);

		if (!session ||
		    memcmp(h->session, session, INPUT_SESSION_LEN) == 0) {
			h->cancelled = 1;
			wipe(q, unit, 0, h->len);
		}
		unit = (uint16_t)(unit + units_of(h->len));
	}
	skip(q);
	return before - input_queue_pending(q);
}

void
input_queue_each(const struct input_queue *q,
    void (*each)(void *ctx, const struct input_by *by), void *ctx)
{
	struct state s = load(q);

	for (uint16_t unit = s.first; unit != s.behind;) {
		const struct header *h = header_at(q, unit);
		struct input_by by = {.slot = h->slot, .seq = h->seq};

		memcpy(by.session, h->session, sizeof by.session);
		if (h->slot != INPUT_NO_SLOT)
			each(ctx, &by);
		unit = (uint16_t)(unit + units_of(h->len));
	}
}
