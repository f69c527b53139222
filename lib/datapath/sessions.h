/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters per session (VNI), a table in each worker's memory. Nothing is evicted, so no counter
 * goes back, and what finds no place is counted in one more entry, so that nothing is missing:
 * summed over all entries of all workers,
 * packets = accepted + duplicate + stopped + in flight + queue_full.
 *
 * Writer: the worker. Readers: any thread, without a lock: a key is published with release, behind
 * it the counters are relaxed. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#include "datapath/batch.h"

/* An AWS account has 10,000 sessions at most (VPC quotas, Traffic Mirroring): so many find a place,
 * at a load of 61 %. A bucket is one cache line of keys; a VNI is looked for in MT_SESSION_CHOICES
 * of them at most, whatever VNIs an attacker sends. */
enum {
	MT_SESSION_WAYS = 16,
	MT_SESSION_BUCKETS = 1024,
	MT_SESSION_CHOICES = 4,
	MT_SESSION_CAPACITY = MT_SESSION_WAYS * MT_SESSION_BUCKETS,
	MT_SESSION_OTHER = MT_SESSION_CAPACITY, /* the entry of what found no place */
	MT_SESSION_ENTRIES,
};

struct mt_session_counts {
	uint64_t bytes;     /* of the packets */
	uint64_t packets;   /* inner frames that were to go to their queues */
	uint64_t truncated; /* of these frames, those that arrived cut */
	/* Whose VNI was known. queue_full: counted in `packets` too; what never was to go to a
	 * queue (inner_too_short, no_headroom, the policy's verdicts) is not. */
	uint64_t drops;
	uint64_t duplicates; /* of these packets, those that were dropped behind their queues */
	uint64_t first_ns;   /* since 1970-01-01 UTC; 0: never */
	uint64_t last_ns;
};

/* A key stands for a VNI, and is never 0. */
struct mt_session_entry {
	struct mt_session_counts counts;
	uint32_t key; /* the same as in keys[], for the worker: beside what it counts */
} __rte_cache_aligned;
static_assert(sizeof(struct mt_session_entry) == 64, "one cache line for each session");

struct mt_sessions {
	/* 0: free. In buckets, one after the other. */
	uint32_t keys[MT_SESSION_CAPACITY] __rte_cache_aligned;
	struct mt_session_entry entries[MT_SESSION_ENTRIES];
} __rte_cache_aligned;

/* Counts the frames of a batch that are to go to their queues, while they are still ours, and the
 * drops of the batch whose VNI is known. */
void mt_sessions_count(struct mt_sessions *sessions, const struct mt_batch *batch);

/* Counts frames of a batch, counted already, that found no room in a queue. */
void mt_sessions_lose(struct mt_sessions *sessions, struct rte_mbuf **frames, uint16_t count);

/* Frames that their queue's owner, this worker, found to be duplicates. Who received them has
 * counted them as packets. */
void mt_sessions_count_duplicates(
	struct mt_sessions *sessions, struct rte_mbuf **frames, uint16_t count);

/* Reads one entry, 0 <= `entry` < MT_SESSION_ENTRIES; any thread. Returns false if it is free.
 * `vni` is not set for MT_SESSION_OTHER, which always is there. */
bool mt_sessions_read(const struct mt_sessions *sessions, uint32_t entry, uint32_t *vni,
	struct mt_session_counts *counts);
