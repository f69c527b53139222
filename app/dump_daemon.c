/* SPDX-License-Identifier: BSD-3-Clause */
#include "dump.h"

#include <string.h>

#include <jansson.h>

#include "control/client.h"

static void note_status(struct dump_daemon *daemon, const json_t *status)
{
	const char *prefix = json_string_value(json_object_get(status, "file_prefix"));

	if (prefix != NULL)
		snprintf(daemon->file_prefix, sizeof(daemon->file_prefix), "%s", prefix);
}

/* "ids, archive", or "none". */
static void list_rings(const json_t *outputs, char *text, size_t size)
{
	json_t *output;
	size_t used = 0;
	size_t i;

	snprintf(text, size, "none");
	json_array_foreach ((json_t *)(uintptr_t)outputs, i, output) {
		const char *type = json_string_value(json_object_get(output, "type"));
		const char *name = json_string_value(json_object_get(output, "name"));

		if (type == NULL || name == NULL || strcmp(type, "ring") != 0 || used >= size)
			continue;
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", used != 0 ? ", " : "", name);
	}
}

static bool find_output(const json_t *outputs, const char *name, char *error, size_t error_size)
{
	char rings[256];
	const char *type = NULL;
	json_t *output;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)outputs, i, output) {
		const char *its = json_string_value(json_object_get(output, "name"));

		if (its == NULL || strcmp(its, name) != 0)
			continue;
		type = json_string_value(json_object_get(output, "type"));
		if (type != NULL && strcmp(type, "ring") == 0)
			return true;
		break;
	}
	list_rings(outputs, rings, sizeof(rings));
	if (type != NULL)
		snprintf(error, error_size,
			"output %s is a %s, only ring outputs can be read; there are: %s", name,
			type, rings);
	else
		snprintf(error, error_size,
			"the daemon has no output %s; ring outputs there are: %s", name, rings);
	return false;
}

static bool check_status(
	struct dump_daemon *daemon, const json_t *status, char *error, size_t error_size)
{
	note_status(daemon, status);
	if (daemon->file_prefix[0] == '\0') {
		snprintf(error, error_size,
			"the daemon does not say its file prefix; give it by --file-prefix");
		return false;
	}
	return true;
}

bool dump_daemon_ask(struct dump_daemon *daemon, const char *socket_path, const char *output,
	const char *file_prefix, char *error, size_t error_size)
{
	json_t *status = NULL;
	json_t *outputs = NULL;
	bool fine;

	*daemon = (struct dump_daemon){0};
	fine = mt_client_get(socket_path, "/api/v1/status", &status, error, error_size) == 0
		&& mt_client_get(socket_path, "/api/v1/outputs", &outputs, error, error_size) == 0;
	if (fine)
		fine = check_status(daemon, status, error, error_size);
	else if (file_prefix != NULL)
		fine = true; /* the rings themselves will tell */
	/* Another prefix than the daemon's: this is not the daemon that is meant. */
	if (fine && file_prefix != NULL && strcmp(file_prefix, daemon->file_prefix) != 0) {
		*daemon = (struct dump_daemon){0};
		snprintf(daemon->file_prefix, sizeof(daemon->file_prefix), "%s", file_prefix);
	} else if (fine && outputs != NULL) {
		fine = find_output(json_object_get(outputs, "outputs"), output, error, error_size);
	}
	json_decref(status);
	json_decref(outputs);
	return fine;
}
