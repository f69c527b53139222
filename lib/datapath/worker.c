/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/worker.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "datapath/latency.h"
#include "datapath/stages.h"
#include "output/output.h"
#include "output/release.h"

enum {
	HOUSEKEEPING_LOOPS = 1024,
	POLLED_QUEUES = 8,
};

const char *mt_stage_name(enum mt_stage stage)
{
	static const char *const names[] = {
		[MT_STAGE_IDLE] = "idle",
		[MT_STAGE_RECEIVE] = "receive",
		[MT_STAGE_DECAPSULATE] = "decapsulate",
		[MT_STAGE_POLICY] = "policy",
		[MT_STAGE_HOST] = "host",
		[MT_STAGE_SPREAD] = "spread",
		[MT_STAGE_DELIVER] = "deliver",
	};

	return (unsigned)stage < MT_STAGE_COUNT ? names[stage] : "?";
}

static void count_batch(struct mt_worker *worker, const struct mt_rx *rx,
	const struct mt_batch *batch, uint16_t received)
{
	struct mt_receive_counts *counts = &worker->receive.counts;

	mt_commit_begin(&worker->receive.commit);
	mt_count(&counts->packets[rx->port], received);
	mt_count(&counts->bytes[rx->port], batch->received_bytes);
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
	uint16_t received;

	mt_worker_enter(worker, MT_STAGE_RECEIVE);
	received = rte_eth_rx_burst(rx->port_id, rx->queue_id, batch.frames, MT_BURST);
	if (received == 0)
		return 0;
	mt_worker_enter(worker, MT_STAGE_DECAPSULATE);
	batch.count = received;
	batch.dropped_count = 0;
	batch.host_count = 0;
	batch.session_drops_count = 0;
	memset(batch.verdicts, 0, sizeof(batch.verdicts));
	batch.time_ns = mt_clock_ns(&worker->clock, rte_rdtsc());
	for (uint16_t i = 0; i < received; i++)
		rte_prefetch0(rte_pktmbuf_mtod(batch.frames[i], void *));

	mt_stage_decapsulate(worker->snapshot, &batch);
	if (worker->snapshot->policy != NULL && batch.count > 0) {
		mt_worker_enter(worker, MT_STAGE_POLICY);
		mt_stage_policy(worker, &batch);
	}
	if (unlikely(batch.host_count > 0)) {
		mt_worker_enter(worker, MT_STAGE_HOST);
		mt_stage_host(worker, rx->port, &batch);
	}
	/* Counted before anything goes on to another worker, so that the ledger never sees more
	 * leave a queue than went in. */
	count_batch(worker, rx, &batch, received);
	if (unlikely(batch.dropped_count > 0))
		mt_release(batch.dropped, batch.dropped_count);
	mt_sessions_count(&worker->sessions, &batch);
	mt_worker_enter(worker, MT_STAGE_SPREAD);
	if (worker->snapshot->queues > 1)
		mt_stage_skip(worker, &batch);
	if (batch.count > 0)
		mt_stage_spread(worker, &batch);
	return received;
}

/* What other workers handed over to one queue. */
static uint16_t serve_ring(struct mt_worker *worker, uint16_t index)
{
	struct mt_queue *queue = worker->datapath->queues[index];
	struct rte_mbuf *frames[MT_BURST];
	uint64_t bytes = 0;
	struct mt_times times;
	uint16_t count;
	unsigned left;

	count = rte_ring_dequeue_burst(queue->ring, (void **)frames, MT_BURST, &left);
	if (count == 0)
		return 0;
	if (unlikely(count + left > queue->counters.high_water))
		mt_count(&queue->counters.high_water, count + left - queue->counters.high_water);
	for (uint16_t i = 0; i < count; i++)
		bytes += frames[i]->pkt_len;
	mt_queue_pass(worker, index, frames, count, bytes, &times);
	mt_latency_measure(
		&queue->counters.latency, mt_clock_ns(&worker->clock, rte_rdtsc()), &times);
	return count;
}

/* What outputs have left to do. Some queues a loop: an owner of many would spend more time on
 * asking than on packets. */
