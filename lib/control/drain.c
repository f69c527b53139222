/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of the daemon's work: draining, what is left in the rings, the final ledger. */
#include "control/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "control/log.h"
#include "control/watch.h"
#include "output/monotonic.h"

/* Waits until `done` says so, looking each millisecond. Returns false if `limit_ms` went by. */
static bool wait_until(
	bool (*done)(struct mt_daemon *daemon), struct mt_daemon *daemon, unsigned limit_ms)
{
	uint64_t end = mt_monotonic_ms() + limit_ms;

	while (!done(daemon)) {
		if (mt_monotonic_ms() >= end)
			return false;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	return true;
}

static bool ports_empty(struct mt_daemon *daemon)
{
	for (unsigned w = 0; w < daemon->datapath.workers_count; w++) {
		struct mt_worker *worker = daemon->datapath.workers[w];

		if (worker->rx_count > 0 && !worker->drained)
			return false;
	}
	return true;
}

static uint64_t in_flight(struct mt_daemon *daemon)
{
	struct mt_ledger ledger;

	mt_ledger_read(&daemon->datapath, daemon->snapshot, &ledger);
	for (unsigned o = 0; o < ledger.outputs_count; o++)
		ledger.in_flight += ledger.outputs[o].in_flight;
	return ledger.in_flight;
}

/* Until all is delivered; readers that take nothing more are left after a while, and after a longer
 * one those that take what they do slowly. */
static void wait_for_queues(struct mt_daemon *daemon)
{
	enum { STALLED_MS = 500, LIMIT_MS = 5000 };
	uint64_t limit = mt_monotonic_ms() + LIMIT_MS;
	uint64_t left = UINT64_MAX, stalled = 0;

	for (;;) {
		uint64_t now = mt_monotonic_ms();
		uint64_t count = in_flight(daemon);

		if (count < left) {
			left = count;
			stalled = now + STALLED_MS;
		}
		if (left == 0 || now >= stalled || now >= limit)
			return;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
}

static bool workers_ended(struct mt_daemon *daemon)
{
	for (unsigned w = 0; w < daemon->datapath.workers_count; w++) {
		if (rte_eal_get_lcore_state(daemon->datapath.workers[w]->lcore) == RUNNING)
			return false;
	}
	return true;
}

static void count_stopped(struct mt_queue *queue, uint32_t count)
{
	mt_commit_begin(&queue->counters.commit);
	mt_count(&queue->counters.counts.stopped, count);
	mt_commit_end(&queue->counters.commit);
}

/* What was still held back, to be put in order. */
static void free_held(struct mt_queue *queue)
{
	struct mt_reorder *reorder = queue->reorder;

	if (reorder == NULL)
		return;
	mt_reorder_flush(reorder);
	if (reorder->ready_count == 0)
		return;
	rte_pktmbuf_free_bulk(reorder->ready, reorder->ready_count);
	count_stopped(queue, reorder->ready_count);
	reorder->ready_count = 0;
}

/* What the workers left in the queues. */
static void free_queued(struct mt_daemon *daemon)
{
	for (uint16_t q = 0; q < daemon->datapath.queues_count; q++) {
		struct mt_queue *queue = daemon->datapath.queues[q];
		struct rte_mbuf *frames[MT_BURST];
		unsigned n;

		while (queue->ring != NULL
			&& (n = rte_ring_dequeue_burst(
				    queue->ring, (void **)frames, MT_BURST, NULL))
				> 0) {
			rte_pktmbuf_free_bulk(frames, n);
			count_stopped(queue, n);
		}
		free_held(queue);
	}
}

int mt_daemon_set_draining(struct mt_daemon *daemon, bool draining)
{
	int from = draining ? MT_DAEMON_RUNNING : MT_DAEMON_DRAINING;
	int to = draining ? MT_DAEMON_DRAINING : MT_DAEMON_RUNNING;

	if (atomic_compare_exchange_strong(&daemon->state, &from, to)) {
		mt_log(MT_LOG_NOTICE,
			draining ? "draining: health is red, delivery goes on"
				 : "draining was taken back");
		return 0;
	}
	return from == to ? 0 : -EBUSY;
}

void mt_daemon_announce_stop(struct mt_daemon *daemon)
{
	atomic_store(&daemon->state, MT_DAEMON_STOPPING);
}

bool mt_daemon_is_draining(struct mt_daemon *daemon)
{
	return atomic_load(&daemon->state) >= MT_DAEMON_DRAINING;
}

bool mt_daemon_drain(struct mt_daemon *daemon, struct mt_ledger *ledger)
{
	enum { PORTS_MS = 200, WORKERS_MS = 5000 };
	struct mt_datapath *datapath = &daemon->datapath;
	bool ended;

	mt_daemon_announce_stop(daemon);
	atomic_store_explicit(&datapath->phase, MT_PHASE_DRAIN, memory_order_release);
	/* A port that never runs dry is left after a while. */
	wait_until(ports_empty, daemon, PORTS_MS);
	atomic_store_explicit(&datapath->phase, MT_PHASE_FLUSH, memory_order_release);
	wait_for_queues(daemon);
	atomic_store_explicit(&datapath->phase, MT_PHASE_STOP, memory_order_release);
	ended = wait_until(workers_ended, daemon, WORKERS_MS);
	if (ended) {
		free_queued(daemon);
		for (uint16_t o = 0; o < daemon->snapshot->outputs_count; o++) {
			struct mt_output *output = daemon->snapshot->outputs[o];

			if (output->ops->flush != NULL)
				output->ops->flush(output);
		}
	} else {
		mt_log(MT_LOG_ERROR, "a worker does not end: what it holds stays in flight");
	}
	mt_ledger_read(datapath, daemon->snapshot, ledger);
	return ended;
}
