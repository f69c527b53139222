/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/reorder.h"

#include "datapath/stages.h"
#include "datapath/worker.h"

void mt_stage_reorder(
	struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	const struct mt_snapshot *snapshot = worker->snapshot;
	struct mt_reorder *reorder = worker->datapath->queues[queue]->reorder;
	struct mt_segment segments[MT_BURST];
	uint64_t now = rte_rdtsc();

	for (uint16_t i = 0; i < count; i++)
		rte_prefetch0(rte_pktmbuf_mtod(frames[i], const uint8_t *));
	for (uint16_t i = 0; i < count; i++) {
		mt_reorder_read(reorder, &snapshot->reorder, frames[i], &segments[i]);
		mt_reorder_prefetch(reorder, &segments[i]);
	}
	for (uint16_t i = 0; i < count; i++)
		mt_reorder_push(
			reorder, &segments[i], frames[i], now, snapshot->reorder_window_tsc);
}
