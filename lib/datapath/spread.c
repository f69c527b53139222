/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/latency.h"
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "output/release.h"
#include "packet/flow_hash.h"

/* The frames of one queue to its owner. */
static void hand_over(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t bytes)
{
	struct mt_queue *q = worker->datapath->queues[queue];
	unsigned taken;

	if (q->owner == worker->index) {
		mt_stage_deliver(worker, queue, frames, count, bytes);
		return;
	}
	taken = rte_ring_enqueue_burst(q->ring, (void **)frames, count, NULL);
	if (unlikely(taken < count)) {
		/* Released, because it must not be seen before the packets were counted as
		 * queued; the ledger acquires it. */
		__atomic_store_n(&worker->full.full[queue],
			worker->full.full[queue] + count - taken, __ATOMIC_RELEASE);
		mt_sessions_lose(&worker->sessions, &frames[taken], count - taken);
		mt_release(&frames[taken], count - taken);
	}
}

/* The clock is read once for all queues that are served together, and a queue's oldest frame
 * speaks for all: so latency is told a little too high. */
static uint64_t now(struct mt_worker *worker)
{
	return mt_clock_ns(&worker->clock, rte_rdtsc());
}

static void count_latency(
	struct mt_worker *worker, uint16_t queue, uint64_t now_ns, uint64_t time_ns, uint16_t count)
{
	struct mt_queue *q = worker->datapath->queues[queue];

	if (q->owner == worker->index)
		mt_latency_count(
			&q->counters.latency, now_ns > time_ns ? now_ns - time_ns : 0, count);
}

static void flush_queue(struct mt_worker *worker, uint16_t queue)
{
	struct mt_spread *spread = &worker->spread[queue];
	const uint16_t first = RTE_MIN(spread->count, (uint16_t)MT_BURST);
	uint64_t rest = 0;

	/* Those that waited and a whole burst are more than outputs take at once. */
	for (uint16_t i = first; i < spread->count; i++)
		rest += spread->frames[i]->pkt_len;
	hand_over(worker, queue, spread->frames, first, spread->bytes - rest);
	if (unlikely(spread->count > first))
		hand_over(worker, queue, &spread->frames[first], spread->count - first, rest);
}

/* Where many queues share a burst, each gets a frame or two of it, and a call for each is dear. So
 * a queue of ours may wait for some more, as long as bursts come full one after the other: with the
 * next one that is not, or after MT_SPREAD_BURSTS of them, all go on. */
static bool may_wait(const struct mt_worker *worker, uint16_t queue)
{
	return worker->spread[queue].count < MT_SPREAD_ENOUGH
		&& worker->datapath->queues[queue]->owner == worker->index;
}

/* Serves the queues that have frames; with `wait` those which may wait are left. */
static void serve(struct mt_worker *worker, bool wait)
{
	const uint16_t count = worker->touched_count;
	uint16_t waiting = 0;
	uint64_t now_ns;

	for (uint16_t t = 0; t < count; t++) {
		if (!wait || !may_wait(worker, worker->touched[t]))
			flush_queue(worker, worker->touched[t]);
	}
	now_ns = now(worker);
	for (uint16_t t = 0; t < count; t++) {
		uint16_t queue = worker->touched[t];
		struct mt_spread *spread = &worker->spread[queue];

		if (wait && may_wait(worker, queue)) {
			worker->touched[waiting++] = queue;
			continue;
		}
		count_latency(worker, queue, now_ns, spread->time_ns, spread->count);
		spread->count = 0;
		spread->bytes = 0;
	}
	worker->touched_count = waiting;
	worker->waited_bursts = waiting > 0 ? worker->waited_bursts + 1 : 0;
}

void mt_stage_spread_rest(struct mt_worker *worker)
{
	serve(worker, false);
}

void mt_stage_spread(struct mt_worker *worker, struct mt_batch *batch)
{
	const uint16_t queues = worker->snapshot->queues;

	if (queues == 1) {
		hand_over(worker, 0, batch->frames, batch->count, batch->sums.bytes);
		count_latency(worker, 0, now(worker), batch->time_ns, batch->count);
		return;
	}
	for (uint16_t i = 0; i < batch->count; i++) {
		struct rte_mbuf *frame = batch->frames[i];
		uint32_t queue = mt_hash_queue(frame->hash.rss, queues);
		struct mt_spread *spread = &worker->spread[queue];

		if (spread->count == 0) {
			worker->touched[worker->touched_count++] = queue;
			spread->time_ns = batch->time_ns;
		}
		spread->frames[spread->count++] = frame;
		spread->bytes += frame->pkt_len;
	}
	serve(worker, batch->full && worker->waited_bursts < MT_SPREAD_BURSTS);
}
