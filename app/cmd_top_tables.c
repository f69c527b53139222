/* SPDX-License-Identifier: BSD-3-Clause */
#include "cmd_top.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* The object of `list` whose `key` is that of `like`: places may change between samples. */
static const json_t *same(const json_t *list, const json_t *like, const char *key)
{
	json_t *item;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
		if (json_equal(json_object_get(item, key), json_object_get(like, key)))
			return item;
	}
	return NULL;
}

/* Growth per second of a member; of one that the first sample does not have, nothing. */
static double member_rate(
	const json_t *before, const json_t *after, const char *key, double seconds)
{
	uint64_t from, to;

	if (!member_count(before, key, &from) || !member_count(after, key, &to))
		return 0;
	return rate_per_second(from, to, seconds);
}

static void table_rate(struct table *table, double rate)
{
	table_count(table, (uint64_t)(rate + 0.5));
}

static void table_bits(struct table *table, double bytes_per_second)
{
	char text[FORMAT_SIZE];

	format_scaled(text, 8 * bytes_per_second);
	table_text(table, "%s", text);
}

/* "full 12/s, error 3/s"; "-" when nothing is lost now. */
static void table_drop_rates(
	struct table *table, const json_t *before, const json_t *after, double seconds)
{
	char text[256] = "-";
	const char *reason;
	json_t *count;
	size_t used = 0;

	json_object_foreach ((json_t *)(uintptr_t)after, reason, count) {
		double rate = member_rate(before, after, reason, seconds);
		char number[FORMAT_SIZE];

		if (rate == 0 || used >= sizeof(text))
			continue;
		format_count(number, rate < 1 ? 1 : (uint64_t)(rate + 0.5));
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s/s",
			used != 0 ? ", " : "", reason, number);
	}
	table_text(table, "%s", text);
}

static void print_ports(const json_t *before, const json_t *after, double seconds, FILE *stream)
{
	static const struct column columns[] = {{"port", false}, {"link", false},
		{"packets/s", true}, {"bits/s", true}, {"host/s", true}, {"imissed/s", true},
		{"ierrors/s", true}, {"rx_nombuf/s", true}, {"pool used", true}};
	struct table table = {.columns = columns, .columns_count = 9};
	json_t *port;
	size_t i;

	json_array_foreach (json_object_get(after, "ports"), i, port) {
		const json_t *old = same(json_object_get(before, "ports"), port, "name");
		const json_t *pool = json_object_get(port, "pool");
		uint64_t size;

		table_member_text(&table, port, "name");
		table_member_text(&table, port, "link");
		table_rate(&table, member_rate(old, port, "packets", seconds));
		table_bits(&table, member_rate(old, port, "bytes", seconds));
		table_rate(&table, member_rate(old, port, "host", seconds));
		table_rate(&table, member_rate(old, port, "imissed", seconds));
		table_rate(&table, member_rate(old, port, "ierrors", seconds));
		table_rate(&table, member_rate(old, port, "rx_nombuf", seconds));
		if (member_count(pool, "size", &size) && size != 0)
			table_text(&table, "%.0f %%",
				100.0 * (double)member_or_zero(pool, "in_use") / (double)size);
		else
			table_text(&table, "-");
	}
	table_end(&table, stream);
}

static void table_depth(struct table *table, const json_t *queue)
{
	uint64_t length;

	if (!member_count(queue, "length", &length))
		table_text(table, "-");
	else if (length == 0)
		table_text(table, "no ring"); /* its owner is the only receiver */
	else
		table_text(
			table, "%" PRIu64 " of %" PRIu64, member_or_zero(queue, "depth"), length);
}

static void print_queues(const json_t *before, const json_t *after, double seconds, FILE *stream)
{
	static const struct column columns[] = {{"queue", true}, {"lcore", true},
		{"packets/s", true}, {"share", true}, {"bits/s", true}, {"full/s", true},
		{"depth", true}};
	struct table table = {.columns = columns, .columns_count = 7};
	const json_t *old = json_object_get(before, "queues");
	const json_t *queues = json_object_get(after, "queues");
	double sum = 0;
	json_t *queue;
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)queues, i, queue)
		sum += member_rate(same(old, queue, "queue"), queue, "packets", seconds);
	json_array_foreach ((json_t *)(uintptr_t)queues, i, queue) {
		const json_t *was = same(old, queue, "queue");
		double rate = member_rate(was, queue, "packets", seconds);

		table_member_count(&table, queue, "queue");
		table_member_count(&table, queue, "lcore");
		table_rate(&table, rate);
		if (sum > 0)
			table_text(&table, "%.1f %%", 100 * rate / sum);
		else
			table_text(&table, "-");
		table_bits(&table, member_rate(was, queue, "bytes", seconds));
		table_rate(&table, member_rate(was, queue, "full", seconds));
		table_depth(&table, queue);
	}
	table_end(&table, stream);
}

static void print_outputs(const json_t *before, const json_t *after, double seconds, FILE *stream)
{
	static const struct column columns[] = {{"output", false}, {"type", false},
		{"state", false}, {"delivered/s", true}, {"bits/s", true}, {"in flight", true},
		{"dropped", true}, {"dropped now", false}};
	struct table table = {.columns = columns, .columns_count = 8};
	json_t *output;
	size_t i;

	json_array_foreach (json_object_get(after, "outputs"), i, output) {
		const json_t *old = same(json_object_get(before, "outputs"), output, "name");
		const json_t *drops = json_object_get(output, "drops");

		table_member_text(&table, output, "name");
		table_member_text(&table, output, "type");
		table_member_text(&table, output, "state");
		table_rate(&table, member_rate(old, output, "delivered", seconds));
		table_bits(&table, member_rate(old, output, "delivered_bytes", seconds));
		table_member_count(&table, output, "in_flight");
		table_count(&table, sum_members(drops));
		table_drop_rates(&table, json_object_get(old, "drops"), drops, seconds);
	}
	table_end(&table, stream);
	json_array_foreach (json_object_get(after, "outputs"), i, output) {
		const char *error = json_string_value(json_object_get(output, "error"));

		if (error != NULL)
			fprintf(stream, "%s: %s\n", member_text(output, "name"), error);
	}
}

