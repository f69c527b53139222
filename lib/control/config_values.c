/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One level of libcyaml's backtrace, which lists the innermost first. */
struct frame {
	char key[32];   /* "": a list entry, or a mapping between its keys */
	unsigned entry; /* of a list, from 1; 0: none read yet, or no list */
	bool in_list;
};

enum { MAX_FRAMES = 16 };

struct trace {
	struct frame frames[MAX_FRAMES];
	unsigned count;
};

/* cyaml_log_fn_t: keeps the backtrace. The format strings tell its lines apart, so that nothing
 * which the file says can look like one. */
static void keep_backtrace(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
	static const char in_key[] = "  in mapping field '";
	static const char in_list[] = "  in sequence entry '";
	struct trace *trace = context;
	struct frame *frame;
	char text[128];

	if (level < CYAML_LOG_ERROR || strncmp(format, "  in ", 5) != 0
		|| trace->count == MAX_FRAMES)
		return;
	vsnprintf(text, sizeof(text), format, arguments);
	frame = &trace->frames[trace->count++];
	*frame = (struct frame){0};
	if (strncmp(format, in_key, sizeof(in_key) - 1) == 0) {
		const char *key = text + sizeof(in_key) - 1;

		snprintf(frame->key, sizeof(frame->key), "%.*s", (int)strcspn(key, "'"), key);
	} else if (strncmp(format, in_list, sizeof(in_list) - 1) == 0) {
		frame->in_list = true;
		frame->entry = strtoul(text + sizeof(in_list) - 1, NULL, 10);
	}
}

static cyaml_config_t settings(struct trace *trace)
{
	return (cyaml_config_t){
		.log_fn = trace != NULL ? keep_backtrace : NULL,
		.log_ctx = trace,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
		/* Lines and counts are those of the text as written: no aliases. */
		.flags = CYAML_CFG_NO_ALIAS,
	};
}

static const cyaml_schema_field_t *find_field(const cyaml_schema_value_t *schema, const char *key)
{
	const cyaml_schema_field_t *field;

	for (field = schema->mapping.fields; field->key != NULL; field++)
		if (strcmp(field->key, key) == 0)
			return field;
	return NULL;
}

static void add_key(const char *path, const char *key, char *child, size_t size)
{
	snprintf(child, size, "%s%s%s", path, *path == '\0' ? "" : ".", key);
}

/* Writes the path of the trace's frames from `innermost` outwards, and returns the schema there. */
static const cyaml_schema_value_t *follow_trace(
	const struct trace *trace, unsigned innermost, char *path, size_t size)
{
	const cyaml_schema_value_t *schema = mt_config_schema();
	size_t used = 0;

	path[0] = '\0';
	for (unsigned i = trace->count; i-- > innermost && used < size;) {
		const struct frame *frame = &trace->frames[i];

		if (frame->in_list && schema->type == CYAML_SEQUENCE) {
			used += snprintf(path + used, size - used, "[%u]",
				frame->entry > 0 ? frame->entry - 1 : 0);
			schema = schema->sequence.entry;
		} else if (frame->key[0] != '\0' && schema->type == CYAML_MAPPING) {
			const cyaml_schema_field_t *field = find_field(schema, frame->key);

			if (field == NULL)
				break;
			used += snprintf(
				path + used, size - used, "%s%s", used == 0 ? "" : ".", frame->key);
			schema = &field->value;
		}
	}
	return schema;
}

static const char *text_of(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

/* `key: ~`, `key: null` and `key:` are what YAML calls null, when not in quotes. */
static bool is_empty(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SEQUENCE_NODE:
		return node->data.sequence.items.start == node->data.sequence.items.top;
	case YAML_MAPPING_NODE:
		return node->data.mapping.pairs.start == node->data.mapping.pairs.top;
	case YAML_SCALAR_NODE:
		return node->data.scalar.length == 0
			|| (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE
				&& (strcmp(text_of(node), "~") == 0
					|| strcmp(text_of(node), "null") == 0));
	default:
		return true;
	}
}

