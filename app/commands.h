/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of `mirrortap`, and what they share: asking the daemon, reading its documents,
 * tables of text. A member that the daemon's document does not have is shown as "-". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

enum {
	EXIT_USAGE = 2,
	FORMAT_SIZE = 32, /* room for any formatted number */
};

struct command_context {
	const char *socket_path;
};

/* Each runs one command, argv[0] being its name, and returns the exit status: 0, 1 for failure, 2
 * for usage. */
typedef int command_run(const struct command_context *context, int argc, char **argv);

command_run cmd_status, cmd_queues, cmd_outputs, cmd_ports, cmd_sessions; /* cmd_show.c */
command_run cmd_ledger;                                                   /* cmd_ledger.c */
command_run cmd_top;                                                      /* cmd_top.c */
command_run cmd_drain, cmd_undrain, cmd_reload;                           /* cmd_control.c */
command_run cmd_exec;                                                     /* cmd_exec.c */
command_run cmd_capture;                                                  /* capture.c */
command_run cmd_filter;                                                   /* filter.c */

/* --- cmd_common.c --- */

/* Parses the arguments of a command that takes none but --json and --help. Returns -1 to go on, or
 * the exit status. `json` NULL: the command prints no table. */
int command_options(int argc, char **argv, const char *summary, bool *json);

/* Asks the daemon. Returns the document, or NULL after it has said on standard error why not. */
json_t *command_get(const struct command_context *context, const char *path);

/* Writes the document as one line. */
void command_print_json(const json_t *document);

/* False if the object has no such number, or it is negative. */
bool member_count(const json_t *object, const char *key, uint64_t *count);

/* The number, 0 where it is missing. */
uint64_t member_or_zero(const json_t *object, const char *key);

/* The text, "-" where it is missing. Lives as long as `object`. */
const char *member_text(const json_t *object, const char *key);

/* Sum over all members of an object of numbers, such as "drops". */
uint64_t sum_members(const json_t *object);

/* "full 12, error 3": the members that are not 0; "-" if there are none. */
void list_members(const json_t *object, char *text, size_t size);

/* --- cmd_format.c --- */

/* 1234567 as "1,234,567". */
void format_count(char text[FORMAT_SIZE], uint64_t count);

/* With three digits and a decimal prefix: 0, 7.00, 999, 1.23 k, 45.6 M, 789 G. */
void format_scaled(char text[FORMAT_SIZE], double value);

/* Seconds as "12 s", "3 min 20 s", "2 h 05 min" or "3 d 04 h". */
void format_duration(char text[FORMAT_SIZE], uint64_t seconds);

/* Seconds since 1970-01-01 UTC as "2026-01-31 23:59:59", in local time. */
void format_time(char text[FORMAT_SIZE], uint64_t seconds);

/* A counter's growth per second; 0 if it went back, as after a restart of the daemon. */
double rate_per_second(uint64_t before, uint64_t after, double seconds);

/* --- cmd_table.c --- */

struct column {
	const char *heading;
	bool right; /* numbers, under their last digit */
};

/* Cells are added row by row, from left to right. */
struct table {
	const struct column *columns;
	unsigned columns_count;
	char **cells;
	size_t count;
	size_t room;
};

void table_text(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_count(struct table *table, uint64_t count);
void table_member_count(struct table *table, const json_t *object, const char *key);
void table_member_text(struct table *table, const json_t *object, const char *key);

/* Prints the headings and rows, then frees the cells. */
void table_end(struct table *table, FILE *stream);