static uint16_t poll_outputs(struct mt_worker *worker)
{
	const struct mt_snapshot *snapshot = worker->snapshot;
	const uint16_t queues = RTE_MIN(worker->owned_count, POLLED_QUEUES);
	uint16_t count = 0;

	mt_worker_enter(worker, MT_STAGE_DELIVER);
	for (uint16_t n = 0; n < queues; n++) {
		uint16_t queue = worker->owned[worker->next_polled];

		if (++worker->next_polled == worker->owned_count)
			worker->next_polled = 0;
		for (uint16_t o = 0; o < snapshot->outputs_count; o++) {
			if (snapshot->outputs[o]->ops->poll != NULL)
				count += snapshot->outputs[o]->ops->poll(
					snapshot->outputs[o], queue);
		}
	}
	return count;
}

/* A burst from each, and more while there is more, up to what a loop may receive: two workers that
 * feed each other would fill their rings else. */
static uint32_t serve_rings(struct mt_worker *worker)
{
	uint32_t count = 0;
	bool more;

	do {
		more = false;
		for (uint16_t f = 0; f < worker->fed_count; f++) {
			uint16_t served = serve_ring(worker, worker->fed[f]);

			count += served;
			more |= served == MT_BURST;
		}
	} while (more && count < MT_SKIP_FRAMES);
	return count;
}

/* What is left to do with frames that a loop had before. Returns how many these were. */
static uint32_t finish(struct mt_worker *worker, int phase)
{
	uint32_t count = 0;

	if (unlikely(worker->snapshot->reorder_window_tsc != 0)) {
		for (uint16_t n = 0; n < worker->owned_count; n++)
			count +=
				mt_queue_release(worker, worker->owned[n], phase >= MT_PHASE_FLUSH);
	}
	return count + poll_outputs(worker);
}

static void know_queues(struct mt_worker *worker)
{
	worker->fed_count = 0;
	for (uint16_t n = 0; n < worker->owned_count; n++) {
		uint16_t queue = worker->owned[n];

		worker->owns[queue] = true;
		if (worker->datapath->queues[queue]->ring != NULL)
			worker->fed[worker->fed_count++] = queue;
	}
}

/* One burst from each receive queue. Returns whether one came full, so that there is more. */
static bool receive_round(struct mt_worker *worker, uint32_t *received)
{
	struct mt_datapath *datapath = worker->datapath;
	bool full = false;

	for (uint16_t r = 0; r < worker->rx_count; r++) {
		const struct mt_rx *rx = &worker->rx[r];
		uint16_t count;

		if (unlikely(atomic_load_explicit(
			    &datapath->paused[rx->port], memory_order_acquire)))
			continue;
		count = receive(worker, rx);
		*received += count;
		full |= count == MT_BURST;
	}
	return full;
}

/* Frames wait for more of their queues, and counts for more of theirs, only while more have come
 * already. */
static bool may_wait(const struct mt_worker *worker, uint32_t received)
{
	if (worker->spread.count > 0)
		return received < MT_SPREAD_FRAMES;
	return worker->skip.count > 0 && received < MT_SKIP_FRAMES;
}

static uint32_t receive_all(struct mt_worker *worker, int phase)
{
	uint32_t received = 0;
	bool more;

	if (phase >= MT_PHASE_FLUSH || (phase == MT_PHASE_DRAIN && worker->drained))
		return 0;
	do
		more = receive_round(worker, &received);
	while (more && may_wait(worker, received));
	mt_spread_flush(worker);
	mt_skip_commit(worker);
	if (phase == MT_PHASE_DRAIN && received == 0)
		worker->drained = true;
	return received;
}

/* What a loop with packets took at the most, for those who wonder where packets were lost: in the
 * worker, or while something else had its CPU. */
static void count_longest(struct mt_worker *worker, uint64_t cycles)
{
	if (unlikely(cycles > worker->load.longest_cycles))
		mt_count(&worker->load.longest_cycles, cycles - worker->load.longest_cycles);
	if (unlikely(cycles > worker->slow_cycles))
		mt_count(&worker->load.slow_loops, 1);
}

/* Charges the loop that began at `begin` to work or to waiting. `finished` frames are work, but
 * were counted when they came. Returns the time now. */
static uint64_t count_load(
	struct mt_worker *worker, uint64_t begin, uint32_t packets, uint32_t finished)
{
	uint64_t now = rte_rdtsc();

	if (packets + finished > 0) {
		mt_count(&worker->load.busy_cycles, now - begin);
		count_longest(worker, now - begin);
		mt_count(&worker->load.packets, packets);
	} else {
		mt_count(&worker->load.idle_cycles, now - begin);
	}
	return now;
}