static const char *shape_of(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_MAPPING_NODE:
		return "a mapping";
	default:
		return "a single value";
	}
}

static bool has_shape(const cyaml_schema_value_t *schema, const yaml_node_t *node)
{
	switch (schema->type) {
	case CYAML_MAPPING:
	case CYAML_IGNORE: /* a mapping whose keys are not known beforehand */
		return node->type == YAML_MAPPING_NODE;
	case CYAML_SEQUENCE:
		return node->type == YAML_SEQUENCE_NODE;
	default:
		return node->type == YAML_SCALAR_NODE;
	}
}

static int check_number(struct mt_config_lines *lines, const char *path, const char *text)
{
	struct mt_config_range range = mt_config_schema_range(path);
	const char *digits = text + (*text == '-');
	size_t length = strspn(digits, "0123456789");
	unsigned long long value;

	/* libcyaml takes "0x10", "010" (for 8) and "12abc" (for 12). */
	if (length == 0 || digits[length] != '\0' || (length > 1 && *digits == '0'))
		return mt_config_lines_refuse(lines, path,
			"\"%.60s\" is not a decimal number; allowed: %s", text,
			mt_config_schema_help(path));
	errno = 0;
	value = strtoull(digits, NULL, 10);
	if (digits != text || (errno == 0 && value < range.minimum))
		return mt_config_lines_refuse(
			lines, path, "%.60s is smaller than %u", text, range.minimum);
	if (errno != 0 || value > range.maximum)
		return mt_config_lines_refuse(
			lines, path, "%.60s is larger than %u", text, range.maximum);
	if (range.power_of_two && (value & (value - 1)) != 0)
		return mt_config_lines_refuse(lines, path,
			"%.60s is not a power of two; allowed: %s", text,
			mt_config_schema_help(path));
	return 0;
}

static int check_choice(struct mt_config_lines *lines, const cyaml_schema_value_t *schema,
	const char *path, const char *text)
{
	for (uint32_t i = 0; i < schema->enumeration.count; i++) {
		if (strcmp(schema->enumeration.strings[i].str, text) == 0)
			return 0;
	}
	return mt_config_lines_refuse(lines, path, "\"%.60s\" is unknown; allowed: %s", text,
		mt_config_schema_help(path));
}

static int check_count(struct mt_config_lines *lines, const cyaml_schema_value_t *schema,
	const char *path, const yaml_node_t *node)
{
	size_t count = node->data.sequence.items.top - node->data.sequence.items.start;

	if (count < schema->sequence.min)
		return mt_config_lines_refuse(
			lines, path, "is empty; allowed: %s", mt_config_schema_help(path));
	if (count > schema->sequence.max)
		return mt_config_lines_refuse(lines, path,
			"has %zu entries; at most %u are allowed", count, schema->sequence.max);
	return 0;
}

/* One value, without what is in it. */
static int check_value(struct mt_config_lines *lines, const cyaml_schema_value_t *schema,
	const char *path, const yaml_node_t *node)
{
	const char *help = mt_config_schema_help(path);

	if (node->type == YAML_SCALAR_NODE && is_empty(node))
		return mt_config_lines_refuse(lines, path, "is empty; allowed: %s", help);
	if (!has_shape(schema, node))
		return mt_config_lines_refuse(
			lines, path, "is %s; allowed: %s", shape_of(node), help);
	if (schema->type == CYAML_SEQUENCE)
		return check_count(lines, schema, path, node);
	if (schema->type == CYAML_MAPPING || schema->type == CYAML_IGNORE)
		return 0;
	/* libcyaml would read up to it and take that for the whole. */
	if (strlen(text_of(node)) != node->data.scalar.length)
		return mt_config_lines_refuse(
			lines, path, "contains a NUL character; allowed: %s", help);
	if (schema->type == CYAML_UINT)
		return check_number(lines, path, text_of(node));
	if (schema->type == CYAML_ENUM)
		return check_choice(lines, schema, path, text_of(node));
	return 0;
}

