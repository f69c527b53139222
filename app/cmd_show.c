/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that print one of the daemon's documents as a table. */
#include "commands.h"

#include <stdlib.h>

#include "control/json_list.h"

#define COLUMNS(table, headings) \
	struct table table = {   \
		.columns = headings, .columns_count = sizeof(headings) / sizeof(headings[0])}

static int show(const struct command_context *context, int argc, char **argv, const char *path,
	const char *summary, void (*print)(const json_t *document))
{
	bool json = false;
	int status = command_options(argc, argv, summary, &json);
	json_t *document;

	if (status >= 0)
		return status;
	document = command_get(context, path);
	if (document == NULL)
		return EXIT_FAILURE;
	if (json)
		command_print_json(document);
	else
		print(document);
	json_decref(document);
	return EXIT_SUCCESS;
}

/* --- status --- */

static void print_workers(const json_t *workers)
{
	static const struct column columns[] = {{"worker lcore", true}, {"cpu", true},
		{"NUMA node", true}, {"loops", true}, {"receives from", false},
		{"owns queues", false}};
	COLUMNS(table, columns);
	json_t *worker;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)workers, i, worker) {
		char text[512];

		table_member_count(&table, worker, "lcore");
		table_member_count(&table, worker, "cpu");
		table_member_count(&table, worker, "numa_node");
		table_member_count(&table, worker, "loops");
		mt_json_list_text(
			json_object_get(worker, "receive_queues"), "-", text, sizeof(text));
		table_text(&table, "%s", text);
		mt_json_list_text(json_object_get(worker, "queues"), "-", text, sizeof(text));
		table_text(&table, "%s", text);
	}
	table_end(&table, stdout);
}

/* Live ones; nothing where none runs. */
static void print_captures(const json_t *captures)
{
	static const struct column columns[] = {{"capture", true}, {"process", true},
		{"since", false}, {"packets", true}, {"lost", true}, {"of", false},
		{"filter", false}};
	COLUMNS(table, columns);
	json_t *capture;
	size_t i;

	if (json_array_size(captures) == 0)
		return;
	putchar('\n');
	json_array_foreach ((json_t *)(uintptr_t)captures, i, capture) {
		char since[FORMAT_SIZE];
		uint64_t vni;

		table_member_count(&table, capture, "id");
		table_text(&table, "%ju", (uintmax_t)member_or_zero(capture, "pid"));
		format_time(since, member_or_zero(capture, "since"));
		table_text(&table, "%s", since);
		table_member_count(&table, capture, "packets");
		table_member_count(&table, capture, "lost");
		if (member_count(capture, "vni", &vni))
			table_text(&table, "VNI %ju", (uintmax_t)vni);
		else
			table_member_text(&table, capture, "session");
		table_member_text(&table, capture, "filter");
	}
	table_end(&table, stdout);
}

static void print_lcore(const json_t *status)
{
	uint64_t lcore, cpu;

	if (member_count(status, "control_lcore", &lcore)
		&& member_count(status, "control_cpu", &cpu))
		printf("control      lcore %ju on CPU %ju\n", (uintmax_t)lcore, (uintmax_t)cpu);
	else
		puts("control      -");
}

/* "2, since 2026-01-31 23:59:59", and why the last reload failed. */
static void print_reload(const json_t *reload)
{
	const json_t *last = json_object_get(reload, "last");
	char time[FORMAT_SIZE] = "-";
	uint64_t number;

	if (member_count(reload, "applied_at", &number))
		format_time(time, number);
	if (member_count(reload, "generation", &number))
		printf("generation   %ju, in force since %s\n", (uintmax_t)number, time);
	else
		puts("generation   -");
	if (!json_is_object(last))
		return;
	if (member_count(last, "at", &number))
		format_time(time, number);
	printf("last reload  %s at %s: %s\n", member_text(last, "result"), time,
		member_text(last, "text"));
}

static void print_status(const json_t *status)
{
	char uptime[FORMAT_SIZE] = "-";
	uint64_t number;
	json_t *warning;
	size_t i;

	if (member_count(status, "uptime_seconds", &number))
		format_duration(uptime, number);
	printf("state        %s for %s\n", member_text(status, "state"), uptime);
	printf("version      %s\n", member_text(status, "version"));
	if (member_count(status, "pid", &number))
		printf("process      %ju\n", (uintmax_t)number);
	else
		puts("process      -");
	printf("config       %s\n", member_text(status, "config"));
	print_reload(json_object_get(status, "reload"));
	printf("file prefix  %s\n", member_text(status, "file_prefix"));
	printf("decapsulates %s\n", member_text(status, "decapsulation"));
	print_lcore(status);
	json_array_foreach (json_object_get(status, "warnings"), i, warning)
		printf("warning      %s\n", json_string_value(warning));
	putchar('\n');
	print_workers(json_object_get(status, "workers"));
	print_captures(json_object_get(status, "captures"));
}

