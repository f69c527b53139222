/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/stages.h"
#include "datapath/worker.h"

void mt_stage_host(struct mt_worker *worker, uint16_t port, struct mt_batch *batch)
{
	struct rte_ring *ring = worker->host[port];
	uint16_t count = batch->host_count;
	unsigned taken;

	if (ring == NULL) {
		/* No host interface: counted as `host` all the same, and freed. */
		rte_pktmbuf_free_bulk(batch->host, count);
		return;
	}
	taken = rte_ring_enqueue_burst(ring, (void **)batch->host, count, NULL);
	batch->host_count = taken;
	batch->verdicts[MT_VERDICT_HOST] = taken;
	batch->verdicts[MT_VERDICT_HOST_FULL] += count - taken;
	for (uint16_t i = taken; i < count; i++)
		batch->dropped[batch->dropped_count++] = batch->host[i];
}
