/* SPDX-License-Identifier: BSD-3-Clause */
/* Cycles per packet of one stage by itself, on frames that are in the cache as far as the working
 * set allows: what it computes, without what a device costs.
 *
 * Prints one JSON object per line: stage, shape, variant, frames, TSC cycles per packet (median,
 * least and most of the rounds).
 *
 *	micro [EAL ARGUMENTS --] [-n FRAMES] [-r ROUNDS] [-s SHAPE -v VARIANT]
 *
 * With -s and -v only decapsulate in this way, for tools that count what a whole program does;
 * `-v none` does everything else but the stage, to be taken off. */
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_vect.h>

#include "build_packet.h"
#include "datapath/stages.h"
#include "micro.h"
#include "packet/frame_info.h"

enum {
	PAYLOAD = 10, /* of an inner frame of 64 bytes */
};

/* --- the frames --------------------------------------------------------------------------------
 */

enum shape { VXLAN4, VXLAN6, VXLAN_MIXED, VXLAN_ICMP, GENEVE, GENEVE_VXLAN, SHAPES };

static const char *const shape_names[SHAPES] = {
	[VXLAN4] = "vxlan-ipv4",
	[VXLAN6] = "vxlan-ipv6",
	[VXLAN_MIXED] = "vxlan-mixed",
	[VXLAN_ICMP] = "vxlan-icmp",
	[GENEVE] = "geneve",
	[GENEVE_VXLAN] = "geneve-vxlan",
};

static void put_inner(struct packet *packet, bool v6, uint8_t protocol, uint32_t flow)
{
	const struct ipv4 ip = {
		.source = 0x0a000001, .destination = 0xc0000000 + flow, .protocol = protocol};

	put_macs(packet, 2, 1);
	put_16(packet, v6 ? ETHERTYPE_V6 : ETHERTYPE_V4);
	if (v6)
		put_ipv6(packet, protocol, 1 + flow % 200, 201);
	else
		put_ipv4(packet, &ip);
	if (protocol == IPPROTO_TCP)
		put_tcp(packet, 1024 + flow % 60000, 80);
	else
		put_icmp(packet, 8, 0);
	put_pattern(packet, v6 ? 0 : PAYLOAD);
}

static void make(struct packet *packet, enum shape shape, uint32_t flow)
{
	const struct ipv4 source = {
		.source = 0x0a000001, .destination = 0x0a000002, .protocol = IPPROTO_UDP};

	packet_start(packet);
	switch (shape) {
	case GENEVE:
		put_outer(packet, GENEVE_PORT);
		put_geneve(packet, ETHERTYPE_BRIDGE, 4321, 0);
		break;
	case GENEVE_VXLAN: /* as a Gateway Load Balancer sends it */
		put_outer(packet, GENEVE_PORT);
		put_geneve(packet, ETHERTYPE_V4, 0, 32);
		put_geneve_option(packet, 0x0108, 1, 8);
		put_geneve_option(packet, 0x0108, 2, 8);
		put_geneve_option(packet, 0x0108, 3, 4);
		put_ipv4(packet, &source);
		put_udp(packet, 65408, VXLAN_PORT);
		put_vxlan(packet, 4321);
		break;
	default:
		put_outer_vxlan(packet, 4321);
		break;
	}
	put_inner(packet, shape == VXLAN6 || (shape == VXLAN_MIXED && flow % 2 == 1),
		shape == VXLAN_ICMP ? IPPROTO_ICMP : IPPROTO_TCP, flow);
	packet_close(packet);
}

/* --- measuring ---------------------------------------------------------------------------------
 */

struct set {
	struct rte_mbuf **frames;
	uint32_t count;
	uint16_t length;
};

static void set_fill(struct set *set, enum shape shape)
{
	static struct packet packet;

	for (uint32_t i = 0; i < set->count; i++) {
		set->frames[i]->data_off = RTE_PKTMBUF_HEADROOM;
		make(&packet, shape, i);
		memcpy(rte_pktmbuf_mtod(set->frames[i], void *), packet.bytes, packet.length);
		set->length = packet.length;
	}
}

