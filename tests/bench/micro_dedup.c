/* SPDX-License-Identifier: BSD-3-Clause */
/* De-duplication and reordering: what a queue's owner needs for a burst with them and without, when
 * all packets are new and in order, and when each comes twice. The table is full of what came
 * before, as under load. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#include "build_packet.h"
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "micro.h"
#include "packet/frame_info.h"

enum {
	POOL_FRAMES = 16383, /* no cache holds them */
	ENTRIES = 262144,
	GAP_NS = 200, /* between two frames: five million a second */
	LENGTH_AT = 14 + 2,
	ID_AT = 14 + 4,
	PORT_AT = 14 + 20,
	FLOWS = 1024,
	SEQUENCE_AT = 14 + 20 + 4,
};

struct lab {
	struct mt_datapath datapath;
	struct mt_snapshot snapshot;
	struct mt_worker worker;
	struct mt_queue queue;
	struct mt_dedup_tables tables;
	struct rte_mempool *pool;
	struct rte_mbuf **frames;
	uint32_t count;
	uint32_t sent; /* packets so far: each has its own number */
	uint64_t time_ns;
};

/* Every buffer of the pool once. */
static int write_buffers(struct lab *lab)
{
	struct rte_mbuf **all = calloc(POOL_FRAMES, sizeof(*all));
	static struct packet packet;
	int rc = -1;

	packet_start(&packet);
	put_inner_tcp(&packet, 1500);
	packet_close(&packet);
	if (all != NULL && rte_pktmbuf_alloc_bulk(lab->pool, all, POOL_FRAMES) == 0) {
		for (unsigned i = 0; i < POOL_FRAMES; i++)
			memcpy(rte_pktmbuf_mtod(all[i], void *), packet.bytes, packet.length);
		rte_pktmbuf_free_bulk(all, POOL_FRAMES);
		rc = 0;
	}
	free(all);
	return rc;
}

static void set_field(uint8_t *field, uint16_t value)
{
	field[0] = (uint8_t)(value >> 8);
	field[1] = (uint8_t)value;
}

/* As frames come to a queue: a time for each burst. With `copies`, each packet twice, the second
 * half of a burst from another source. */
static void fill(struct lab *lab, uint16_t length, bool copies)
{
	if (rte_pktmbuf_alloc_bulk(lab->pool, lab->frames, lab->count) != 0) {
		fprintf(stderr, "micro: frames were lost\n");
		exit(1);
	}
	for (uint32_t i = 0; i < lab->count; i++) {
		bool copy = copies && i % MT_BURST >= MT_BURST / 2;
		uint32_t number = lab->sent + (copy ? i - MT_BURST / 2 : i);
		uint8_t *bytes = rte_pktmbuf_mtod(lab->frames[i], uint8_t *);
		uint32_t sequence;
		struct mt_frame_info *info = mt_frame_info(lab->frames[i]);

		lab->frames[i]->data_len = length;
		lab->frames[i]->pkt_len = length;
		set_field(bytes + LENGTH_AT, length - 14);
		set_field(bytes + ID_AT, (uint16_t)number);
		set_field(bytes + PORT_AT, (uint16_t)(1024 + number % FLOWS));
		sequence = number / FLOWS * (length - 14u - 20 - 20);
		set_field(bytes + SEQUENCE_AT, (uint16_t)(sequence >> 16));
		set_field(bytes + SEQUENCE_AT + 2, (uint16_t)sequence);
		info->time_ns = lab->time_ns + i / MT_BURST * MT_BURST * GAP_NS;
		info->source = mt_address_from_ipv4(copy ? 2 : 1);
		info->vni_flags = 4321 << 8;
		info->original_length = length;
	}
	lab->sent += lab->count;
	lab->time_ns += (uint64_t)lab->count * GAP_NS;
}

