/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast path against the full one, on millions of packets: where it says yes, every fact must be
 * the same; and it must say yes to the common shape, or it would be no path at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "build_packet.h"
#include "packet/fast.h"

enum { PACKETS = 3000000 };

/* The fast path with the configuration made anew, as the daemon makes it once. */
static bool take_fast(const uint8_t *bytes, uint32_t length, const struct mt_tunnels *tunnels,
	struct mt_facts *facts)
{
	struct mt_fast fast = mt_fast_prepare(tunnels);

	return mt_packet_fast(bytes, length, &fast, &fast.hash, facts);
}

static uint64_t random_state = 20190611; /* always the same packets */

static uint32_t random_next(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 16);
}

static uint32_t below(uint32_t limit)
{
	return (uint32_t)((uint64_t)random_next() * limit >> 32);
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

/* What a packet is made of, and whether the fast path must take it. */
struct shape {
	struct packet packet;
	bool common;
};

static void put_inner_v4(struct shape *shape, uint8_t protocol)
{
	struct ipv4 ip = {
		/* The outer source now and then, so that directions occur. */
		.source = one_in(3) ? 0x0a000001 : random_next(),
		.destination = one_in(3) ? 0x0a000001 : random_next(),
		.protocol = protocol,
	};

	if (one_in(12)) {
		ip.option_words = (uint8_t)below(11);
		shape->common &= ip.option_words == 0;
	}
	if (one_in(12)) {
		ip.fragment = (uint16_t)random_next();
		shape->common &= (ip.fragment & 0x3fff) == 0;
	}
	put_ipv4(&shape->packet, &ip);
}

static void put_inner_v6(struct shape *shape, uint8_t protocol)
{
	bool extension = one_in(8);
	uint32_t offset = put_ipv6(&shape->packet, extension ? IPPROTO_DSTOPTS : protocol, 1, 2);

	for (unsigned i = 8; i < 40; i++)
		shape->packet.bytes[offset + i] = (uint8_t)random_next();
	/* Mapped IPv4 addresses, the outer source among them. */
	if (one_in(10)) {
		memcpy(shape->packet.bytes + offset + 8, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1",
			16);
		shape->common = false;
	}
	if (extension) {
		put_extension(&shape->packet, protocol, (uint8_t)below(3));
		shape->common = false;
	}
}

static void put_inner(struct shape *shape)
{
	struct packet *packet = &shape->packet;
	uint8_t protocol = one_in(2) ? IPPROTO_TCP : IPPROTO_UDP;
	bool v6 = one_in(3);

	if (one_in(10)) {
		protocol = (uint8_t)random_next();
		shape->common &= protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
	}
	put_macs(packet, (uint8_t)random_next(), (uint8_t)random_next());
	for (uint32_t tags = one_in(10) ? below(4) : 0; tags > 0; tags--) {
		put_32(packet, 0x81000001);
		shape->common = false;
	}
	put_16(packet, v6 ? ETHERTYPE_V6 : ETHERTYPE_V4);
	if (v6)
		put_inner_v6(shape, protocol);
	else
		put_inner_v4(shape, protocol);
	if (protocol == IPPROTO_UDP)
		put_udp(packet, (uint16_t)random_next(), (uint16_t)random_next());
	else
		put_tcp(packet, (uint16_t)random_next(), (uint16_t)random_next());
	put_pattern(packet, below(64));
}

static void put_outer_headers(struct shape *shape)
{
	struct packet *packet = &shape->packet;
	struct ipv4 ip = {.source = 0x0a000001, .destination = 0x0a000002, .protocol = IPPROTO_UDP};

	put_macs(packet, 2, 1);
	for (uint32_t tags = one_in(20) ? below(4) : 0; tags > 0; tags--) {
		put_32(packet, 0x81000001);
		shape->common = false;
	}
	if (one_in(20)) {
		put_16(packet, ETHERTYPE_V6);
		put_ipv6(packet, IPPROTO_UDP, 1, 2);
		shape->common = false;
	} else {
		put_16(packet, ETHERTYPE_V4);
		if (one_in(20))
			ip.option_words = (uint8_t)below(11);
		shape->common &= ip.option_words == 0;
		put_ipv4(packet, &ip);
	}
	if (one_in(20)) {
		put_udp(packet, 65408, GENEVE_PORT);
		put_geneve(packet, ETHERTYPE_BRIDGE, random_next() >> 8, 0);
		shape->common = false;
	} else {
		put_udp(packet, (uint16_t)random_next(), VXLAN_PORT);
		put_vxlan(packet, random_next() >> 8);
	}
}

static void generate(struct shape *shape)
{
	shape->common = true;
	packet_start(&shape->packet);
	put_outer_headers(shape);
	put_inner(shape);
	packet_close(&shape->packet);
	if (one_in(8))
		put_pattern(&shape->packet, below(20)); /* a trailer */
}

/* Anything may be wrong: bits, bytes, lengths, the end. Headers most of all. */
static void mutate(struct shape *shape)
{
	static const uint8_t interesting[] = {
		0, 1, 4, 5, 6, 8, 17, 0x3f, 0x40, 0x45, 0x46, 0x60, 0x7f, 0x80, 0x86, 0xdd, 0xff};
	struct packet *packet = &shape->packet;

	shape->common = false;
	for (uint32_t n = 1 + below(3); n > 0; n--) {
		uint32_t offset = below(packet->length < 120 ? packet->length : 120);

		switch (below(6)) {
		case 0:
			packet->bytes[offset] ^= (uint8_t)(1 << below(8));
			break;
		case 1:
			packet->bytes[offset] = (uint8_t)random_next();
			break;
		case 2:
			packet->bytes[offset] = interesting[below(sizeof(interesting))];
			break;
		case 3: /* lengths of IP and UDP, outer and inner, by a little */
			offset = (const uint8_t[]){17, 39, 67, 69}[below(4)];
			if (offset < packet->length)
				packet->bytes[offset] += (uint8_t)(below(9) - 4);
			break;
		case 4: /* inner lengths by much: truncation */
			offset = one_in(2) ? 66 : 68;
			if (offset < packet->length)
				packet->bytes[offset] = (uint8_t)below(40);
			break;
		case 5:
			packet->length =
				one_in(4) ? below(packet->length + 1) : packet->length - below(4);
			break;
		}
		if (packet->length == 0)
			return;
	}
}

struct tally {
	uint32_t fast;
	uint32_t accepted;
	uint32_t truncated;
	uint32_t ingress;
	uint32_t v6;
};

static void compare(
	const struct shape *shape, const struct mt_tunnels *tunnels, struct tally *tally)
{
	const struct packet *packet = &shape->packet;
	struct rte_mbuf segment = {.buf_addr = (void *)(uintptr_t)packet->bytes,
		.data_len = (uint16_t)packet->length,
		.pkt_len = packet->length};
	struct mt_facts fast;
	struct mt_facts full;

	memset(&fast, 0xa5, sizeof(fast)); /* nothing may be left as it was */
	mt_packet_decapsulate(&segment, tunnels, &full);
	tally->accepted += full.verdict == MT_VERDICT_ACCEPTED;
	if (!take_fast(packet->bytes, packet->length, tunnels, &fast)) {
		assert_false(shape->common);
		return;
	}
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
	tally->v6 += packet->bytes[MT_FAST_INNER + 12] == 0x86;
}

static void fast_is_full(void **state)
{
	struct mt_tunnels tunnels = default_tunnels();
	struct tally tally = {0};
	static struct shape shape;

	(void)state;
	for (uint32_t i = 0; i < PACKETS; i++) {
		if (i % 1000 == 0)
			tunnels.hash = mt_hash_configure(
				(enum mt_hash_fields)(i / 1000 % 3), i / 3000 % 2);
		generate(&shape);
		if (one_in(2))
			mutate(&shape);
		compare(&shape, &tunnels, &tally);
	}
	print_message("%u of %u packets by the fast path (accepted in all: %u; of the fast ones "
		      "truncated: %u, ingress: %u, IPv6: %u)\n",
		tally.fast, PACKETS, tally.accepted, tally.truncated, tally.ingress, tally.v6);
	/* The test would say nothing if the fast path took little. */
	assert_true(tally.fast > PACKETS * 3 / 10);
	assert_true(tally.fast < tally.accepted);
	assert_true(tally.truncated > PACKETS / 100);
	assert_true(tally.ingress > PACKETS / 100);
	assert_true(tally.v6 > PACKETS / 100);
}

/* All tunnel ports but the first VXLAN one are the full path's. */
static void other_ports(void **state)
{
	struct mt_tunnels tunnels = default_tunnels();
	struct mt_facts facts;
	struct packet packet;

	(void)state;
	packet_start(&packet);
	put_outer_vxlan(&packet, 1);
	put_inner_tcp(&packet, 10);
	packet_close(&packet);
	assert_true(take_fast(packet.bytes, packet.length, &tunnels, &facts));
	tunnels.vxlan_ports[1] = htons(VXLAN_PORT);
	tunnels.vxlan_ports[0] = htons(8472);
	tunnels.vxlan_count = 2;
	assert_false(take_fast(packet.bytes, packet.length, &tunnels, &facts));
	assert_int_equal(packet_read(&packet, &tunnels).verdict, MT_VERDICT_ACCEPTED);
	tunnels.vxlan_count = 0;
	tunnels.vxlan_ports[0] = htons(VXLAN_PORT);
	assert_false(take_fast(packet.bytes, packet.length, &tunnels, &facts));
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
