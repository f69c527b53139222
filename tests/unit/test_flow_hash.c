/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow hash: one conversation, one queue; many conversations, even queues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_packet.h"
#include "packet/ip.h"

/* One inner packet, and what its other direction looks like. */
struct flow {
	uint32_t source; /* IPv4; or the last byte of an IPv6 address */
	uint32_t destination;
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t protocol;
	uint8_t version;
	uint16_t fragment; /* IPv4 flags and offset; IPv6: offset, with 1 for more */
};

static struct flow reversed(struct flow flow)
{
	struct flow other = flow;

	other.source = flow.destination;
	other.destination = flow.source;
	other.source_port = flow.destination_port;
	other.destination_port = flow.source_port;
	return other;
}

static void put_ip(struct packet *packet, const struct flow *flow)
{
	const struct ipv4 ip = {.source = flow->source,
		.destination = flow->destination,
		.protocol = flow->protocol,
		.fragment = flow->fragment};

	if (flow->version == 4) {
		put_ipv4(packet, &ip);
		return;
	}
	put_ipv6(packet, flow->fragment != 0 ? IPPROTO_FRAGMENT : flow->protocol,
		(uint8_t)flow->source, (uint8_t)flow->destination);
	if (flow->fragment != 0)
		put_fragment6(packet, flow->protocol, flow->fragment & 0xfff8, flow->fragment & 1);
}

static void put_flow(struct packet *packet, const struct flow *flow)
{
	put_ip(packet, flow);
	switch (flow->protocol) {
	case IPPROTO_TCP:
		put_tcp(packet, flow->source_port, flow->destination_port);
		break;
	case IPPROTO_SCTP:
		put_sctp(packet, flow->source_port, flow->destination_port);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put_icmp(packet, (uint8_t)flow->source_port, 0);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		put_udp(packet, flow->source_port, flow->destination_port);
		break;
	default:
		put_16(packet, flow->source_port);
		put_16(packet, flow->destination_port);
	}
	put_pattern(packet, 20);
}

static uint32_t read_hash(const struct packet *packet, const struct mt_hash_config *hash)
{
	struct mt_tunnels tunnels = default_tunnels();
	struct mt_facts facts;

	tunnels.hash = *hash;
	facts = packet_read(packet, &tunnels);
	assert_int_equal(facts.verdict, MT_VERDICT_ACCEPTED);
	return facts.flow_hash;
}

static void start_inner(struct packet *packet, uint32_t vni, int version)
{
	packet_start(packet);
	put_outer_vxlan(packet, vni);
	put_ethernet(packet, version == 4 ? ETHERTYPE_V4 : ETHERTYPE_V6);
}

static uint32_t hash_with(const struct mt_hash_config *hash, uint32_t vni, struct flow flow)
{
	struct packet packet;

	start_inner(&packet, vni, flow.version);
	put_flow(&packet, &flow);
	packet_close(&packet);
	return read_hash(&packet, hash);
}

static uint32_t hash_of(struct flow flow)
{
	const struct mt_hash_config hash = mt_hash_configure(MT_HASH_5_TUPLE, 0);

	return hash_with(&hash, 1, flow);
}

static const struct flow tcp4 = {0x0a000001, 0xc0000207, 40000, 80, IPPROTO_TCP, 4, 0};
static const struct flow tcp6 = {0x11, 0x22, 40000, 80, IPPROTO_TCP, 6, 0};

/* Each part of the tuple counts, in both versions. */
static void both_directions_and_no_other(void **state)
{
	static const uint8_t protocols[] = {
		IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_DCCP};

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		for (unsigned i = 0; i < sizeof(protocols); i++) {
			struct flow flow = version == 4 ? tcp4 : tcp6;
			struct flow other;

			flow.protocol = protocols[i];
			assert_int_equal(hash_of(flow), hash_of(reversed(flow)));
			other = flow;
			other.source++;
			assert_int_not_equal(hash_of(flow), hash_of(other));
			other = flow;
			other.destination++;
			assert_int_not_equal(hash_of(flow), hash_of(other));
			other = flow;
			other.source_port++;
			assert_int_not_equal(hash_of(flow), hash_of(other));
			other = flow;
			other.destination_port++;
			assert_int_not_equal(hash_of(flow), hash_of(other));
			other = flow;
			other.protocol = protocols[(i + 1) % sizeof(protocols)];
			assert_int_not_equal(hash_of(flow), hash_of(other));
			/* Ports that change sides are another conversation. */
			other = flow;
			other.source_port = flow.destination_port;
			other.destination_port = flow.source_port;
			assert_int_not_equal(hash_of(flow), hash_of(other));
		}
	}
}