static double pass_round(struct lab *lab, uint16_t length, bool copies)
{
	uint64_t cycles = 0;

	fill(lab, length, copies);
	for (uint32_t at = 0; at < lab->count; at += MT_BURST) {
		uint64_t begin = rte_rdtsc();

		mt_queue_pass(&lab->worker, 0, &lab->frames[at], MT_BURST,
			(uint64_t)MT_BURST * length, NULL);
		cycles += rte_rdtsc() - begin;
	}
	return (double)cycles / lab->count;
}

static void measure(struct lab *lab, const char *shape, uint16_t length, const char *variant,
	struct mt_dedup_config config, bool copies, unsigned rounds)
{
	double cycles[MICRO_MAX_ROUNDS];

	lab->snapshot.dedup = config;
	lab->snapshot.dedup_tables = config.window_ms != 0 ? &lab->tables : NULL;
	/* A warm-up, in which the table fills. */
	for (uint32_t sent = 0; sent < ENTRIES; sent += lab->count)
		pass_round(lab, length, copies);
	for (unsigned r = 0; r < rounds; r++)
		cycles[r] = pass_round(lab, length, copies);
	micro_report("queue", shape, variant, lab->count, cycles, rounds);
}

static void measure_all(struct lab *lab, unsigned rounds)
{
	static const struct {
		const char *shape;
		uint16_t length;
	} sizes[] = {{"tcp-64", 64}, {"tcp-590", 590}, {"tcp-1400", 1400}};
	const struct mt_dedup_config off = {0};
	struct mt_dedup_config on = {.window_ms = 50, .across_sessions = true};

	for (size_t s = 0; s < RTE_DIM(sizes); s++) {
		measure(lab, sizes[s].shape, sizes[s].length, "neither", off, false, rounds);
		on.bytes = MT_DEDUP_MAX_BYTES;
		measure(lab, sizes[s].shape, sizes[s].length, "dedup", on, false, rounds);
		measure(lab, sizes[s].shape, sizes[s].length, "dedup, each twice", on, true,
			rounds);
		on.bytes = 256;
		measure(lab, sizes[s].shape, sizes[s].length, "dedup, 256 bytes", on, false,
			rounds);
		lab->snapshot.reorder_window_tsc = rte_get_tsc_hz() / 1000;
		measure(lab, sizes[s].shape, sizes[s].length, "reorder", off, false, rounds);
		lab->snapshot.reorder_window_tsc = 0;
	}
}

int micro_dedup(uint32_t frames, unsigned rounds)
{
	static struct lab lab;
	int rc = -1;

	lab.count = RTE_MIN(frames / MT_BURST * MT_BURST, (uint32_t)POOL_FRAMES / 2);
	lab.snapshot.queues = 1;
	lab.datapath.queues_count = 1;
	lab.datapath.queues[0] = &lab.queue;
	lab.worker.datapath = &lab.datapath;
	lab.worker.snapshot = &lab.snapshot;
	lab.time_ns = UINT64_C(1700000000000000000);
	lab.tables.of[0] = mt_dedup_create(ENTRIES, rte_rdtsc(), SOCKET_ID_ANY);
	lab.queue.reorder = mt_reorder_create(1024, MT_BURST, rte_rdtsc(), SOCKET_ID_ANY);
	lab.pool = rte_pktmbuf_pool_create(
		"dedup", POOL_FRAMES, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	lab.frames = calloc(lab.count, sizeof(*lab.frames));
	if (lab.tables.of[0] != NULL && lab.queue.reorder != NULL && lab.pool != NULL
		&& lab.frames != NULL && write_buffers(&lab) == 0) {
		measure_all(&lab, rounds);
		rc = 0;
	}
	if (rc < 0)
		fprintf(stderr, "micro: no memory for the de-duplication; give EAL more\n");
	mt_dedup_destroy(lab.tables.of[0]);
	mt_reorder_destroy(lab.queue.reorder);
	rte_mempool_free(lab.pool);
	free(lab.frames);
	return rc;
}
