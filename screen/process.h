/*
 * A screen process: runs one console's bytes through the terminal emulator,
 * and renders the screen when the worker asks.
 *
 * It has a socket to the worker, the console's ring to read and its
 * checkpoints, and nothing else: see confine.h.
 */
#ifndef XENTERM_SCREEN_PROCESS_H
#define XENTERM_SCREEN_PROCESS_H

/* What it ends with. */
enum process_status {
	PROCESS_DONE = 0,     /* the worker has closed the socket */
	PROCESS_NONE = 2,     /* there can be no more processes */
	PROCESS_MEMORY = 3,   /* no memory */
	PROCESS_MISTAKEN = 4, /* the worker broke the rules */
	PROCESS_FDS = 5,      /* the descriptors are not what they should be */
	PROCESS_OPEN = 6,     /* it could not be confined */
};

/* Becomes the screen process of the descriptors, which it closes.  Returns
 * the status to end with. */
enum process_status process_run(int sock, int ring_fd, int checkpoint_fd);

#endif
