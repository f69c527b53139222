/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that change what the daemon does. */
#include "commands.h"

#include <stdlib.h>

#include "control/client.h"

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

int cmd_reload(const struct command_context *context, int argc, char **argv)
{
	return ask_for(context, argc, argv, "/api/v1/reload",
		"Reads the configuration anew; one with an error changes nothing.");
}
