/* SPDX-License-Identifier: BSD-3-Clause */
/* The spread: each frame comes to its flow's queue, in order, once, at most a burst at a time, and
 * is counted; whether it waits for more of its queue or not, and whether anybody wants it or not.
 */
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
	uint64_t skipped[MT_DATAPATH_MAX_QUEUES];
} sent;

static uint64_t wanted; /* a set of queues */

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

static bool wants(struct mt_output *output, uint16_t queue)
{
	(void)output;
	return wanted >> queue & 1;
}

static void count_unwanted(struct mt_output *output, uint16_t queue, uint32_t count)
{
	(void)output;
	sent.skipped[queue] += count;
}

static const struct mt_output_ops ops = {.type = "test", .send = take};
static const struct mt_output_ops choosy = {
	.type = "test", .send = take, .wants = wants, .count_unwanted = count_unwanted};

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
		lab->worker.owned[lab->worker.owned_count++] = q;
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
	if (lab->snapshot.queues > 1)
		mt_stage_skip(&lab->worker, &batch);
	if (batch.count > 0)
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

static void end_loop(struct lab *lab)
{
	mt_spread_flush(&lab->worker);
	mt_skip_commit(&lab->worker);
}

static void expect_counted(const struct lab *lab, uint32_t frames)
{
	uint64_t counted = 0;

	for (uint16_t q = 0; q < lab->snapshot.queues; q++)
		counted += lab->queues[q].counters.counts.accepted;
	assert_int_equal(counted, frames);
}

/* Every frame that was made is counted at its queue, and only those of queues in `skipped` did not
 * come out. */
static void expect_skipped(const struct lab *lab, uint64_t skipped)
{
	uint64_t frames[MT_DATAPATH_MAX_QUEUES] = {0};
	uint64_t bytes[MT_DATAPATH_MAX_QUEUES] = {0};
	uint64_t out[MT_DATAPATH_MAX_QUEUES] = {0};

	assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
	for (uint32_t n = 0; n < lab->made; n++) {
		const uint16_t queue = mt_hash_queue(lab->hashes[n], lab->snapshot.queues);

		frames[queue]++;
		bytes[queue] += lab->lengths[n];
	}
	for (uint32_t i = 0; i < sent.count; i++)
		out[sent.queues[i]]++;
	for (uint16_t q = 0; q < lab->snapshot.queues; q++) {
		const struct mt_queue_counters *counters = &lab->queues[q].counters;
		const bool is_skipped = skipped >> q & 1;
		uint64_t latencies = 0;

		assert_int_equal(counters->counts.accepted, frames[q]);
		assert_int_equal(counters->counts.accepted_bytes, bytes[q]);
		for (unsigned b = 0; b < MT_LATENCY_BUCKETS; b++)
			latencies += counters->latency.buckets[b];
		assert_int_equal(latencies, frames[q]);
		assert_int_equal(out[q], is_skipped ? 0 : frames[q]);
		if (lab->snapshot.outputs_count > 0)
			assert_int_equal(sent.skipped[q], is_skipped ? frames[q] : 0);
	}
}

/* A buffer goes back at once, and its packet is counted when the loop ends. */
static void without_an_output_frames_are_only_counted(void **state)
{
	static const uint16_t queues[] = {2, 3, 64};

	(void)state;
	for (size_t n = 0; n < RTE_DIM(queues); n++) {
		struct lab *lab = lab_open(queues[n]);

		lab->snapshot.outputs_count = 0;
		for (unsigned b = 0; b < MT_SKIP_FRAMES / MT_BURST; b++) {
			spread(lab, MT_BURST, NULL);
			assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
			expect_counted(lab, 0);
		}
		end_loop(lab);
		expect_skipped(lab, UINT64_MAX);
		end_loop(lab); /* one without packets */
		expect_skipped(lab, UINT64_MAX);
		rte_free(lab);
	}
}

/* Some queues are wanted, some are not, and another worker owns some. */
static void queues_that_nobody_wants_are_skipped(void **state)
{
	static const uint64_t sets[] = {0, UINT64_MAX, 0x5555555555555555, 1};
	const uint16_t foreign = 20;

	(void)state;
	for (unsigned n = 0; n < RTE_DIM(sets); n++) {
		struct lab *lab = lab_open(64);
		uint64_t skipped = ~sets[n];

		lab->output.ops = &choosy;
		wanted = sets[n];
		if (n == 3) {
			/* Seen as wanted by this worker, whatever its owner will say. */
			memmove(&lab->worker.owned[foreign], &lab->worker.owned[foreign + 1],
				(64 - foreign - 1) * sizeof(lab->worker.owned[0]));
			lab->worker.owned_count--;
			skipped &= ~(UINT64_C(1) << foreign);
		}
		while (lab->made < FRAMES - MT_BURST) {
			spread(lab, (uint16_t)(1 + random() % MT_BURST), NULL);
			if (random() % 8 == 0)
				end_loop(lab);
		}
		end_loop(lab);
		expect_skipped(lab, skipped);
		rte_free(lab);
	}
}

/* An output is asked once a loop: a queue's frames do not overtake each other. */
static void outputs_are_asked_once_a_loop(void **state)
{
	struct lab *lab = lab_open(64);

	(void)state;
	lab->output.ops = &choosy;
	wanted = 0;
	spread(lab, MT_BURST, NULL);
	wanted = UINT64_MAX;
	spread(lab, MT_BURST, NULL);
	end_loop(lab);
	assert_int_equal(sent.count, 0);
	expect_skipped(lab, UINT64_MAX);
	rte_free(lab);

	lab = lab_open(64);
	lab->output.ops = &choosy;
	spread(lab, MT_BURST, NULL);
	wanted = 0;
	spread(lab, MT_BURST, NULL);
	end_loop(lab);
	assert_int_equal(sent.count, 2 * MT_BURST);
	spread(lab, MT_BURST, NULL);
	end_loop(lab);
	assert_int_equal(sent.count, 2 * MT_BURST);
	expect_counted(lab, 3 * MT_BURST);
	rte_free(lab);
}

/* What looks at frames before the outputs, or for each, or has a ring of its own for them. */
static void nothing_is_skipped_that_others_must_see(void **state)
{
	static struct mt_dedup_tables tables;
	struct lab *lab;

	(void)state;
	wanted = 0;
	for (unsigned n = 0; n < 5; n++) {
		struct mt_batch batch = {0};

		lab = lab_open(64);
		lab->output.ops = &choosy;
		lab->snapshot.chooses = n == 0;
		lab->snapshot.reorder_window_tsc = n == 1;
		lab->snapshot.dedup_tables = n == 2 ? &tables : NULL;
		lab->datapath.capturing = n == 3;
		assert_int_equal(rte_pktmbuf_alloc_bulk(frame_pool(), batch.frames, 8), 0);
		batch.count = 8;
		mt_stage_skip(&lab->worker, &batch);
		assert_int_equal(batch.count, n == 4 ? 0 : 8);
		mt_release(batch.frames, batch.count);
		mt_skip_commit(&lab->worker);
		rte_free(lab);
	}
	assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
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
		cmocka_unit_test(without_an_output_frames_are_only_counted),
		cmocka_unit_test(queues_that_nobody_wants_are_skipped),
		cmocka_unit_test(outputs_are_asked_once_a_loop),
		cmocka_unit_test(nothing_is_skipped_that_others_must_see),
		cmocka_unit_test(full_rings_are_counted),
	};

	return cmocka_run_group_tests(tests, start, frame_pool_close);
}
