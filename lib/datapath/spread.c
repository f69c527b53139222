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
	struct mt_queue *q = worker->datapath->queues[queue];
	unsigned taken;

	if (q->owner == worker->index)
		return mt_queue_pass(worker, queue, frames, count, bytes, NULL);
	taken = rte_ring_enqueue_burst(q->ring, (void **)frames, count, NULL);
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

void mt_stage_spread(struct mt_worker *worker, struct mt_batch *batch)
{
	const uint16_t queues = worker->snapshot->queues;
	uint16_t touched[MT_BURST];
	uint16_t touched_count = 0;
	uint16_t delivered;
	uint64_t ns;

	if (queues == 1) {
		delivered = hand_over(worker, 0, batch->frames, batch->count, batch->sums.bytes);
		count_latency(worker, 0, since(worker, batch->time_ns), delivered);
		return;
	}
	for (uint16_t i = 0; i < batch->count; i++) {
		struct rte_mbuf *frame = batch->frames[i];
		uint32_t queue = mt_hash_queue(frame->hash.rss, queues);
		struct mt_spread *spread = &worker->spread[queue];

		if (spread->count == 0)
			touched[touched_count++] = queue;
		spread->frames[spread->count++] = frame;
		spread->bytes += frame->pkt_len;
	}
	for (uint16_t t = 0; t < touched_count; t++) {
		struct mt_spread *spread = &worker->spread[touched[t]];

		spread->count =
			hand_over(worker, touched[t], spread->frames, spread->count, spread->bytes);
	}
	ns = since(worker, batch->time_ns);
	for (uint16_t t = 0; t < touched_count; t++) {
		struct mt_spread *spread = &worker->spread[touched[t]];

		count_latency(worker, touched[t], ns, spread->count);
		spread->count = 0;
		spread->bytes = 0;
	}
}
