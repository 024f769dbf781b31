/*
 * What the logger can still do once it runs, since what a guest prints may have
 * taken it over: write its files, and call local sockets.
 *
 * It starts no programs, processes or threads, has no network and no memory run
 * as code, signals and traces nobody, changes no owner or mode: such a call
 * ends it.  Which files are its own is its user's, the service manager's and
 * AppArmor's to say.
 */
#ifndef XENTERM_LOGGER_CONFINE_H
#define XENTERM_LOGGER_CONFINE_H

/* For good; the hooks' process is there already.  Returns 0 or a negative
 * errno. */
int logger_confine(void);

#endif
