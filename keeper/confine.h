/*
 * What the keeper can still do once it runs, since the program whose messages
 * it reads may have been taken over: use the descriptors it has and is given.
 *
 * It opens no files and calls no sockets, starts no programs, processes or
 * threads, signals and traces nobody: such a call ends it.
 */
#ifndef XENTERM_KEEPER_CONFINE_H
#define XENTERM_KEEPER_CONFINE_H

/* For good; the launcher is there already.  Returns 0 or a negative errno. */
int keeper_confine(void);

#endif
