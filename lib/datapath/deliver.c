/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "output/output.h"
#include "output/release.h"
#include "packet/frame_info.h"

static void count_latency(struct mt_latency *latency, uint64_t ns, uint32_t frames)
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
struct times {
	uint64_t ns[MT_BURST];
	uint16_t frames[MT_BURST];
	uint16_t count;
};

static inline uint64_t time_of(struct rte_mbuf *frame)
{
	return mt_frame_info(frame)->time_ns;
}

static void read_times(struct times *times, struct rte_mbuf **frames, uint16_t count)
{
	times->ns[0] = time_of(frames[0]);
	times->frames[0] = count;
	times->count = 1;
	/* All of one burst: what a worker hands to a queue of its own. (Of a ring that several
	 * workers feed, frames between two of one burst are taken for it too.) */
	if (likely(time_of(frames[count - 1]) == times->ns[0]))
		return;
	times->count = 0;
	for (uint16_t i = 0; i < count; i++) {
		uint64_t ns = time_of(frames[i]);

		if (times->count == 0 || times->ns[times->count - 1] != ns) {
			times->ns[times->count] = ns;
			times->frames[times->count++] = 0;
		}
		times->frames[times->count - 1]++;
	}
}

static void measure_latency(struct mt_latency *latency, uint64_t now_ns, const struct times *times)
{
	for (uint16_t t = 0; t < times->count; t++)
		count_latency(latency, now_ns > times->ns[t] ? now_ns - times->ns[t] : 0,
			times->frames[t]);
}

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
	struct mt_queue_counters *counters = &worker->datapath->queues[queue]->counters;
	struct times times;

	read_times(&times, frames, count);
	mt_commit_begin(&counters->commit);
	mt_count(&counters->counts.accepted, count);
	mt_count(&counters->counts.accepted_bytes, bytes);
	mt_commit_end(&counters->commit);

	if (snapshot->chooses)
		mt_deliver_chosen(snapshot, queue, frames, count);
	else
		deliver_all(snapshot, queue, frames, count);
	measure_latency(&counters->latency, mt_clock_ns(&worker->clock, rte_rdtsc()), &times);
}