static void equal_endpoints(void **state)
{
	struct flow flow = tcp4;

	(void)state;
	flow.destination = flow.source;
	flow.destination_port = flow.source_port;
	assert_int_equal(hash_of(flow), hash_of(reversed(flow)));
	flow.destination_port++;
	assert_int_equal(hash_of(flow), hash_of(reversed(flow)));
}

/* Addresses and protocol: what is where the ports would be does not count. */
static void protocols_without_ports(void **state)
{
	static const uint8_t protocols[] = {
		IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_GRE, IPPROTO_ESP, IPPROTO_IPIP, 89, 255};

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		for (unsigned i = 0; i < sizeof(protocols); i++) {
			struct flow flow = version == 4 ? tcp4 : tcp6;
			struct flow other;

			flow.protocol = protocols[i];
			flow.source_port = 8; /* ICMP: echo */
			other = reversed(flow);
			other.source_port = 0; /* echo reply */
			assert_int_equal(hash_of(flow), hash_of(other));
		}
	}
}

/* All fragments of a packet in both directions: the later ones have no ports, so none counts. */
static void fragments(void **state)
{
	static const uint16_t fields[2][3] = {{0x2000, 0x20b9, 0x00b9}, {0x0001, 0x0209, 0x0208}};

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		struct flow flow = version == 4 ? tcp4 : tcp6;
		uint32_t first;

		flow.protocol = IPPROTO_UDP;
		flow.fragment = fields[version == 6][0];
		first = hash_of(flow);
		assert_int_equal(first, hash_of(reversed(flow)));
		for (unsigned i = 1; i < 3; i++) {
			flow.fragment = fields[version == 6][i];
			flow.source_port = 0x1234; /* data */
			assert_int_equal(first, hash_of(flow));
			assert_int_equal(first, hash_of(reversed(flow)));
		}
	}
}

static uint32_t hash_of_icmp_error(struct flow quoted, uint8_t type, uint32_t quoted_bytes)
{
	const struct mt_hash_config hash = mt_hash_configure(MT_HASH_5_TUPLE, 0);
	/* From a router on the way to the flow's source. */
	struct flow router = {0xc6336401, quoted.source, 0, 0, IPPROTO_ICMP, quoted.version, 0};
	struct packet packet;
	uint32_t start;

	if (quoted.version == 6)
		router.protocol = IPPROTO_ICMPV6;
	start_inner(&packet, 1, quoted.version);
	put_ip(&packet, &router);
	put_icmp(&packet, type, 0);
	start = packet.length;
	put_flow(&packet, &quoted);
	packet_close(&packet);
	/* The quote is cut, its own length is not. */
	packet.length = start + quoted_bytes;
	packet.lengths_count = 3;
	packet_close(&packet);
	return read_hash(&packet, &hash);
}

static void icmp_error_is_of_the_flow_it_quotes(void **state)
{
	static const uint8_t types4[] = {3, 4, 5, 11, 12};
	static const uint8_t types6[] = {1, 2, 3, 4};
	struct flow udp6 = tcp6;

	(void)state;
	for (unsigned i = 0; i < sizeof(types4); i++) {
		/* RFC 792: header and 8 bytes. */
		assert_int_equal(hash_of_icmp_error(tcp4, types4[i], 28), hash_of(tcp4));
		assert_int_equal(hash_of_icmp_error(reversed(tcp4), types4[i], 28), hash_of(tcp4));
		assert_int_equal(hash_of_icmp_error(tcp4, types4[i], 60), hash_of(tcp4));
	}
	udp6.protocol = IPPROTO_UDP;
	for (unsigned i = 0; i < sizeof(types6); i++) {
		assert_int_equal(hash_of_icmp_error(tcp6, types6[i], 80), hash_of(tcp6));
		assert_int_equal(hash_of_icmp_error(reversed(udp6), types6[i], 48), hash_of(udp6));
	}
	/* An echo reply quotes nothing, whatever it carries. */
	assert_int_not_equal(hash_of_icmp_error(tcp4, 0, 28), hash_of(tcp4));
	assert_int_not_equal(hash_of_icmp_error(tcp6, 129, 48), hash_of(tcp6));
}

