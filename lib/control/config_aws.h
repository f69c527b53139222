/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading what the AWS command line printed: members of JSON, each checked, with messages that say
 * where in which file. For the files that import it only. */
#pragma once

#include <jansson.h>

#include "control/config_import.h"

#define MT_AWS_SESSIONS "TrafficMirrorSessions"
#define MT_AWS_FILTERS "TrafficMirrorFilters"
#define MT_AWS_INTERFACES "NetworkInterfaces"

enum {
	MT_AWS_MAX_WHERE = 160,
};

struct mt_aws_file {
	char *path;
	json_t *root;
};

struct mt_config_import {
	struct mt_config_lines *lines;
	struct mt_config *config;
	struct mt_aws_file *files;
	unsigned files_count;
	json_t *interfaces; /* address by id; NULL: no file has any */
	bool have_filters;
	unsigned filters_count;
	unsigned sessions_count;
};

/* Where in which file; `path` is cut where it is too long for a message. */
struct mt_aws_where {
	struct mt_config_import *import;
	const char *file;
	char path[MT_AWS_MAX_WHERE];
};

/* Writes the message, and returns -EINVAL. */
int mt_aws_refuse(const struct mt_aws_where *where, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int mt_aws_out_of_memory(struct mt_config_import *import); /* -ENOMEM */

/* One step into an object, or into a list in it. */
struct mt_aws_where mt_aws_at_key(const struct mt_aws_where *where, const char *key);
struct mt_aws_where mt_aws_at_index(
	const struct mt_aws_where *where, const char *key, size_t index);

/* An object's member of a JSON type, which messages call `wanted`; NULL where it is absent (or
 * null) and need not be there. These return 0, or -EINVAL with the message written. */
int mt_aws_get(const struct mt_aws_where *where, const json_t *object, const char *key, int type,
	bool needed, const char *wanted, const json_t **member);
int mt_aws_get_text(const struct mt_aws_where *where, const json_t *object, const char *key,
	bool needed, const char **text);
/* Leaves *number as it is where the member is absent; it must be there where that is negative. */
int mt_aws_get_number(const struct mt_aws_where *where, const json_t *object, const char *key,
	int64_t maximum, int64_t *number);
/* A list of objects. */
int mt_aws_get_list(
	const struct mt_aws_where *where, const json_t *root, const char *key, const json_t **list);

/* Text that lives as long as the configuration. Control characters of tags are not let through to
 * terminals. NULL: out of memory. */
const char *mt_aws_keep_text(struct mt_config_import *import, const char *text);

/* Runs `read` on each entry of the lists `key` in all files, until it fails. */
typedef int mt_aws_read(struct mt_config_import *import, const struct mt_aws_where *where,
	const json_t *object, void *context);
int mt_aws_for_each(
	struct mt_config_import *import, const char *key, mt_aws_read *read, void *context);

/* NULL: none has the name. */
const struct mt_filter *mt_aws_find_filter(
	const struct mt_filter *filters, unsigned count, const char *name);
