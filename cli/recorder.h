/* record: what a viewer is told, as a recording. */
#ifndef XENTERM_RECORDER_H
#define XENTERM_RECORDER_H

#include <stdbool.h>
#include <stddef.h>

struct frame;
struct json_object;
struct recorder;

/* Into path, which must not exist; "-" is standard output.  NULL with errno
 * set. */
struct recorder *recorder_create(const char *path);
/* False: not all could be written.  NULL is fine. */
bool recorder_end(struct recorder *r);

/* What a new session was told: name and size. */
void recorder_session(struct recorder *r, struct json_object *session);
/* False: it could not be written, and nothing will be. */
bool recorder_frame(struct recorder *r, const struct frame *f);

#endif