static void icmp_error_that_quotes_too_little(void **state)
{
	struct flow router = {0xc6336401, tcp4.source, 0, 0, IPPROTO_ICMP, 4, 0};
	struct flow no_ports = tcp4;

	(void)state;
	/* No whole header: the message's own addresses. */
	for (uint32_t bytes = 0; bytes < 20; bytes++)
		assert_int_equal(hash_of_icmp_error(tcp4, 3, bytes), hash_of(router));
	/* No ports: the quoted addresses, as for a fragment. */
	no_ports.fragment = 0x2000;
	for (uint32_t bytes = 20; bytes < 24; bytes++)
		assert_int_equal(hash_of_icmp_error(tcp4, 3, bytes), hash_of(no_ports));
}

static uint32_t hash_of_macs(
	const struct mt_hash_config *hash, uint8_t a, uint8_t b, uint16_t ethertype)
{
	struct packet packet;

	packet_start(&packet);
	put_outer_vxlan(&packet, 1);
	put_macs(&packet, a, b);
	put_16(&packet, ethertype);
	put_pattern(&packet, 46);
	packet_close(&packet);
	return read_hash(&packet, hash);
}

static void other_than_ip(void **state)
{
	const struct mt_hash_config hash = mt_hash_configure(MT_HASH_5_TUPLE, 0);

	(void)state;
	assert_int_equal(hash_of_macs(&hash, 1, 2, 0x0806), hash_of_macs(&hash, 2, 1, 0x0806));
	assert_int_not_equal(hash_of_macs(&hash, 1, 2, 0x0806), hash_of_macs(&hash, 1, 3, 0x0806));
	assert_int_not_equal(hash_of_macs(&hash, 1, 2, 0x0806), hash_of_macs(&hash, 1, 2, 0x88cc));
	/* IEEE 802.3: a length is not a protocol. */
	assert_int_equal(hash_of_macs(&hash, 1, 2, 38), hash_of_macs(&hash, 2, 1, 40));
}

/* A tag, or another outer source port, does not tear a conversation apart. */
static void encapsulation_does_not_count(void **state)
{
	const struct mt_hash_config hash = mt_hash_configure(MT_HASH_5_TUPLE, 0);
	struct packet packet;

	(void)state;
	for (unsigned tags = 0; tags <= 2; tags++) {
		packet_start(&packet);
		put_outer_vxlan(&packet, 77);
		set_16(&packet, 34, (uint16_t)(65408 + tags * 50));
		put_macs(&packet, (uint8_t)(tags + 1), 9);
		for (unsigned i = 0; i < tags; i++)
			put_32(&packet, 0x81000064);
		put_16(&packet, ETHERTYPE_V4);
		put_flow(&packet, &tcp4);
		packet_close(&packet);
		assert_int_equal(read_hash(&packet, &hash), hash_of(tcp4));
	}
}

static void two_tuple(void **state)
{
	const struct mt_hash_config hash = mt_hash_configure(MT_HASH_2_TUPLE, 0);

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		const struct flow flow = version == 4 ? tcp4 : tcp6;
		struct flow other = reversed(flow);

		other.source_port = 5;
		other.protocol = IPPROTO_UDP;
		assert_int_equal(hash_with(&hash, 1, flow), hash_with(&hash, 2, other));
		other.fragment = 8; /* of either version a later fragment */
		assert_int_equal(hash_with(&hash, 1, flow), hash_with(&hash, 2, other));
		other.source++;
		assert_int_not_equal(hash_with(&hash, 1, flow), hash_with(&hash, 1, other));
	}
	assert_int_equal(hash_of_macs(&hash, 1, 2, 0x0806), hash_of_macs(&hash, 2, 1, 0x88cc));
}

