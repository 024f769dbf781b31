/* Makes a configuration of the text of its files. */
#ifndef XENTERM_CONFIG_PARSE_H
#define XENTERM_CONFIG_PARSE_H

struct config;
struct config_files;

/* NULL: a mistake has been reported.  Ends the program when there is no memory:
 * a configuration is small. */
struct config *config_parse(const struct config_files *files);

#endif
