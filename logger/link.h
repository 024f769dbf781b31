/*
 * The logger's end of the feed: connects to the worker, as often as it takes,
 * and takes the frames apart (common/feed_proto.h).
 */
#ifndef XENTERM_LINK_H
#define XENTERM_LINK_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct json_object;
struct link;

/* What the worker says; payloads are valid during the call. */
struct link_owner {
	void (*connected)(void *ctx); /* all that was told before is void */
	void (*console)(void *ctx, uint32_t number, struct json_object *obj);
	void (*removed)(void *ctx, uint32_t number);
	void (*output)(void *ctx, uint32_t number, uint64_t run,
	    uint64_t offset, const uint8_t *bytes, size_t len);
	void (*input)(
	    void *ctx, uint32_t number, const uint8_t *bytes, size_t len);
	void (*snapshot)(void *ctx, uint32_t number, uint64_t run,
	    uint64_t offset, const uint8_t *bytes, size_t len);
	void *ctx;
};

/* path of the socket, and owner, are borrowed.  NULL when out of memory. */
struct link *link_create(
    struct event_base *base, const char *path, const struct link_owner *owner);
/* NULL is fine. */
void link_destroy(struct link *link);

/* Both do nothing while the worker is away. */
void link_follow(struct link *link, uint32_t number, uint64_t run,
    uint64_t offset, uint8_t flags);
void link_ask_snapshot(struct link *link, uint32_t number);

#endif