int cmd_status(const struct command_context *context, int argc, char **argv)
{
	return show(context, argc, argv, "/api/v1/status",
		"Prints what runs where: version, state, workers and what each of them does.",
		print_status);
}

/* --- queues --- */

static void print_queues(const json_t *document)
{
	static const struct column columns[] = {{"queue", true}, {"lcore", true}, {"packets", true},
		{"bytes", true}, {"dropped (full)", true}, {"depth", true}, {"length", true}};
	COLUMNS(table, columns);
	json_t *queue;
	size_t i;

	json_array_foreach (json_object_get(document, "queues"), i, queue) {
		uint64_t length;

		table_member_count(&table, queue, "queue");
		table_member_count(&table, queue, "lcore");
		table_member_count(&table, queue, "packets");
		table_member_count(&table, queue, "bytes");
		table_member_count(&table, queue, "full");
		if (member_count(queue, "length", &length) && length == 0) {
			/* The owner is the only receiver. */
			table_text(&table, "no ring");
			table_text(&table, "-");
		} else {
			table_member_count(&table, queue, "depth");
			table_member_count(&table, queue, "length");
		}
	}
	table_end(&table, stdout);
}

int cmd_queues(const struct command_context *context, int argc, char **argv)
{
	return show(context, argc, argv, "/api/v1/queues",
		"Prints the queues: owner, load, packets waiting in the ring, drops.",
		print_queues);
}

/* --- outputs --- */

static void print_output_errors(const json_t *outputs)
{
	json_t *output;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)outputs, i, output) {
		const json_t *error = json_object_get(output, "error");
		const json_t *last = json_object_get(output, "last_error");

		if (json_is_string(error))
			printf("%s: %s\n", member_text(output, "name"), json_string_value(error));
		else if (json_is_string(last))
			printf("%s: mended; it was: %s\n", member_text(output, "name"),
				json_string_value(last));
	}
}

/* Queues of ring outputs, each with its consumer. */
static void print_consumers(const json_t *outputs)
{
	static const struct column columns[] = {{"ring", false}, {"queue", true}, {"mode", false},
		{"consumer", false}, {"state", false}, {"heartbeat ms", true}, {"lag", true},
		{"held", true}, {"high water", true}, {"processed", true}, {"absent", true},
		{"full", true}};
	COLUMNS(table, columns);
	json_t *output, *queue;
	size_t i, j;
	bool any = false;

	json_array_foreach ((json_t *)(uintptr_t)outputs, i, output) {
		json_array_foreach (json_object_get(output, "queues"), j, queue) {
			const json_t *consumer = json_object_get(queue, "consumer");
			const json_t *drops = json_object_get(queue, "drops");
			uint64_t pid;

			if (consumer == NULL)
				continue;
			any = true;
			table_member_text(&table, output, "name");
			table_member_count(&table, queue, "queue");
			table_member_text(&table, output, "mode");
			if (member_count(consumer, "pid", &pid) && pid != 0)
				table_text(&table, "%s (%ju)", member_text(consumer, "program"),
					(uintmax_t)pid);
			else
				table_text(&table, "-");
			table_member_text(&table, consumer, "state");
			table_member_count(&table, consumer, "heartbeat_age_ms");
			table_member_count(&table, queue, "in_flight");
			table_member_count(&table, consumer, "borrowed");
			table_member_count(&table, consumer, "high_water");
			table_member_count(&table, consumer, "processed");
			table_member_count(&table, drops, "consumer_absent");
			table_member_count(&table, drops, "full");
		}
	}
	if (any) {
		putchar('\n');
		table_end(&table, stdout);
	}
}

static void print_outputs(const json_t *document)
{
	static const struct column columns[] = {{"output", false}, {"type", false},
		{"state", false}, {"errors", true}, {"offered", true}, {"delivered", true},
		{"bytes", true}, {"in flight", true}, {"dropped", true}, {"why", false}};
	COLUMNS(table, columns);
	const json_t *outputs = json_object_get(document, "outputs");
	json_t *output;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)outputs, i, output) {
		const json_t *drops = json_object_get(output, "drops");
		char reasons[256];

		table_member_text(&table, output, "name");
		table_member_text(&table, output, "type");
		table_member_text(&table, output, "state");
		table_member_count(&table, output, "errors");
		table_member_count(&table, output, "offered");
		table_member_count(&table, output, "delivered");
		table_member_count(&table, output, "delivered_bytes");
		table_member_count(&table, output, "in_flight");
		if (drops != NULL)
			table_count(&table, sum_members(drops));
		else
			table_text(&table, "-");
		list_members(drops, reasons, sizeof(reasons));
		table_text(&table, "%s", reasons);
	}
	table_end(&table, stdout);
	print_consumers(outputs);
	print_output_errors(outputs);
}

