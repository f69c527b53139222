/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that change what the daemon does. */
#include "commands.h"

#include <getopt.h>
#include <stdlib.h>

#include "control/client.h"

enum {
	MAX_REASON = 1280,
	RELOAD_MS = 60000,
};

static int ask_for(const struct command_context *context, int argc, char **argv, const char *path,
	const char *summary)
{
	int status = command_options(argc, argv, summary, NULL);
	json_t *answer;
	char error[512];

	if (status >= 0)
		return status;
	if (mt_client_post(context->socket_path, path, &answer, error, sizeof(error)) != 0) {
		fprintf(stderr, "mirrortap: %s\n", error);
		return EXIT_FAILURE;
	}
	if (json_is_string(json_object_get(answer, "state")))
		puts(member_text(answer, "state"));
	json_decref(answer);
	return EXIT_SUCCESS;
}

int cmd_drain(const struct command_context *context, int argc, char **argv)
{
	return ask_for(context, argc, argv, "/api/v1/drain",
		"Tells the load balancer to send new flows elsewhere; packets are still taken.");
}

int cmd_undrain(const struct command_context *context, int argc, char **argv)
{
	return ask_for(context, argc, argv, "/api/v1/undrain", "Takes a drain back.");
}

/* Returns -1 to go on, or the exit status. */
static int reload_options(int argc, char **argv, bool *check)
{
	static const struct option known[] = {
		{"check", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	optind = 0; /* main() has used getopt before: start anew */
	while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (option == 'h') {
			puts("usage: mirrortap [--socket PATH] reload [--check]\n"
			     "Reads the configuration file again; one with an error changes "
			     "nothing.\n"
			     "      --check  say what a reload would do, and change nothing\n"
			     "  -h, --help   this text");
			return EXIT_SUCCESS;
		}
		if (option != 'k')
			return EXIT_USAGE; /* getopt has said why */
		*check = true;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "mirrortap reload: takes no argument, but there is: %s\n", argv[optind]);
	return EXIT_USAGE;
}

int cmd_reload(const struct command_context *context, int argc, char **argv)
{
	bool check = false;
	int status = reload_options(argc, argv, &check);
	char error[MAX_REASON];
	json_t *answer;

	if (status >= 0)
		return status;
	/* Some outputs take long to close. */
	if (mt_client_post_wait(context->socket_path,
		    check ? "/api/v1/reload?check=1" : "/api/v1/reload", RELOAD_MS, &answer, error,
		    sizeof(error))
		!= 0) {
		fprintf(stderr, "mirrortap: %s\n", error);
		return EXIT_FAILURE;
	}
	printf("%s: %s\n", member_text(answer, "state"), member_text(answer, "summary"));
	json_decref(answer);
	return EXIT_SUCCESS;
}