static int check_tree(struct mt_config_lines *lines, const cyaml_schema_value_t *schema,
	const char *path, const yaml_node_t *node);

static int check_fields(struct mt_config_lines *lines, const cyaml_schema_value_t *schema,
	const char *path, const yaml_node_t *mapping)
{
	const cyaml_schema_field_t *field;
	char child[MT_CONFIG_MAX_PATH];
	int result = 0;

	for (field = schema->mapping.fields; field->key != NULL && result == 0; field++) {
		const yaml_node_t *node =
			mt_config_lines_value(lines, mapping, field->key, 0, NULL);

		if (node == NULL)
			continue;
		add_key(path, field->key, child, sizeof(child));
		result = check_tree(lines, &field->value, child, node);
	}
	return result;
}

/* A value and all that is in it. As deep as the schema, whatever the file holds. */
static int check_tree(struct mt_config_lines *lines, const cyaml_schema_value_t *schema,
	const char *path, const yaml_node_t *node)
{
	char child[MT_CONFIG_MAX_PATH];
	const yaml_node_item_t *item;
	int result = check_value(lines, schema, path, node);

	if (result < 0)
		return result;
	if (schema->type == CYAML_MAPPING)
		return check_fields(lines, schema, path, node);
	if (schema->type != CYAML_SEQUENCE)
		return 0;
	for (item = node->data.sequence.items.start;
		item < node->data.sequence.items.top && result == 0; item++) {
		snprintf(child, sizeof(child), "%s[%zu]", path,
			(size_t)(item - node->data.sequence.items.start));
		result = check_tree(lines, schema->sequence.entry, child,
			yaml_document_get_node(&lines->document, *item));
	}
	return result;
}

/* The keys that `schema` knows. */
static void list_keys(const cyaml_schema_value_t *schema, char *text, size_t size)
{
	const cyaml_schema_field_t *field;
	size_t used = 0;

	text[0] = '\0';
	for (field = schema->mapping.fields; field->key != NULL && used < size; field++)
		used += snprintf(
			text + used, size - used, "%s%s", used == 0 ? "" : ", ", field->key);
}

static int refuse_key(struct mt_config_lines *lines, const cyaml_schema_value_t *schema,
	const char *path, const yaml_node_t *key)
{
	char child[MT_CONFIG_MAX_PATH];
	char text[64], allowed[256];

	list_keys(schema, allowed, sizeof(allowed));
	if (key->type != YAML_SCALAR_NODE)
		return mt_config_lines_refuse_at(lines, key->start_mark.line + 1, path,
			"holds a key that is %s; allowed here: %s", shape_of(key), allowed);
	snprintf(text, sizeof(text), "%.60s", text_of(key));
	add_key(path, text, child, sizeof(child));
	return mt_config_lines_refuse_at(
		lines, key->start_mark.line + 1, child, "unknown key; allowed here: %s", allowed);
}

static int refuse_repetition(struct mt_config_lines *lines, const char *path, const char *key,
	unsigned first, unsigned second)
{
	char child[MT_CONFIG_MAX_PATH];

	add_key(path, key, child, sizeof(child));
	return mt_config_lines_refuse_at(lines, second, child,
		"is here for the second time, first in line %u; keep one of them", first);
}

/* The first key of a mapping that is unknown or repeated: where libcyaml stopped. */
static int check_keys(struct mt_config_lines *lines, const cyaml_schema_value_t *schema,
	const char *path, const yaml_node_t *mapping)
{
	const yaml_node_pair_t *pair;

	for (pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
		pair++) {
		yaml_node_t *key = yaml_document_get_node(&lines->document, pair->key);
		unsigned first = 0;

		if (key->type != YAML_SCALAR_NODE || find_field(schema, text_of(key)) == NULL)
			return refuse_key(lines, schema, path, key);
		mt_config_lines_value(lines, mapping, text_of(key), 0, &first);
		/* Two keys in one line are told apart by their column, so count instead. */
		for (const yaml_node_pair_t *other = mapping->data.mapping.pairs.start;
			other < pair; other++) {
			yaml_node_t *before = yaml_document_get_node(&lines->document, other->key);

			if (strcmp(text_of(before), text_of(key)) == 0)
				return refuse_repetition(
					lines, path, text_of(key), first, key->start_mark.line + 1);
		}
	}
	return 0;
}

