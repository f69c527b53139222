/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path against the full one, on millions of packets: where it says yes, every fact must be
 * the same; and it must say yes to the common shape, or it would be no path at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "random_packet.h"

enum { PACKETS = 3000000 };

struct tally {
	uint32_t fast;
	uint32_t accepted;
	uint32_t truncated;
	uint32_t ingress;
	uint32_t v6;
	uint32_t geneve;
	uint32_t geneve_vxlan;
	uint32_t outer; /* fast to the inner frame only */
};

static struct rte_mbuf in_one_segment(const struct packet *packet)
{
	return (struct rte_mbuf){.buf_addr = (void *)(uintptr_t)packet->bytes,
		.data_len = (uint16_t)packet->length,
		.pkt_len = packet->length};
}

static void compare(
	const struct random_packet *made, const struct mt_tunnels *tunnels, struct tally *tally)
{
	const struct packet *packet = &made->packet;
	struct rte_mbuf segment = in_one_segment(packet);
	struct mt_facts fast;
	struct mt_facts full;
	enum mt_fast_result result;

	memset(&fast, 0xa5, sizeof(fast)); /* nothing may be left as it was */
	mt_packet_decapsulate(&segment, tunnels, &full);
	tally->accepted += full.verdict == MT_VERDICT_ACCEPTED;
	result = packet_read_fast(&segment, tunnels, &fast);
	assert_true(result == MT_FAST_ALL || !made->common);
	if (result == MT_FAST_NONE)
		return;
	if (!facts_equal(&fast, &full)) {
		print_error("verdict %s, hash %x and %x, original length %u and %u, flags %x and "
			    "%x\n",
			mt_verdict_name(full.verdict), fast.flow_hash, full.flow_hash,
			fast.original_length, full.original_length, fast.flags, full.flags);
		for (uint32_t i = 0; i < packet->length; i++)
			print_error("%02x", packet->bytes[i]);
		fail_msg("the fast path says something else");
	}
	tally->fast++;
	tally->truncated += (fast.flags & MT_FLAG_TRUNCATED) != 0;
	tally->ingress += (fast.flags & MT_FLAG_INGRESS) != 0;
	tally->geneve += fast.tunnel == MT_TUNNEL_GENEVE;
	tally->geneve_vxlan += fast.tunnel == MT_TUNNEL_GENEVE_VXLAN;
	tally->outer += result == MT_FAST_OUTER;
	tally->v6 += packet->bytes[MT_FAST_INNER + 12] == 0x86;
}

static void fast_is_full(void **state)
{
	struct mt_tunnels tunnels = default_tunnels();
	struct tally tally = {0};
	static struct random_packet made;

	(void)state;
	for (uint32_t i = 0; i < PACKETS; i++) {
		if (i % 1000 == 0)
			tunnels.hash = mt_hash_configure(
				(enum mt_hash_fields)(i / 1000 % 3), i / 3000 % 2);
		random_packet(&made);
		if (random_one_in(2))
			random_mutation(&made);
		compare(&made, &tunnels, &tally);
	}
	print_message("%u of %u packets by the fast path (accepted in all: %u; of the fast ones "
		      "truncated: %u, ingress: %u, IPv6: %u, GENEVE: %u, VXLAN in it: %u, outer "
		      "only: %u)\n",
		tally.fast, PACKETS, tally.accepted, tally.truncated, tally.ingress, tally.v6,
		tally.geneve, tally.geneve_vxlan, tally.outer);
	/* The test would say nothing if the fast path took little. */
	assert_true(tally.fast > PACKETS * 3 / 10);
	assert_true(tally.fast < tally.accepted);
	assert_true(tally.truncated > PACKETS / 100);
	assert_true(tally.ingress > PACKETS / 100);
	assert_true(tally.v6 > PACKETS / 100);
	assert_true(tally.geneve > PACKETS / 100);
	assert_true(tally.geneve_vxlan > PACKETS / 100);
	assert_true(tally.outer > PACKETS / 100);
}

/* All tunnel ports but the first VXLAN one are the full path's. */
static void other_ports(void **state)
{
	struct mt_tunnels tunnels = default_tunnels();
	struct mt_facts facts;
	struct packet packet;
	struct rte_mbuf frame;

	(void)state;
	packet_start(&packet);
	put_outer_vxlan(&packet, 1);
	put_inner_tcp(&packet, 10);
	packet_close(&packet);
	frame = in_one_segment(&packet);
	assert_int_equal(packet_read_fast(&frame, &tunnels, &facts), MT_FAST_ALL);
	tunnels.vxlan_ports[1] = htons(VXLAN_PORT);
	tunnels.vxlan_ports[0] = htons(8472);
	tunnels.vxlan_count = 2;
	assert_int_equal(packet_read_fast(&frame, &tunnels, &facts), MT_FAST_NONE);
	assert_int_equal(packet_read(&packet, &tunnels).verdict, MT_VERDICT_ACCEPTED);
	tunnels.vxlan_count = 0;
	tunnels.vxlan_ports[0] = htons(VXLAN_PORT);
	assert_int_equal(packet_read_fast(&frame, &tunnels, &facts), MT_FAST_NONE);
	assert_int_equal(packet_read(&packet, &tunnels).verdict, MT_VERDICT_HOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fast_is_full),
		cmocka_unit_test(other_ports),
	};

	return cmocka_run_group_tests_name("fast", tests, NULL, NULL);
}
