/* Opening the audit log, which both programs do. */
#ifndef XENTERM_AUDIT_FILE_H
#define XENTERM_AUDIT_FILE_H

/* To be appended to; made if it is not there.  A descriptor or a negative
 * errno. */
int audit_file_open(const char *path);

#endif
