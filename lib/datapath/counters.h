/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters of the datapath. Each has one writer; see output/commit.h for how they are read. */
#pragma once

#include <stdint.h>

#include <rte_common.h>

#include "output/commit.h"
#include "packet/verdict.h"

enum {
	MT_DATAPATH_MAX_PORTS = 16,
	MT_DATAPATH_MAX_QUEUES = 64,
};

/* What a worker did with what it received. Writer: the worker. Always:
 * sum(packets) = host + sum(drops before the queues) + queued. */
struct mt_receive_counts {
	uint64_t packets[MT_DATAPATH_MAX_PORTS]; /* per port, by its place in the configuration */
	uint64_t bytes[MT_DATAPATH_MAX_PORTS];
	uint64_t host[MT_DATAPATH_MAX_PORTS];
	uint64_t verdicts[MT_VERDICT_COUNT]; /* but not accepted, queue_full, stopped */
	uint64_t queued;                     /* decapsulated and on the way to their queues */
};

struct mt_receive_counters {
	struct mt_commit commit;
	struct mt_receive_counts counts;
} __rte_cache_aligned;

/* What left a queue's way. Always: queued = sum(accepted + full + stopped) + in flight. */
struct mt_queue_counts {
	uint64_t accepted; /* given to the outputs */
	uint64_t accepted_bytes;
	uint64_t stopped; /* written by control when the workers have ended */
};

/* Writer: the queue's owner. */
struct mt_queue_counters {
	struct mt_commit commit;
	struct mt_queue_counts counts;
} __rte_cache_aligned;

/* Packets that found a queue's ring full. Writer: the worker that received them. */
struct mt_full_counters {
	uint64_t full[MT_DATAPATH_MAX_QUEUES];
} __rte_cache_aligned;
