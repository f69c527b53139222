/* SPDX-License-Identifier: BSD-3-Clause */
/* The stages right of the spread, put together. */
#include "datapath/latency.h"
#include "datapath/stages.h"
#include "datapath/worker.h"

/* What the reordering has let go, in its order, a burst at a time. */
static uint32_t deliver_ready(struct mt_worker *worker, uint16_t queue)
{
	struct mt_queue *q = worker->datapath->queues[queue];
	const uint32_t count = q->reorder->ready_count;
	struct mt_times times;

	for (uint32_t at = 0; at < count; at += MT_BURST) {
		struct rte_mbuf **frames = &q->reorder->ready[at];
		uint16_t burst = (uint16_t)RTE_MIN(count - at, (uint32_t)MT_BURST);
		uint64_t bytes = 0;

		for (uint16_t i = 0; i < burst; i++)
			bytes += frames[i]->pkt_len;
		mt_times_read(&times, frames, burst);
		mt_stage_deliver(worker, queue, frames, burst, bytes);
		mt_latency_measure(
			&q->counters.latency, mt_clock_ns(&worker->clock, rte_rdtsc()), &times);
	}
	q->reorder->ready_count = 0;
	return count;
}

uint16_t mt_queue_pass(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t bytes, struct mt_times *times)
{
	if (unlikely(worker->snapshot->dedup_tables != NULL))
		count = mt_stage_dedup(worker, queue, frames, count, &bytes);
	if (unlikely(worker->snapshot->reorder_window_tsc != 0)) {
		mt_stage_reorder(worker, queue, frames, count);
		deliver_ready(worker, queue);
		count = 0; /* it has told the latencies by itself */
	}
	if (times != NULL)
		mt_times_read(times, frames, count);
	if (likely(count > 0))
		mt_stage_deliver(worker, queue, frames, count, bytes);
	return count;
}

uint32_t mt_queue_release(struct mt_worker *worker, uint16_t queue, bool all)
{
	struct mt_reorder *reorder = worker->datapath->queues[queue]->reorder;

	if (reorder == NULL || reorder->held == 0)
		return 0;
	if (all)
		mt_reorder_flush(reorder);
	else
		mt_reorder_expire(reorder, rte_rdtsc());
	return deliver_ready(worker, queue);
}
