/* SPDX-License-Identifier: BSD-3-Clause */
/* Cycles per packet of the policy stage by itself: sessions, rules, BPF.
 *
 * Prints one JSON object per line: what there is of each, TSC cycles per packet (median, least and
 * most of the rounds). */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "build_packet.h"
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "packet/frame_info.h"
#include "policy/policy.h"

enum {
	MAX_ROUNDS = 101,
	MAX_SESSIONS = 10000,
	MAX_RULES = 1000,
	FRAMES = 16384,
};

static const struct test {
	const char *name;
	unsigned sessions;
	unsigned rules;
	bool sources;
	bool bpf;
} tests[] = {
	{.name = "sessions", .sessions = 10},
	{.name = "sessions", .sessions = 10000},
	{.name = "sources", .sessions = 10, .sources = true},
	{.name = "sources", .sessions = 10000, .sources = true},
	{.name = "rules", .sessions = 10, .rules = 10},
	{.name = "rules", .sessions = 10, .rules = 100},
	{.name = "rules", .sessions = 10, .rules = 1000},
	{.name = "rules", .sessions = 10000, .rules = 10},
	{.name = "bpf", .sessions = 10, .rules = 10, .bpf = true},
};

static struct mt_rule any_rule(uint32_t number)
{
	return (struct mt_rule){
		.number = number,
		.direction_first = MT_DIRECTION_INGRESS,
		.direction_last = MT_DIRECTION_EGRESS,
		.accept = true,
		.protocol = -1,
		.vlan = -1,
		.icmp_type = -1,
		.source_ports = MT_ALL_PORTS,
		.destination_ports = MT_ALL_PORTS,
	};
}

/* Rules that look at everything AWS's look at, for other ports than those of the frames, and one at
 * the end for all the rest: nothing is found early. */
static void make_rules(struct mt_rule *rules, unsigned count)
{
	for (unsigned r = 0; r < count; r++) {
		rules[r] = any_rule(r + 1);
		if (r + 1 == count)
			return;
		rules[r].protocol = r % 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP;
		rules[r].destination_ports = (struct mt_port_range){
			(uint16_t)(1000 + r * 8), (uint16_t)(1000 + r * 8 + r % 8)};
		rules[r].destination = (struct mt_cidr){
			mt_address_from_ipv4(rte_cpu_to_be_32(0xc0000000u | r << 8)), 96 + 24, 4};
	}
}

