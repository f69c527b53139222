/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_pcapng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/config_schema.h"

enum {
	DEFAULT_LENGTH = 8192,
};

static const uint64_t mebibyte = UINT64_C(1) << 20;
static const uint64_t tebibyte = UINT64_C(1) << 40;
static const uint64_t default_rotate_bytes = UINT64_C(1) << 30;

int mt_config_size(const char *text, uint64_t *bytes)
{
	static const char prefixes[] = "KMGT";
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;
	const char *prefix;
	uint64_t factor = 1;

	if (digits == 0 || (digits > 1 && *text == '0'))
		return -EINVAL;
	errno = 0;
	*bytes = strtoull(text, NULL, 10);
	if (errno != 0)
		return -EINVAL;
	if (*unit == '\0' || strcmp(unit, "B") == 0)
		return 0;
	prefix = strchr(prefixes, *unit++);
	if (prefix == NULL)
		return -EINVAL;
	if (*unit != '\0' && strcmp(unit, "B") != 0 && strcmp(unit, "iB") != 0)
		return -EINVAL;
	for (const char *p = prefixes; p <= prefix; p++)
		factor *= *unit == 'i' ? 1024 : 1000;
	return __builtin_mul_overflow(*bytes, factor, bytes) ? -EINVAL : 0;
}

static int read_size(struct mt_config_lines *lines, const char *path, const char *text,
	uint64_t minimum, uint64_t maximum, uint64_t *bytes)
{
	if (text == NULL)
		return 0;
	if (mt_config_size(text, bytes) < 0)
		return mt_config_lines_refuse(lines, path,
			"\"%.60s\" is not a size; allowed: %s, as 100M or 1GiB", text,
			mt_config_schema_help(path));
	if (*bytes < minimum || *bytes > maximum)
		return mt_config_lines_refuse(lines, path, "%.60s is too %s; allowed: %s", text,
			*bytes < minimum ? "small" : "large", mt_config_schema_help(path));
	return 0;
}

static const char *path_of(char *path, unsigned index, const char *key)
{
	snprintf(path, MT_CONFIG_MAX_PATH, "outputs[%u].%s", index, key);
	return path;
}

int mt_config_pcapng(struct mt_config_lines *lines, struct mt_config_output *output, unsigned index)
{
	char path[MT_CONFIG_MAX_PATH];
	int result;

	if (output->length == 0)
		output->length = DEFAULT_LENGTH;
	output->rotate_bytes = default_rotate_bytes;
	path_of(path, index, "directory");
	if (output->directory == NULL)
		return mt_config_lines_refuse(
			lines, path, "is missing: %s", mt_config_schema_help(path));
	if (output->directory[0] != '/')
		return mt_config_lines_refuse(lines, path,
			"\"%.60s\" is not an absolute path; allowed: e.g. /var/lib/mirrortap",
			output->directory);
	result = read_size(lines, path_of(path, index, "rotate_bytes"), output->rotate_bytes_text,
		mebibyte, tebibyte, &output->rotate_bytes);
	if (result == 0)
		result = read_size(lines, path_of(path, index, "keep_bytes"),
			output->keep_bytes_text, 2 * mebibyte, 1024 * tebibyte,
			&output->keep_bytes);
	/* The file that is being written counts as a whole. */
	if (result == 0 && output->keep_bytes > 0 && output->keep_bytes < 2 * output->rotate_bytes)
		result = mt_config_lines_refuse(lines, path,
			"%s is less than two files of rotate_bytes (%s); allowed: twice that or "
			"more",
			output->keep_bytes_text,
			output->rotate_bytes_text != NULL ? output->rotate_bytes_text : "1GiB");
	return result;
}
