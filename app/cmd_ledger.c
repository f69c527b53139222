/* SPDX-License-Identifier: BSD-3-Clause */
/* `mirrortap ledger`: every packet that was received, and what became of it. Numbers are plain, for
 * grep. */
#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>

static void print_drops(const json_t *drops)
{
	const char *name;
	json_t *count;

	json_object_foreach ((json_t *)(uintptr_t)drops, name, count) {
		if (json_integer_value(count) != 0)
			printf("    %-24s %" JSON_INTEGER_FORMAT "\n", name,
				json_integer_value(count));
	}
}

/* "-" for a number that is missing, so that it is not taken for a 0. */
static const char *plain(char text[FORMAT_SIZE], const json_t *object, const char *key)
{
	uint64_t count;

	if (member_count(object, key, &count))
		snprintf(text, FORMAT_SIZE, "%" PRIu64, count);
	else
		snprintf(text, FORMAT_SIZE, "-");
	return text;
}

/* What `received` must be equal to. */
static uint64_t received_sum(const json_t *ledger)
{
	return member_or_zero(ledger, "host") + member_or_zero(ledger, "accepted")
		+ sum_members(json_object_get(ledger, "drops"))
		+ member_or_zero(ledger, "in_flight");
}

/* What an output's `offered` must be equal to. */
static uint64_t offered_sum(const json_t *output)
{
	return member_or_zero(output, "delivered") + sum_members(json_object_get(output, "drops"))
		+ member_or_zero(output, "in_flight");
}

static bool sums_agree(const json_t *ledger)
{
	bool agree = member_or_zero(ledger, "received") == received_sum(ledger);
	const char *name;
	json_t *output;

	json_object_foreach (json_object_get(ledger, "outputs"), name, output)
		agree = agree && member_or_zero(output, "offered") == offered_sum(output);
	return agree;
}

static void print_balance(uint64_t left, uint64_t right)
{
	if (left == right)
		puts("   balanced");
	else
		printf("   NOT BALANCED: %" PRIu64 " %s\n",
			left > right ? left - right : right - left,
			left > right ? "missing on the right" : "too many on the right");
}

static void print_packets(const json_t *ledger)
{
	const json_t *drops = json_object_get(ledger, "drops");
	char text[4][FORMAT_SIZE];

	printf("received %s = host %s + accepted %s + drops %" PRIu64 " + in flight %s",
		plain(text[0], ledger, "received"), plain(text[1], ledger, "host"),
		plain(text[2], ledger, "accepted"), sum_members(drops),
		plain(text[3], ledger, "in_flight"));
	print_balance(member_or_zero(ledger, "received"), received_sum(ledger));
	print_drops(drops);
}

static void print_output(const char *name, const json_t *output)
{
	const json_t *drops = json_object_get(output, "drops");
	char text[3][FORMAT_SIZE];

	printf("output %s: offered %s = delivered %s + drops %" PRIu64 " + in flight %s", name,
		plain(text[0], output, "offered"), plain(text[1], output, "delivered"),
		sum_members(drops), plain(text[2], output, "in_flight"));
	print_balance(member_or_zero(output, "offered"), offered_sum(output));
	print_drops(drops);
}

static void print_ledger(const json_t *ledger)
{
	const char *name;
	json_t *output;

	print_packets(ledger);
	json_object_foreach (json_object_get(ledger, "outputs"), name, output)
		print_output(name, output);
	if (sums_agree(ledger) && !json_is_true(json_object_get(ledger, "balanced")))
		puts("NOT BALANCED, says the daemon");
}

int cmd_ledger(const struct command_context *context, int argc, char **argv)
{
	bool json = false;
	int status = command_options(argc, argv,
		"Prints what became of every packet received. Exit status 1 if it does not "
		"balance.",
		&json);
	json_t *ledger;
	bool balanced;

	if (status >= 0)
		return status;
	ledger = command_get(context, "/api/v1/ledger");
	if (ledger == NULL)
		return EXIT_FAILURE;
	if (json)
		command_print_json(ledger);
	else
		print_ledger(ledger);
	/* Computed from the numbers, and not only believed. */
	balanced = sums_agree(ledger) && json_is_true(json_object_get(ledger, "balanced"));
	json_decref(ledger);
	return balanced ? EXIT_SUCCESS : EXIT_FAILURE;
}
