/* SPDX-License-Identifier: BSD-3-Clause */
/* The spread stage: each frame to its queue and once, in order; what waits for more of its queue
 * waits a bounded time, and never when no more comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "datapath/stages.h"
#include "datapath/worker.h"
#include "output/output.h"
#include "packet/flow_hash.h"
#include "packet/frame_info.h"

enum {
	BUFFERS = 4095,
	QUEUES = 64,
};

static struct rte_mempool *pool(void)
{
	return rte_mempool_lookup("frames");
}

/* An output that writes down the order of what it gets, by queue. */
struct sink {
	uint32_t last[QUEUES]; /* number of the newest frame, + 1 */
	uint64_t frames;
	uint64_t calls;
};

static void sink_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct sink *sink = output->private;

	assert_in_range(count, 1, MT_BURST);
	for (uint16_t i = 0; i < count; i++) {
		uint32_t number = mt_frame_info(frames[i])->original_length;

		assert_int_equal(mt_hash_queue(frames[i]->hash.rss, QUEUES), queue);
		assert_true(number >= sink->last[queue]);
		sink->last[queue] = number + 1;
	}
	sink->frames += count;
	sink->calls++;
	rte_pktmbuf_free_bulk(frames, count);
}

static const struct mt_output_ops sink_ops = {.type = "sink", .send = sink_send};

struct lab {
	struct mt_snapshot snapshot;
	struct mt_datapath datapath;
	struct mt_queue queues[QUEUES];
	struct mt_output output;
	struct sink sink;
	struct mt_worker worker;
	uint32_t made;
	uint64_t bytes;
};

static struct lab *make_lab(void)
{
	struct lab *lab = rte_zmalloc("lab", sizeof(*lab), RTE_CACHE_LINE_SIZE);

	assert_non_null(lab);
	lab->snapshot.queues = QUEUES;
	lab->snapshot.outputs_count = 1;
	lab->snapshot.outputs[0] = &lab->output;
	lab->output.ops = &sink_ops;
	lab->output.private = &lab->sink;
	lab->worker.datapath = &lab->datapath;
	lab->worker.snapshot = &lab->snapshot;
	mt_clock_set(&lab->worker.clock);
	for (uint16_t q = 0; q < QUEUES; q++)
		lab->datapath.queues[q] = &lab->queues[q];
	return lab;
}

/* A burst of `count` frames that go to `queues` queues in turn. */
static void burst(struct lab *lab, uint16_t count, uint16_t queues)
{
	struct mt_batch batch = {
		.count = count, .full = count == MT_BURST, .time_ns = lab->worker.clock.ns};

	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *frame = rte_pktmbuf_alloc(pool());

		assert_non_null(frame);
		frame->data_len = frame->pkt_len = 60 + i;
		/* The middle of the queue's part of all hashes. */
		frame->hash.rss =
			(uint32_t)((i % queues * 2 + 1) * (UINT64_C(1) << 32) / 2 / QUEUES);
		mt_frame_info(frame)->original_length = lab->made++;
		lab->bytes += frame->pkt_len;
		batch.frames[i] = frame;
	}
	mt_stage_spread(&lab->worker, &batch);
}

/* All that was made has been delivered, each once. */
static void expect_all(struct lab *lab)
{
	struct mt_queue_counts sum = {0};
	uint64_t measured = 0;

	for (uint16_t q = 0; q < QUEUES; q++) {
		sum.accepted += lab->queues[q].counters.counts.accepted;
		sum.accepted_bytes += lab->queues[q].counters.counts.accepted_bytes;
		for (unsigned b = 0; b < MT_LATENCY_BUCKETS; b++)
			measured += lab->queues[q].counters.latency.buckets[b];
	}
	assert_int_equal(lab->sink.frames, lab->made);
	assert_int_equal(sum.accepted, lab->made);
	assert_int_equal(sum.accepted_bytes, lab->bytes);
	assert_int_equal(measured, lab->made);
	assert_int_equal(lab->worker.touched_count, 0);
	assert_int_equal(rte_mempool_in_use_count(pool()), 0);
}

/* A lone packet, or a burst that is not full, waits for nothing. */
static void nothing_waits_alone(void **state)
{
	struct lab *lab = make_lab();

	(void)state;
	for (uint16_t count = 1; count < MT_BURST; count++) {
		burst(lab, count, QUEUES);
		expect_all(lab);
	}
	rte_free(lab);
}

/* Full bursts over many queues: fewer calls than one for each queue of each, and none of the frames
 * is late by more than MT_SPREAD_BURSTS. */
static void full_bursts_wait_a_little(void **state)
{
	struct lab *lab = make_lab();

	(void)state;
	for (unsigned n = 1; n <= 10 * MT_SPREAD_BURSTS; n++) {
		burst(lab, MT_BURST, QUEUES);
		assert_true(lab->made - lab->sink.frames <= MT_SPREAD_BURSTS * MT_BURST);
	}
	assert_true(lab->sink.calls < 10 * MT_SPREAD_BURSTS * MT_BURST / 4);
	mt_stage_spread_rest(&lab->worker);
	expect_all(lab);
	rte_free(lab);
}

/* What waits goes on with the next burst that is not full. */
static void a_small_burst_ends_the_wait(void **state)
{
	struct lab *lab = make_lab();

	(void)state;
	burst(lab, MT_BURST, QUEUES);
	assert_true(lab->worker.touched_count > 0);
	burst(lab, 1, QUEUES);
	expect_all(lab);
	rte_free(lab);
}

/* A queue that has nearly enough, and then a whole burst: delivered in pieces. */
static void more_than_a_burst_for_one_queue(void **state)
{
	struct lab *lab = make_lab();

	(void)state;
	burst(lab, MT_BURST, MT_BURST / (MT_SPREAD_ENOUGH - 1));
	assert_true(
		lab->worker.touched_count == 0 || lab->worker.spread[0].count < MT_SPREAD_ENOUGH);
	burst(lab, MT_BURST, 5); /* 12 or 13 each: they wait */
	assert_int_equal(lab->worker.touched_count, 5);
	burst(lab, MT_BURST, 1);
	assert_int_equal(lab->worker.spread[0].count, 0);
	mt_stage_spread_rest(&lab->worker);
	expect_all(lab);
	rte_free(lab);
}

static int start(void **state)
{
	char *arguments[] = {"test_spread", "--no-huge", "-m", "64", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0"};

	(void)state;
	if (rte_eal_init(RTE_DIM(arguments), arguments) < 0 || mt_frame_info_register() != 0)
		return -1;
	return rte_pktmbuf_pool_create("frames", BUFFERS, 0, 0, 1024, 0) != NULL ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_waits_alone),
		cmocka_unit_test(full_bursts_wait_a_little),
		cmocka_unit_test(a_small_burst_ends_the_wait),
		cmocka_unit_test(more_than_a_burst_for_one_queue),
	};

	return cmocka_run_group_tests_name("spread", tests, start, stop);
}
