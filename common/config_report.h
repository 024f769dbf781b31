/* Mistakes in the configuration, for who has made them. */
#ifndef XENTERM_CONFIG_REPORT_H
#define XENTERM_CONFIG_REPORT_H

/* One line, to stderr at first. */
void config_report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* From now on to the log. */
void config_reports_to_log(void);

#endif