static void vni_only(void **state)
{
	const struct mt_hash_config hash = mt_hash_configure(MT_HASH_VNI, 0);

	(void)state;
	assert_int_equal(hash_with(&hash, 5, tcp4), hash_with(&hash, 5, tcp6));
	assert_int_not_equal(hash_with(&hash, 5, tcp4), hash_with(&hash, 6, tcp4));
}

static void vni_too(void **state)
{
	const struct mt_hash_config with = mt_hash_configure(MT_HASH_5_TUPLE, 1);
	const struct mt_hash_config without = mt_hash_configure(MT_HASH_5_TUPLE, 0);

	(void)state;
	assert_int_equal(hash_with(&with, 5, tcp4), hash_with(&with, 5, reversed(tcp4)));
	assert_int_not_equal(hash_with(&with, 5, tcp4), hash_with(&with, 6, tcp4));
	assert_int_equal(hash_with(&without, 5, tcp4), hash_with(&without, 6, tcp4));
}

/* --- spread --- */

static const unsigned queue_counts[] = {2, 3, 4, 8, 16, 32, 64};
enum { QUEUE_COUNTS = sizeof(queue_counts) / sizeof(*queue_counts), MAX_QUEUES = 64 };

struct spread {
	uint32_t counts[QUEUE_COUNTS][MAX_QUEUES];
	uint32_t flows;
};

static void spread_add(struct spread *spread, uint32_t hash)
{
	for (unsigned i = 0; i < QUEUE_COUNTS; i++) {
		uint32_t queue = mt_hash_queue(hash, queue_counts[i]);

		assert_true(queue < queue_counts[i]);
		spread->counts[i][queue]++;
	}
	spread->flows++;
}

/* The value that chi-square exceeds once in a million, by Wilson and Hilferty. */
static double chi_square_limit(double freedom)
{
	double a = 2 / (9 * freedom);

	return freedom * pow(1 - a + 4.753 * sqrt(a), 3);
}

/* Fails where the flows are less even than chance would have them. Queue counts for which there
 * are less than five flows per queue are left out: chi-square says nothing there. */
static void expect_even(const struct spread *spread, const char *what)
{
	for (unsigned i = 0; i < QUEUE_COUNTS; i++) {
		double expected = (double)spread->flows / queue_counts[i];
		double limit = chi_square_limit(queue_counts[i] - 1);
		double chi_square = 0;

		if (expected < 5)
			continue;
		for (unsigned queue = 0; queue < queue_counts[i]; queue++) {
			double off = spread->counts[i][queue] - expected;

			chi_square += off * off / expected;
		}
		if (chi_square > limit)
			print_error("%s: %u flows on %u queues: chi-square %.1f, limit %.1f\n",
				what, spread->flows, queue_counts[i], chi_square, limit);
		assert_true(chi_square <= limit);
	}
}

static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint32_t hash4(uint32_t source, uint32_t destination, uint16_t source_port,
	uint16_t destination_port, uint32_t vni, const struct mt_hash_config *hash)
{
	return mt_hash_join(hash, mt_hash_endpoint4(hash, htonl(source), htons(source_port)),
		mt_hash_endpoint4(hash, htonl(destination), htons(destination_port)), IPPROTO_TCP,
		vni);
}

static uint32_t hash6(uint64_t source, uint64_t destination, uint16_t source_port,
	const struct mt_hash_config *hash)
{
	uint64_t high = 0x000000b80d010220u; /* 2001:db8::/64-like, as loaded */

	return mt_hash_join(hash,
		mt_hash_endpoint6(hash, high, __builtin_bswap64(source), htons(source_port)),
		mt_hash_endpoint6(hash, high, __builtin_bswap64(destination), htons(443)),
		IPPROTO_TCP, 0);
}

