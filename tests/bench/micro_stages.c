/* SPDX-License-Identifier: BSD-3-Clause */
/* The stages behind decapsulate: frames of a receive burst to a queue and on to an output, by the
 * worker that received them or by another one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_hash_crc.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_pause.h>

#include "consumer/mirrortap_consumer.h"
#include "datapath/live.h"
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "micro.h"
#include "output/output.h"
#include "output/ring.h"
#include "packet/frame_info.h"

enum {
	RING_LENGTH = 4096,
	POOL_FRAMES = 16383,
	FLOWS = 1024,
};

/* Two workers; the first receives, and owns the queues of datapath.queues with owner 0. */
struct lab {
	struct mt_datapath datapath;
	struct mt_snapshot snapshot;
	struct mt_worker workers[2];
	struct mt_queue queues[MT_DATAPATH_MAX_QUEUES];
	struct rte_mempool *pool;
	struct rte_mbuf **frames;
	uint32_t count;
	uint16_t length; /* of a frame */
};

static void lab_reset(struct lab *lab, uint16_t queues, uint16_t owner)
{
	memset(lab->workers, 0, sizeof(lab->workers));
	memset(lab->queues, 0, sizeof(lab->queues));
	lab->snapshot = (struct mt_snapshot){.queues = queues};
	mt_datapath_publish(&lab->datapath, &lab->snapshot);
	lab->datapath.queues_count = queues;
	lab->datapath.workers_count = 2;
	atomic_store(&lab->datapath.phase, MT_PHASE_RUN);
	for (uint16_t w = 0; w < 2; w++) {
		lab->workers[w].datapath = &lab->datapath;
		lab->workers[w].snapshot = &lab->snapshot;
		lab->workers[w].index = w;
		lab->datapath.workers[w] = &lab->workers[w];
		mt_clock_set(&lab->workers[w].clock);
	}
	for (uint16_t q = 0; q < queues; q++) {
		lab->queues[q].owner = owner;
		lab->datapath.queues[q] = &lab->queues[q];
		lab->workers[owner].owned[lab->workers[owner].owned_count++] = q;
		lab->workers[owner].owns[q] = true;
	}
}

/* Frames as decapsulate leaves them: both directions of each flow in turn, one time a burst. */
static void fill(struct lab *lab)
{
	if (rte_pktmbuf_alloc_bulk(lab->pool, lab->frames, lab->count) != 0) {
		fprintf(stderr, "micro: frames were lost\n");
		exit(1);
	}
	for (uint32_t i = 0; i < lab->count; i++) {
		struct rte_mbuf *frame = lab->frames[i];

		frame->data_len = lab->length;
		frame->pkt_len = lab->length;
		frame->hash.rss = rte_hash_crc_4byte(i / 2 % FLOWS, 0);
		mt_frame_info(frame)->time_ns = lab->workers[0].clock.ns + i / MT_BURST;
	}
}

/* Cycles of the first worker per frame, from a decapsulated burst to its queues. */
static double spread_round(struct lab *lab)
{
	struct mt_batch batch = {0};
	uint64_t cycles = 0;

	fill(lab);
	for (uint32_t at = 0; at < lab->count; at += MT_BURST) {
		uint64_t begin;

		memcpy(batch.frames, &lab->frames[at], sizeof(batch.frames));
		batch.count = MT_BURST;
		begin = rte_rdtsc();
		mt_stage_spread(&lab->workers[0], &batch);
		cycles += rte_rdtsc() - begin;
	}
	mt_spread_flush(&lab->workers[0]);
	return (double)cycles / lab->count;
}

/* The same where nobody wants the frames. */
static double skip_round(struct lab *lab)
{
	struct mt_batch batch = {0};
	uint64_t begin, cycles = 0;

	fill(lab);
	for (uint32_t at = 0; at < lab->count; at += MT_BURST) {
		memcpy(batch.frames, &lab->frames[at], sizeof(batch.frames));
		batch.count = MT_BURST;
		begin = rte_rdtsc();
		mt_stage_skip(&lab->workers[0], &batch);
		if ((at + MT_BURST) % MT_SKIP_FRAMES == 0)
			mt_skip_commit(&lab->workers[0]);
		cycles += rte_rdtsc() - begin;
	}
	mt_skip_commit(&lab->workers[0]);
	return (double)cycles / lab->count;
}

/* --- one core ----------------------------------------------------------------------------------
 */