static double round_cycles(struct mt_worker *worker, struct rte_mbuf **frames)
{
	struct mt_batch batch;
	uint64_t cycles = 0;

	for (uint32_t at = 0; at < FRAMES; at += MT_BURST) {
		uint64_t begin;

		memcpy(batch.frames, &frames[at], sizeof(batch.frames));
		batch.count = MT_BURST;
		batch.dropped_count = 0;
		batch.session_drops_count = 0;
		memset(batch.verdicts, 0, sizeof(batch.verdicts));
		begin = rte_rdtsc();
		mt_stage_policy(worker, &batch);
		cycles += rte_rdtsc() - begin;
		if (batch.count != MT_BURST) {
			fprintf(stderr, "micro_policy: frames were not accepted\n");
			exit(1);
		}
	}
	return (double)cycles / FRAMES;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct test *test, struct rte_mbuf **frames, unsigned rounds)
{
	static struct mt_session_spec sessions[MAX_SESSIONS];
	static struct mt_rule rules[MAX_RULES];
	const struct mt_cidr sources = {mt_address_from_ipv4(RTE_BE32(0x0a000000)), 96 + 8, 4};
	struct mt_filter filter = {"f", rules, test->rules};
	struct mt_policy_spec spec = {
		.sessions = sessions,
		.sessions_count = test->sessions,
		.filters = &filter,
		.filters_count = test->rules > 0,
		.outputs_count = 1,
	};
	struct mt_worker *worker = rte_zmalloc(NULL, sizeof(*worker), RTE_CACHE_LINE_SIZE);
	struct mt_snapshot snapshot = {.queues = 1, .outputs_count = 1, .places_set = 1};
	double cycles[MAX_ROUNDS];
	char error[256] = "";

	make_rules(rules, test->rules);
	if (test->bpf) {
		rules[0] = any_rule(1);
		rules[0].bpf = "udp port 53 or host 192.168.1.1";
	}
	for (unsigned s = 0; s < test->sessions; s++)
		sessions[s] = (struct mt_session_spec){
			.vni = s,
			.name = "s",
			.sources = &sources,
			.sources_count = test->sources,
			.filter = test->rules > 0 ? &filter : NULL,
		};
	snapshot.policy = mt_policy_create(&spec, error, sizeof(error));
	if (snapshot.policy == NULL || worker == NULL) {
		fprintf(stderr, "micro_policy: %s\n", error);
		exit(1);
	}
	worker->snapshot = &snapshot;
	worker->policy.random = 1;
	for (uint32_t i = 0; i < FRAMES; i++)
		mt_frame_info(frames[i])->vni_flags = i * 7919 % test->sessions << 8;
	round_cycles(worker, frames); /* a warm-up */
	for (unsigned r = 0; r < rounds; r++)
		cycles[r] = round_cycles(worker, frames);
	qsort(cycles, rounds, sizeof(cycles[0]), ascending);
	printf("{\"stage\": \"policy\", \"test\": \"%s\", \"sessions\": %u, \"rules\": %u, "
	       "\"tsc_cycles\": {\"median\": %.1f, \"min\": %.1f, \"max\": %.1f}}\n",
		test->name, test->sessions, test->rules, cycles[rounds / 2], cycles[0],
		cycles[rounds - 1]);
	mt_policy_destroy((struct mt_policy *)snapshot.policy);
	rte_free(worker);
}

static void make_frame(struct rte_mbuf *frame, uint32_t flow)
{
	static struct packet packet;
	const struct ipv4 ip = {.source = 0x0a000001,
		.destination = 0xc0000000 + flow * 37 % 0x40000,
		.protocol = IPPROTO_TCP};

	packet_start(&packet);
	put_ethernet(&packet, ETHERTYPE_V4);
	put_ipv4(&packet, &ip);
	put_tcp(&packet, (uint16_t)(20000 + flow % 40000), (uint16_t)(flow % 1000));
	put_pattern(&packet, 10);
	packet_close(&packet);
	memcpy(rte_pktmbuf_append(frame, (uint16_t)packet.length), packet.bytes, packet.length);
	frame->hash.rss = flow * 0x9e3779b1u;
	*mt_frame_info(frame) = (struct mt_frame_info){
		.source = mt_address_from_ipv4(RTE_BE32(0x0a000001)),
		.original_length = packet.length,
	};
}

int main(int argc, char **argv)
{
	static struct rte_mbuf *frames[FRAMES];
	struct rte_mempool *pool;
	unsigned rounds = 31;
	int eal = rte_eal_init(argc, argv);

	if (eal < 0 || mt_frame_info_register() < 0)
		return 1;
	if (argc > eal + 1)
		rounds = RTE_MIN((unsigned)atoi(argv[eal + 1]), (unsigned)MAX_ROUNDS);
	pool = rte_pktmbuf_pool_create("frames", FRAMES, 0, 0, 512, 0);
	if (pool == NULL || rte_pktmbuf_alloc_bulk(pool, frames, FRAMES) != 0) {
		fprintf(stderr, "micro_policy: no memory for %u frames; give EAL more\n", FRAMES);
		return 1;
	}
	for (uint32_t i = 0; i < FRAMES; i++)
		make_frame(frames[i], i);
	for (size_t t = 0; t < RTE_DIM(tests); t++)
		measure(&tests[t], frames, rounds);
	return rte_eal_cleanup();
}
