/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "gen_receive.h"

static void put(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

static json_t *latency_json(const struct gen_histogram *latency)
{
	json_t *object = json_object();

	put(object, "min", latency->count != 0 ? latency->min : 0);
	put(object, "mean", latency->count != 0 ? latency->sum / latency->count : 0);
	put(object, "p50", gen_histogram_percentile(latency, 0.5));
	put(object, "p90", gen_histogram_percentile(latency, 0.9));
	put(object, "p99", gen_histogram_percentile(latency, 0.99));
	put(object, "p99_9", gen_histogram_percentile(latency, 0.999));
	put(object, "max", latency->max);
	return object;
}

static uint64_t flows_seen(const struct gen_account *account)
{
	uint64_t seen = 0;

	for (uint32_t f = 0; f < account->flows_count; f++)
		seen += account->flows[f].unique != 0;
	return seen;
}

static json_t *per_flow_json(const struct gen_account *account)
{
	json_t *list = json_array();

	for (uint32_t f = 0; f < RTE_MIN(account->per_flow, account->flows_count); f++) {
		const struct gen_flow_account *flow = &account->flows[f];
		json_t *object;

		if (flow->unique == 0)
			continue;
		object = json_object();
		put(object, "flow", f);
		put(object, "unique", flow->unique);
		put(object, "lost", gen_flow_lost(flow));
		put(object, "duplicated", flow->duplicated);
		put(object, "reordered", flow->reordered);
		if (account->flow_latency[f] != NULL)
			json_object_set_new(
				object, "latency_ns", latency_json(account->flow_latency[f]));
		json_array_append_new(list, object);
	}
	return list;
}

/* From the first mark to the last. */
static double seconds_of(const struct gen_receiver *receiver)
{
	return (double)(receiver->last_ns - receiver->first_ns) / 1e9;
}

static void print_json(const struct gen_receiver *receiver)
{
	const struct gen_account *account = &receiver->account;
	json_t *object = json_object();
	double seconds = seconds_of(receiver);

	put(object, "frames", receiver->frames);
	put(object, "bytes", receiver->bytes);
	put(object, "marked", account->marked);
	put(object, "unmarked", receiver->unmarked);
	put(object, "unique", account->unique);
	put(object, "lost", gen_account_lost(account, receiver->options->expect));
	put(object, "duplicated", account->duplicated);
	put(object, "reordered", account->reordered);
	put(object, "reordered_one_way", account->reordered_one_way);
	put(object, "stale", account->stale);
	put(object, "other_runs", account->other_runs);
	put(object, "impossible", account->impossible);
	put(object, "early", account->early);
	put(object, "missed", receiver->missed);
	put(object, "run", account->run);
	put(object, "flows", flows_seen(account));
	json_object_set_new(object, "seconds", json_real(seconds));
	json_object_set_new(
		object, "pps", json_real(seconds > 0 ? (double)account->marked / seconds : 0));
	json_object_set_new(object, "latency_ns", latency_json(account->latency));
	if (account->per_flow != 0)
		json_object_set_new(object, "per_flow", per_flow_json(account));
	json_dumpf(object, stdout, JSON_REAL_PRECISION(9));
	putchar('\n');
	json_decref(object);
}

static void print_latency(const struct gen_histogram *latency)
{
	printf("latency in microseconds: p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, max %.1f\n",
		(double)gen_histogram_percentile(latency, 0.5) / 1e3,
		(double)gen_histogram_percentile(latency, 0.9) / 1e3,
		(double)gen_histogram_percentile(latency, 0.99) / 1e3,
		(double)gen_histogram_percentile(latency, 0.999) / 1e3, (double)latency->max / 1e3);
}

static void print_flows(const struct gen_account *account)
{
	for (uint32_t f = 0; f < RTE_MIN(account->per_flow, account->flows_count); f++) {
		const struct gen_flow_account *flow = &account->flows[f];

		if (flow->unique == 0)
			continue;
		printf("flow %" PRIu32 ": %" PRIu64 " unique, %" PRIu64 " lost, %" PRIu64
		       " duplicated, %" PRIu64 " reordered; ",
			f, flow->unique, gen_flow_lost(flow), flow->duplicated, flow->reordered);
		if (account->flow_latency[f] != NULL)
			print_latency(account->flow_latency[f]);
		else
			putchar('\n');
	}
}

static void print_words(const struct gen_receiver *receiver)
{
	const struct gen_account *account = &receiver->account;

	printf("%" PRIu64 " frames, %" PRIu64 " bytes: %" PRIu64 " with a mark, of %" PRIu64
	       " flows, and %" PRIu64 " without\n",
		receiver->frames, receiver->bytes, account->marked, flows_seen(account),
		receiver->unmarked);
	printf("%" PRIu64 " unique, %" PRIu64 " lost, %" PRIu64 " duplicated, %" PRIu64
	       " reordered (%" PRIu64 " of them within one direction)\n",
		account->unique, gen_account_lost(account, receiver->options->expect),
		account->duplicated, account->reordered, account->reordered_one_way);
	if (account->stale != 0)
		printf("%" PRIu64 " came too late to be told from duplicates\n", account->stale);
	if (account->other_runs + account->impossible != 0)
		printf("%" PRIu64 " marks of other runs, %" PRIu64 " that make no sense\n",
			account->other_runs, account->impossible);
	if (account->early != 0)
		printf("%" PRIu64 " were received before they were sent: compare the clocks\n",
			account->early);
	if (receiver->missed != 0)
		printf("%" PRIu64 " were missed by the receiving port or interface itself\n",
			receiver->missed);
	print_latency(account->latency);
	print_flows(account);
}

bool gen_report_received(const struct gen_receiver *receiver)
{
	if (receiver->options->json)
		print_json(receiver);
	else
		print_words(receiver);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	gen_complain("the result could not be written: %s", strerror(errno));
	return false;
}
