/* SPDX-License-Identifier: BSD-3-Clause */
/* Another snapshot for a worker that runs: it finds it in its next loop, and when control has
 * waited, nothing is left that was decided under the one before. A worker that is stuck, or a ring
 * that no one empties, is told from that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "datapath/worker.h"
#include "output/output.h"
#include "output/release.h"
#include "policy/policy.h"

enum {
	BUFFERS = 2047,
	RING = 512,
	LENGTH = 100,
	OUTPUTS = 2,
	ROUNDS = 200,
	LONG_MS = 10000,
	SHORT_MS = 20,
};

static uint8_t stage_of(const struct mt_output *output)
{
	const struct mt_worker *worker = output->private;

	return atomic_load(&worker->stage);
}

static _Atomic uint8_t stage_of_send, stage_of_poll; /* the worker's */
static _Atomic unsigned loops;                       /* that delivered something */
static bool delivering;                              /* in this loop; the worker's own */

static uint16_t sink_poll(struct mt_output *output, uint16_t queue)
{
	(void)queue;
	atomic_store(&stage_of_poll, stage_of(output));
	atomic_fetch_add(&loops, delivering);
	delivering = false;
	return 0;
}

/* Counts, and frees. */
static void sink_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	atomic_store(&stage_of_send, stage_of(output));
	delivering = true;
	mt_commit_begin(&output->per_queue[queue].commit);
	mt_count(&output->per_queue[queue].counts.offered, count);
	mt_count(&output->per_queue[queue].counts.delivered, count);
	mt_commit_end(&output->per_queue[queue].commit);
	mt_release(frames, count);
}

static const struct mt_output_ops sink = {.type = "sink", .send = sink_send, .poll = sink_poll};

struct bench {
	struct mt_datapath datapath;
	struct mt_queue queue;
	struct mt_worker *worker;
	struct mt_output outputs[OUTPUTS];
	struct mt_output_queue queues[OUTPUTS];
	pthread_t thread;
};

static void open_bench(struct bench *bench)
{
	memset(bench, 0, sizeof(*bench));
	for (unsigned o = 0; o < OUTPUTS; o++)
		bench->outputs[o] = (struct mt_output){
			.ops = &sink, .queues = 1, .per_queue = &bench->queues[o]};
	bench->queue.ring = rte_ring_create(
		"queue", RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	assert_non_null(bench->queue.ring);
	bench->datapath.queues_count = 1;
	bench->datapath.queues[0] = &bench->queue;
	bench->datapath.readers =
		rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(2), RTE_CACHE_LINE_SIZE);
	assert_non_null(bench->datapath.readers);
	assert_int_equal(rte_rcu_qsbr_init(bench->datapath.readers, 2), 0);
	bench->worker = rte_zmalloc(NULL, sizeof(*bench->worker), RTE_CACHE_LINE_SIZE);
	assert_non_null(bench->worker);
	bench->worker->datapath = &bench->datapath;
	bench->worker->owned_count = 1;
	for (unsigned o = 0; o < OUTPUTS; o++)
		bench->outputs[o].private = bench->worker;
}

static void *run(void *worker)
{
	mt_worker_run(worker);
	return NULL;
}

static void start_worker(struct bench *bench)
{
	assert_int_equal(pthread_create(&bench->thread, NULL, run, bench->worker), 0);
	while (atomic_load(&bench->worker->heartbeat) == 0)
		sched_yield();
}

static void stop_worker(struct bench *bench)
{
	atomic_store(&bench->datapath.phase, MT_PHASE_STOP);
	pthread_join(bench->thread, NULL);
}

static void close_bench(struct bench *bench)
{
	rte_ring_free(bench->queue.ring);
	rte_free(bench->datapath.readers);
	rte_free(bench->worker);
	assert_int_equal(rte_mempool_in_use_count(rte_mempool_lookup("frames")), 0);
}

/* One output at a place; frames say themselves where they go. */
static struct mt_snapshot snapshot_of(struct bench *bench, unsigned output, unsigned place)
{
	return (struct mt_snapshot){
		.queues = 1,
		.outputs_count = 1,
		.outputs = {&bench->outputs[output]},
		.places = {(uint8_t)place},
		.places_set = UINT32_C(1) << place,
		.chooses = true,
	};
}

