/* SPDX-License-Identifier: BSD-3-Clause */
/* The latency histogram of a queue: from receive to delivery. Worker that owns the queue. */
#pragma once

#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "datapath/batch.h"
#include "datapath/counters.h"

static inline void mt_latency_count(struct mt_latency *latency, uint64_t ns, uint32_t frames)
{
	unsigned bucket = 0;

	if (ns >= MT_LATENCY_FIRST_NS)
		bucket = 64 - __builtin_clzll(ns / MT_LATENCY_FIRST_NS);
	bucket = RTE_MIN(bucket, (unsigned)MT_LATENCY_BUCKETS - 1);
	mt_count(&latency->buckets[bucket], frames);
	mt_count(&latency->sum_ns, ns * frames);
}

/* Receive times, in runs of equal ones: frames of one receive burst have one time, and mostly
 * follow each other. Read before the frames are someone else's. */
struct mt_times {
	uint64_t ns[MT_BURST];
	uint16_t frames[MT_BURST];
	uint16_t count;
};

static inline uint64_t mt_time_of(struct rte_mbuf *frame)
{
	return mt_frame_info(frame)->time_ns;
}

static inline void mt_times_read(struct mt_times *times, struct rte_mbuf **frames, uint16_t count)
{
	times->count = 0;
	if (unlikely(count == 0))
		return;
	times->ns[0] = mt_time_of(frames[0]);
	times->frames[0] = count;
	times->count = 1;
	/* All of one burst: what a worker hands to a queue of its own. (Of a ring that several
	 * workers feed, frames between two of one burst are taken for it too.) */
	if (likely(mt_time_of(frames[count - 1]) == times->ns[0]))
		return;
	times->count = 0;
	for (uint16_t i = 0; i < count; i++) {
		uint64_t ns = mt_time_of(frames[i]);

		if (times->count == 0 || times->ns[times->count - 1] != ns) {
			times->ns[times->count] = ns;
			times->frames[times->count++] = 0;
		}
		times->frames[times->count - 1]++;
	}
}

static inline void mt_latency_measure(
	struct mt_latency *latency, uint64_t now_ns, const struct mt_times *times)
{
	for (uint16_t t = 0; t < times->count; t++)
		mt_latency_count(latency, now_ns > times->ns[t] ? now_ns - times->ns[t] : 0,
			times->frames[t]);
}