static void spread_of_sequential_ports(void **state)
{
	const struct mt_hash_config hash = mt_hash_configure(MT_HASH_5_TUPLE, 0);
	struct spread up = {0};
	struct spread down = {0};
	struct spread even = {0};
	struct spread v6 = {0};

	(void)state;
	for (uint32_t i = 0; i < 28000; i++) {
		uint16_t port = (uint16_t)(32768 + i);

		spread_add(&up, hash4(0x0a000001, 0x0a000102, port, 443, 0, &hash));
		spread_add(&down, hash4(0xc0a80009, 0x08080808, port, 53, 0, &hash));
		spread_add(&v6, hash6(1, 2, port, &hash));
		if (i % 2 == 0) /* as Linux chooses them for connect() */
			spread_add(&even, hash4(0x0a000001, 0x0a000102, port, 80, 0, &hash));
	}
	expect_even(&up, "sequential ports");
	expect_even(&down, "sequential ports, other addresses");
	expect_even(&v6, "sequential ports, IPv6");
	expect_even(&even, "even ports");
}

/* What differs in one part of a flow is not made up for by what differs in another one. */
static void spread_of_two_parts_at_once(void **state)
{
	const struct mt_hash_config hash = mt_hash_configure(MT_HASH_5_TUPLE, 0);
	const struct mt_hash_config with_vni = mt_hash_configure(MT_HASH_5_TUPLE, 1);
	struct spread near = {0};
	struct spread far = {0};
	struct spread first = {0};
	struct spread vnis = {0};

	(void)state;
	for (uint32_t i = 0; i < 65536; i++) {
		uint32_t low = i & 0xff;
		uint32_t high = i >> 8;
		uint16_t port = (uint16_t)(32768 + low);

		spread_add(&near, hash4(0x0a000001, 0x0a000001 + (high << 8), port, 443, 0, &hash));
		spread_add(&far, hash4(0x0a000001, 0x0a000001 + (high << 16), port, 80, 0, &hash));
		spread_add(&first,
			hash4(0x0a000001, high << 24 | 0x010203, (uint16_t)(1024 + (low << 8)), 443,
				0, &hash));
		spread_add(&vnis, hash4(0x0a000001, 0x0a000002, port, 80, high, &with_vni));
	}
	expect_even(&near, "ports of a client by a server's third byte");
	expect_even(&far, "ports of a client by a server's second byte");
	expect_even(&first, "ports of a client by a server's first byte");
	expect_even(&vnis, "ports of a client by VNI");
}

static void spread_of_sequential_addresses(void **state)
{
	const struct mt_hash_config five = mt_hash_configure(MT_HASH_5_TUPLE, 0);
	const struct mt_hash_config two = mt_hash_configure(MT_HASH_2_TUPLE, 0);
	struct spread ports = {0};
	struct spread pairs = {0};
	struct spread subnets = {0};
	struct spread v6 = {0};
	struct spread few = {0};

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		spread_add(&ports, hash4(0x0a000000 + i, 0xc0000207, 40000, 443, 0, &five));
		spread_add(&pairs, hash4(0x0a000000 + i, 0xc0000207, 0, 0, 0, &two));
		spread_add(&subnets, hash4(0x0a000001 + (i << 8), 0xc0000207, 0, 0, 0, &two));
		spread_add(&v6, hash6(i + 1, 0x1000000, 50000, &five));
	}
	for (uint32_t i = 0; i < 100; i++) {
		for (uint32_t j = 0; j < 100; j++)
			spread_add(&few, hash4(0x0a000001 + i, 0x0a010001 + j, 5000, 80, 0, &five));
	}
	expect_even(&ports, "sequential addresses");
	expect_even(&pairs, "sequential addresses, 2-tuple");
	expect_even(&subnets, "sequential subnets, 2-tuple");
	expect_even(&v6, "sequential addresses, IPv6");
	expect_even(&few, "100 clients by 100 servers");
}

static void spread_of_random_flows(void **state)
{
	const struct mt_hash_config five = mt_hash_configure(MT_HASH_5_TUPLE, 0);
	struct spread v4 = {0};
	struct spread v6 = {0};
	uint64_t seed = 1;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++) {
		uint64_t a = random_next(&seed);
		uint64_t b = random_next(&seed);

		spread_add(&v4,
			hash4((uint32_t)a, (uint32_t)b, (uint16_t)(a >> 32), (uint16_t)(b >> 32), 0,
				&five));
		spread_add(&v6, hash6(a, b, (uint16_t)i, &five));
	}
	expect_even(&v4, "random");
	expect_even(&v6, "random, IPv6");
}

