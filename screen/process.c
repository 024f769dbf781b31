#define _GNU_SOURCE
#include "screen/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/ring.h"
#include "common/screen_proto.h"
#include "screen/checkpoint.h"
#include "screen/confine.h"
#include "screen/emulator.h"
#include "screen/render_ajaxterm.h"
#include "screen/render_ansi.h"
#include "screen/render_html.h"
#include "screen/render_json.h"
#include "screen/render_text.h"

/* Bytes worked through in a row; the answers to them go out together. */
#define STRETCH 4096

/* Ends whatever sequence the bytes before were in the middle of. */
#define CANCEL "\x18"

struct process {
	int sock;
	struct ring *ring;
	struct checkpoint *checkpoint;
	struct emulator *emulator;
	size_t block_size;
	uint64_t offset, saved, skipped;
	uint64_t live; /* nothing before it is answered */
	uint64_t born; /* microseconds, see start() */
	struct screen_reply reply;
};

union message {
	uint32_t type;
	struct screen_start start;
	struct screen_msg feed;
	struct screen_resize resize;
	struct screen_wish render;
};

/* A worker that does not listen any more shows as the end of its messages. */
static void
tell(struct process *p, const void *msg, size_t size)
{
	while (send(p->sock, msg, size, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

/* ---- output ------------------------------------------------------------- */

/* The emulator's answer; more than fits is more than any program asks. */
static void
on_reply(void *user, const char *bytes, size_t len)
{
	struct process *p = user;

	if (len > SCREEN_REPLY_MAX - p->reply.len)
		return;
	memcpy(p->reply.bytes + p->reply.len, bytes, len);
	p->reply.len += (uint32_t)len;
}

static void
tell_reply(struct process *p)
{
	if (p->reply.len == 0)
		return;
	p->reply.type = SCREEN_REPLY;
	p->reply.offset = p->offset;
	tell(p, &p->reply, sizeof p->reply);
	p->reply.len = 0;
}

static void
save(struct process *p)
{
	if (p->saved == p->offset)
		return;
	checkpoint_save(p->checkpoint, ring_run(p->ring), p->offset,
	    p->emulator, p->block_size);
	p->saved = p->offset;
}

static void
save_and_tidy(struct process *p)
{
	save(p);
	checkpoint_tidy(p->checkpoint);
}

/* Goes on margin bytes into what the ring holds, behind a line's end. */
static void
skip(struct process *p, size_t margin)
{
	uint64_t next = ring_begin(p->ring) + margin;
	uint8_t bytes[STRETCH];

	if (ring_copy(p->ring, next, bytes, sizeof bytes)) {
		const uint8_t *newline = memchr(bytes, '\n', sizeof bytes);

		if (newline)
			next += (uint64_t)(newline + 1 - bytes);
	}
	emulator_write(p->emulator, CANCEL, 1, NULL);
	p->skipped += next - p->offset;
	p->offset = next;
}

static void
feed(struct process *p, uint64_t end)
{
	const struct emulator_replies replies = {on_reply, p};

	while (p->offset < end) {
		uint8_t bytes[STRETCH];
		bool live = p->offset >= p->live;
		uint64_t len = (live ? end : p->live) - p->offset;

		if (len > end - p->offset)
			len = end - p->offset;
		if (len > sizeof bytes)
			len = sizeof bytes;
		if (!ring_copy(p->ring, p->offset, bytes, len)) {
			/* The writer is fast: far from where it is. */
			skip(p, ring_size(p->ring) / 4);
			continue;
		}
		emulator_write(p->emulator, bytes, len, live ? &replies : NULL);
		p->offset += len;
		tell_reply(p);
		/* Whatever becomes of this process, the next one must find
		 * the rest in the ring. */
		if (p->offset - p->saved > ring_size(p->ring) / 2)
			save(p);
	}
}

/* There is more.  Little of it: what a flood has left is cleared away. */
static void
go_on(struct process *p)
{
	uint64_t before = p->offset;

	feed(p, ring_end(p->ring));
	if (p->offset - before < STRETCH)
		checkpoint_tidy(p->checkpoint);
}

static void
tell_at(struct process *p)
{
	const struct screen_at at = {.type = SCREEN_AT,
	    .offset = p->offset,
	    .checkpoint = p->saved,
	    .skipped = p->skipped};

	tell(p, &at, sizeof at);
}

/* ---- renderings --------------------------------------------------------- */

struct parcel {
	struct process *process;
	uint64_t sent;
	size_t len;
	struct {
		uint32_t type;
		char bytes[SCREEN_DATA_MAX];
	} data;
};

static void
send_parcel(struct parcel *parcel)
{
	if (parcel->len == 0)
		return;
	parcel->data.type = SCREEN_DATA;
	tell(parcel->process, &parcel->data,
	    sizeof parcel->data.type + parcel->len);
	parcel->sent += parcel->len;
	parcel->len = 0;
}

static void
pack(void *user, const char *bytes, size_t len)
{
	struct parcel *parcel = user;

	while (len > 0) {
		size_t n = SCREEN_DATA_MAX - parcel->len;

		if (n > len)
			n = len;
		memcpy(parcel->data.bytes + parcel->len, bytes, n);
		parcel->len += n;
		bytes += n;
		len -= n;
		if (parcel->len == SCREEN_DATA_MAX)
			send_parcel(parcel);
	}
}

static void
render(struct process *p, const struct screen_wish *wish)
{
	static struct parcel parcel;
	const struct emulator *e = p->emulator;
	struct screen_image image = {
	    .type = SCREEN_IMAGE,
	    .format = wish->format,
	    .rows = emulator_rows(e),
	    .cols = emulator_cols(e),
	    .offset = p->offset,
	    .generation = emulator_generation(e),
	};

	parcel.process = p;
	parcel.sent = 0;
	if (wish->since == image.generation) {
		image.unchanged = 1;
		tell(p, &image, sizeof image);
		return;
	}
	switch (wish->format) {
	case SCREEN_ANSI:
		render_ansi(e, pack, &parcel);
		break;
	case SCREEN_TEXT:
		render_text(e, wish->history, wish->history > 0, pack, &parcel);
		break;
	case SCREEN_HTML:
		render_html(e, wish->history, pack, &parcel);
		break;
	case SCREEN_JSON:
		render_json(e, wish->history, 0, pack, &parcel);
		break;
	case SCREEN_AJAXTERM:
	case SCREEN_AJAXTERM_MONO:
		render_ajaxterm(
		    e, wish->format == SCREEN_AJAXTERM, pack, &parcel);
		break;
	}
	send_parcel(&parcel);
	image.len = parcel.sent;
	tell(p, &image, sizeof image);
}

/* ---- the conversation --------------------------------------------------- */

/* A size holds from its offset on.  It is in no ring, so it is saved. */
static int
resize(struct process *p, const struct screen_resize *msg)
{
	uint64_t end = ring_end(p->ring);

	feed(p, msg->offset < end ? msg->offset : end);
	if (emulator_resize(p->emulator, msg->rows, msg->cols) < 0)
		return -1;
	p->saved = UINT64_MAX;
	save_and_tidy(p);
	return 0;
}

/* Takes up the state saved last, or begins with what the ring still holds. */
static int
start(struct process *p, const struct screen_start *msg)
{
	const struct emulator_limits limits = {
	    LIMIT_ROWS, LIMIT_COLS, LIMIT_SCROLLBACK, LIMIT_SCROLLBACK_BYTES};
	uint64_t offset, begin = ring_begin(p->ring);
	void *block;

	p->block_size = emulator_size(&limits);
	block = mmap(NULL, p->block_size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block == MAP_FAILED)
		return -1;
	p->emulator = block;
	p->live = msg->live;
	if (!msg->afresh &&
	    checkpoint_load(p->checkpoint, ring_run(p->ring), block,
		p->block_size, ring_end(p->ring), &offset)) {
		p->offset = p->saved = offset;
	} else {
		emulator_init(block, &limits, msg->rows, msg->cols);
		p->offset = p->saved = begin;
		if (begin > 0)
			skip(p, LIMIT_READ);
	}
	feed(p, ring_end(p->ring));
	/* What was seen of a process before this one, which may have got here
	 * in other steps, is never what this one calls unchanged. */
	emulator_number_from(p->emulator, p->born);
	/* The size as the worker knows it, if this is not it. */
	return emulator_resize(p->emulator, msg->rows, msg->cols);
}

/* One message; PROCESS_DONE: go on. */
static enum process_status
take(struct process *p, const union message *msg, size_t size)
{
	bool started = p->emulator;

	if (msg->type == SCREEN_START && size == sizeof msg->start &&
	    !started) {
		if (start(p, &msg->start) < 0)
			return PROCESS_MEMORY;
		tell_at(p);
	} else if (msg->type == SCREEN_FEED && size == sizeof msg->feed &&
		   started) {
		go_on(p);
		tell_at(p);
	} else if (msg->type == SCREEN_RESIZE && size == sizeof msg->resize &&
		   started) {
		if (resize(p, &msg->resize) < 0)
			return PROCESS_MEMORY;
		tell_at(p);
	} else if (msg->type == SCREEN_RENDER && size == sizeof msg->render &&
		   msg->render.format < SCREEN_FORMATS && started) {
		feed(p, ring_end(p->ring));
		render(p, &msg->render);
	} else {
		return PROCESS_MISTAKEN;
	}
	return PROCESS_DONE;
}

static enum process_status
converse(struct process *p)
{
	enum process_status status = PROCESS_DONE;

	while (status == PROCESS_DONE) {
		union message msg;
		ssize_t n = recv(p->sock, &msg, sizeof msg, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)sizeof msg.type)
			break;
		status = take(p, &msg, (size_t)n);
	}
	if (status == PROCESS_DONE && p->emulator) {
		feed(p, ring_end(p->ring));
		save_and_tidy(p);
		tell_at(p);
	}
	return status;
}

static void
clear_away(struct process *p)
{
	if (p->emulator)
		munmap(p->emulator, p->block_size);
	checkpoint_unmap(p->checkpoint);
	ring_unmap(p->ring);
}

enum process_status
process_run(int sock, int ring_fd, int checkpoint_fd)
{
	struct process p = {.sock = sock};
	enum process_status status;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	p.born = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	/* What one writes to is no ring to be shared with this process. */
	if ((fcntl(ring_fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
		return PROCESS_FDS;
	p.ring = ring_map_read_only(ring_fd);
	p.checkpoint = checkpoint_map(checkpoint_fd);
	close(ring_fd);
	close(checkpoint_fd);
	if (!p.ring || !p.checkpoint)
		status = PROCESS_FDS;
	else if (process_confine(
		     2 * ring_size(p.ring) + checkpoint_mapped_size()) < 0)
		status = PROCESS_OPEN;
	else
		status = converse(&p);
	clear_away(&p);
	return status;
}
