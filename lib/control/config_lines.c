/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the file says goes into messages, and those into logs and terminals. */
static void remove_control_characters(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static int read_all(int fd, char **text, size_t *length)
{
	struct stat status;
	ssize_t count;
	char *buffer;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -ENOTSUP;
	if (status.st_size > MT_CONFIG_MAX_FILE_BYTES)
		return -EFBIG;
	/* One byte more than allowed, to notice a file that grows meanwhile. */
	buffer = malloc(MT_CONFIG_MAX_FILE_BYTES + 1);
	if (buffer == NULL)
		return -ENOMEM;
	*length = 0;
	do {
		count = read(fd, buffer + *length, MT_CONFIG_MAX_FILE_BYTES + 1 - *length);
		if (count > 0)
			*length += count;
	} while (count > 0 || (count < 0 && errno == EINTR));
	if (count < 0 || *length > MT_CONFIG_MAX_FILE_BYTES) {
		int result = count < 0 ? -errno : -EFBIG;

		free(buffer);
		return result;
	}
	*text = buffer;
	return 0;
}

int mt_config_lines_read(
	const char *file, char **text, size_t *length, char *error, size_t error_size)
{
	/* O_NONBLOCK: a FIFO must not hang us before we see that it is one. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int result = fd < 0 ? -errno : read_all(fd, text, length);

	if (fd >= 0)
		close(fd);
	if (result == -ENOTSUP)
		snprintf(error, error_size, "%s: is not a regular file; name one with -c", file);
	else if (result == -EFBIG)
		snprintf(error, error_size, "%s: is larger than 8 MiB; a configuration is not",
			file);
	else if (result == -ENOENT)
		snprintf(error, error_size, "%s: %s; create it or name another with -c", file,
			strerror(-result));
	else if (result < 0)
		snprintf(error, error_size, "%s: %s; make it readable or name another with -c",
			file, strerror(-result));
	return result;
}

/* The reader (wrong UTF-8 and the like) knows an offset only. */
static unsigned problem_line(const yaml_parser_t *parser, const char *text, size_t length)
{
	unsigned line = 1;

	if (parser->error != YAML_READER_ERROR)
		return parser->problem_mark.line + 1;
	for (size_t i = 0; i < length && i < parser->problem_offset; i++)
		line += text[i] == '\n';
	return line;
}

static int refuse_syntax(
	struct mt_config_lines *lines, const yaml_parser_t *parser, const char *text, size_t length)
{
	const char *problem = parser->problem != NULL ? parser->problem : "out of memory";
	unsigned line = problem_line(parser, text, length);

	if (parser->context != NULL)
		snprintf(lines->error, lines->error_size,
			"%s:%u: is not YAML: %s (%s that begins in line %zu)", lines->file, line,
			problem, parser->context, parser->context_mark.line + 1);
	else
		snprintf(lines->error, lines->error_size, "%s:%u: is not YAML: %s", lines->file,
			line, problem);
	remove_control_characters(lines->error);
	return -EINVAL;
}

/* libcyaml reads the first document only and says nothing of the others. */
static int check_single(
	struct mt_config_lines *lines, yaml_parser_t *parser, const char *text, size_t length)
{
	yaml_document_t second;
	yaml_node_t *root;
	int result = 0;

	if (!yaml_parser_load(parser, &second))
		return refuse_syntax(lines, parser, text, length);
	root = yaml_document_get_root_node(&second);
	if (root != NULL) {
		snprintf(lines->error, lines->error_size,
			"%s:%zu: a second document begins here; a file holds one", lines->file,
			second.start_mark.line + 1);
		result = -EINVAL;
	}
	yaml_document_delete(&second);
	return result;
}

static int load_document(
	struct mt_config_lines *lines, yaml_parser_t *parser, const char *text, size_t length)
{
	yaml_node_t *root;
	int result = 0;

	if (!yaml_parser_load(parser, &lines->document))
		return refuse_syntax(lines, parser, text, length);
	root = yaml_document_get_root_node(&lines->document);
	if (root == NULL || root->type != YAML_MAPPING_NODE) {
		snprintf(lines->error, lines->error_size,
			"%s:%zu: holds no keys; at least dataplane and ports are needed",
			lines->file, root == NULL ? 1 : root->start_mark.line + 1);
		result = -EINVAL;
	} else {
		result = check_single(lines, parser, text, length);
	}
	if (result < 0)
		yaml_document_delete(&lines->document);
	return result;
}

int mt_config_lines_open(struct mt_config_lines *lines, const char *file, const char *text,
	size_t length, char *error, size_t error_size)
{
	yaml_parser_t parser;
	int result;

	*lines = (struct mt_config_lines){.file = file, .error = error, .error_size = error_size};
	if (!yaml_parser_initialize(&parser)) {
		snprintf(error, error_size, "%s: out of memory", file);
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	result = load_document(lines, &parser, text, length);
	yaml_parser_delete(&parser);
	return result;
}

void mt_config_lines_close(struct mt_config_lines *lines)
{
	yaml_document_delete(&lines->document);
}

static bool scalar_is(const yaml_node_t *node, const char *text, size_t length)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.length == length
		&& memcmp(node->data.scalar.value, text, length) == 0;
}

static yaml_node_t *find_value(struct mt_config_lines *lines, const yaml_node_t *mapping,
	const char *key, size_t length, unsigned occurrence, unsigned *key_line)
{
	const yaml_node_pair_t *pair;

	if (mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
		pair++) {
		yaml_node_t *node = yaml_document_get_node(&lines->document, pair->key);

		if (!scalar_is(node, key, length) || occurrence-- > 0)
			continue;
		if (key_line != NULL)
			*key_line = node->start_mark.line + 1;
		return yaml_document_get_node(&lines->document, pair->value);
	}
	return NULL;
}

yaml_node_t *mt_config_lines_value(struct mt_config_lines *lines, const yaml_node_t *mapping,
	const char *key, unsigned occurrence, unsigned *key_line)
{
	return find_value(lines, mapping, key, strlen(key), occurrence, key_line);
}

static yaml_node_t *find_entry(
	struct mt_config_lines *lines, const yaml_node_t *sequence, unsigned long index)
{
	const yaml_node_item_t *start;

	if (sequence->type != YAML_SEQUENCE_NODE)
		return NULL;
	start = sequence->data.sequence.items.start;
	if (index >= (size_t)(sequence->data.sequence.items.top - start))
		return NULL;
	return yaml_document_get_node(&lines->document, start[index]);
}

/* One step down `path`, which is moved on. NULL when there is nothing there. */
static yaml_node_t *step(
	struct mt_config_lines *lines, const yaml_node_t *node, const char **path, unsigned *line)
{
	yaml_node_t *next;

	if (**path == '[') {
		char *end;
		unsigned long index = strtoul(*path + 1, &end, 10);

		*path = *end == ']' ? end + 1 : end;
		next = find_entry(lines, node, index);
		if (next != NULL)
			*line = next->start_mark.line + 1;
	} else {
		size_t length;

		*path += **path == '.';
		length = strcspn(*path, ".[");
		next = find_value(lines, node, *path, length, 0, line);
		*path += length;
	}
	/* A list or mapping in block style begins a line after its key, and so may a scalar; the
	 * scalar's own line is where the mistake is. */
	if (next != NULL && next->type == YAML_SCALAR_NODE && next->data.scalar.length > 0)
		*line = next->start_mark.line + 1;
	return next;
}

static yaml_node_t *walk(struct mt_config_lines *lines, const char *path, unsigned *line)
{
	yaml_node_t *node = yaml_document_get_root_node(&lines->document);

	*line = node->start_mark.line + 1;
	while (node != NULL && *path != '\0')
		node = step(lines, node, &path, line);
	return node;
}

yaml_node_t *mt_config_lines_node(struct mt_config_lines *lines, const char *path)
{
	unsigned line;

	return walk(lines, path, &line);
}

unsigned mt_config_lines_find(struct mt_config_lines *lines, const char *path)
{
	unsigned line;

	walk(lines, path, &line);
	return line;
}

unsigned mt_config_lines_find_in_file(const char *file, const char *path)
{
	struct mt_config_lines lines;
	unsigned line = 0;
	size_t length;
	char error[256];
	char *text;

	if (mt_config_lines_read(file, &text, &length, error, sizeof(error)) < 0)
		return 0;
	if (mt_config_lines_open(&lines, file, text, length, error, sizeof(error)) == 0) {
		line = mt_config_lines_find(&lines, path);
		mt_config_lines_close(&lines);
	}
	free(text);
	return line;
}

static int refuse(struct mt_config_lines *lines, unsigned line, const char *path,
	const char *format, va_list arguments)
{
	int used = snprintf(lines->error, lines->error_size, "%s:%u: %s%s", lines->file, line, path,
		*path == '\0' ? "" : ": ");

	if (used >= 0 && (size_t)used < lines->error_size)
		vsnprintf(lines->error + used, lines->error_size - used, format, arguments);
	if (lines->error_size > 0)
		remove_control_characters(lines->error);
	return -EINVAL;
}

int mt_config_lines_refuse(struct mt_config_lines *lines, const char *path, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	refuse(lines, mt_config_lines_find(lines, path), path, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

int mt_config_lines_refuse_at(
	struct mt_config_lines *lines, unsigned line, const char *path, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	refuse(lines, line, path, format, arguments);
	va_end(arguments);
	return -EINVAL;
}
