/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a ring output's frames wait: one rte_ring of mbufs per queue, found by name by DPDK
 * secondary processes of the daemon. Frames carry struct mt_frame_info. A consumer may read them,
 * must not write to them, and frees each with rte_pktmbuf_free(). */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include <rte_ring.h>

/* Writes "mt_OUTPUT_QUEUE" into `name`. Rings of the daemon's own begin with "mti_", which no
 * output can be called. */
static inline void mt_ring_name(char name[RTE_RING_NAMESIZE], const char *output, unsigned queue)
{
	snprintf(name, RTE_RING_NAMESIZE, "mt_%.15s_%u", output, queue % 1000);
}