/* As a driver hands it over. */
static void as_received(struct rte_mbuf *frame, uint16_t length)
{
	frame->data_off = RTE_PKTMBUF_HEADROOM;
	frame->data_len = length;
	frame->pkt_len = length;
	frame->ol_flags = 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void micro_report(const char *stage, const char *shape, const char *variant, uint32_t frames,
	double *cycles, unsigned rounds)
{
	qsort(cycles, rounds, sizeof(cycles[0]), ascending);
	printf("{\"stage\": \"%s\", \"shape\": \"%s\", \"variant\": \"%s\", \"frames\": %u, "
	       "\"cycles\": {\"median\": %.1f, \"min\": %.1f, \"max\": %.1f}}\n",
		stage, shape, variant, frames, cycles[rounds / 2], cycles[0], cycles[rounds - 1]);
	fflush(stdout);
}

/* A round over all frames; without a snapshot all of it but the stage. */
static double round_cycles(const struct mt_snapshot *snapshot, const struct set *set)
{
	struct mt_batch batch;
	uint64_t cycles = 0;

	for (uint32_t i = 0; i < set->count; i++)
		as_received(set->frames[i], set->length);
	for (uint32_t at = 0; at + MT_BURST <= set->count; at += MT_BURST) {
		uint64_t begin;

		memcpy(batch.frames, &set->frames[at], sizeof(batch.frames));
		batch.count = MT_BURST;
		batch.dropped_count = 0;
		batch.host_count = 0;
		batch.session_drops_count = 0;
		memset(batch.verdicts, 0, sizeof(batch.verdicts));
		batch.time_ns = at;
		begin = rte_rdtsc();
		if (snapshot != NULL)
			mt_stage_decapsulate(snapshot, &batch);
		cycles += rte_rdtsc() - begin;
		if (batch.count != MT_BURST) {
			fprintf(stderr, "micro: %u of %u frames were not accepted\n",
				MT_BURST - batch.count, MT_BURST);
			exit(1);
		}
	}
	return (double)cycles / (set->count / MT_BURST * MT_BURST);
}

static void measure(enum shape shape, const char *variant, mt_decapsulate_simd_t *simd,
	const struct set *set, unsigned rounds)
{
	struct mt_snapshot snapshot = {.tunnels = default_tunnels(), .queues = 1, .simd = simd};
	double cycles[MICRO_MAX_ROUNDS];
	bool none = strcmp(variant, "none") == 0;

	snapshot.fast = mt_fast_prepare(&snapshot.tunnels);
	snapshot.plain_hash = true;
	round_cycles(none ? NULL : &snapshot, set); /* a warm-up */
	for (unsigned r = 0; r < rounds; r++)
		cycles[r] = round_cycles(none ? NULL : &snapshot, set);
	micro_report("decapsulate", shape_names[shape], variant, set->count, cycles, rounds);
}

/* --- what to measure ---------------------------------------------------------------------------
 */

struct options {
	uint32_t frames;
	unsigned rounds;
	const char *shape; /* NULL: all */
	const char *variant;
};

static bool parse(int argc, char **argv, struct options *options)
{
	int option;

	while ((option = getopt(argc, argv, "n:r:s:v:")) != -1) {
		if (option == 'n')
			options->frames = (uint32_t)atoi(optarg);
		else if (option == 'r')
			options->rounds = (unsigned)atoi(optarg);
		else if (option == 's')
			options->shape = optarg;
		else if (option == 'v')
			options->variant = optarg;
		else
			return false;
	}
	return options->frames >= MT_BURST && options->rounds > 0
		&& options->rounds <= MICRO_MAX_ROUNDS
		&& (options->shape == NULL) == (options->variant == NULL);
}

/* All ways that this CPU has, or the one that was asked for. Returns how many were measured. */
static unsigned measure_shape(enum shape shape, struct set *set, const struct options *options)
{
	static const uint16_t bits[] = {RTE_VECT_SIMD_128, RTE_VECT_SIMD_256, RTE_VECT_SIMD_512};
	unsigned measured = 0;
	const char *last = "";

	set_fill(set, shape);
	if (options->variant != NULL && strcmp(options->variant, "none") == 0) {
		measure(shape, "none", NULL, set, options->rounds);
		return 1;
	}
	for (size_t b = 0; b < RTE_DIM(bits); b++) {
		const char *name;
		mt_decapsulate_simd_t *simd = mt_decapsulate_simd_choose(bits[b], &name);

		if (strcmp(name, last) == 0
			|| (options->variant != NULL && strcmp(name, options->variant) != 0))
			continue;
		measure(shape, name, simd, set, options->rounds);
		measured++;
		last = name;
	}
	return measured;
}

static int measure_all(struct set *set, const struct options *options)
{
	unsigned measured = 0;

	for (int shape = 0; shape < SHAPES; shape++)
		if (options->shape == NULL || strcmp(options->shape, shape_names[shape]) == 0)
			measured += measure_shape((enum shape)shape, set, options);
	if (measured == 0) {
		fprintf(stderr, "micro: no shape %s, or not in the way %s on this CPU\n",
			options->shape, options->variant);
		return -1;
	}
	if (options->shape != NULL)
		return 0;
	if (micro_stages(set->count, options->rounds) < 0)
		return -1;
	return micro_dedup(set->count, options->rounds);
}

int main(int argc, char **argv)
{
	struct options options = {.frames = 2048, .rounds = 31};
	struct rte_mempool *pool;
	struct set set;
	int eal = rte_eal_init(argc, argv);
	int rc;

	if (eal < 0 || mt_frame_info_register() < 0)
		return 1;
	if (!parse(argc - eal, argv + eal, &options)) {
		fprintf(stderr,
			"Usage: micro [EAL ARGUMENTS --] [-n FRAMES] [-r ROUNDS]"
			" [-s SHAPE -v VARIANT]\n");
		return 2;
	}
	set.count = options.frames;
	pool = rte_pktmbuf_pool_create("frames", set.count, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	set.frames = calloc(set.count, sizeof(*set.frames));
	if (pool == NULL || set.frames == NULL
		|| rte_pktmbuf_alloc_bulk(pool, set.frames, set.count) != 0) {
		fprintf(stderr, "micro: no memory for %u frames; give EAL more\n", set.count);
		return 1;
	}
	rc = measure_all(&set, &options);
	free(set.frames);
	rte_eal_cleanup();
	return rc < 0 ? 1 : 0;
}
