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
	uint64_t verdicts[MT_VERDICT_COUNT]; /* but not accepted, queue_full, duplicate, stopped */
	uint64_t queued;                     /* decapsulated and on the way to their queues */
};

struct mt_receive_counters {
	struct mt_commit commit;
	struct mt_receive_counts counts;
} __rte_cache_aligned;

/* What left a queue's way. Always: queued = sum(accepted + full + duplicates + stopped) + in
 * flight. */
struct mt_queue_counts {
	uint64_t accepted; /* given to the outputs */
	uint64_t accepted_bytes;
	uint64_t duplicates;
	uint64_t stopped; /* written by control when the workers have ended */
};

/* Latency from receive to delivery, in powers of two: bucket b counts frames that took less than
 * MT_LATENCY_FIRST_NS << b nanoseconds and not less than half of it; the first and the last bucket
 * take what is beyond them. */
enum {
	MT_LATENCY_FIRST_NS = 512,
	MT_LATENCY_BUCKETS = 24, /* the last bound is above 2 seconds */
};

struct mt_latency {
	uint64_t sum_ns;
	uint64_t buckets[MT_LATENCY_BUCKETS];
};

/* Writer: the queue's owner. */
struct mt_queue_counters {
	struct mt_commit commit;
	struct mt_queue_counts counts;
	struct mt_latency latency; /* each number by itself, not part of the equation */
	uint64_t high_water;       /* of the queue's ring, as its owner found it */
	uint64_t dedup_evicted;    /* forgotten within the window: the table was full */
} __rte_cache_aligned;

/* Counts frames that are given to the outputs. The queue's owner. */
static inline void mt_queue_accept(
	struct mt_queue_counters *counters, uint32_t frames, uint64_t bytes)
{
	mt_commit_begin(&counters->commit);
	mt_count(&counters->counts.accepted, frames);
	mt_count(&counters->counts.accepted_bytes, bytes);
	mt_commit_end(&counters->commit);
}

enum {
	MT_SLOW_LOOP_US = 1000,
};

/* What a worker spends its time on, in TSC cycles. Writer: the worker. */
struct mt_load_counters {
	uint64_t busy_cycles;    /* loops that had packets */
	uint64_t idle_cycles;    /* loops that had none */
	uint64_t packets;        /* received or taken from a queue's ring */
	uint64_t longest_cycles; /* of one loop that had packets */
	uint64_t slow_loops;     /* that had packets and took longer than MT_SLOW_LOOP_US */
} __rte_cache_aligned;

/* Packets that found a queue's ring full. Writer: the worker that received them. */
struct mt_full_counters {
	uint64_t full[MT_DATAPATH_MAX_QUEUES];
} __rte_cache_aligned;
