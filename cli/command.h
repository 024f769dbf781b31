/* What the commands of xenterm share: options, exit status, messages. */
#ifndef XENTERM_COMMAND_H
#define XENTERM_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct answer;
struct json_object;

enum exit_status {
	EXIT_DONE,
	EXIT_REFUSED, /* the worker said no, or a check failed */
	EXIT_USAGE,
	EXIT_UNREACHABLE, /* no worker */
	EXIT_NO_CONSOLE,  /* no console, or session, of that name */
	EXIT_UNMET,	  /* expect: it did not come to its end */
	EXIT_ENDED,	  /* attach, watch: the session was closed */
};

#define UNTIL_MAX 16

/* Bytes of one call's body. */
#define BODY_MAX (16 * 1024)

struct options {
	bool json, enter, no_escape, crash, recordings;
	const char *config, *socket, *format, *file, *send, *timeout;
	const char *history; /* lines */
	const char *boot, *speed, *idle, *mode, *from;
	const char *until[UNTIL_MAX];
	int nuntil;
};

struct command {
	const char *name, *arguments, *does;
	int min, max; /* how many arguments; -1: any */
	enum exit_status (*run)(const struct options *o, char **args, int n);
};

/* "xenterm: …" on standard error, without control characters. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Makes a call without a body, or one with bytes or JSON.  EXIT_DONE: *out is
 * the answer, of a status below 300; otherwise it was complained. */
enum exit_status ask(const char *method, const char *path, struct answer *out);
enum exit_status ask_with(const char *method, const char *path,
    const void *body, size_t len, const char *type, struct answer *out);
/* What an answer that is not good means; complains. */
enum exit_status refused(const struct answer *answer);

/* Writes an answer as it is, and end; frees it. */
enum exit_status show_answer(struct answer *a, const char *end);

/* "/verb?console=NAME" and more, which may be ""; the caller frees it. */
char *console_path(const char *verb, const char *name, const char *more);

/* A member's text, "" when it has none. */
const char *text_member(struct json_object *obj, const char *name);
/* How many a list has, 0 when there is none. */
size_t list_length(struct json_object *obj, const char *name);
/* Text of a guest's, a user's or the worker's making: tabs, but no other
 * control characters. */
void print_clean(FILE *to, const char *text);
/* What may have sequences for a terminal in it, as it is, to standard output;
 * to a terminal without those that cli/filter.h leaves out. */
void print_filtered(const char *bytes, size_t len);

enum exit_status run_list(const struct options *o, char **args, int n);
enum exit_status run_attach(const struct options *o, char **args, int n);
enum exit_status run_watch(const struct options *o, char **args, int n);
enum exit_status run_send(const struct options *o, char **args, int n);
enum exit_status run_expect(const struct options *o, char **args, int n);
enum exit_status run_screen(const struct options *o, char **args, int n);
enum exit_status run_history(const struct options *o, char **args, int n);
enum exit_status run_log(const struct options *o, char **args, int n);
enum exit_status run_record(const struct options *o, char **args, int n);
enum exit_status run_play(const struct options *o, char **args, int n);
enum exit_status run_ticket(const struct options *o, char **args, int n);
enum exit_status run_who(const struct options *o, char **args, int n);
enum exit_status run_kick(const struct options *o, char **args, int n);
enum exit_status run_hold(const struct options *o, char **args, int n);
enum exit_status run_release(const struct options *o, char **args, int n);
enum exit_status run_power(const struct options *o, char **args, int n);
enum exit_status run_doctor(const struct options *o, char **args, int n);

#endif
