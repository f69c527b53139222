/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of a running daemon, and the offline `decap`. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "control/config.h"
#include "decap.h"
#include "version.h"

/* Works on files alone. */
static int cmd_decap(const struct command_context *context, int argc, char **argv)
{
	(void)context;
	return decap_main(argc, argv);
}

static const struct command {
	const char *name;
	command_run *run;
	const char *help;
} commands[] = {
	{"status", cmd_status, "what runs where"},
	{"top", cmd_top, "rates, drops and balance, refreshed"},
	{"ledger", cmd_ledger, "what became of every packet; exit 1 if it does not balance"},
	{"sessions", cmd_sessions, "mirror sessions"},
	{"queues", cmd_queues, "load and depth of the queues"},
	{"outputs", cmd_outputs, "state and counters of the outputs"},
	{"ports", cmd_ports, "state and counters of the ports"},
	{"drain", cmd_drain, "make the load balancer send new flows elsewhere"},
	{"undrain", cmd_undrain, "take a drain back"},
	{"reload", cmd_reload, "read the configuration anew"},
	{"capture", cmd_capture,
		"capture frames of the running daemon: to a file, tshark, Wireshark"},
	{"filter", cmd_filter, "filter test: which rule takes each frame of a capture file"},
	{"exec", cmd_exec, "run a program that uses libpcap, so that it can read ring outputs"},
	{"decap", cmd_decap, "take mirrored frames out of a capture file"},
};

enum {
	COMMANDS = sizeof(commands) / sizeof(commands[0]),
};

static void print_help(void)
{
	puts("usage: mirrortap [--socket PATH] COMMAND [OPTIONS]");
	for (unsigned i = 0; i < COMMANDS; i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].help);
	printf("options:\n"
	       "      --socket PATH  the daemon's control socket; default %s\n"
	       "  -h, --help         this text; after COMMAND: that command's\n"
	       "  -V, --version      the version\n"
	       "With --json a command prints JSON instead of a table.\n"
	       "Exit: 0, 1 for failure, 2 for usage.\n",
		MT_DEFAULT_SOCKET);
}

/* Returns -1 to go on with the command at argv[optind], or the exit status. */
static int parse(int argc, char **argv, struct command_context *context)
{
	static const struct option known[] = {
		{"socket", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int option;

	/* "+": what follows the command is the command's. */
	while ((option = getopt_long(argc, argv, "+hV", known, NULL)) != -1) {
		switch (option) {
		case 's':
			context->socket_path = optarg;
			break;
		case 'h':
			print_help();
			return EXIT_SUCCESS;
		case 'V':
			puts("mirrortap " MT_VERSION);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE; /* getopt has said why */
		}
	}
	if (optind < argc)
		return -1;
	fputs("mirrortap: COMMAND is missing\n", stderr);
	return EXIT_USAGE;
}

static const struct command *find(const char *name)
{
	for (unsigned i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	fprintf(stderr, "mirrortap: no such command: %s\n", name);
	return NULL;
}

int main(int argc, char **argv)
{
	struct command_context context = {.socket_path = MT_DEFAULT_SOCKET};
	const struct command *command = NULL;
	int status = parse(argc, argv, &context);

	if (status < 0) {
		command = find(argv[optind]);
		status = command == NULL ? EXIT_USAGE
					 : command->run(&context, argc - optind, argv + optind);
	} else if (status == EXIT_SUCCESS) {
		command = NULL;
	}
	if (command == NULL && status == EXIT_USAGE)
		fputs("Try: mirrortap --help\n", stderr);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("mirrortap: standard output");
		return EXIT_FAILURE;
	}
	return status;
}
