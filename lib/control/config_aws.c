/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_aws.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char KEY[] = "sessions.import";

int mt_aws_refuse(const struct mt_aws_where *where, const char *format, ...)
{
	char what[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	return mt_config_lines_refuse(where->import->lines, KEY, "%s: %s%s%s", where->file,
		where->path, where->path[0] == '\0' ? "" : ": ", what);
}

int mt_aws_out_of_memory(struct mt_config_import *import)
{
	mt_config_lines_refuse(import->lines, KEY, "out of memory");
	return -ENOMEM;
}

struct mt_aws_where mt_aws_at_key(const struct mt_aws_where *where, const char *key)
{
	struct mt_aws_where child = *where;

	snprintf(child.path, sizeof(child.path), "%.100s%s%s", where->path,
		where->path[0] == '\0' ? "" : ".", key);
	return child;
}

struct mt_aws_where mt_aws_at_index(const struct mt_aws_where *where, const char *key, size_t index)
{
	struct mt_aws_where child = mt_aws_at_key(where, key);
	size_t used = strlen(child.path);

	snprintf(child.path + used, sizeof(child.path) - used, "[%zu]", index);
	return child;
}

int mt_aws_get(const struct mt_aws_where *where, const json_t *object, const char *key, int type,
	bool needed, const char *wanted, const json_t **member)
{
	struct mt_aws_where child = mt_aws_at_key(where, key);

	*member = json_object_get(object, key);
	if (*member == NULL || json_is_null(*member)) {
		*member = NULL;
		return needed ? mt_aws_refuse(&child, "is missing; needed: %s", wanted) : 0;
	}
	if ((int)json_typeof(*member) != type)
		return mt_aws_refuse(&child, "is not %s", wanted);
	return 0;
}

int mt_aws_get_text(const struct mt_aws_where *where, const json_t *object, const char *key,
	bool needed, const char **text)
{
	const json_t *member;
	int result = mt_aws_get(where, object, key, JSON_STRING, needed, "text", &member);

	*text = member != NULL ? json_string_value(member) : NULL;
	return result;
}

int mt_aws_get_number(const struct mt_aws_where *where, const json_t *object, const char *key,
	int64_t maximum, int64_t *number)
{
	const json_t *member;
	int result = mt_aws_get(where, object, key, JSON_INTEGER, *number < 0, "a number", &member);
	struct mt_aws_where child = mt_aws_at_key(where, key);

	if (result < 0 || member == NULL)
		return result;
	*number = json_integer_value(member);
	if (*number < 0 || *number > maximum)
		return mt_aws_refuse(&child, "%lld is not a number from 0 to %lld",
			(long long)*number, (long long)maximum);
	return 0;
}

const char *mt_aws_keep_text(struct mt_config_import *import, const char *text)
{
	char *kept = mt_config_keep(import->config, strlen(text) + 1);

	for (size_t i = 0; kept != NULL && text[i] != '\0'; i++)
		kept[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	return kept;
}

int mt_aws_get_list(
	const struct mt_aws_where *where, const json_t *root, const char *key, const json_t **list)
{
	int result = mt_aws_get(where, root, key, JSON_ARRAY, false, "a list", list);

	for (size_t i = 0; result == 0 && i < json_array_size(*list); i++) {
		struct mt_aws_where entry = mt_aws_at_index(where, key, i);

		if (!json_is_object(json_array_get(*list, i)))
			result = mt_aws_refuse(&entry, "is not an object");
	}
	return result;
}

int mt_aws_for_each(
	struct mt_config_import *import, const char *key, mt_aws_read *read, void *context)
{
	for (unsigned f = 0; f < import->files_count; f++) {
		struct mt_aws_where where = {.import = import, .file = import->files[f].path};
		const json_t *list = json_object_get(import->files[f].root, key);

		for (size_t i = 0; i < json_array_size(list); i++) {
			struct mt_aws_where entry = mt_aws_at_index(&where, key, i);
			int result = read(import, &entry, json_array_get(list, i), context);

			if (result < 0)
				return result;
		}
	}
	return 0;
}

const struct mt_filter *mt_aws_find_filter(
	const struct mt_filter *filters, unsigned count, const char *name)
{
	for (unsigned f = 0; f < count; f++) {
		if (strcmp(filters[f].name, name) == 0)
			return &filters[f];
	}
	return NULL;
}
