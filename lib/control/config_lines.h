/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a key of the configuration stands: libyaml's document, looked up by paths such as
 * "outputs[1].type" (indices from 0, "" is the whole file). libcyaml forgets positions once it has
 * loaded, and the ones in its backtrace are those of the event before. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

enum {
	MT_CONFIG_MAX_PATH = 128,
	MT_CONFIG_MAX_FILE_BYTES = 8 << 20,
};

struct mt_config_lines {
	const char *file; /* the name that messages begin with; the caller's */
	yaml_document_t document;
	char *error; /* the caller's buffer for the one message */
	size_t error_size;
};

/* Reads a whole regular file of at most MT_CONFIG_MAX_FILE_BYTES. Returns 0 and text to be freed by
 * free(), or -errno with a message "FILE: ..." in `error`. */
int mt_config_lines_read(
	const char *file, char **text, size_t *length, char *error, size_t error_size);

/* Parses `text`. Returns 0, or -EINVAL with a message "FILE:LINE: ..." in `error` for text that is
 * no YAML, holds no mapping or more than one document. `file` and `error` must outlive `lines`. */
int mt_config_lines_open(struct mt_config_lines *lines, const char *file, const char *text,
	size_t length, char *error, size_t error_size);

void mt_config_lines_close(struct mt_config_lines *lines);

/* The node at `path`, or NULL. */
yaml_node_t *mt_config_lines_node(struct mt_config_lines *lines, const char *path);

/* The value of `key` in a mapping, or NULL; `key_line`, unless NULL, gets the line of the key.
 * `occurrence` counts from 0. */
yaml_node_t *mt_config_lines_value(struct mt_config_lines *lines, const yaml_node_t *mapping,
	const char *key, unsigned occurrence, unsigned *key_line);

/* The line of `path`, from 1: of a scalar's own text, else of its key. Of the nearest thing around
 * it when it is not in the file. */
unsigned mt_config_lines_find(struct mt_config_lines *lines, const char *path);

/* The same for a file that is no longer held: reads it again. 0 when that is not possible. */
unsigned mt_config_lines_find_in_file(const char *file, const char *path);

/* Writes "FILE:LINE: PATH: ..." into the error buffer and returns -EINVAL. */
int mt_config_lines_refuse(struct mt_config_lines *lines, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with a line that the caller knows better. */
int mt_config_lines_refuse_at(struct mt_config_lines *lines, unsigned line, const char *path,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
