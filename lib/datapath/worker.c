/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/worker.h"

#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "datapath/stages.h"
#include "output/output.h"

enum {
	HOUSEKEEPING_LOOPS = 1024,
};

/* Ties the time-stamp counter to the clock. clock_gettime() is no system call here (vDSO), but it
 * still costs more than one batch should pay. */
static void set_clock(struct mt_worker *worker)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	worker->clock.tsc = rte_rdtsc();
	worker->clock.ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t read_clock(struct mt_worker *worker)
{
	uint64_t ticks = rte_rdtsc() - worker->clock.tsc;
	uint64_t ns = worker->clock.ns
		+ (uint64_t)(((unsigned __int128)ticks * worker->clock.ns_per_tick) >> 32);

	/* Never backwards within a queue, even when the clock was set in between by little. */
	if (unlikely(ns < worker->clock.last_ns && worker->clock.last_ns - ns < NS_PER_S))
		return worker->clock.last_ns;
	worker->clock.last_ns = ns;
	return ns;
}

static void count_batch(struct mt_worker *worker, const struct mt_rx *rx,
	const struct mt_batch *batch, uint16_t received, uint64_t bytes)
{
	struct mt_receive_counts *counts = &worker->receive.counts;

	mt_commit_begin(&worker->receive.commit);
	mt_count(&counts->packets[rx->port], received);
	mt_count(&counts->bytes[rx->port], bytes);
	mt_count(&counts->queued, batch->count);
	if (unlikely(batch->count != received)) {
		mt_count(&counts->host[rx->port], batch->host_count);
		for (unsigned v = 0; v < MT_VERDICT_COUNT; v++)
			mt_count(&counts->verdicts[v], batch->verdicts[v]);
	}
	mt_commit_end(&worker->receive.commit);
}

/* One burst from one receive queue, through all stages left of the queues. */
static uint16_t receive(struct mt_worker *worker, const struct mt_rx *rx)
{
	struct mt_batch batch;
	uint64_t bytes = 0;
	uint16_t received;

	received = rte_eth_rx_burst(rx->port_id, rx->queue_id, batch.frames, MT_BURST);
	if (received == 0)
		return 0;
	batch.count = received;
	batch.dropped_count = 0;
	batch.host_count = 0;
	memset(batch.verdicts, 0, sizeof(batch.verdicts));
	batch.time_ns = read_clock(worker);
	for (uint16_t i = 0; i < received; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(batch.frames[i], void *));
		bytes += batch.frames[i]->pkt_len;
	}

	mt_stage_decapsulate(worker->snapshot, &batch);
	/* Counted before anything goes on to another worker, so that the ledger never sees more
	 * leave a queue than went in. */
	count_batch(worker, rx, &batch, received, bytes);
	if (unlikely(batch.dropped_count > 0))
		rte_pktmbuf_free_bulk(batch.dropped, batch.dropped_count);
	if (unlikely(batch.host_count > 0))
		mt_stage_host(&batch);
	if (likely(batch.count > 0))
		mt_stage_spread(worker, &batch);
	return received;
}

static void serve_queue(struct mt_worker *worker, uint16_t queue)
{
	const struct mt_snapshot *snapshot = worker->snapshot;
	struct rte_ring *ring = worker->datapath->queues[queue]->ring;
	struct rte_mbuf *frames[MT_BURST];
	uint16_t count;

	if (ring != NULL) {
		count = rte_ring_dequeue_burst(ring, (void **)frames, MT_BURST, NULL);
		if (count > 0)
			mt_stage_deliver(worker, queue, frames, count);
	}
	for (uint16_t o = 0; o < snapshot->outputs_count; o++) {
		if (snapshot->outputs[o]->ops->poll != NULL)
			snapshot->outputs[o]->ops->poll(snapshot->outputs[o], queue);
	}
}

static void receive_all(struct mt_worker *worker, int phase)
{
	uint32_t received = 0;

	if (phase >= MT_PHASE_FLUSH || (phase == MT_PHASE_DRAIN && worker->drained))
		return;
	for (uint16_t r = 0; r < worker->rx_count; r++)
		received += receive(worker, &worker->rx[r]);
	if (phase == MT_PHASE_DRAIN && received == 0)
		worker->drained = true;
}

int mt_worker_run(void *arg)
{
	struct mt_worker *worker = arg;
	struct mt_datapath *datapath = worker->datapath;
	uint64_t loops = 0;
	int phase;

	worker->clock.ns_per_tick = ((uint64_t)NS_PER_S << 32) / rte_get_tsc_hz();
	set_clock(worker);
	for (;;) {
		phase = atomic_load_explicit(&datapath->phase, memory_order_acquire);
		if (unlikely(phase == MT_PHASE_STOP))
			break;
		receive_all(worker, phase);
		for (uint16_t q = 0; q < worker->owned_count; q++)
			serve_queue(worker, worker->owned[q]);
		if (unlikely(++loops % HOUSEKEEPING_LOOPS == 0))
			set_clock(worker);
		atomic_store_explicit(&worker->heartbeat, loops, memory_order_relaxed);
	}
	return 0;
}
