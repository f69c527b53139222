/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ledger.h"

static void read_queues(struct mt_datapath *datapath, struct mt_ledger *ledger)
{
	for (uint16_t q = 0; q < datapath->queues_count; q++) {
		struct mt_queue_counters *counters = &datapath->queues[q]->counters;
		struct mt_queue_counts counts;

		mt_commit_read(&counters->commit, (uint64_t *)&counts,
			(const uint64_t *)&counters->counts, sizeof(counts));
		ledger->accepted += counts.accepted;
		ledger->drops[MT_VERDICT_DUPLICATE] += counts.duplicates;
		ledger->drops[MT_VERDICT_STOPPED] += counts.stopped;
		for (uint16_t w = 0; w < datapath->workers_count; w++)
			ledger->drops[MT_VERDICT_QUEUE_FULL] += __atomic_load_n(
				&datapath->workers[w]->full.full[q], __ATOMIC_ACQUIRE);
	}
}

/* Returns how many went on to the queues. */
static uint64_t read_workers(struct mt_datapath *datapath, struct mt_ledger *ledger)
{
	uint64_t queued = 0;

	for (uint16_t w = 0; w < datapath->workers_count; w++) {
		struct mt_receive_counters *counters = &datapath->workers[w]->receive;
		struct mt_receive_counts counts;

		mt_commit_read(&counters->commit, (uint64_t *)&counts,
			(const uint64_t *)&counters->counts, sizeof(counts));
		for (unsigned p = 0; p < MT_DATAPATH_MAX_PORTS; p++) {
			ledger->received += counts.packets[p];
			ledger->host += counts.host[p];
			ledger->ports[p].received += counts.packets[p];
			ledger->ports[p].received_bytes += counts.bytes[p];
			ledger->ports[p].host += counts.host[p];
		}
		for (unsigned v = MT_VERDICT_HOST + 1; v < MT_VERDICT_COUNT; v++)
			ledger->drops[v] += counts.verdicts[v];
		queued += counts.queued;
	}
	return queued;
}

static bool read_output(struct mt_output *output, struct mt_ledger_output *sum)
{
	uint64_t accounted;

	memcpy(sum->name, output->name, sizeof(sum->name));
	for (uint16_t q = 0; q < output->queues; q++) {
		struct mt_output_counts counts;
		uint64_t in_flight;

		mt_output_read(output, q, &counts, &in_flight);
		sum->offered += counts.offered;
		sum->delivered += counts.delivered;
		sum->in_flight += in_flight;
		for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++)
			sum->drops[r] += counts.drops[r];
	}
	accounted = sum->delivered + sum->in_flight;
	for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++)
		accounted += sum->drops[r];
	return sum->offered == accounted;
}

/* The most that can be on its way: what the rings hold, what is held back to be put in order, and
 * in each worker's hands what it spreads at once and a burst for a queue. */
static uint64_t in_flight_limit(const struct mt_datapath *datapath)
{
	uint64_t hands = MT_BURST + mt_spread_limit(datapath->queues_count);
	uint64_t limit = datapath->workers_count * hands;

	for (uint16_t q = 0; q < datapath->queues_count; q++) {
		if (datapath->queues[q]->ring != NULL)
			limit += rte_ring_get_capacity(datapath->queues[q]->ring);
		if (datapath->queues[q]->reorder != NULL)
			limit += datapath->queues[q]->reorder->packets;
	}
	return limit;
}

static void read_once(
	struct mt_datapath *datapath, const struct mt_snapshot *snapshot, struct mt_ledger *ledger)
{
	uint64_t accounted;
	uint64_t queued;

	*ledger = (struct mt_ledger){.balanced = true};
	ledger->outputs_count = snapshot->outputs_count;
	/* Against the stream, outputs first and workers last: what has come out at one place has
	 * then been counted going in at the one read after it. */
	for (uint16_t o = 0; o < snapshot->outputs_count; o++) {
		if (!read_output(snapshot->outputs[o], &ledger->outputs[o]))
			ledger->balanced = false;
	}
	read_queues(datapath, ledger);
	queued = read_workers(datapath, ledger);
	ledger->in_flight = queued - ledger->accepted - ledger->drops[MT_VERDICT_QUEUE_FULL]
		- ledger->drops[MT_VERDICT_DUPLICATE] - ledger->drops[MT_VERDICT_STOPPED];

	accounted = ledger->host + ledger->accepted + ledger->in_flight;
	for (unsigned v = MT_VERDICT_HOST + 1; v < MT_VERDICT_COUNT; v++)
		accounted += ledger->drops[v];
	/* The sides of the queues are counted apart: more out than in would be negative. */
	if (ledger->received != accounted || (int64_t)ledger->in_flight < 0)
		ledger->balanced = false;
}

void mt_ledger_read(
	struct mt_datapath *datapath, const struct mt_snapshot *snapshot, struct mt_ledger *ledger)
{
	enum { TRIES = 100 };
	uint64_t limit = in_flight_limit(datapath);

	/* When this thread loses its CPU between the two sides of the queues, what passed through
	 * them meanwhile looks as if it were on its way: then it looks again. */
	for (unsigned n = 0; n < TRIES; n++) {
		read_once(datapath, snapshot, ledger);
		if (ledger->in_flight <= limit)
			return;
	}
}
