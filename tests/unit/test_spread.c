/* SPDX-License-Identifier: BSD-3-Clause */
/* The spread: each frame comes to its flow's queue, in order, once, at most a burst at a time, and
 * is counted; whether it waits for more of its queue or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "datapath/stages.h"
#include "datapath/worker.h"
#include "frame_pool.h"
#include "output/output.h"
#include "output/release.h"
#include "packet/flow_hash.h"
#include "packet/frame_info.h"

enum {
	FRAMES = 4096,
	LENGTH = 100,
};

/* What came out: the number of each frame, in the order of delivery. */
static struct {
	uint32_t count;
	uint16_t largest; /* burst */
	uint16_t queues[FRAMES];
	uint32_t numbers[FRAMES];
} sent;

static void take(struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	(void)output;
	sent.largest = RTE_MAX(sent.largest, count);
	for (uint16_t i = 0; i < count; i++) {
		assert_true(sent.count < FRAMES);
		sent.queues[sent.count] = queue;
		sent.numbers[sent.count++] = mt_frame_info(frames[i])->vni_flags >> 8;
	}
	mt_release(frames, count);
}

static const struct mt_output_ops ops = {.type = "test", .send = take};

/* A worker that receives and owns the queues. */
struct lab {
	struct mt_datapath datapath;
	struct mt_snapshot snapshot;
	struct mt_output output;
	struct mt_queue queues[MT_DATAPATH_MAX_QUEUES];
	struct mt_worker worker;
	uint32_t made;            /* frames */
	uint32_t hashes[FRAMES];  /* of each */
	uint32_t lengths[FRAMES]; /* of each */
};

static struct lab *lab_open(uint16_t queues)
{
	struct lab *lab = rte_zmalloc("lab", sizeof(*lab), RTE_CACHE_LINE_SIZE);

	assert_non_null(lab);
	memset(&sent, 0, sizeof(sent));
	lab->output.ops = &ops;
	lab->snapshot.queues = queues;
	lab->snapshot.outputs_count = 1;
	lab->snapshot.outputs[0] = &lab->output;
	lab->datapath.queues_count = queues;
	lab->worker.datapath = &lab->datapath;
	lab->worker.snapshot = &lab->snapshot;
	mt_clock_set(&lab->worker.clock);
	for (uint16_t q = 0; q < queues; q++) {
		lab->datapath.queues[q] = &lab->queues[q];
		lab->worker.owns[q] = true;
	}
	return lab;
}

/* A batch of `count` frames; their flow hashes are random, or all are `hash`. */
static void spread(struct lab *lab, uint16_t count, const uint32_t *hash)
{
	struct mt_batch batch = {.count = count, .time_ns = lab->worker.clock.ns};

	assert_int_equal(rte_pktmbuf_alloc_bulk(frame_pool(), batch.frames, count), 0);
	for (uint16_t i = 0; i < count; i++) {
		const uint32_t number = lab->made++;
		struct rte_mbuf *frame = batch.frames[i];

		lab->hashes[number] = hash != NULL ? *hash : (uint32_t)random() << 1;
		lab->lengths[number] = LENGTH + number % 1000;
		frame->hash.rss = lab->hashes[number];
		assert_non_null(rte_pktmbuf_append(frame, (uint16_t)lab->lengths[number]));
		mt_frame_info(frame)->vni_flags = number << 8;
		mt_frame_info(frame)->time_ns = batch.time_ns;
		batch.sums.bytes += frame->pkt_len;
	}
	mt_stage_spread(&lab->worker, &batch);
	/* What waits is bounded. */
	assert_in_range(
		rte_mempool_in_use_count(frame_pool()), 0, mt_spread_limit(lab->snapshot.queues));
}

/* All that was made came out where it belongs, in the order in which it came, and is counted. */
static void expect_all(const struct lab *lab)
{
	uint64_t frames[MT_DATAPATH_MAX_QUEUES] = {0};
	uint64_t bytes[MT_DATAPATH_MAX_QUEUES] = {0};
	uint32_t last[MT_DATAPATH_MAX_QUEUES] = {0};

	assert_int_equal(sent.count, lab->made);
	assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
	assert_in_range(sent.largest, 1, MT_BURST);
	for (uint32_t i = 0; i < sent.count; i++) {
		const uint32_t number = sent.numbers[i];
		const uint16_t queue = sent.queues[i];

		assert_int_equal(queue, mt_hash_queue(lab->hashes[number], lab->snapshot.queues));
		assert_true(frames[queue] == 0 || number > last[queue]);
		last[queue] = number;
		frames[queue]++;
		bytes[queue] += lab->lengths[number];
	}
	for (uint16_t q = 0; q < lab->snapshot.queues; q++) {
		const struct mt_queue_counters *counters = &lab->queues[q].counters;
		uint64_t latencies = 0;

		assert_int_equal(counters->counts.accepted, frames[q]);
		assert_int_equal(counters->counts.accepted_bytes, bytes[q]);
		for (unsigned b = 0; b < MT_LATENCY_BUCKETS; b++)
			latencies += counters->latency.buckets[b];
		assert_int_equal(latencies, frames[q]);
	}
}

