/*
 * The folder of a console that is logged, log_dir/<uuid>.<kind><n>, to which
 * log_dir/by-name/<name> points, and which of its files stay.
 */
#ifndef XENTERM_FOLDER_H
#define XENTERM_FOLDER_H

#include <limits.h>
#include <stdbool.h>

/* Makes it, if it is not there: dir, of the console with this id.  False: it
 * cannot be, which is in the log. */
bool folder_make(const char *log_dir, const char *id, char dir[PATH_MAX]);
/* by-name/NAME leads to dir from now on: that of the guest that had the name
 * last.  A name that is too long for a file gets none. */
void folder_name(const char *log_dir, const char *dir, const char *name);

/* Removes all recordings but the last so many. */
void folder_keep_recordings(const char *dir, unsigned keep);
/* Removes recordings, and logs that are full, of so many days ago. */
void folder_remove_old(const char *dir, unsigned days);

#endif