/* As many frames as the ring has room for, with these choices. */
static unsigned fill(struct bench *bench, uint32_t choices)
{
	struct rte_mbuf *frames[RING];
	unsigned put;

	assert_int_equal(rte_pktmbuf_alloc_bulk(rte_mempool_lookup("frames"), frames, RING), 0);
	for (unsigned i = 0; i < RING; i++) {
		frames[i]->pkt_len = frames[i]->data_len = LENGTH;
		*mt_frame_choices(frames[i]) = choices;
	}
	put = rte_ring_enqueue_burst(bench->queue.ring, (void **)frames, RING, NULL);
	rte_pktmbuf_free_bulk(&frames[put], RING - put);
	return put;
}

static uint64_t delivered(const struct bench *bench, unsigned output)
{
	return mt_counter(&bench->queues[output].counts.delivered);
}

/* Frames that were put into the ring before a change are all delivered when control has waited,
 * to what of their outputs both snapshots have. */
static void nothing_of_before_is_left(void **state)
{
	struct bench bench;
	struct mt_snapshot snapshots[2];
	uint64_t total[OUTPUTS] = {0};

	(void)state;
	open_bench(&bench);
	snapshots[0] = snapshot_of(&bench, 0, 3);
	snapshots[1] = snapshot_of(&bench, 1, 5);
	mt_datapath_publish(&bench.datapath, &snapshots[0]);
	start_worker(&bench);
	for (unsigned n = 1; n <= ROUNDS; n++) {
		unsigned now = n & 1;
		unsigned put = fill(&bench, 1 << 3 | 1 << 5);

		mt_datapath_publish(&bench.datapath, &snapshots[now]);
		assert_true(mt_datapath_settle(&bench.datapath, LONG_MS));
		assert_ptr_equal(bench.worker->snapshot, &snapshots[now]);
		assert_int_equal(rte_ring_count(bench.queue.ring), 0);
		/* Each went to one of the two, whichever was there. */
		assert_int_equal(
			delivered(&bench, 0) + delivered(&bench, 1), total[0] + total[1] + put);
		total[0] = delivered(&bench, 0);
		total[1] = delivered(&bench, 1);
		/* And from now on to the new one only. */
		put = fill(&bench, 1 << 3 | 1 << 5);
		assert_true(mt_datapath_settle(&bench.datapath, LONG_MS));
		total[now] += put;
		assert_int_equal(delivered(&bench, 0), total[0]);
		assert_int_equal(delivered(&bench, 1), total[1]);
	}
	stop_worker(&bench);
	close_bench(&bench);
}

/* Workers that feed each other receive many bursts a loop; so they must empty their rings as
 * fast. */
static void a_loop_takes_many_bursts_of_a_ring(void **state)
{
	struct bench bench;
	struct mt_snapshot snapshot;

	(void)state;
	open_bench(&bench);
	snapshot = snapshot_of(&bench, 0, 3);
	mt_datapath_publish(&bench.datapath, &snapshot);
	assert_in_range(fill(&bench, 1 << 3), 2 * MT_BURST, MT_SKIP_FRAMES);
	atomic_store(&loops, 0);
	start_worker(&bench);
	assert_true(mt_datapath_settle(&bench.datapath, LONG_MS));
	assert_int_equal(rte_ring_count(bench.queue.ring), 0);
	assert_int_equal(atomic_load(&loops), 1);
	stop_worker(&bench);
	close_bench(&bench);
}

/* A frame that was chosen for an output that is gone is freed, not given to another. */
static void a_place_is_no_index(void **state)
{
	struct bench bench;
	struct mt_snapshot before, after;

	(void)state;
	open_bench(&bench);
	before = snapshot_of(&bench, 0, 0);
	after = snapshot_of(&bench, 1, 1);
	mt_datapath_publish(&bench.datapath, &before);
	fill(&bench, 1 << 0); /* the worker does not run yet: so it delivers under `after` */
	mt_datapath_publish(&bench.datapath, &after);
	start_worker(&bench);
	assert_true(mt_datapath_settle(&bench.datapath, LONG_MS));
	assert_int_equal(delivered(&bench, 0) + delivered(&bench, 1), 0);
	assert_int_equal(bench.queue.counters.counts.accepted, RING);
	stop_worker(&bench);
	close_bench(&bench);
}

