/*
 * xenterm: the consoles of Xen guests, from dom0's shell.
 *
 * A client of the worker's admin interface, and nothing more: what it does can
 * be done with curl.
 */
#include <config.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "common/config.h"

static const struct command commands[] = {
    {"list", "", "all consoles", 0, 0, run_list},
    {"attach", "CONSOLE", "use one, here; ~. or Ctrl-] ends", 1, 1, run_attach},
    {"watch", "CONSOLE", "see what it prints", 1, 1, run_watch},
    {"send", "[-e] CONSOLE [TEXT...]", "type the text, or standard input", 1,
	-1, run_send},
    {"expect", "[-o FROM] CONSOLE -f FILE | [-s TEXT] -u PATTERN... [-t S]",
	"type, and wait for what comes", 1, 1, run_expect},
    {"screen", "[-F FORMAT] [-n LINES] CONSOLE", "what it shows now", 1, 1,
	run_screen},
    {"history", "[-F text|raw|cast] CONSOLE", "what went by", 1, 1,
	run_history},
    {"log", "[-b BOOT] [-k] [-n LINES] [-r] CONSOLE",
	"what xenterm-logger wrote of it", 1, 1, run_log},
    {"record", "[-t SECONDS] CONSOLE FILE", "record what it prints", 2, 2,
	run_record},
    {"play", "[-x SPEED] [-i SECONDS] FILE", "show a recording", 1, 1,
	run_play},
    {"ticket", "make [-m MODE] [-t SECONDS] CONSOLE USER | revoke ID",
	"a launch ticket", 2, 3, run_ticket},
    {"who", "", "all sessions", 0, 0, run_who},
    {"kick", "SESSION", "end one", 1, 1, run_kick},
    {"hold", "CONSOLE", "keep it open", 1, 1, run_hold},
    {"release", "CONSOLE", "hand it to `xl console`", 1, 1, run_release},
    {"power", "CONSOLE reboot|shutdown", "ask its guest", 2, 2, run_power},
    {"doctor", "", "look what is wrong, and what helps", 0, 0, run_doctor},
};

#define NCOMMANDS (sizeof commands / sizeof *commands)

static void
usage(FILE *to)
{
	fputs("usage: xenterm [-jhV] [-c FILE] [-S SOCKET] COMMAND ...\n", to);
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(to, "  %s %s\n        %s\n", commands[i].name,
		    commands[i].arguments, commands[i].does);
}

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"socket", required_argument, NULL, 'S'},
    {"json", no_argument, NULL, 'j'},
    {"enter", no_argument, NULL, 'e'},
    {"no-escape", no_argument, NULL, 'E'},
    {"format", required_argument, NULL, 'F'},
    {"lines", required_argument, NULL, 'n'},
    {"file", required_argument, NULL, 'f'},
    {"send", required_argument, NULL, 's'},
    {"until", required_argument, NULL, 'u'},
    {"timeout", required_argument, NULL, 't'},
    {"from", required_argument, NULL, 'o'},
    {"boot", required_argument, NULL, 'b'},
    {"crash", no_argument, NULL, 'k'},
    {"recordings", no_argument, NULL, 'r'},
    {"speed", required_argument, NULL, 'x'},
    {"idle", required_argument, NULL, 'i'},
    {"mode", required_argument, NULL, 'm'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static bool
take_option(struct options *o, int c)
{
	switch (c) {
	case 'c':
		o->config = optarg;
		return true;
	case 'S':
		o->socket = optarg;
		return true;
	case 'j':
		o->json = true;
		return true;
	case 'e':
		o->enter = true;
		return true;
	case 'E':
		o->no_escape = true;
		return true;
	case 'F':
		o->format = optarg;
		return true;
	case 'n':
		o->history = optarg;
		return true;
	case 'f':
		o->file = optarg;
		return true;
	case 's':
		o->send = optarg;
		return true;
	case 't':
		o->timeout = optarg;
		return true;
	case 'o':
		o->from = optarg;
		return true;
	case 'b':
		o->boot = optarg;
		return true;
	case 'k':
		o->crash = true;
		return true;
	case 'r':
		o->recordings = true;
		return true;
	case 'x':
		o->speed = optarg;
		return true;
	case 'i':
		o->idle = optarg;
		return true;
	case 'm':
		o->mode = optarg;
		return true;
	case 'u':
		if (o->nuntil == UNTIL_MAX)
			return false;
		o->until[o->nuntil++] = optarg;
		return true;
	}
	return false;
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:S:jeEF:n:f:s:u:t:o:b:krx:i:m:hV",
		    long_options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			exit(EXIT_DONE);
		}
		if (c == 'V') {
			puts("xenterm " PACKAGE_VERSION);
			exit(EXIT_DONE);
		}
		if (!take_option(o, c)) {
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
}

/* As -S says, or the configuration; without one the usual place. */
static const char *
find_socket(const struct options *o)
{
	static char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)] =
	    "/run/xenterm/admin.sock";
	const char *file = o->config ? o->config : XENTERM_CONF;
	struct config *config;

	if (o->socket)
		return o->socket;
	if (!o->config && access(file, R_OK) != 0)
		return path;
	config = config_load(file);
	if (!config ||
	    config_socket(config, "admin.sock", path, sizeof path) < 0)
		exit(EXIT_USAGE);
	config_free(config);
	return path;
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (name && strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int
main(int argc, char **argv)
{
	struct options o = {0};
	const struct command *command;
	int n;

	parse_options(&o, argc, argv);
	command = find_command(argv[optind]);
	n = argc - optind - 1;
	if (!command || n < command->min ||
	    (command->max >= 0 && n > command->max)) {
		usage(stderr);
		return EXIT_USAGE;
	}
	client_init(find_socket(&o));
	return (int)command->run(&o, argv + optind + 1, n);
}
