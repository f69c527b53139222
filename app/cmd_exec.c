/* SPDX-License-Identifier: BSD-3-Clause */
/* `mirrortap exec`: starts a program with libmirrortap-pcap before its libpcap. */
#include "commands.h"

#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/client.h"

static const char *const PREFIX_VARIABLE = "MIRRORTAP_FILE_PREFIX";

static void print_help(void)
{
	puts("usage: mirrortap [--socket PATH] exec [--file-prefix P] [--] COMMAND [ARGUMENTS...]\n"
	     "Runs COMMAND, a program that uses libpcap, so that it can read ring outputs: as the\n"
	     "device mirrortap:OUTPUT (all its queues), mirrortap:OUTPUT@QUEUE, or\n"
	     "mirrortap:OUTPUT@any (a queue that is free). Other devices are as always.\n"
	     "      --file-prefix P  DPDK's file prefix of the daemon; default: as it says itself\n"
	     "  -h, --help           this text\n"
	     "Example: mirrortap exec -- tcpdump -ni mirrortap:ids 'tcp port 80'");
}

/* Returns -1 to go on with the command at argv[optind], or the exit status. */
static int parse(int argc, char **argv, const char **file_prefix)
{
	static const struct option known[] = {
		{"file-prefix", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option;

	optind = 0; /* main() has used getopt before: start anew */
	/* "+": what follows the command is the command's. */
	while ((option = getopt_long(argc, argv, "+h", known, NULL)) != -1) {
		if (option == 'h') {
			print_help();
			return EXIT_SUCCESS;
		}
		if (option != 'p')
			goto usage;
		*file_prefix = optarg;
	}
	if (optind < argc)
		return -1;
	fputs("mirrortap exec: COMMAND is missing\n", stderr);
usage:
	fputs("Try: mirrortap exec --help\n", stderr);
	return EXIT_USAGE;
}

/* Beside this program in the build folder, or where it was installed. */
static bool find_library(char path[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *folder;

	if (length > 0) {
		self[length] = '\0';
		folder = dirname(self);
		if (snprintf(path, PATH_MAX, "%s/%s", folder, MT_PCAP_BUILD) < PATH_MAX
			&& access(path, R_OK) == 0)
			return true;
	}
	snprintf(path, PATH_MAX, "%s", MT_PCAP_INSTALLED);
	if (access(path, R_OK) == 0)
		return true;
	fprintf(stderr, "mirrortap exec: %s: %s; install Mirrortap anew\n", path, strerror(errno));
	return false;
}

/* What the daemon says, if it is there: a program may have another device in mind. */
static void choose_file_prefix(const struct command_context *context, const char *given)
{
	char error[512];
	const char *says;
	json_t *status;

	if (given != NULL) {
		setenv(PREFIX_VARIABLE, given, 1);
		return;
	}
	if (getenv(PREFIX_VARIABLE) != NULL
		|| mt_client_get(
			   context->socket_path, "/api/v1/status", &status, error, sizeof(error))
			< 0)
		return;
	says = json_string_value(json_object_get(status, "file_prefix"));
	if (says != NULL)
		setenv(PREFIX_VARIABLE, says, 1);
	json_decref(status);
}

/* Before what is preloaded already. */
static bool preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *list = NULL;
	bool fine;

	if (others == NULL || others[0] == '\0')
		return setenv("LD_PRELOAD", library, 1) == 0;
	fine = asprintf(&list, "%s:%s", library, others) >= 0 && setenv("LD_PRELOAD", list, 1) == 0;
	free(list);
	return fine;
}

int cmd_exec(const struct command_context *context, int argc, char **argv)
{
	const char *file_prefix = NULL;
	int status = parse(argc, argv, &file_prefix);
	char library[PATH_MAX];

	if (status >= 0)
		return status;
	if (!find_library(library))
		return EXIT_FAILURE;
	choose_file_prefix(context, file_prefix);
	if (preload(library))
		execvp(argv[optind], &argv[optind]);
	fprintf(stderr, "mirrortap exec: %s: %s\n", argv[optind], strerror(errno));
	return EXIT_FAILURE;
}