int mt_worker_run(void *arg)
{
	struct mt_worker *worker = arg;
	struct mt_datapath *datapath = worker->datapath;
	uint64_t loops = 0;
	uint64_t begin;

	know_queues(worker);
	mt_clock_set(&worker->clock);
	worker->slow_cycles = rte_get_tsc_hz() / 1000000 * MT_SLOW_LOOP_US;
	worker->snapshot = atomic_load_explicit(&datapath->snapshot, memory_order_acquire);
	mt_idle_init(&worker->idle, worker->snapshot->idle);
	rte_rcu_qsbr_thread_register(datapath->readers, worker->index);
	rte_rcu_qsbr_thread_online(datapath->readers, worker->index);
	begin = rte_rdtsc();
	for (;;) {
		int phase = atomic_load_explicit(&datapath->phase, memory_order_acquire);
		uint32_t packets, finished;

		if (unlikely(phase == MT_PHASE_STOP))
			break;
		worker->snapshot = atomic_load_explicit(&datapath->snapshot, memory_order_acquire);
		packets = receive_all(worker, phase);
		packets += serve_rings(worker);
		finished = finish(worker, phase);
		mt_worker_enter(worker, MT_STAGE_IDLE);
		rte_rcu_qsbr_quiescent(datapath->readers, worker->index);
		if (unlikely(++loops % HOUSEKEEPING_LOOPS == 0))
			mt_clock_set(&worker->clock);
		atomic_store_explicit(&worker->heartbeat, loops, memory_order_relaxed);
		mt_idle_after(&worker->idle, packets + finished);
		begin = count_load(worker, begin, packets, finished);
	}
	rte_rcu_qsbr_thread_offline(datapath->readers, worker->index);
	rte_rcu_qsbr_thread_unregister(datapath->readers, worker->index);
	return 0;
}

static uint64_t deadline(unsigned limit_ms)
{
	return rte_get_timer_cycles() + rte_get_timer_hz() / 1000 * limit_ms;
}

/* Returns false when it is too late. */
static bool wait_a_little(uint64_t end)
{
	nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	return rte_get_timer_cycles() <= end;
}

static bool synchronize(struct mt_datapath *datapath, uint64_t end)
{
	uint64_t token = rte_rcu_qsbr_start(datapath->readers);

	while (rte_rcu_qsbr_check(datapath->readers, token, false) == 0) {
		if (!wait_a_little(end))
			return false;
	}
	return true;
}

bool mt_datapath_synchronize(struct mt_datapath *datapath, unsigned limit_ms)
{
	return synchronize(datapath, deadline(limit_ms));
}

/* Until the ring's owner has taken what is in it now. */
static bool wait_for_ring(const struct rte_ring *ring, uint64_t end)
{
	uint32_t filled = __atomic_load_n(&ring->prod.tail, __ATOMIC_ACQUIRE);

	while ((int32_t)(__atomic_load_n(&ring->cons.tail, __ATOMIC_ACQUIRE) - filled) < 0) {
		if (!wait_a_little(end))
			return false;
	}
	return true;
}

/* Until what is held back to be put in order now has been held for long enough, and an owner's loop
 * has let it go. */
static bool wait_for_held(struct mt_datapath *datapath, uint64_t end)
{
	const uint64_t window = atomic_load(&datapath->snapshot)->reorder_window_tsc;
	const uint64_t begin = rte_rdtsc();

	if (window == 0)
		return true;
	end += window * rte_get_timer_hz() / rte_get_tsc_hz();
	while (rte_rdtsc() - begin <= window)
		wait_a_little(end);
	/* The first ends a loop that may have looked before the time was over, the second covers a
	 * whole one. */
	return synchronize(datapath, end) && synchronize(datapath, end);
}

bool mt_datapath_settle(struct mt_datapath *datapath, unsigned limit_ms)
{
	uint64_t end = deadline(limit_ms);

	if (!synchronize(datapath, end))
		return false;
	for (uint16_t q = 0; q < datapath->queues_count; q++) {
		const struct rte_ring *ring = datapath->queues[q]->ring;

		if (ring != NULL && !wait_for_ring(ring, end))
			return false;
	}
	/* The last of them are in their owners' hands. */
	return synchronize(datapath, end) && wait_for_held(datapath, end);
}
