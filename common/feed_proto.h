/*
 * What goes over feed.sock, from xenterm-fcgi to xenterm-logger and back:
 * frames as viewers get them (type, 32 bit length, payload; all numbers are
 * big-endian), docs/protocol.md 5.
 */
#ifndef XENTERM_FEED_PROTO_H
#define XENTERM_FEED_PROTO_H

#include <stdint.h>

/* From the worker. */
#define FEED_CONSOLE  'c' /* JSON: a console, as it is now */
#define FEED_REMOVED  'r' /* number */
#define FEED_OUTPUT   'o' /* number, run, offset of the first byte; bytes */
#define FEED_INPUT    'i' /* number; bytes */
#define FEED_SNAPSHOT 's' /* number, run, offset; bytes; see 1.4 */

/* To the worker. */
#define FEED_FOLLOW	  'f' /* number, run, offset, flags (8 bit) */
#define FEED_ASK_SNAPSHOT 'S' /* number */

#define FEED_WITH_INPUT 1 /* a flag of FEED_FOLLOW */

#define FEED_HEAD	 5
#define FEED_NUMBER	 4
#define FEED_POSITION	 (FEED_NUMBER + 8 + 8)
#define FEED_FOLLOW_SIZE (FEED_POSITION + 1)

#endif