static void measure_own_queues(struct lab *lab, uint16_t queues, unsigned rounds)
{
	double cycles[MICRO_MAX_ROUNDS];
	char variant[32];

	lab_reset(lab, queues, 0);
	spread_round(lab); /* a warm-up */
	for (unsigned r = 0; r < rounds; r++)
		cycles[r] = spread_round(lab);
	snprintf(variant, sizeof(variant), "%u own queue%s", queues, queues == 1 ? "" : "s");
	micro_report("spread, deliver, release", "-", variant, lab->count, cycles, rounds);
	if (queues == 1)
		return;
	skip_round(lab);
	for (unsigned r = 0; r < rounds; r++)
		cycles[r] = skip_round(lab);
	micro_report("skip, release", "-", variant, lab->count, cycles, rounds);
}

/* What a capture has got is thrown away between the rounds, as if its reader were fast. */
static void discard(struct mt_live *live)
{
	const struct mt_live_frame *frame;

	while ((frame = mt_live_peek(&live->queues[0])) != NULL)
		mt_live_pop(&live->queues[0], frame);
}

static int measure_capture(
	struct lab *lab, const char *variant, const char *filter, uint32_t snap, unsigned rounds)
{
	const struct mt_live_settings settings = {.filter = filter, .snap = snap, .queues = 1};
	double cycles[MICRO_MAX_ROUNDS];
	char error[256], text[64];
	struct mt_live *live = mt_live_create(&settings, error, sizeof(error));

	if (live == NULL) {
		fprintf(stderr, "micro: %s\n", error);
		return -1;
	}
	lab_reset(lab, 1, 0);
	mt_live_attach(&lab->datapath, 0, live);
	spread_round(lab); /* a warm-up */
	for (unsigned r = 0; r < rounds; r++) {
		discard(live);
		cycles[r] = spread_round(lab);
	}
	mt_live_detach(&lab->datapath, 0);
	snprintf(text, sizeof(text), "1 own queue, %u bytes, %s", lab->length, variant);
	micro_report("spread, deliver, release", "-", text, lab->count, cycles, rounds);
	if (mt_live_lost(live) > 0)
		fprintf(stderr, "micro: a capture lost frames\n");
	mt_live_destroy(live);
	return 0;
}

