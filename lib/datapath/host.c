/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/stages.h"

/* No port has a host interface yet: the frames are counted as `host` (by the worker) and freed
 * here. */
void mt_stage_host(struct mt_batch *batch)
{
	rte_pktmbuf_free_bulk(batch->host, batch->host_count);
	batch->host_count = 0;
}