/* For the log line about a worker that an output does not let go on. */
static void an_output_is_a_stage(void **state)
{
	struct bench bench;
	struct mt_snapshot snapshot;

	(void)state;
	open_bench(&bench);
	atomic_store(&stage_of_send, MT_STAGE_COUNT);
	atomic_store(&stage_of_poll, MT_STAGE_COUNT);
	snapshot = snapshot_of(&bench, 0, 0);
	mt_datapath_publish(&bench.datapath, &snapshot);
	fill(&bench, 1 << 0);
	start_worker(&bench);
	assert_true(mt_datapath_settle(&bench.datapath, LONG_MS));
	assert_int_equal(delivered(&bench, 0), RING);
	assert_int_equal(atomic_load(&stage_of_send), MT_STAGE_DELIVER);
	assert_int_equal(atomic_load(&stage_of_poll), MT_STAGE_DELIVER);
	stop_worker(&bench);
	close_bench(&bench);
}

static void a_stuck_worker_is_seen(void **state)
{
	struct rte_mbuf *frames[RING];
	struct mt_snapshot snapshot;
	struct bench bench;
	uint64_t begin;

	(void)state;
	open_bench(&bench);
	snapshot = snapshot_of(&bench, 0, 0);
	mt_datapath_publish(&bench.datapath, &snapshot);
	/* No one: there is nothing to wait for. */
	assert_true(mt_datapath_settle(&bench.datapath, SHORT_MS));
	/* One that has begun a loop and does not end it. */
	rte_rcu_qsbr_thread_register(bench.datapath.readers, 1);
	rte_rcu_qsbr_thread_online(bench.datapath.readers, 1);
	assert_false(mt_datapath_synchronize(&bench.datapath, SHORT_MS));
	assert_false(mt_datapath_settle(&bench.datapath, SHORT_MS));
	rte_rcu_qsbr_thread_offline(bench.datapath.readers, 1);
	assert_true(mt_datapath_settle(&bench.datapath, SHORT_MS));
	/* A ring that its owner does not empty. */
	assert_int_equal(fill(&bench, 0), RING);
	assert_false(mt_datapath_settle(&bench.datapath, SHORT_MS));
	assert_int_equal(
		rte_ring_dequeue_burst(bench.queue.ring, (void **)frames, RING, NULL), RING);
	rte_pktmbuf_free_bulk(frames, RING);
	assert_true(mt_datapath_settle(&bench.datapath, SHORT_MS));
	/* What is held back to be put in order has its time, which is none of the limit's. */
	snapshot.reorder_window_tsc = 2 * SHORT_MS * rte_get_tsc_hz() / 1000;
	begin = rte_rdtsc();
	assert_true(mt_datapath_settle(&bench.datapath, SHORT_MS));
	assert_true(rte_rdtsc() - begin > snapshot.reorder_window_tsc);
	close_bench(&bench);
}

static int start(void **state)
{
	char *arguments[] = {"test_settle", "--no-huge", "-m", "128", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0"};

	(void)state;
	if (rte_eal_init(RTE_DIM(arguments), arguments) < 0)
		return -1;
	return rte_pktmbuf_pool_create("frames", BUFFERS, 0, 0, RTE_PKTMBUF_HEADROOM + 2048, 0)
			!= NULL
		? 0
		: -1;
}

static int stop(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_of_before_is_left),
		cmocka_unit_test(a_loop_takes_many_bursts_of_a_ring),
		cmocka_unit_test(a_place_is_no_index),
		cmocka_unit_test(an_output_is_a_stage),
		cmocka_unit_test(a_stuck_worker_is_seen),
	};

	return cmocka_run_group_tests_name("settle", tests, start, stop);
}
