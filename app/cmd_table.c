/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *memory)
{
	if (memory == NULL) {
		fputs("mirrortap: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	return memory;
}

void table_text(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *cell;

	if (table->count == table->room) {
		table->room = table->room == 0 ? 64 : 2 * table->room;
		table->cells = or_die(realloc(table->cells, table->room * sizeof(*table->cells)));
	}
	va_start(arguments, format);
	if (vasprintf(&cell, format, arguments) < 0)
		cell = NULL;
	va_end(arguments);
	table->cells[table->count++] = or_die(cell);
}

void table_count(struct table *table, uint64_t count)
{
	char text[FORMAT_SIZE];

	format_count(text, count);
	table_text(table, "%s", text);
}

void table_member_count(struct table *table, const json_t *object, const char *key)
{
	uint64_t count;

	if (member_count(object, key, &count))
		table_count(table, count);
	else
		table_text(table, "-");
}

void table_member_text(struct table *table, const json_t *object, const char *key)
{
	table_text(table, "%s", member_text(object, key));
}

static int column_width(const struct table *table, unsigned column)
{
	size_t width = strlen(table->columns[column].heading);

	for (size_t i = column; i < table->count; i += table->columns_count) {
		size_t length = strlen(table->cells[i]);

		if (length > width)
			width = length;
	}
	return (int)width;
}

static void print_cell(
	const struct table *table, unsigned column, int width, const char *text, FILE *stream)
{
	bool last = column + 1 == table->columns_count;

	if (table->columns[column].right)
		fprintf(stream, "%*s", width, text);
	else
		fprintf(stream, "%-*s", last ? 0 : width, text);
	fputs(last ? "\n" : "  ", stream);
}

void table_end(struct table *table, FILE *stream)
{
	int widths[table->columns_count];

	for (unsigned c = 0; c < table->columns_count; c++)
		widths[c] = column_width(table, c);
	for (unsigned c = 0; c < table->columns_count; c++)
		print_cell(table, c, widths[c], table->columns[c].heading, stream);
	for (size_t i = 0; i < table->count; i++) {
		unsigned c = (unsigned)(i % table->columns_count);

		print_cell(table, c, widths[c], table->cells[i], stream);
		free(table->cells[i]);
	}
	free(table->cells);
	*table = (struct table){.columns = table->columns, .columns_count = table->columns_count};
}
