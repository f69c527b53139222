/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/config_aws.h"

enum {
	MAX_FILES = 1000,
	MAX_FILE_BYTES = 128 << 20, /* ten thousand network interfaces take a fifth of it */
};

static const char KEY[] = "sessions.import";

static int load_file(struct mt_config_import *import, const char *path)
{
	struct mt_aws_file *file = &import->files[import->files_count];
	struct mt_aws_where where = {.import = import, .file = path};
	struct stat status;
	json_error_t error;

	if (stat(path, &status) < 0)
		return mt_aws_refuse(&where, "%s; name files that can be read", strerror(errno));
	if (!S_ISREG(status.st_mode) || status.st_size > MAX_FILE_BYTES)
		return mt_aws_refuse(&where, "is not a regular file of at most 128 MiB");
	file->root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (file->root == NULL)
		return mt_aws_refuse(&where, "line %d: is not JSON: %s", error.line, error.text);
	file->path = strdup(path);
	import->files_count++;
	return file->path == NULL ? mt_aws_out_of_memory(import) : 0;
}

/* A folder stands for the *.json in it; a relative path begins at the configuration's folder. */
static char *make_pattern(const char *configuration, const char *path)
{
	const char *slash = strrchr(configuration, '/');
	int folder = path[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - configuration);
	struct stat status;
	char *pattern, *files;

	if (asprintf(&pattern, "%.*s%s", folder, configuration, path) < 0)
		return NULL;
	if (stat(pattern, &status) < 0 || !S_ISDIR(status.st_mode))
		return pattern;
	if (asprintf(&files, "%s/*.json", pattern) < 0)
		files = NULL;
	free(pattern);
	return files;
}

static int load_files(struct mt_config_import *import, const char *path)
{
	char *pattern = make_pattern(import->lines->file, path);
	glob_t found = {0};
	int result = 0;

	if (pattern == NULL)
		return mt_aws_out_of_memory(import);
	if (glob(pattern, GLOB_NOCHECK | GLOB_ERR, NULL, &found) != 0 || found.gl_pathc == 0)
		result = mt_config_lines_refuse(
			import->lines, KEY, "\"%.200s\" cannot be read", pattern);
	else if (found.gl_pathc > MAX_FILES)
		result = mt_config_lines_refuse(import->lines, KEY,
			"\"%.200s\" means %zu files; at most %d are allowed", pattern,
			found.gl_pathc, MAX_FILES);
	else if ((import->files = calloc(found.gl_pathc, sizeof(*import->files))) == NULL)
		result = mt_aws_out_of_memory(import);
	for (size_t i = 0; result == 0 && i < found.gl_pathc; i++)
		result = load_file(import, found.gl_pathv[i]);
	globfree(&found);
	free(pattern);
	return result;
}

static int read_interface(
	struct mt_config_import *import, const struct mt_aws_where *where, const json_t *object)
{
	const char *id, *address;
	int result = mt_aws_get_text(where, object, "NetworkInterfaceId", true, &id);

	if (result == 0)
		result = mt_aws_get_text(where, object, "PrivateIpAddress", true, &address);
	if (result == 0 && json_object_set_new(import->interfaces, id, json_string(address)) < 0)
		result = mt_aws_out_of_memory(import);
	return result;
}

static int read_interfaces(
	struct mt_config_import *import, const struct mt_aws_where *where, const json_t *list)
{
	int result = 0;

	if (import->interfaces == NULL)
		import->interfaces = json_object();
	for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
		struct mt_aws_where entry = mt_aws_at_index(where, MT_AWS_INTERFACES, i);

		result = read_interface(import, &entry, json_array_get(list, i));
	}
	return result;
}

/* What a file holds, checked as far as lists go; counts it. */
static int survey(struct mt_config_import *import, const struct mt_aws_file *file)
{
	struct mt_aws_where where = {.import = import, .file = file->path};
	const json_t *sessions = NULL, *filters = NULL, *interfaces = NULL, *token = NULL;
	int result;

	if (!json_is_object(file->root))
		return mt_aws_refuse(&where, "is not an object as the AWS command line prints it");
	result = mt_aws_get_list(&where, file->root, MT_AWS_SESSIONS, &sessions);
	if (result == 0)
		result = mt_aws_get_list(&where, file->root, MT_AWS_FILTERS, &filters);
	if (result == 0)
		result = mt_aws_get_list(&where, file->root, MT_AWS_INTERFACES, &interfaces);
	if (result < 0)
		return result;
	if (sessions == NULL && filters == NULL && interfaces == NULL)
		return mt_aws_refuse(&where, "holds none of %s, %s, %s", MT_AWS_SESSIONS,
			MT_AWS_FILTERS, MT_AWS_INTERFACES);
	token = json_object_get(file->root, "NextToken");
	if (json_is_string(token) && json_string_length(token) > 0)
		return mt_aws_refuse(&where,
			"NextToken: the list goes on elsewhere; ask without --max-items and "
			"--no-paginate");
	import->sessions_count += json_array_size(sessions);
	import->filters_count += json_array_size(filters);
	import->have_filters |= filters != NULL;
	return interfaces != NULL ? read_interfaces(import, &where, interfaces) : 0;
}

int mt_config_import_open(
	struct mt_config_lines *lines, struct mt_config *config, struct mt_config_import **import)
{
	struct mt_config_import *made = calloc(1, sizeof(*made));
	int result = 0;

	*import = made;
	if (made == NULL) {
		mt_config_lines_refuse(lines, KEY, "out of memory");
		return -ENOMEM;
	}
	made->lines = lines;
	made->config = config;
	if (config->sessions.import != NULL)
		result = load_files(made, config->sessions.import);
	for (unsigned f = 0; result == 0 && f < made->files_count; f++)
		result = survey(made, &made->files[f]);
	return result;
}

void mt_config_import_close(struct mt_config_import *import)
{
	if (import == NULL)
		return;
	for (unsigned f = 0; f < import->files_count; f++) {
		json_decref(import->files[f].root);
		free(import->files[f].path);
	}
	json_decref(import->interfaces);
	free(import->files);
	free(import);
}

unsigned mt_config_import_filters_count(const struct mt_config_import *import)
{
	return import->filters_count;
}

unsigned mt_config_import_sessions_count(const struct mt_config_import *import)
{
	return import->sessions_count;
}
