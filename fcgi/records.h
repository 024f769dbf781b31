/* FastCGI's records (FastCGI 1.0, sections 3.3 and 8), as far as they are
 * looked at before libfcgi gets them. */
#ifndef XENTERM_RECORDS_H
#define XENTERM_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_HEADER  8
#define RECORD_VERSION 1
#define RECORD_BEGIN   1
#define RECORD_END     3
#define RECORD_PARAMS  4
#define RECORD_STDIN   5
#define RECORD_STDOUT  6

/* A record's content: what 16 bits can say, in whole units of 8. */
#define RECORD_CONTENT 65528

enum request_progress {
	REQUEST_PART,
	REQUEST_WHOLE, /* its stdin has been ended */
	REQUEST_BROKEN,
};

/* How far the one request has come of which these are the first bytes.  It is
 * broken when a record is out of place, or a parameter longer than what there
 * is of it: libfcgi leaks memory with the one, and takes as much as it is told
 * for the other. */
enum request_progress records_look(const uint8_t *bytes, size_t len);

#endif
