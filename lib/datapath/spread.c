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

/* All frames that are spread at once are taken for as old as the oldest, and the clock is read once
 * for all queues: so the latency of some is told a little too high, of none too low. */
static void count_latency(struct mt_worker *worker, uint16_t queue, uint64_t ns, uint16_t delivered)
{
	if (delivered > 0)
		mt_latency_count(&worker->datapath->queues[queue]->counters.latency, ns, delivered);
}

/* All that is set aside for one queue. */
static uint16_t empty(struct mt_worker *worker, uint16_t queue)
{
	struct mt_spread_queue *to = &worker->spread.to[queue];
	const mt_tally_t tally = to->tally;

	to->tally = 0;
	return hand_over(worker, queue, to->frames, mt_tally_frames(tally), mt_tally_bytes(tally));
}

/* More frames of one queue than it can have set aside. */
static __rte_noinline void empty_full(struct mt_worker *worker, uint16_t queue)
{
	uint16_t delivered = empty(worker, queue);

	count_latency(
		worker, queue, mt_clock_since(&worker->clock, worker->spread.time_ns), delivered);
}

void mt_stage_spread(struct mt_worker *worker, struct mt_batch *batch)
{
	const uint16_t queues = worker->snapshot->queues;
	struct mt_spread *spread = &worker->spread;
	uint16_t delivered;

	if (queues == 1) {
		delivered = hand_over(worker, 0, batch->frames, batch->count, batch->sums.bytes);
		count_latency(worker, 0, mt_clock_since(&worker->clock, batch->time_ns), delivered);
		return;
	}
	if (spread->count == 0)
		spread->time_ns = batch->time_ns;
	spread->count += batch->count;
	for (uint16_t i = 0; i < batch->count; i++) {
		struct rte_mbuf *frame = batch->frames[i];
		uint16_t queue = mt_hash_queue(frame->hash.rss, queues);
		struct mt_spread_queue *to = &spread->to[queue];
		mt_tally_t tally = to->tally;

		to->frames[mt_tally_frames(tally)] = frame;
		tally += mt_tally_of(frame->pkt_len);
		to->tally = tally;
		if (unlikely(mt_tally_frames(tally) == MT_BURST))
			empty_full(worker, queue);
	}
	if (spread->count + MT_BURST > mt_spread_limit(queues))
		mt_spread_flush(worker);
}

void mt_spread_flush(struct mt_worker *worker)
{
	const uint16_t queues = worker->snapshot->queues;
	struct mt_spread *spread = &worker->spread;
	uint16_t delivered[MT_DATAPATH_MAX_QUEUES];
	uint64_t ns;

	if (spread->count == 0)
		return;
	mt_worker_enter(worker, MT_STAGE_SPREAD);
	spread->count = 0;
	for (uint16_t queue = 0; queue < queues; queue++)
		delivered[queue] = spread->to[queue].tally != 0 ? empty(worker, queue) : 0;
	ns = mt_clock_since(&worker->clock, spread->time_ns);
	for (uint16_t queue = 0; queue < queues; queue++)
		count_latency(worker, queue, ns, delivered[queue]);
}
