/*
 * The messages of a WebSocket (RFC 6455), as far as the benches' peers use it:
 * not fragmented, not compressed.  What fails ends the program.
 */
#ifndef XENTERM_BENCH_WEBSOCKET_H
#define XENTERM_BENCH_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;
struct websocket;

/* The longest message that can be sent. */
#define WEBSOCKET_SEND_MAX 125

/* Opens it on a connection of its own, of this subprotocol unless it is NULL.
 */
struct websocket *websocket_open(const char *target, const char *protocol);

/* Text, or else binary. */
void websocket_send(
    struct websocket *ws, bool text, const void *bytes, size_t len);

/*
 * The next message that has come whole, valid until the next call; false: there
 * is none.  Pings are answered on the way.
 */
bool websocket_receive(
    struct websocket *ws, const uint8_t **bytes, size_t *len);

const struct http *websocket_http(const struct websocket *ws);

#endif