static void print_drops(const json_t *before, const json_t *after, double seconds, FILE *stream)
{
	static const struct column columns[] = {
		{"dropped, by verdict", false}, {"packets", true}, {"packets/s", true}};
	struct table table = {.columns = columns, .columns_count = 3};
	const json_t *drops = json_object_get(after, "drops");
	const char *verdict;
	json_t *count;

	json_object_foreach ((json_t *)(uintptr_t)drops, verdict, count) {
		if (json_integer_value(count) == 0)
			continue;
		table_text(&table, "%s", verdict);
		table_member_count(&table, drops, verdict);
		table_rate(&table,
			member_rate(json_object_get(before, "drops"), drops, verdict, seconds));
	}
	if (table.count == 0)
		fputs("dropped: nothing\n", stream);
	else
		table_end(&table, stream);
}

/* A session of /api/v1/sessions with its rate. */
struct busy_session {
	const json_t *old; /* NULL: the sample before does not have it */
	const json_t *session;
	double rate;
};

static int busier(const void *a, const void *b)
{
	const struct busy_session *left = a, *right = b;

	return (left->rate < right->rate) - (left->rate > right->rate);
}

/* A sample by VNI; lists of a thousand are not to be searched for each member. Borrows them. */
static json_t *by_vni(const json_t *sessions)
{
	json_t *map = json_object();
	json_t *session;
	char vni[24];
	size_t i;

	json_array_foreach ((json_t *)(uintptr_t)sessions, i, session) {
		snprintf(vni, sizeof(vni), "%" PRIu64, member_or_zero(session, "vni"));
		json_object_set(map, vni, session);
	}
	return map;
}

/* The busiest of now. */
static void print_sessions(const json_t *before, const json_t *after, double seconds, FILE *stream)
{
	enum { SHOWN = 10 };
	static const struct column columns[] = {{"VNI", true}, {"session", false},
		{"packets/s", true}, {"bits/s", true}, {"dropped/s", true}};
	struct table table = {.columns = columns, .columns_count = 5};
	const json_t *sessions = json_object_get(after, "sessions");
	size_t count = json_array_size(sessions);
	struct busy_session *busy = calloc(count + 1, sizeof(*busy));
	json_t *old = by_vni(json_object_get(before, "sessions"));
	char vni[24];

	for (size_t i = 0; busy != NULL && i < count; i++) {
		busy[i].session = json_array_get(sessions, i);
		snprintf(vni, sizeof(vni), "%" PRIu64, member_or_zero(busy[i].session, "vni"));
		busy[i].old = json_object_get(old, vni);
		busy[i].rate = member_rate(busy[i].old, busy[i].session, "packets", seconds);
	}
	if (busy != NULL)
		qsort(busy, count, sizeof(*busy), busier);
	for (size_t i = 0; busy != NULL && i < count && i < SHOWN; i++) {
		const struct busy_session *b = &busy[i];

		table_text(&table, "%" PRIu64, member_or_zero(b->session, "vni"));
		table_member_text(&table, b->session, "name");
		table_rate(&table, b->rate);
		table_bits(&table, member_rate(b->old, b->session, "bytes", seconds));
		table_rate(&table, member_rate(b->old, b->session, "drops", seconds));
	}
	table_end(&table, stream);
	if (count > SHOWN)
		fprintf(stream, "the busiest %u of %zu%s\n", (unsigned)SHOWN, count,
			member_or_zero(json_object_get(after, "other"), "sessions") > 0 ? " or more"
											: "");
	json_decref(old);
	free(busy);
}

static void print_balance(const json_t *ledger, FILE *stream)
{
	static const char *const keys[] = {"received", "host", "accepted", "in_flight"};
	char drops[FORMAT_SIZE];
	char text[4][FORMAT_SIZE];

	for (unsigned i = 0; i < 4; i++)
		format_count(text[i], member_or_zero(ledger, keys[i]));
	format_count(drops, sum_members(json_object_get(ledger, "drops")));
	fprintf(stream, "received %s = host %s + accepted %s + drops %s + in flight %s   %s\n",
		text[0], text[1], text[2], drops, text[3],
		json_is_true(json_object_get(ledger, "balanced"))
			? "balanced"
			: "NOT BALANCED: see mirrortap ledger");
}

void print_samples(const struct sample *before, const struct sample *after, FILE *stream)
{
	double seconds = after->seconds - before->seconds;
	char uptime[FORMAT_SIZE];

	format_duration(uptime, member_or_zero(after->status, "uptime_seconds"));
	fprintf(stream, "mirrortapd %s, %s for %s; rates over %.1f s\n",
		member_text(after->status, "version"), member_text(after->status, "state"), uptime,
		seconds);
	/* Here and not at the end, which a small screen cuts off. */
	print_balance(after->ledger, stream);
	fputc('\n', stream);
	print_ports(before->ports, after->ports, seconds, stream);
	fputc('\n', stream);
	print_queues(before->queues, after->queues, seconds, stream);
	fputc('\n', stream);
	print_outputs(before->outputs, after->outputs, seconds, stream);
	fputc('\n', stream);
	print_drops(before->ledger, after->ledger, seconds, stream);
	fputc('\n', stream);
	print_sessions(before->sessions, after->sessions, seconds, stream);
}
