/* SPDX-License-Identifier: BSD-3-Clause */
/* The stages right of the spread, put together. */
#include "datapath/latency.h"
#include "datapath/stages.h"
#include "datapath/worker.h"

uint16_t mt_queue_pass(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t bytes, struct mt_times *times)
{
	if (unlikely(worker->snapshot->dedup.window_ms != 0))
		count = mt_stage_dedup(worker, queue, frames, count, &bytes);
	if (times != NULL)
		mt_times_read(times, frames, count);
	if (likely(count > 0))
		mt_stage_deliver(worker, queue, frames, count, bytes);
	return count;
}