/* 256 flows that differ in eight neighbouring bits of one endpoint, whichever. CRC alone is linear:
 * it spreads most such sets perfectly, and leaves half of the queues to some. */
static void spread_of_any_eight_bits(void **state)
{
	const struct mt_hash_config hash = mt_hash_configure(MT_HASH_5_TUPLE, 0);
	const uint64_t endpoint = (uint64_t)0x0a000001 << 16 | 40000;

	(void)state;
	for (unsigned shift = 0; shift <= 40; shift++) {
		struct spread spread = {0};
		char what[40];

		for (uint64_t i = 0; i < 256; i++) {
			uint64_t other = endpoint ^ i << shift;

			spread_add(&spread,
				hash4((uint32_t)(other >> 16), 0xc0000207, (uint16_t)other, 443, 0,
					&hash));
		}
		snprintf(what, sizeof(what), "bits %u to %u", shift, shift + 7);
		expect_even(&spread, what);
	}
}

static void spread_of_vnis(void **state)
{
	const struct mt_hash_config vni = mt_hash_configure(MT_HASH_VNI, 0);
	const struct mt_hash_config too = mt_hash_configure(MT_HASH_5_TUPLE, 1);
	struct spread only = {0};
	struct spread with = {0};

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		spread_add(&only, hash4(1, 2, 3, 4, i, &vni));
		spread_add(&with, hash4(0x0a000001, 0x0a000002, 40000, 443, i, &too));
	}
	expect_even(&only, "sequential VNIs");
	expect_even(&with, "one flow in sequential VNIs");
}

/* --- real captures --- */

enum { MAX_REAL_FLOWS = 1024 };

/* A flow by an other way than the hash's: the tuple itself, smaller endpoint first. */
struct tuple {
	uint8_t endpoints[2][18];
	uint8_t protocol;
};

struct real_flows {
	struct tuple tuples[MAX_REAL_FLOWS];
	uint32_t hashes[MAX_REAL_FLOWS];
	unsigned count;
};

static bool read_tuple(
	const uint8_t *bytes, uint32_t length, const struct mt_facts *facts, struct tuple *tuple)
{
	bool bare = facts->made_up_ethertype != 0;
	struct mt_ip ip;
	uint32_t payload = facts->strip;
	uint16_t ethertype = facts->made_up_ethertype;
	struct chain chain;
	bool sound;

	chain_split(&chain, bytes, length, NULL, 0);
	if (!bare)
		ethertype = mt_ethertype_read(chain.segments, facts->strip, length, &payload);
	sound = (ethertype == ETHERTYPE_V4 || ethertype == ETHERTYPE_V6)
		&& mt_ip_read(chain.segments, payload, length, ethertype, &ip);
	chain_free(&chain);
	if (!sound || ip.fragment != MT_FRAGMENT_NONE || ip.payload + 4 > length)
		return false;
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_UDP)
		return false;
	memset(tuple, 0, sizeof(*tuple));
	memcpy(tuple->endpoints[0], &ip.source, 16);
	memcpy(tuple->endpoints[0] + 16, bytes + ip.payload, 2);
	memcpy(tuple->endpoints[1], &ip.destination, 16);
	memcpy(tuple->endpoints[1] + 16, bytes + ip.payload + 2, 2);
	tuple->protocol = ip.protocol;
	if (memcmp(tuple->endpoints[0], tuple->endpoints[1], 18) > 0) {
		uint8_t swap[18];

		memcpy(swap, tuple->endpoints[0], 18);
		memcpy(tuple->endpoints[0], tuple->endpoints[1], 18);
		memcpy(tuple->endpoints[1], swap, 18);
	}
	return true;
}

static void note_flow(struct real_flows *flows, const struct tuple *tuple, uint32_t hash)
{
	for (unsigned i = 0; i < flows->count; i++) {
		if (memcmp(&flows->tuples[i], tuple, sizeof(*tuple)) == 0) {
			assert_int_equal(flows->hashes[i], hash);
			return;
		}
	}
	assert_true(flows->count < MAX_REAL_FLOWS);
	flows->tuples[flows->count] = *tuple;
	flows->hashes[flows->count++] = hash;
}

