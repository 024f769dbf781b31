/*
 * The text of a configuration file, made ready for libconfuse.
 *
 * libconfuse 3.3 counts lines wrongly behind a comment, and takes the end of
 * the file for the end of whatever is open.  So comments are blanked here,
 * line by line, and what is not closed is found.
 */
#ifndef XENTERM_CONFIG_TEXT_H
#define XENTERM_CONFIG_TEXT_H

#include <stddef.h>

/* Blanks the comments of text in place.  NULL; or what is not closed at its
 * end ("section", …), and *line where that begins. */
const char *config_text_blank(char *text, unsigned *line);

/* The whole of a file as text that the caller frees; NULL with errno set:
 * EFBIG beyond CONFIG_TEXT_MAX, EILSEQ when it has a NUL. */
char *config_text_read(const char *path);

#define CONFIG_TEXT_MAX (1024 * 1024)

#endif
