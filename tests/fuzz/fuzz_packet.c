/* SPDX-License-Identifier: BSD-3-Clause */
/* libFuzzer target: outer, tunnel and inner of any bytes, in any segments. Built by run.sh with
 * clang and its sanitizers; with replay.c in place of libFuzzer it goes over the corpus.
 *
 * Input: one byte for the hash (fields, include_vni), one for the number of cuts (0 to 7), two per
 * cut (where, modulo the length), then the frame. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_packet.h"
#include "policy/key.h"

enum { MAX_CUTS = 7, MAX_FRAME = 12000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static void check_accepted(const struct mt_facts *facts, uint32_t length)
{
	uint32_t made_up = facts->made_up_ethertype != 0 ? MT_ETHERNET_LENGTH : 0;
	bool truncated = (facts->flags & MT_FLAG_TRUNCATED) != 0;
	bool ingress = (facts->flags & MT_FLAG_INGRESS) != 0;
	bool egress = (facts->flags & MT_FLAG_EGRESS) != 0;

	check(facts->inner_length >= MT_ETHERNET_LENGTH, "an inner frame has its addresses");
	check(facts->inner_length > made_up, "an inner packet is not empty");
	check(facts->strip <= length, "the inner frame begins within the outer");
	check(facts->inner_length - made_up <= length - facts->strip, "and ends within it");
	check(facts->original_length >= facts->inner_length, "the original is not shorter");
	check(truncated == (facts->original_length > facts->inner_length), "truncated is marked");
	check(!(ingress && egress), "there is one direction");
	check(facts->vni <= 0xffffff, "a VNI has 24 bits");
	check(facts->tunnel != MT_TUNNEL_NONE, "what is accepted came out of a tunnel");
	check(made_up == 0 || facts->tunnel == MT_TUNNEL_GENEVE, "VXLAN carries Ethernet");
	check(mt_hash_queue(facts->flow_hash, 3) < 3, "there is a queue for it");
}

static void check_facts(const struct mt_facts *facts, uint32_t length)
{
	check(facts->verdict < MT_VERDICT_COUNT, "the verdict is one of the list");
	check(facts->verdict != MT_VERDICT_NO_HEADROOM, "the packet room writes nothing");
	check(facts->verdict != MT_VERDICT_QUEUE_FULL && facts->verdict != MT_VERDICT_STOPPED,
		"the packet room knows no queues");
	if (facts->verdict == MT_VERDICT_ACCEPTED)
		check_accepted(facts, length);
}

/* The frame as the input's cuts have it; its bytes must be the same afterwards. */
static struct mt_facts read_split(const uint8_t *frame, uint32_t length, const uint32_t *cuts,
	unsigned count, const struct mt_tunnels *tunnels)
{
	struct mt_facts facts;
	struct chain chain;
	uint32_t offset = 0;

	chain_split(&chain, frame, length, cuts, count);
	mt_packet_decapsulate(chain.segments, tunnels, &facts);
	for (unsigned i = 0; i < chain.count; i++) {
		const struct rte_mbuf *segment = &chain.segments[i];

		check(memcmp(segment->buf_addr, frame + offset, segment->data_len) == 0,
			"reading changes nothing");
		offset += segment->data_len;
	}
	chain_free(&chain);
	return facts;
}

/* What rules look at, of the frame as if it were an inner one. */
static struct mt_key read_key(
	const uint8_t *frame, uint32_t length, const uint32_t *cuts, unsigned count)
{
	struct chain chain;
	struct mt_key key;

	chain_split(&chain, frame, length, cuts, count);
	mt_key_read(chain.segments, MT_FLAG_EGRESS, &key);
	chain_free(&chain);
	return key;
}

/* Segments make no difference, nor whether the short way for most frames was taken. */
static void check_keys(const uint8_t *frame, uint32_t length, const uint32_t *cuts, unsigned count)
{
	struct mt_key key = read_key(frame, length, NULL, 0);
	struct mt_key split = read_key(frame, length, cuts, count);
	uint32_t each[] = {8, 20};
	struct mt_key long_way = read_key(frame, length, each, 2);

	check(memcmp(&key, &split, sizeof(key)) == 0, "segments make no difference to the key");
	check(memcmp(&key, &long_way, sizeof(key)) == 0, "the short way reads the same key");
	check(((key.known & MT_KNOWN_IP) != 0) == (key.family != 0), "IP has a family");
	check((key.known & MT_KNOWN_PORTS) == 0 || (key.known & MT_KNOWN_IP) != 0,
		"ports are of IP");
}

static int ascending(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a;
	uint32_t right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void check_frame(const uint8_t *frame, uint32_t length, const uint32_t *cuts, unsigned count,
	const struct mt_tunnels *tunnels)
{
	struct mt_facts facts = read_split(frame, length, NULL, 0, tunnels);
	struct mt_facts other = read_split(frame, length, cuts, count, tunnels);
	struct mt_facts fast;
	struct chain chain;

	check_facts(&facts, length);
	check(facts_equal(&facts, &other), "segments make no difference");
	/* In a block of its own, so that a read behind the end is seen. */
	chain_split(&chain, frame, length, NULL, 0);
	if (packet_read_fast(&chain.segments[0], tunnels, &fast) != MT_FAST_NONE)
		check(facts_equal(&facts, &fast), "the fast path says the same");
	chain_free(&chain);
	check_keys(frame, length, cuts, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mt_tunnels tunnels = default_tunnels();
	uint32_t cuts[MAX_CUTS];
	unsigned count;
	size_t header;
	size_t length;

	if (size < 2)
		return 0;
	tunnels.hash = mt_hash_configure((enum mt_hash_fields)(data[0] % 3), data[0] >> 7);
	count = data[1] % (MAX_CUTS + 1);
	header = 2 + 2 * count;
	if (size < header || size - header > MAX_FRAME)
		return 0;
	length = size - header;
	for (unsigned i = 0; i < count; i++) {
		uint32_t where = (uint32_t)(data[2 + 2 * i] << 8 | data[3 + 2 * i]);

		cuts[i] = where % (uint32_t)(length + 1);
	}
	qsort(cuts, count, sizeof(cuts[0]), ascending);
	check_frame(data + header, (uint32_t)length, cuts, count, &tunnels);
	return 0;
}
