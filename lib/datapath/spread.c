/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "output/release.h"
#include "packet/flow_hash.h"

static void hand_over(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t bytes)
{
	struct mt_queue *q = worker->datapath->queues[queue];
	unsigned taken;

	if (q->owner == worker->index) {
		mt_stage_deliver(worker, queue, frames, count, bytes);
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
	uint16_t touched[MT_BURST];
	uint16_t touched_count = 0;

	if (queues == 1) {
		hand_over(worker, 0, batch->frames, batch->count, batch->sums.bytes);
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

		hand_over(worker, touched[t], spread->frames, spread->count, spread->bytes);
		spread->count = 0;
		spread->bytes = 0;
	}
}