static void read_capture(const char *path, struct real_flows *flows)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *capture = pcap_open_offline(path, error);
	struct mt_tunnels tunnels = default_tunnels();
	struct pcap_pkthdr *record;
	const uint8_t *bytes;

	assert_non_null(capture);
	while (pcap_next_ex(capture, &record, &bytes) == 1) {
		struct mt_facts facts;
		struct tuple tuple;
		struct chain chain;

		chain_split(&chain, bytes, record->caplen, NULL, 0);
		mt_packet_decapsulate(chain.segments, &tunnels, &facts);
		chain_free(&chain);
		if (facts.verdict == MT_VERDICT_ACCEPTED
			&& read_tuple(bytes, record->caplen, &facts, &tuple))
			note_flow(flows, &tuple, facts.flow_hash);
	}
	pcap_close(capture);
}

static bool read_captures(struct real_flows *flows)
{
	const char *folder = getenv("MIRRORTAP_CAPTURES");
	struct dirent *entry;
	char path[4096];
	DIR *list;

	if (folder == NULL)
		folder = "../shared/captures";
	list = opendir(folder);
	if (list == NULL) {
		print_message("SKIP: no captures in %s (MIRRORTAP_CAPTURES)\n", folder);
		return false;
	}
	while ((entry = readdir(list)) != NULL) {
		const char *suffix = strrchr(entry->d_name, '.');

		if (suffix == NULL || strcmp(suffix, ".pcap") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		read_capture(path, flows);
	}
	closedir(list);
	return flows->count != 0;
}

/* Every packet of a real conversation, in either direction, has one hash (note_flow asserts it);
 * different ones have different hashes; and they spread. */
static void real_flows_spread(void **state)
{
	static struct real_flows flows;
	struct spread plain = {0};
	struct spread by_source = {0};

	(void)state;
	if (!read_captures(&flows))
		skip();
	print_message("%u TCP and UDP flows in the captures\n", flows.count);
	for (unsigned i = 0; i < flows.count; i++) {
		spread_add(&plain, flows.hashes[i]);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(flows.hashes[i], flows.hashes[j]);
	}
	expect_even(&plain, "flows of the captures");

	/* They are few: let 200 hosts beside each client say the same things. */
	for (unsigned i = 0; i < flows.count; i++) {
		const struct mt_hash_config hash = mt_hash_configure(MT_HASH_5_TUPLE, 0);
		const struct tuple *tuple = &flows.tuples[i];
		uint32_t ends[2][2];

		for (unsigned side = 0; side < 2; side++) {
			uint16_t port;

			memcpy(&ends[side][0], tuple->endpoints[side] + 12, 4);
			memcpy(&port, tuple->endpoints[side] + 16, 2);
			ends[side][1] = port;
		}
		for (uint32_t host = 0; host < 200; host++)
			spread_add(&by_source,
				mt_hash_join(&hash,
					mt_hash_endpoint4(&hash, htonl(ntohl(ends[0][0]) + host),
						(uint16_t)ends[0][1]),
					mt_hash_endpoint4(&hash, ends[1][0], (uint16_t)ends[1][1]),
					tuple->protocol, 0));
	}
	expect_even(&by_source, "flows of the captures, from 200 hosts each");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_and_no_other),
		cmocka_unit_test(equal_endpoints),
		cmocka_unit_test(protocols_without_ports),
		cmocka_unit_test(fragments),
		cmocka_unit_test(icmp_error_is_of_the_flow_it_quotes),
		cmocka_unit_test(icmp_error_that_quotes_too_little),
		cmocka_unit_test(other_than_ip),
		cmocka_unit_test(encapsulation_does_not_count),
		cmocka_unit_test(two_tuple),
		cmocka_unit_test(vni_only),
		cmocka_unit_test(vni_too),
		cmocka_unit_test(spread_of_sequential_ports),
		cmocka_unit_test(spread_of_two_parts_at_once),
		cmocka_unit_test(spread_of_sequential_addresses),
		cmocka_unit_test(spread_of_random_flows),
		cmocka_unit_test(spread_of_any_eight_bits),
		cmocka_unit_test(spread_of_vnis),
		cmocka_unit_test(real_flows_spread),
	};

	return cmocka_run_group_tests_name("flow_hash", tests, NULL, NULL);
}
