/*
 * Who did what: one line of JSON for each session that is opened, typed at,
 * taken over, closed or refused, and for each ticket.
 *
 * Never what is typed or printed, nor what opens anything: sessions and
 * tickets have public names for it.  Lines go to a file, or else into the log.
 */
#ifndef XENTERM_AUDIT_H
#define XENTERM_AUDIT_H

struct console;

/* Members that are NULL or "" are left out; texts that are not clean UTF-8 are
 * shown as "?". */
struct audit {
	const char *event;
	const char *user, *address, *session, *mode;
	const struct console *console;
	const char *wanted; /* a console's name, as it was asked for */
	const char *why;
	const char *ticket, *key;
};

/* While files can be opened; they are appended to, so who cuts the file short
 * disturbs nothing.  "": into the log.  0 or a negative errno. */
int audit_open(const char *path);
/* One that is open already, and from now on ours; -1: into the log. */
void audit_use(int fd);
void audit_close(void);

void audit(const struct audit *entry);

/* A session that was refused to the user, at the console called wanted; the
 * address is the request's REMOTE_ADDR. */
void audit_refused(
    const char *address, const char *user, const char *wanted, const char *why);

#endif