static int check_required(struct mt_config_lines *lines, const cyaml_schema_value_t *schema,
	const char *path, const yaml_node_t *mapping)
{
	const cyaml_schema_field_t *field;
	char child[MT_CONFIG_MAX_PATH];

	for (field = schema->mapping.fields; field->key != NULL; field++) {
		if ((field->value.flags & CYAML_FLAG_OPTIONAL) != 0
			|| mt_config_lines_value(lines, mapping, field->key, 0, NULL) != NULL)
			continue;
		add_key(path, field->key, child, sizeof(child));
		return mt_config_lines_refuse(
			lines, child, "is missing: %s", mt_config_schema_help(child));
	}
	return 0;
}

/* Says what libcyaml found wrong. It is asked only for the place and the kind: its sentences name
 * neither range nor remedy, and its line is that of the event before. */
static int explain(struct mt_config_lines *lines, struct trace *trace, cyaml_err_t problem)
{
	bool in_mapping = problem == CYAML_ERR_INVALID_KEY || problem == CYAML_ERR_UNEXPECTED_EVENT
		|| problem == CYAML_ERR_MAPPING_FIELD_MISSING
		|| problem == CYAML_ERR_INTERNAL_ERROR;
	bool in_list = problem == CYAML_ERR_SEQUENCE_ENTRIES_MIN
		|| problem == CYAML_ERR_SEQUENCE_ENTRIES_MAX;
	const cyaml_schema_value_t *schema;
	char path[MT_CONFIG_MAX_PATH];
	const yaml_node_t *node;
	int result = 0;

	/* An alias is met before libcyaml counts the list entry that it is. */
	if (problem == CYAML_ERR_ALIAS && trace->count > 0 && trace->frames[0].in_list)
		trace->frames[0].entry++;
	schema = follow_trace(trace, in_mapping || in_list, path, sizeof(path));
	node = mt_config_lines_node(lines, path);
	if (problem == CYAML_ERR_ALIAS)
		return mt_config_lines_refuse(
			lines, path, "is an alias; allowed: the value itself, written out");
	if (node != NULL && in_mapping && schema->type == CYAML_MAPPING
		&& node->type == YAML_MAPPING_NODE) {
		result = check_keys(lines, schema, path, node);
		if (result == 0)
			result = check_required(lines, schema, path, node);
	} else if (node != NULL) {
		result = check_value(lines, schema, path, node);
	}
	if (result == 0)
		result = mt_config_lines_refuse(lines, path, "%s; allowed: %s",
			cyaml_strerror(problem), mt_config_schema_help(path));
	return result;
}

int mt_config_values_load(struct mt_config_lines *lines, const char *text, size_t length,
	struct mt_config_file **file)
{
	struct trace trace = {.count = 0};
	cyaml_config_t config = settings(&trace);
	cyaml_data_t *data = NULL;
	cyaml_err_t problem = cyaml_load_data(
		(const uint8_t *)text, length, &config, mt_config_schema(), &data, NULL);
	int result;

	if (problem != CYAML_OK)
		return explain(lines, &trace, problem);
	result = check_tree(lines, mt_config_schema(), "", mt_config_lines_node(lines, ""));
	if (result < 0)
		mt_config_values_free(data);
	else
		*file = data;
	return result;
}

void mt_config_values_free(struct mt_config_file *file)
{
	cyaml_config_t config = settings(NULL);

	cyaml_free(&config, mt_config_schema(), file, 0);
}
