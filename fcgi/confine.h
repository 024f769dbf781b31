/*
 * What the worker can still do once it runs, since a request may have taken
 * it over: use the descriptors it has and is handed, call local sockets, and
 * take memory that is not code.
 *
 * It opens no files (that fails), and starts no programs and no threads, looks
 * into no other process and changes nothing of the machine: such a call ends
 * it.  libc asks for files now and then, and does without.
 */
#ifndef XENTERM_FCGI_CONFINE_H
#define XENTERM_FCGI_CONFINE_H

/* For good, and all threads.  Returns 0 or a negative errno. */
int worker_confine(void);

#endif