/* Frames of 64 bytes from the common pool, and long ones from a pool of their own. */
static int measure_captures(struct lab *lab, unsigned rounds)
{
	struct rte_mempool *pool = lab->pool;
	int rc = measure_capture(lab, "captured", NULL, MT_LIVE_MAX_SNAP, rounds);

	if (rc == 0)
		rc = measure_capture(
			lab, "filter takes none", "udp port 53", MT_LIVE_MAX_SNAP, rounds);
	lab->pool = rte_pktmbuf_pool_create(
		"captured", lab->count * 2 - 1, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	lab->length = 1400;
	if (rc == 0)
		rc = lab->pool != NULL
			? measure_capture(lab, "captured", NULL, MT_LIVE_MAX_SNAP, rounds)
			: -1;
	if (rc == 0)
		rc = measure_capture(lab, "captured, snaplen 128", NULL, 128, rounds);
	rte_mempool_free(lab->pool);
	lab->pool = pool;
	lab->length = 64;
	return rc;
}

/* A consumer of the ring that is as fast as can be: it has all and is done with it. */
static struct mirrortap_consumer *attach(const char *output)
{
	const char *folder = rte_eal_get_runtime_dir();
	const char *slash = strrchr(folder, '/');
	struct mirrortap_options options = {
		.output = output, .file_prefix = slash != NULL ? slash + 1 : folder};
	struct mirrortap_consumer *consumer;
	char error[512];

	if (mirrortap_attach(&options, &consumer, error, sizeof(error)) == 0)
		return consumer;
	fprintf(stderr, "micro: %s\n", error);
	return NULL;
}

static void empty(struct mirrortap_queue *queue)
{
	struct mirrortap_frame frames[MT_BURST];
	int count;

	while ((count = mirrortap_receive(queue, frames, MT_BURST)) > 0)
		mirrortap_release(queue, (unsigned)count);
}

/* What came back from the consumer in one round the worker frees in the next. */
static void ring_rounds(struct lab *lab, struct mt_output *output,
	struct mirrortap_consumer *consumer, unsigned rounds)
{
	struct mirrortap_queue *queue = mirrortap_queue(consumer, 0);
	double cycles[MICRO_MAX_ROUNDS];

	lab_reset(lab, 1, 0);
	lab->snapshot.outputs[lab->snapshot.outputs_count++] = output;
	spread_round(lab); /* a warm-up */
	empty(queue);
	for (unsigned r = 0; r < rounds; r++) {
		cycles[r] = spread_round(lab);
		empty(queue);
	}
	micro_report(
		"spread, deliver, ring, release", "-", "1 own queue", lab->count, cycles, rounds);
	while (rte_mempool_in_use_count(lab->pool) > 0)
		output->ops->poll(output, 0);
}

static int measure_ring_output(struct lab *lab, unsigned rounds)
{
	const uint16_t owner = 0;
	const int node = SOCKET_ID_ANY;
	const struct mt_output_settings settings = {.name = "micro",
		.length = RING_LENGTH,
		.queues = 1,
		.queue_worker = &owner,
		.queue_node = &node,
		.own_prefix = true};
	struct mirrortap_consumer *consumer;
	struct mt_output *output;
	char error[512];

	if (geteuid() != 0) {
		fprintf(stderr, "micro: no ring output: its socket needs root\n");
		return 0;
	}
	output = mt_output_create(&mt_output_ring, &settings, error, sizeof(error));
	if (output == NULL) {
		fprintf(stderr, "micro: %s\n", error);
		return -1;
	}
	consumer = attach(settings.name);
	if (consumer != NULL)
		ring_rounds(lab, output, consumer, rounds);
	mirrortap_detach(consumer);
	mt_output_destroy(output);
	return consumer != NULL ? 0 : -1;
}

/* --- two cores ---------------------------------------------------------------------------------
 */

/* What the second worker had of the first one, by its own count. */
static double owner_round(struct lab *lab, const struct mt_load_counters *before)
{
	const struct mt_load_counters *load = &lab->workers[1].load;

	while (mt_counter(&load->packets) - before->packets < lab->count)
		rte_pause();
	return (double)(mt_counter(&load->busy_cycles) - before->busy_cycles) / lab->count;
}

static void hand_over_rounds(struct lab *lab, const char *variant, unsigned rounds)
{
	double receiver[MICRO_MAX_ROUNDS], owner[MICRO_MAX_ROUNDS], both[MICRO_MAX_ROUNDS];

	for (unsigned r = 0; r < rounds; r++) {
		struct mt_load_counters before = lab->workers[1].load;

		receiver[r] = spread_round(lab);
		owner[r] = owner_round(lab, &before);
		both[r] = receiver[r] + owner[r];
	}
	micro_report("spread to another core", "-", variant, lab->count, receiver, rounds);
	micro_report("take, deliver, release", "-", variant, lab->count, owner, rounds);
	micro_report("both sides", "-", variant, lab->count, both, rounds);
}

static int measure_hand_over(
	struct lab *lab, unsigned lcore, const char *variant, unsigned flags, unsigned rounds)
{
	struct rte_ring *ring;

	lab_reset(lab, 1, 1);
	ring = rte_ring_create("micro_queue", RING_LENGTH, SOCKET_ID_ANY, flags | RING_F_EXACT_SZ);
	if (ring == NULL)
		return -1;
	lab->queues[0].ring = ring;
	rte_eal_remote_launch(mt_worker_run, &lab->workers[1], lcore);
	hand_over_rounds(lab, variant, rounds);
	atomic_store(&lab->datapath.phase, MT_PHASE_STOP);
	rte_eal_wait_lcore(lcore);
	rte_ring_free(ring);
	return 0;
}

static int measure_two_cores(struct lab *lab, unsigned rounds)
{
	unsigned lcore = rte_get_next_lcore(-1, 1, 0);
	int rc;

	if (lcore == RTE_MAX_LCORE) {
		fprintf(stderr, "micro: no hand-over between cores: give EAL a second lcore\n");
		return 0;
	}
	lab->datapath.readers =
		rte_zmalloc("readers", rte_rcu_qsbr_get_memsize(2), RTE_CACHE_LINE_SIZE);
	if (lab->datapath.readers == NULL || rte_rcu_qsbr_init(lab->datapath.readers, 2) != 0)
		return -1;
	rc = measure_hand_over(lab, lcore, "1 producer", RING_F_SP_ENQ | RING_F_SC_DEQ, rounds);
	if (rc == 0)
		rc = measure_hand_over(lab, lcore, "many producers", RING_F_SC_DEQ, rounds);
	rte_free(lab->datapath.readers);
	return rc;
}

int micro_stages(uint32_t frames, unsigned rounds)
{
	static struct lab lab;
	int rc = -1;

	lab.length = 64;
	lab.count = RTE_MIN(frames / MT_BURST * MT_BURST, (uint32_t)RING_LENGTH);
	lab.pool = rte_pktmbuf_pool_create("stages", POOL_FRAMES, 256, 0, 512, SOCKET_ID_ANY);
	lab.frames = calloc(lab.count, sizeof(*lab.frames));
	if (lab.pool != NULL && lab.frames != NULL) {
		measure_own_queues(&lab, 1, rounds);
		measure_own_queues(&lab, MT_DATAPATH_MAX_QUEUES, rounds);
		rc = measure_captures(&lab, rounds);
		if (rc == 0)
			rc = measure_ring_output(&lab, rounds);
		if (rc == 0)
			rc = measure_two_cores(&lab, rounds);
	}
	if (rc < 0)
		fprintf(stderr, "micro: no memory for the stages; give EAL more\n");
	free(lab.frames);
	return rc;
}
