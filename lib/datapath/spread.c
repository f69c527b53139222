/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/latency.h"
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "output/release.h"
#include "packet/flow_hash.h"

/* The frames of one queue to its owner. Returns how many were delivered at once. */
static uint16_t hand_over(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t bytes)
{
	unsigned taken;

	if (worker->owns[queue])
		return mt_queue_pass(worker, queue, frames, count, bytes, NULL);
	taken = rte_ring_enqueue_burst(
		worker->datapath->queues[queue]->ring, (void **)frames, count, NULL);
	if (unlikely(taken < count)) {
		/* Released, because it must not be seen before the packets were counted as
		 * queued; the ledger acquires it. */
		__atomic_store_n(&worker->full.full[queue],
			worker->full.full[queue] + count - taken, __ATOMIC_RELEASE);
		mt_sessions_lose(&worker->sessions, &frames[taken], count - taken);
		mt_release(&frames[taken], count - taken);
	}
	return 0;
}

/* All frames of the batch have one receive time, and the clock is read once for all its queues: so
 * the latency of the first ones is told a little too high. */
static void count_latency(struct mt_worker *worker, uint16_t queue, uint64_t ns, uint16_t delivered)
{
	if (delivered > 0)
		mt_latency_count(&worker->datapath->queues[queue]->counters.latency, ns, delivered);
}

static uint64_t since(struct mt_worker *worker, uint64_t time_ns)
{
	uint64_t now_ns = mt_clock_ns(&worker->clock, rte_rdtsc());

	return now_ns > time_ns ? now_ns - time_ns : 0;
}

/* Sorts the frames of a batch by queue, in order within each: by counting, without a branch that
 * depends on a hash, because wrong guesses cost more than all the rest where queues are many.
 * Returns how many queues have frames, each a part. */
static uint16_t sort(struct mt_spread *spread, const struct mt_batch *batch, uint16_t queues)
{
	uint8_t queue_of[MT_BURST], rank[MT_BURST];
	uint8_t first[MT_DATAPATH_MAX_QUEUES];
	uint8_t counts[MT_DATAPATH_MAX_QUEUES] = {0};
	uint32_t bytes[MT_DATAPATH_MAX_QUEUES] = {0};
	const uint16_t count = batch->count;
	uint16_t parts = 0;
	uint8_t from = 0;

	static_assert(
		MT_BURST <= UINT8_MAX && MT_DATAPATH_MAX_QUEUES <= UINT8_MAX, "small numbers");
	for (uint16_t i = 0; i < count; i++) {
		uint8_t queue = mt_hash_queue(batch->frames[i]->hash.rss, queues);

		queue_of[i] = queue;
		rank[i] = counts[queue]++;
		bytes[queue] += batch->frames[i]->pkt_len;
	}
	for (uint16_t queue = 0; queue < queues; queue++) {
		first[queue] = from;
		spread->parts[parts] = (struct mt_spread_part){
			.queue = queue,
			.first = from,
			.count = counts[queue],
			.bytes = bytes[queue],
		};
		parts += counts[queue] != 0;
		from += counts[queue];
	}
	for (uint16_t i = 0; i < count; i++)
		spread->frames[first[queue_of[i]] + rank[i]] = batch->frames[i];
	return parts;
}

void mt_stage_spread(struct mt_worker *worker, struct mt_batch *batch)
{
	const uint16_t queues = worker->snapshot->queues;
	struct mt_spread *spread = &worker->spread;
	uint16_t parts;
	uint16_t delivered;
	uint64_t ns;

	if (queues == 1) {
		delivered = hand_over(worker, 0, batch->frames, batch->count, batch->sums.bytes);
		count_latency(worker, 0, since(worker, batch->time_ns), delivered);
		return;
	}
	parts = sort(spread, batch, queues);
	for (uint16_t p = 0; p < parts; p++) {
		struct mt_spread_part *part = &spread->parts[p];

		part->count = hand_over(worker, part->queue, &spread->frames[part->first],
			part->count, part->bytes);
	}
	ns = since(worker, batch->time_ns);
	for (uint16_t p = 0; p < parts; p++)
		count_latency(worker, spread->parts[p].queue, ns, spread->parts[p].count);
}