int cmd_outputs(const struct command_context *context, int argc, char **argv)
{
	return show(context, argc, argv, "/api/v1/outputs",
		"Prints the outputs: state, frames delivered, frames dropped and why; and who "
		"reads rings.",
		print_outputs);
}

/* --- ports --- */

static void print_pool(struct table *table, const json_t *pool)
{
	uint64_t size, used;
	char text[2][FORMAT_SIZE];

	if (!member_count(pool, "size", &size) || !member_count(pool, "in_use", &used)) {
		table_text(table, "-");
		return;
	}
	format_count(text[0], used);
	format_count(text[1], size);
	table_text(table, "%s of %s", text[0], text[1]);
}

static void print_port_counters(const json_t *ports)
{
	static const struct column columns[] = {{"port", false}, {"packets", true}, {"bytes", true},
		{"host", true}, {"imissed", true}, {"ierrors", true}, {"rx_nombuf", true},
		{"mbufs in use", true}};
	COLUMNS(table, columns);
	json_t *port;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)ports, i, port) {
		table_member_text(&table, port, "name");
		for (unsigned c = 1; c < table.columns_count - 1; c++)
			table_member_count(&table, port, columns[c].heading);
		print_pool(&table, json_object_get(port, "pool"));
	}
	table_end(&table, stdout);
}

static void print_ports(const json_t *document)
{
	static const struct column columns[] = {{"port", false}, {"device", false},
		{"driver", false}, {"link", false}, {"MAC", false}, {"MTU", true},
		{"NUMA node", true}, {"receive queues", true}, {"descriptors", true}};
	COLUMNS(table, columns);
	const json_t *ports = json_object_get(document, "ports");
	json_t *port;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)ports, i, port) {
		table_member_text(&table, port, "name");
		table_member_text(&table, port, "device");
		table_member_text(&table, port, "driver");
		table_member_text(&table, port, "link");
		table_member_text(&table, port, "mac");
		table_member_count(&table, port, "mtu");
		table_member_count(&table, port, "numa_node");
		table_member_count(&table, port, "rx_queues");
		table_member_count(&table, port, "descriptors");
	}
	table_end(&table, stdout);
	putchar('\n');
	print_port_counters(ports);
}

int cmd_ports(const struct command_context *context, int argc, char **argv)
{
	return show(context, argc, argv, "/api/v1/ports",
		"Prints the ports: device, link, packets received, and what the device lost.",
		print_ports);
}

/* --- sessions --- */

static void table_session(struct table *table, const json_t *session)
{
	static const char *const counts[] = {"packets", "bytes", "truncated", "drops"};
	static const char *const times[] = {"first_seen", "last_seen"};

	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
		table_member_count(table, session, counts[c]);
	for (unsigned t = 0; t < sizeof(times) / sizeof(times[0]); t++) {
		uint64_t seconds;
		char text[FORMAT_SIZE] = "-";

		if (member_count(session, times[t], &seconds))
			format_time(text, seconds);
		table_text(table, "%s", text);
	}
}

static void print_sessions(const json_t *document)
{
	static const struct column columns[] = {{"VNI", true}, {"session", false},
		{"packets", true}, {"bytes", true}, {"truncated", true}, {"dropped", true},
		{"first seen", false}, {"last seen", false}};
	COLUMNS(table, columns);
	const json_t *other = json_object_get(document, "other");
	uint64_t full = member_or_zero(other, "table_full");
	char text[FORMAT_SIZE];
	json_t *session;
	size_t i;

	json_array_foreach (json_object_get(document, "sessions"), i, session) {
		table_text(&table, "%" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(session, "vni")));
		table_member_text(&table, session, "name");
		table_session(&table, session);
	}
	if (member_or_zero(other, "packets") + member_or_zero(other, "drops") > 0) {
		format_count(text, member_or_zero(other, "sessions"));
		table_text(&table, "other");
		table_text(&table, "%s more", text);
		table_session(&table, other);
	}
	table_end(&table, stdout);
	if (full > 0) {
		format_count(text, full);
		printf("\n%s packets of VNIs that found the table of sessions full: is someone "
		       "sending made-up VNIs?\n",
			text);
	}
}

int cmd_sessions(const struct command_context *context, int argc, char **argv)
{
	return show(context, argc, argv, "/api/v1/sessions",
		"Prints the mirror sessions (VNIs) that were seen, those with the most packets "
		"first.",
		print_sessions);
}
