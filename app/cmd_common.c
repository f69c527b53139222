/* SPDX-License-Identifier: BSD-3-Clause */
#include "commands.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>

#include "control/client.h"

static void print_help(const char *command, const char *summary, bool json)
{
	printf("usage: mirrortap [--socket PATH] %s%s\n%s\n", command, json ? " [--json]" : "",
		summary);
	if (json)
		puts("      --json  print the daemon's document, as one line of JSON");
	puts("  -h, --help  this text");
}

int command_options(int argc, char **argv, const char *summary, bool *json)
{
	static const struct option known[] = {
		{"help", no_argument, NULL, 'h'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	int option;

	optind = 0; /* main() has used getopt before: start anew */
	while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (option == 'h') {
			print_help(argv[0], summary, json != NULL);
			return EXIT_SUCCESS;
		}
		if (option != 'j' || json == NULL) {
			if (option == 'j')
				fprintf(stderr,
					"mirrortap %s: prints no table, so there is no "
					"--json\n",
					argv[0]);
			goto usage;
		}
		*json = true;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "mirrortap %s: takes no argument, but there is: %s\n", argv[0],
		argv[optind]);
usage:
	fprintf(stderr, "Try: mirrortap %s --help\n", argv[0]);
	return EXIT_USAGE;
}

json_t *command_get(const struct command_context *context, const char *path)
{
	char error[512];
	json_t *document;

	if (mt_client_get(context->socket_path, path, &document, error, sizeof(error)) == 0)
		return document;
	fprintf(stderr, "mirrortap: %s\n", error);
	return NULL;
}

void command_print_json(const json_t *document)
{
	json_dumpf(document, stdout, JSON_COMPACT);
	putchar('\n');
}

bool member_count(const json_t *object, const char *key, uint64_t *count)
{
	const json_t *member = json_object_get(object, key);

	if (!json_is_integer(member) || json_integer_value(member) < 0)
		return false;
	*count = (uint64_t)json_integer_value(member);
	return true;
}

uint64_t member_or_zero(const json_t *object, const char *key)
{
	uint64_t count = 0;

	member_count(object, key, &count);
	return count;
}

const char *member_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "-";
}

uint64_t sum_members(const json_t *object)
{
	const char *key;
	json_t *member;
	uint64_t sum = 0;

	json_object_foreach ((json_t *)(uintptr_t)object, key, member)
		sum += (uint64_t)json_integer_value(member);
	return sum;
}

void list_members(const json_t *object, char *text, size_t size)
{
	const char *key;
	json_t *member;
	size_t used = 0;

	snprintf(text, size, "-");
	json_object_foreach ((json_t *)(uintptr_t)object, key, member) {
		char count[FORMAT_SIZE];

		if (json_integer_value(member) == 0)
			continue;
		format_count(count, (uint64_t)json_integer_value(member));
		used += (size_t)snprintf(
			text + used, size - used, "%s%s %s", used != 0 ? ", " : "", key, count);
		if (used >= size)
			return;
	}
}
