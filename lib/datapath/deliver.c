/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "output/output.h"
#include "output/release.h"

static void deliver_all(const struct mt_snapshot *snapshot, uint16_t queue,
	struct rte_mbuf **frames, uint16_t count)
{
	const uint16_t outputs = snapshot->outputs_count;

	if (outputs == 0)
		mt_release(frames, count);
	/* One reference for each output, no copies. */
	for (uint16_t i = 0; outputs > 1 && i < count; i++)
		rte_pktmbuf_refcnt_update(frames[i], outputs - 1);
	for (uint16_t o = 0; o < outputs; o++)
		snapshot->outputs[o]->ops->send(snapshot->outputs[o], queue, frames, count);
}

void mt_stage_deliver(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t bytes)
{
	const struct mt_snapshot *snapshot = worker->snapshot;

	mt_worker_enter(worker, MT_STAGE_DELIVER);
	mt_queue_accept(&worker->datapath->queues[queue]->counters, count, bytes);
	/* Before the frames are others'. */
	if (unlikely(atomic_load_explicit(&worker->datapath->capturing, memory_order_relaxed) != 0))
		mt_stage_capture(worker, queue, frames, count);
	if (snapshot->chooses)
		mt_deliver_chosen(snapshot, queue, frames, count);
	else
		deliver_all(snapshot, queue, frames, count);
}
