/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "output/release.h"
#include "packet/flow_hash.h"

static void hand_over(
	struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct mt_queue *q = worker->datapath->queues[queue];
	unsigned taken;

	if (q->owner == worker->index) {
		mt_stage_deliver(worker, queue, frames, count);
		return;
	}
	taken = rte_ring_enqueue_burst(q->ring, (void **)frames, count, NULL);
	if (unlikely(taken < count)) {
		/* Released, because it must not be seen before the packets were counted as
		 * queued; the ledger acquires it. */
		__atomic_store_n(&worker->full.full[queue],
			worker->full.full[queue] + count - taken, __ATOMIC_RELEASE);
		mt_sessions_lose(&worker->sessions, &frames[taken], count - taken);
		mt_release(&frames[taken], count - taken);
	}
}

void mt_stage_spread(struct mt_worker *worker, struct mt_batch *batch)
{
	const uint16_t queues = worker->snapshot->queues;
	uint16_t *counts = worker->spread_counts;
	uint16_t touched[MT_BURST];
	uint16_t touched_count = 0;

	if (queues == 1) {
		hand_over(worker, 0, batch->frames, batch->count);
		return;
	}
	for (uint16_t i = 0; i < batch->count; i++) {
		struct rte_mbuf *frame = batch->frames[i];
		uint32_t queue = mt_hash_queue(frame->hash.rss, queues);

		if (counts[queue] == 0)
			touched[touched_count++] = queue;
		worker->spread[queue][counts[queue]++] = frame;
	}
	for (uint16_t t = 0; t < touched_count; t++) {
		uint16_t queue = touched[t];
		uint16_t count = counts[queue];

		counts[queue] = 0;
		hand_over(worker, queue, worker->spread[queue], count);
	}
}