static void every_frame_comes_to_its_queue(void **state)
{
	static const uint16_t queues[] = {1, 2, 3, 5, 8, 17, 64};

	(void)state;
	for (size_t n = 0; n < RTE_DIM(queues); n++) {
		struct lab *lab = lab_open(queues[n]);

		while (lab->made < FRAMES - MT_BURST) {
			spread(lab, (uint16_t)(1 + random() % MT_BURST), NULL);
			if (random() % 8 == 0)
				mt_spread_flush(&lab->worker);
		}
		mt_spread_flush(&lab->worker);
		expect_all(lab);
		rte_free(lab);
	}
}

/* More of one flow than a queue can have set aside. */
static void one_flow_among_many_queues(void **state)
{
	const uint32_t hash = 0x89abcdef;
	struct lab *lab = lab_open(64);

	(void)state;
	while (lab->made < FRAMES - MT_BURST)
		spread(lab, (uint16_t)(1 + random() % MT_BURST), random() % 4 == 0 ? NULL : &hash);
	mt_spread_flush(&lab->worker);
	expect_all(lab);
	rte_free(lab);
}

/* Full bursts wait for more where there are many queues, and not where there are few. */
static void full_bursts_wait_where_queues_are_many(void **state)
{
	struct lab *lab = lab_open(2);

	(void)state;
	spread(lab, MT_BURST, NULL);
	expect_all(lab);
	rte_free(lab);

	lab = lab_open(64);
	spread(lab, MT_BURST, NULL);
	assert_int_equal(sent.count, 0);
	for (unsigned n = 1; n < MT_SPREAD_FRAMES / MT_BURST; n++)
		spread(lab, MT_BURST, NULL);
	expect_all(lab);
	mt_spread_flush(&lab->worker);
	expect_all(lab);
	rte_free(lab);
}

/* What finds no room in another owner's ring is dropped, and counted there and with its session. */
static void full_rings_are_counted(void **state)
{
	struct lab *lab = lab_open(64);
	const uint16_t queue = 20;
	const uint32_t hash = (uint32_t)(((uint64_t)queue << 32) / 64) + 1;
	struct rte_mbuf *taken[16];
	uint64_t drops = 0;

	(void)state;
	lab->worker.owns[queue] = false;
	lab->queues[queue].ring = rte_ring_create("owner", 16, SOCKET_ID_ANY, 0);
	assert_non_null(lab->queues[queue].ring);
	spread(lab, 40, &hash);
	mt_spread_flush(&lab->worker);
	assert_int_equal(sent.count, 0);
	assert_int_equal(rte_ring_count(lab->queues[queue].ring), 15);
	assert_int_equal(lab->worker.full.full[queue], 25);
	for (uint32_t e = 0; e < MT_SESSION_ENTRIES; e++)
		drops += lab->worker.sessions.entries[e].counts.drops;
	assert_int_equal(drops, 25);
	assert_int_equal(
		rte_ring_dequeue_burst(lab->queues[queue].ring, (void **)taken, 16, NULL), 15);
	for (uint32_t i = 0; i < 15; i++)
		assert_int_equal(mt_frame_info(taken[i])->vni_flags >> 8, i);
	mt_release(taken, 15);
	assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
	rte_ring_free(lab->queues[queue].ring);
	rte_free(lab);
}

static int start(void **state)
{
	(void)state;
	srandom(1);
	return frame_pool_open(128, 2047);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_comes_to_its_queue),
		cmocka_unit_test(one_flow_among_many_queues),
		cmocka_unit_test(full_bursts_wait_where_queues_are_many),
		cmocka_unit_test(full_rings_are_counted),
	};

	return cmocka_run_group_tests(tests, start, frame_pool_close);
}
