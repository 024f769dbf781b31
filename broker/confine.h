/*
 * What the broker can still do once it runs, since the worker, xenstore or a
 * file may have taken it over: open files and ttys, use the descriptors it
 * has, call local sockets, make shared memory, and start threads, as
 * libxenstore does.
 *
 * It starts no programs and no processes, sends no signals, has no memory run
 * as code, looks into no other process but by /proc, changes nothing of the
 * machine, and of a tty's controls it only asks the mode: any other call ends
 * it.  Which files it may open is the service manager's and AppArmor's to say.
 */
#ifndef XENTERM_BROKER_CONFINE_H
#define XENTERM_BROKER_CONFINE_H

/* Keeps the capabilities that it needs once its sockets are there.  Before
 * there is another thread; ends the program when it does not succeed. */
void broker_drop(void);

/* For good, and all threads, those to come as well.  Returns 0 or a negative
 * errno. */
int broker_confine(void);

#endif
