/* SPDX-License-Identifier: BSD-3-Clause */
/* Hand-built packets through mt_packet_decapsulate: each verdict, each shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <string.h>

#include "build_packet.h"

enum {
	/* Offsets in a packet that begins with put_outer. */
	IP = 14,
	IP_TOTAL = IP + 2,
	UDP = IP + 20,
	UDP_LENGTH = UDP + 4,
	TUNNEL = UDP + 8,
	INNER = TUNNEL + 8,
	INNER_IP = INNER + 14,

	INNER_TCP_HEADERS = 14 + 20 + 20, /* of put_inner_tcp, before its payload */
};

static const struct ipv4 plain_udp = {
	.source = 0x0a000001, .destination = 0x0a000002, .protocol = IPPROTO_UDP};

static struct mt_facts read_default(const struct packet *packet)
{
	struct mt_tunnels tunnels = default_tunnels();

	return packet_read(packet, &tunnels);
}

static void expect_verdict(const struct packet *packet, enum mt_verdict verdict)
{
	struct mt_facts facts = read_default(packet);

	if (facts.verdict != verdict)
		print_error("%s instead of %s\n", mt_verdict_name(facts.verdict),
			mt_verdict_name(verdict));
	assert_int_equal(facts.verdict, verdict);
}

/* Accepted, whole, `length` bytes from offset `strip` on. */
static struct mt_facts expect_inner(
	const struct packet *packet, uint32_t vni, uint32_t strip, uint32_t length)
{
	struct mt_facts facts = read_default(packet);

	expect_verdict(packet, MT_VERDICT_ACCEPTED);
	assert_int_equal(facts.vni, vni);
	assert_int_equal(facts.strip, strip);
	assert_int_equal(facts.inner_length, length);
	assert_int_equal(facts.original_length, length);
	assert_int_equal(facts.flags & MT_FLAG_TRUNCATED, 0);
	return facts;
}

static void expect_truncated(const struct packet *packet, uint32_t length, uint32_t original)
{
	struct mt_facts facts = read_default(packet);

	expect_verdict(packet, MT_VERDICT_ACCEPTED);
	assert_int_equal(facts.inner_length, length);
	assert_int_equal(facts.original_length, original);
	assert_int_equal(facts.flags & MT_FLAG_TRUNCATED, MT_FLAG_TRUNCATED);
}

static void build_common(struct packet *packet)
{
	packet_start(packet);
	put_outer_vxlan(packet, 4321);
	put_inner_tcp(packet, 100);
	packet_close(packet);
}

/* --- outer --- */

static void common_shape(void **state)
{
	struct packet packet;
	struct mt_facts facts;

	(void)state;
	build_common(&packet);
	facts = expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
	assert_int_equal(facts.tunnel, MT_TUNNEL_VXLAN);
	assert_int_equal(facts.made_up_ethertype, 0);
	assert_int_equal(facts.flags, MT_FLAG_EGRESS);
	assert_int_equal(facts.source.high, 0);
	assert_memory_equal((uint8_t *)&facts.source.low, "\0\0\xff\xff\x0a\0\0\1", 8);
}

static void outer_vlan_tags(void **state)
{
	static const uint16_t kinds[2] = {0x8100, 0x88a8};
	struct packet packet;

	(void)state;
	for (unsigned tags = 0; tags <= 3; tags++) {
		for (unsigned first = 0; first < 2; first++) {
			packet_start(&packet);
			put_macs(&packet, 2, 1);
			for (unsigned i = 0; i < tags; i++) {
				put_16(&packet, kinds[i == 0 ? first : 0]);
				put_16(&packet, 0x2064);
			}
			put_16(&packet, ETHERTYPE_V4);
			put_ipv4(&packet, &plain_udp);
			put_udp(&packet, 65408, VXLAN_PORT);
			put_vxlan(&packet, 9);
			put_inner_tcp(&packet, 1);
			packet_close(&packet);
			if (tags < 3)
				expect_inner(&packet, 9, INNER + 4 * tags, INNER_TCP_HEADERS + 1);
			else
				expect_verdict(&packet, MT_VERDICT_HOST);
		}
	}
}

static void outer_cut_short(void **state)
{
	struct packet packet;

	(void)state;
	build_common(&packet);
	/* Up to the end of the UDP header: nothing is known. */
	for (uint32_t length = 0; length < TUNNEL; length++) {
		packet.length = length;
		expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	}
	for (uint32_t length = TUNNEL; length < INNER; length++) {
		packet.length = length;
		expect_verdict(&packet, MT_VERDICT_VXLAN_TOO_SHORT);
	}
	for (uint32_t length = INNER; length < INNER_IP; length++) {
		packet.length = length;
		expect_verdict(&packet, MT_VERDICT_INNER_TOO_SHORT);
	}
	/* From the 14th inner byte on, it is a truncated frame. */
	for (uint32_t length = INNER_IP; length < INNER + INNER_TCP_HEADERS + 100; length++) {
		packet.length = length;
		expect_truncated(&packet, length - INNER, INNER_TCP_HEADERS + 100);
	}

	packet_start(&packet);
	put_macs(&packet, 2, 1);
	put_16(&packet, 0x8100);
	for (unsigned i = 0; i < 4; i++) {
		expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED); /* within the tag */
		put_8(&packet, i == 2 ? 0x08 : 0x06);
	}
	expect_verdict(&packet, MT_VERDICT_HOST); /* a tagged ARP of no length */
}

static void outer_not_mirror_traffic(void **state)
{
	static const uint16_t ethertypes[] = {0x0806, 0x88cc, 0x0000, 0x0026, 0x8847, 0xffff};
	struct packet packet;
	struct ipv4 ip = plain_udp;

	(void)state;
	for (unsigned i = 0; i < sizeof(ethertypes) / sizeof(*ethertypes); i++) {
		packet_start(&packet);
		put_ethernet(&packet, ethertypes[i]);
		put_pattern(&packet, 46);
		expect_verdict(&packet, MT_VERDICT_HOST);
	}
	/* TCP 4789: a load balancer's health check. */
	packet_start(&packet);
	put_ethernet(&packet, ETHERTYPE_V4);
	ip.protocol = IPPROTO_TCP;
	put_ipv4(&packet, &ip);
	put_tcp(&packet, 50000, VXLAN_PORT);
	packet_close(&packet);
	expect_verdict(&packet, MT_VERDICT_HOST);
	/* UDP from port 4789, but to another: only the destination counts. */
	packet_start(&packet);
	put_ethernet(&packet, ETHERTYPE_V4);
	put_ipv4(&packet, &plain_udp);
	put_udp(&packet, VXLAN_PORT, 53);
	put_pattern(&packet, 30);
	packet_close(&packet);
	expect_verdict(&packet, MT_VERDICT_HOST);
	/* IPv6 neighbour discovery. */
	packet_start(&packet);
	put_ethernet(&packet, ETHERTYPE_V6);
	put_ipv6(&packet, IPPROTO_ICMPV6, 1, 2);
	put_icmp(&packet, 135, 0);
	packet_close(&packet);
	expect_verdict(&packet, MT_VERDICT_HOST);
}

static void outer_ipv4_options(void **state)
{
	struct packet packet;

	(void)state;
	for (uint8_t words = 0; words <= 10; words++) {
		struct ipv4 ip = plain_udp;

		ip.option_words = words;
		packet_start(&packet);
		put_ethernet(&packet, ETHERTYPE_V4);
		put_ipv4(&packet, &ip);
		put_udp(&packet, 65408, VXLAN_PORT);
		put_vxlan(&packet, 7);
		put_inner_tcp(&packet, 3);
		packet_close(&packet);
		expect_inner(&packet, 7, INNER + words * 4u, INNER_TCP_HEADERS + 3);
	}
}

static void outer_ipv4_contradicts_itself(void **state)
{
	struct packet packet;

	(void)state;
	build_common(&packet);
	packet.bytes[IP] = 0x44; /* header of 16 bytes */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	packet.bytes[IP] = 0x65; /* IPv6 behind ethertype 0x0800 */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	packet.bytes[IP] = 0x45;
	set_16(&packet, IP_TOTAL, 19); /* shorter than its header */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	set_16(&packet, IP_TOTAL, 0);
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	set_16(&packet, IP_TOTAL, 20 + 7); /* no room for UDP */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	packet.bytes[IP] = 0x4f; /* header of 60 bytes in a packet of 27 */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	packet.bytes[IP + 9] = IPPROTO_ICMP; /* whatever it carries */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
}

static void outer_any_destination(void **state)
{
	struct packet packet;

	(void)state;
	build_common(&packet);
	memcpy(packet.bytes + IP + 16, "\xef\1\2\3", 4); /* 239.1.2.3 */
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
	memset(packet.bytes + IP + 16, 0xff, 4);
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
	memset(packet.bytes, 0xff, 6); /* to any MAC address as well */
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
}

static void outer_checksums_do_not_matter(void **state)
{
	struct packet packet;

	(void)state;
	build_common(&packet);
	set_16(&packet, IP + 10, 0xdead);
	set_16(&packet, UDP + 6, 0xbeef);
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
}

/* Ethernet, IPv6, `headers` extension headers of types in turn, UDP, VXLAN, inner frame. */
static void build_v6(struct packet *packet, const uint8_t *headers, unsigned count, uint8_t more)
{
	packet_start(packet);
	put_ethernet(packet, ETHERTYPE_V6);
	put_ipv6(packet, count != 0 ? headers[0] : IPPROTO_UDP, 1, 2);
	for (unsigned i = 0; i < count; i++)
		put_extension(packet, i + 1 < count ? headers[i + 1] : IPPROTO_UDP, more);
	put_udp(packet, 65408, VXLAN_PORT);
	put_vxlan(packet, 66);
	put_inner_tcp(packet, 5);
	packet_close(packet);
}

static void outer_ipv6(void **state)
{
	static const uint8_t headers[9] = {IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_ROUTING,
		IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS,
		IPPROTO_DSTOPTS};
	static const uint8_t source[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
	struct packet packet;
	struct mt_facts facts;

	(void)state;
	for (unsigned count = 0; count <= MT_MAX_IPV6_EXTENSIONS; count++) {
		for (uint8_t more = 0; more < 3; more++) {
			build_v6(&packet, headers, count, more);
			facts = expect_inner(
				&packet, 66, 70 + count * (8 + 8 * more), INNER_TCP_HEADERS + 5);
			assert_memory_equal(&facts.source, source, sizeof(source));
			assert_int_equal(facts.flags, 0);
		}
	}
	build_v6(&packet, headers, MT_MAX_IPV6_EXTENSIONS + 1, 0);
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	/* Each kind by itself. */
	for (unsigned i = 0; i < 3; i++) {
		build_v6(&packet, headers + i, 1, 1);
		expect_inner(&packet, 66, 70 + 16, INNER_TCP_HEADERS + 5);
	}
}

/* The authentication header counts its length in 4 bytes, unlike the others: RFC 4302. */
static void outer_ipv6_authentication(void **state)
{
	static const uint8_t ah[1] = {IPPROTO_AH};
	struct packet packet;

	(void)state;
	build_v6(&packet, ah, 1, 1);
	packet.bytes[IP + 41] = 2;
	expect_inner(&packet, 66, 70 + 16, INNER_TCP_HEADERS + 5);
}

static void outer_ipv6_contradicts_itself(void **state)
{
	static const uint8_t hop[1] = {IPPROTO_HOPOPTS};
	struct packet packet;

	(void)state;
	build_v6(&packet, hop, 1, 0);
	packet.bytes[IP + 41] = 255; /* an option header beyond the packet */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	packet.bytes[IP + 40] = IPPROTO_TCP; /* whatever would follow */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	build_v6(&packet, hop, 1, 0);
	packet.bytes[IP] = 0x45; /* IPv4 behind ethertype 0x86dd */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	build_v6(&packet, hop, 1, 0);
	set_16(&packet, IP + 4, 0); /* a jumbogram */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	set_16(&packet, IP + 4, 15); /* ends in the UDP header */
	expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	for (uint32_t length = 14; length < 70; length++) {
		build_v6(&packet, hop, 1, 0);
		packet.length = length;
		expect_verdict(&packet, MT_VERDICT_OUTER_MALFORMED);
	}
}

/* --- lengths --- */

static void smallest_length_wins(void **state)
{
	struct packet packet;

	(void)state;
	/* Ethernet padding and trailers are cut. */
	build_common(&packet);
	put_pattern(&packet, 46);
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
	/* UDP shorter than IP: the rest is not of the datagram. */
	build_common(&packet);
	set_16(&packet, UDP_LENGTH, 8 + 8 + 14 + 20 + 20 + 100 - 1);
	set_16(&packet, INNER_IP + 2, 20 + 20 + 99);
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 99);
	/* IP shorter than UDP. */
	build_common(&packet);
	set_16(&packet, IP_TOTAL, 20 + 8 + 8 + INNER_TCP_HEADERS + 90);
	set_16(&packet, INNER_IP + 2, 20 + 20 + 90);
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 90);
	/* UDP longer than IP, to the largest. */
	build_common(&packet);
	set_16(&packet, UDP_LENGTH, 0xffff);
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
	/* Both longer than the frame: cut on the way. */
	set_16(&packet, IP_TOTAL, 20 + 8 + 8 + INNER_TCP_HEADERS + 200);
	expect_truncated(&packet, INNER_TCP_HEADERS + 100, INNER_TCP_HEADERS + 200);
}

static void udp_bad_length(void **state)
{
	struct packet packet;

	(void)state;
	for (uint16_t length = 0; length < 8; length++) {
		build_common(&packet);
		set_16(&packet, UDP_LENGTH, length);
		expect_verdict(&packet, MT_VERDICT_UDP_BAD_LENGTH);
	}
	set_16(&packet, UDP_LENGTH, 8);
	expect_verdict(&packet, MT_VERDICT_VXLAN_TOO_SHORT);
	/* Not ours to judge on another port. */
	set_16(&packet, UDP_LENGTH, 3);
	set_16(&packet, UDP + 2, 53);
	expect_verdict(&packet, MT_VERDICT_HOST);
}

static void inner_truncation(void **state)
{
	struct packet packet;

	(void)state;
	/* As AWS does it: the outer lengths are right, the inner states more. */
	for (uint32_t length = 14; length < INNER_TCP_HEADERS + 1000; length++) {
		struct mt_facts facts;

		build_common(&packet);
		packet_start(&packet);
		put_outer_vxlan(&packet, 1);
		put_inner_tcp(&packet, 1000);
		packet.length = INNER + length;
		set_16(&packet, INNER_IP + 2, 20 + 20 + 1000);
		packet.lengths_count = 2; /* of the outer IP and UDP */
		packet_close(&packet);
		facts = read_default(&packet);
		assert_int_equal(facts.verdict, MT_VERDICT_ACCEPTED);
		assert_int_equal(facts.inner_length, length);
		/* From the fourth byte of the IP header on its length is known. */
		if (length < 14 + 4)
			assert_int_equal(facts.original_length, length);
		else
			expect_truncated(&packet, length, INNER_TCP_HEADERS + 1000);
	}
}

static void inner_truncation_v6_and_tags(void **state)
{
	struct packet packet;

	(void)state;
	for (uint32_t length = 22; length < 22 + 40 + 20 + 500; length++) {
		packet_start(&packet);
		put_outer_vxlan(&packet, 1);
		put_macs(&packet, 2, 1);
		put_16(&packet, 0x88a8);
		put_16(&packet, 100);
		put_16(&packet, 0x8100);
		put_16(&packet, 200);
		put_16(&packet, ETHERTYPE_V6);
		put_ipv6(&packet, IPPROTO_TCP, 1, 2);
		put_tcp(&packet, 1, 2);
		put_pattern(&packet, 500);
		set_16(&packet, INNER + 22 + 4, 20 + 500);
		packet.length = INNER + length;
		packet.lengths_count = 2;
		packet_close(&packet);
		if (length < 22 + 6)
			expect_inner(&packet, 1, INNER, length);
		else
			expect_truncated(&packet, length, 22 + 40 + 20 + 500);
	}
}

/* An Ethernet trailer inside is part of the mirrored frame: it stays, and nothing is missing. */
static void inner_padding_stays(void **state)
{
	struct packet packet;

	(void)state;
	packet_start(&packet);
	put_outer_vxlan(&packet, 1);
	put_inner_tcp(&packet, 0);
	set_16(&packet, INNER_IP + 2, 40);
	put_pattern(&packet, 6);
	packet.lengths_count = 2;
	packet_close(&packet);
	expect_inner(&packet, 1, INNER, 60);
	/* Length 0, as segmentation offload leaves it, states nothing. */
	set_16(&packet, INNER_IP + 2, 0);
	expect_inner(&packet, 1, INNER, 60);
}

static void inner_runts(void **state)
{
	struct packet packet;

	(void)state;
	for (uint32_t length = 0; length < 60; length++) {
		packet_start(&packet);
		put_outer_vxlan(&packet, 5);
		put_pattern(&packet, length);
		packet_close(&packet);
		if (length < 14)
			expect_verdict(&packet, MT_VERDICT_INNER_TOO_SHORT);
		else
			expect_inner(&packet, 5, INNER, length);
	}
}

static void inner_checksums_do_not_matter(void **state)
{
	struct packet packet;
	struct mt_facts right;
	struct mt_facts wrong;

	(void)state;
	build_common(&packet);
	right = expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
	set_16(&packet, INNER_IP + 10, 0xbad1);
	set_16(&packet, INNER_IP + 20 + 16, 0xbad2);
	wrong = expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
	assert_true(facts_equal(&right, &wrong));
}

/* Whatever is inside is delivered. */
static void inner_of_any_kind(void **state)
{
	struct packet packet;

	(void)state;
	for (uint32_t ethertype = 0; ethertype <= 0xffff; ethertype += 0x11) {
		packet_start(&packet);
		put_outer_vxlan(&packet, 5);
		put_ethernet(&packet, (uint16_t)ethertype);
		put_pattern(&packet, 60);
		packet_close(&packet);
		expect_verdict(&packet, MT_VERDICT_ACCEPTED);
	}
}

static void direction(void **state)
{
	struct packet packet;
	uint32_t source = INNER_IP + 12;
	uint32_t destination = INNER_IP + 16;

	(void)state;
	build_common(&packet);
	assert_int_equal(read_default(&packet).flags, MT_FLAG_EGRESS);
	memcpy(packet.bytes + source, "\xc6\x33\x64\1", 4);
	assert_int_equal(read_default(&packet).flags, 0);
	memcpy(packet.bytes + destination, "\x0a\0\0\1", 4);
	assert_int_equal(read_default(&packet).flags, MT_FLAG_INGRESS);
}

/* --- fragments --- */

static void outer_fragments_v4(void **state)
{
	static const uint16_t fields[] = {0x2000, 0x2001, 0x20b9, 0x00b9, 0x1fff, 0x6000};
	struct packet packet;

	(void)state;
	for (unsigned i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		build_common(&packet);
		set_16(&packet, IP + 6, fields[i]);
		expect_verdict(&packet, MT_VERDICT_OUTER_FRAGMENT);
		/* Fragments of other protocols are the host's. */
		packet.bytes[IP + 9] = IPPROTO_ICMP;
		expect_verdict(&packet, MT_VERDICT_HOST);
	}
	build_common(&packet);
	set_16(&packet, IP + 6, 0x4000); /* don't fragment */
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
	set_16(&packet, IP + 6, 0x8000); /* the reserved bit */
	expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
	/* A last fragment of one byte is still a fragment, not malformed. */
	build_common(&packet);
	set_16(&packet, IP + 6, 0x00b9);
	set_16(&packet, IP_TOTAL, 21);
	expect_verdict(&packet, MT_VERDICT_OUTER_FRAGMENT);
}

static void build_v6_fragment(
	struct packet *packet, uint8_t next, uint16_t offset, bool more, bool hop_by_hop)
{
	packet_start(packet);
	put_ethernet(packet, ETHERTYPE_V6);
	put_ipv6(packet, hop_by_hop ? IPPROTO_HOPOPTS : IPPROTO_FRAGMENT, 1, 2);
	if (hop_by_hop)
		put_extension(packet, IPPROTO_FRAGMENT, 0);
	put_fragment6(packet, next, offset, more);
	put_udp(packet, 65408, VXLAN_PORT);
	put_vxlan(packet, 66);
	put_inner_tcp(packet, 5);
	packet_close(packet);
}

static void outer_fragments_v6(void **state)
{
	static const struct {
		uint16_t offset;
		bool more;
	} fragments[] = {{0, true}, {1448, true}, {2896, false}, {65528, false}};
	struct packet packet;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		for (int hop = 0; hop < 2; hop++) {
			build_v6_fragment(
				&packet, IPPROTO_UDP, fragments[i].offset, fragments[i].more, hop);
			expect_verdict(&packet, MT_VERDICT_OUTER_FRAGMENT);
			/* UDP may stand behind destination options, in the first one only. */
			build_v6_fragment(&packet, IPPROTO_DSTOPTS, fragments[i].offset,
				fragments[i].more, hop);
			expect_verdict(&packet, MT_VERDICT_OUTER_FRAGMENT);
			/* Or behind an authentication header. */
			build_v6_fragment(
				&packet, IPPROTO_AH, fragments[i].offset, fragments[i].more, hop);
			expect_verdict(&packet, MT_VERDICT_OUTER_FRAGMENT);
			build_v6_fragment(&packet, IPPROTO_ICMPV6, fragments[i].offset,
				fragments[i].more, hop);
			expect_verdict(&packet, MT_VERDICT_HOST);
		}
	}
	/* An atomic fragment (RFC 6946) is a whole packet. */
	build_v6_fragment(&packet, IPPROTO_UDP, 0, false, false);
	expect_inner(&packet, 66, 78, INNER_TCP_HEADERS + 5);
	build_v6_fragment(&packet, IPPROTO_UDP, 0, false, true);
	expect_inner(&packet, 66, 86, INNER_TCP_HEADERS + 5);
}

/* --- VXLAN --- */

static void vxlan_flags(void **state)
{
	struct packet packet;

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		build_common(&packet);
		packet.bytes[TUNNEL] = (uint8_t)flags;
		memset(packet.bytes + TUNNEL + 1, 0xff, 3);
		packet.bytes[TUNNEL + 7] = 0xff;
		if ((flags & 0x08) != 0)
			expect_inner(&packet, 4321, INNER, INNER_TCP_HEADERS + 100);
		else
			expect_verdict(&packet, MT_VERDICT_VXLAN_NO_VNI);
	}
}

static void vxlan_vnis(void **state)
{
	static const uint32_t vnis[] = {0, 1, 0xff, 0x10000, 0xfffffe, 0xffffff};
	struct packet packet;

	(void)state;
	for (unsigned i = 0; i < sizeof(vnis) / sizeof(*vnis); i++) {
		packet_start(&packet);
		put_outer_vxlan(&packet, vnis[i]);
		put_inner_tcp(&packet, 0);
		packet_close(&packet);
		expect_inner(&packet, vnis[i], INNER, INNER_TCP_HEADERS);
	}
}

static void configured_ports(void **state)
{
	struct mt_tunnels tunnels = default_tunnels();
	struct packet packet;

	(void)state;
	tunnels.vxlan_count = MT_MAX_TUNNEL_PORTS;
	for (uint16_t i = 0; i < MT_MAX_TUNNEL_PORTS; i++)
		tunnels.vxlan_ports[i] = htons(8472 + i);
	tunnels.geneve_count = 0;
	for (uint16_t port = 8470; port < 8484; port++) {
		packet_start(&packet);
		put_outer(&packet, port);
		put_vxlan(&packet, 1);
		put_inner_tcp(&packet, 0);
		packet_close(&packet);
		assert_int_equal(packet_read(&packet, &tunnels).verdict,
			port >= 8472 && port < 8480 ? MT_VERDICT_ACCEPTED : MT_VERDICT_HOST);
	}
	set_16(&packet, UDP + 2, GENEVE_PORT);
	assert_int_equal(packet_read(&packet, &tunnels).verdict, MT_VERDICT_HOST);
	set_16(&packet, UDP + 2, VXLAN_PORT);
	assert_int_equal(packet_read(&packet, &tunnels).verdict, MT_VERDICT_HOST);
}

static void vxlan_in_vxlan_stays(void **state)
{
	struct packet packet;
	struct mt_facts facts;

	(void)state;
	packet_start(&packet);
	put_outer_vxlan(&packet, 1);
	put_outer_vxlan(&packet, 2);
	put_inner_tcp(&packet, 10);
	packet_close(&packet);
	facts = expect_inner(&packet, 1, INNER, INNER + INNER_TCP_HEADERS + 10);
	assert_int_equal(facts.tunnel, MT_TUNNEL_VXLAN);
}

/* --- GENEVE --- */

static void geneve_ethernet(void **state)
{
	struct packet packet;
	struct mt_facts facts;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_geneve(&packet, ETHERTYPE_BRIDGE, 0xabcdef, 0);
	put_inner_tcp(&packet, 10);
	packet_close(&packet);
	facts = expect_inner(&packet, 0xabcdef, INNER, INNER_TCP_HEADERS + 10);
	assert_int_equal(facts.tunnel, MT_TUNNEL_GENEVE);
	assert_int_equal(facts.made_up_ethertype, 0);
	/* A VXLAN frame in it stays: peel once. */
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_geneve(&packet, ETHERTYPE_BRIDGE, 3, 0);
	put_outer_vxlan(&packet, 2);
	put_inner_tcp(&packet, 10);
	packet_close(&packet);
	facts = expect_inner(&packet, 3, INNER, INNER + INNER_TCP_HEADERS + 10);
	assert_int_equal(facts.tunnel, MT_TUNNEL_GENEVE);
}

static void put_gwlb_options(struct packet *packet)
{
	put_geneve_option(packet, 0x0108, 1, 8);
	put_geneve_option(packet, 0x0108, 2, 8);
	put_geneve_option(packet, 0x0108, 3, 4);
}

enum { GWLB_OPTION_BYTES = 12 + 12 + 8 };

static void geneve_options(void **state)
{
	struct packet packet;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_geneve(&packet, ETHERTYPE_BRIDGE, 1, GWLB_OPTION_BYTES);
	put_gwlb_options(&packet);
	put_inner_tcp(&packet, 10);
	packet_close(&packet);
	expect_inner(&packet, 1, INNER + GWLB_OPTION_BYTES, INNER_TCP_HEADERS + 10);
	/* The C bit by itself only asks to look at the options. */
	packet.bytes[TUNNEL + 1] = 0x40;
	expect_inner(&packet, 1, INNER + GWLB_OPTION_BYTES, INNER_TCP_HEADERS + 10);
	/* Reserved bits are ignored: header, option, last byte. */
	packet.bytes[TUNNEL + 1] = 0x3f;
	packet.bytes[TUNNEL + 7] = 0xff;
	packet.bytes[INNER + 3] |= 0xe0;
	expect_inner(&packet, 1, INNER + GWLB_OPTION_BYTES, INNER_TCP_HEADERS + 10);
	/* The most that can be: 63 words, as options without data. */
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_geneve(&packet, ETHERTYPE_BRIDGE, 1, 252);
	for (unsigned i = 0; i < 63; i++)
		put_geneve_option(&packet, 0xffff, (uint8_t)i, 0);
	put_inner_tcp(&packet, 10);
	packet_close(&packet);
	expect_inner(&packet, 1, INNER + 252, INNER_TCP_HEADERS + 10);
}

static void geneve_bad_options(void **state)
{
	struct packet packet;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_geneve(&packet, ETHERTYPE_BRIDGE, 1, 12);
	put_geneve_option(&packet, 0x0108, 1, 8);
	packet_close(&packet);
	expect_verdict(&packet, MT_VERDICT_INNER_TOO_SHORT);
	packet.bytes[INNER + 3] = 3; /* the option is longer than the options */
	expect_verdict(&packet, MT_VERDICT_GENEVE_BAD_OPTIONS);
	packet.bytes[INNER + 3] = 31;
	expect_verdict(&packet, MT_VERDICT_GENEVE_BAD_OPTIONS);
	packet.bytes[INNER + 3] = 2;
	packet.bytes[TUNNEL] = 4; /* the options are longer than the packet */
	expect_verdict(&packet, MT_VERDICT_GENEVE_BAD_OPTIONS);
	packet.bytes[TUNNEL] = 63;
	expect_verdict(&packet, MT_VERDICT_GENEVE_BAD_OPTIONS);
	packet.bytes[TUNNEL] = 2; /* the options end within the option */
	expect_verdict(&packet, MT_VERDICT_GENEVE_BAD_OPTIONS);
	/* Behind the datagram stands a trailer that would go on with sound ones. */
	packet.bytes[TUNNEL] = 6;
	put_geneve_option(&packet, 0x0108, 2, 8);
	put_inner_tcp(&packet, 10);
	expect_verdict(&packet, MT_VERDICT_GENEVE_BAD_OPTIONS);
}

static void geneve_critical_option(void **state)
{
	static const uint16_t classes[] = {0x0000, 0x0108, 0xffff};
	struct packet packet;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		for (int c_bit = 0; c_bit < 2; c_bit++) {
			packet_start(&packet);
			put_outer(&packet, GENEVE_PORT);
			put_geneve(&packet, ETHERTYPE_BRIDGE, 1, 16);
			put_geneve_option(&packet, 0x0108, 1, 4);
			put_geneve_option(&packet, classes[i], 0x81, 4);
			put_inner_tcp(&packet, 10);
			packet_close(&packet);
			packet.bytes[TUNNEL + 1] = c_bit ? 0x40 : 0;
			expect_verdict(&packet, MT_VERDICT_GENEVE_CRITICAL_OPTION);
		}
	}
}

static void geneve_header(void **state)
{
	struct packet packet;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_pattern(&packet, 7);
	packet_close(&packet);
	expect_verdict(&packet, MT_VERDICT_GENEVE_TOO_SHORT);

	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_geneve(&packet, ETHERTYPE_BRIDGE, 1, 0);
	put_inner_tcp(&packet, 10);
	packet_close(&packet);
	for (uint8_t version = 1; version < 4; version++) {
		packet.bytes[TUNNEL] = (uint8_t)(version << 6);
		expect_verdict(&packet, MT_VERDICT_GENEVE_BAD_VERSION);
	}
	packet.bytes[TUNNEL] = 0;
	packet.bytes[TUNNEL + 1] = 0x80; /* the O bit */
	expect_verdict(&packet, MT_VERDICT_GENEVE_CONTROL);
	packet.bytes[TUNNEL + 1] = 0;
	set_16(&packet, TUNNEL + 2, 0x8847);
	expect_verdict(&packet, MT_VERDICT_GENEVE_UNKNOWN_PROTOCOL);
	set_16(&packet, TUNNEL + 2, 0);
	expect_verdict(&packet, MT_VERDICT_GENEVE_UNKNOWN_PROTOCOL);
}

/* GENEVE with AWS's options and an IP packet of `version`, to be filled with its payload. */
static void start_gwlb(struct packet *packet, int version, uint8_t protocol, uint16_t fragment)
{
	const struct ipv4 ip = {.source = 0xac100b05,
		.destination = 0xac100bc9,
		.protocol = protocol,
		.fragment = fragment};

	packet_start(packet);
	put_outer(packet, GENEVE_PORT);
	put_geneve(packet, version == 4 ? ETHERTYPE_V4 : ETHERTYPE_V6, 0, GWLB_OPTION_BYTES);
	put_gwlb_options(packet);
	if (version == 4)
		put_ipv4(packet, &ip);
	else
		put_ipv6(packet, protocol, 0x51, 0x52);
}

enum { GWLB_PAYLOAD = INNER + GWLB_OPTION_BYTES };

static void gwlb_plain_packet(void **state)
{
	struct packet packet;
	struct mt_facts facts;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		uint32_t ip_length = version == 4 ? 20 : 40;

		start_gwlb(&packet, version, IPPROTO_TCP, 0);
		put_tcp(&packet, 40000, 443);
		put_pattern(&packet, 30);
		packet_close(&packet);
		facts = expect_inner(&packet, 0, GWLB_PAYLOAD, 14 + ip_length + 20 + 30);
		assert_int_equal(facts.tunnel, MT_TUNNEL_GENEVE);
		assert_int_equal(
			facts.made_up_ethertype, version == 4 ? ETHERTYPE_V4 : ETHERTYPE_V6);
		/* Cut: the packet's own length is the original's. */
		packet.length -= 10;
		expect_truncated(&packet, 14 + ip_length + 20 + 20, 14 + ip_length + 20 + 30);
		/* UDP to another port, GENEVE's too, is an ordinary packet. */
		start_gwlb(&packet, version, IPPROTO_UDP, 0);
		put_udp(&packet, 40000, GENEVE_PORT);
		put_pattern(&packet, 30);
		packet_close(&packet);
		facts = expect_inner(&packet, 0, GWLB_PAYLOAD, 14 + ip_length + 8 + 30);
		assert_int_not_equal(facts.made_up_ethertype, 0);
	}
}

static void gwlb_empty_or_unsound_packet(void **state)
{
	struct packet packet;
	struct mt_facts facts;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_geneve(&packet, ETHERTYPE_V4, 0, 0);
	packet_close(&packet);
	expect_verdict(&packet, MT_VERDICT_INNER_TOO_SHORT);
	/* One byte of an IP packet is a runt, and normal. */
	put_8(&packet, 0x45);
	packet_close(&packet);
	facts = expect_inner(&packet, 0, INNER, 15);
	assert_int_equal(facts.made_up_ethertype, ETHERTYPE_V4);
	/* So is one that contradicts itself. */
	put_pattern(&packet, 40);
	packet.bytes[INNER] = 0x43;
	packet_close(&packet);
	expect_inner(&packet, 0, INNER, 14 + 41);
}

static void gwlb_mirror_session(void **state)
{
	struct packet packet;
	struct mt_facts facts;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		uint32_t strip = GWLB_PAYLOAD + (version == 4 ? 20 : 40) + 8 + 8;

		start_gwlb(&packet, version, IPPROTO_UDP, 0);
		put_udp(&packet, 65408, VXLAN_PORT);
		put_vxlan(&packet, 4242);
		put_inner_tcp(&packet, 30);
		packet_close(&packet);
		facts = expect_inner(&packet, 4242, strip, INNER_TCP_HEADERS + 30);
		assert_int_equal(facts.tunnel, MT_TUNNEL_GENEVE_VXLAN);
		assert_int_equal(facts.made_up_ethertype, 0);
		/* The source is the mirrored one, not the load balancer. */
		if (version == 4)
			assert_memory_equal(&facts.source.low, "\0\0\xff\xff\xac\x10\x0b\5", 8);
		else
			assert_int_equal(((uint8_t *)&facts.source.low)[7], 0x51);
		/* The middle headers bound the frame as outer ones do. */
		set_16(&packet, strip - 8 - 8 + 4, 8 + 8 + INNER_TCP_HEADERS);
		set_16(&packet, strip + 14 + 2, 40);
		expect_inner(&packet, 4242, strip, INNER_TCP_HEADERS);
		set_16(&packet, strip - 8 - 8 + 4, 8 + 8 + 13);
		expect_verdict(&packet, MT_VERDICT_INNER_TOO_SHORT);
		set_16(&packet, strip - 8 - 8 + 4, 8 + 7);
		expect_verdict(&packet, MT_VERDICT_VXLAN_TOO_SHORT);
		set_16(&packet, strip - 8 - 8 + 4, 7);
		expect_verdict(&packet, MT_VERDICT_UDP_BAD_LENGTH);
		set_16(&packet, strip - 8 - 8 + 4, 8 + 8 + INNER_TCP_HEADERS);
		packet.bytes[strip - 8] = 0;
		expect_verdict(&packet, MT_VERDICT_VXLAN_NO_VNI);
	}
}

static void gwlb_middle_fragments(void **state)
{
	struct packet packet;
	struct mt_facts facts;

	(void)state;
	/* The first fragment of a mirrored packet: never delivered cut. */
	start_gwlb(&packet, 4, IPPROTO_UDP, 0x2000);
	put_udp(&packet, 65408, VXLAN_PORT);
	put_vxlan(&packet, 4242);
	put_inner_tcp(&packet, 30);
	packet_close(&packet);
	expect_verdict(&packet, MT_VERDICT_OUTER_FRAGMENT);
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	put_geneve(&packet, ETHERTYPE_V6, 0, 0);
	put_ipv6(&packet, IPPROTO_FRAGMENT, 0x51, 0x52);
	put_fragment6(&packet, IPPROTO_UDP, 0, true);
	put_udp(&packet, 65408, VXLAN_PORT);
	put_vxlan(&packet, 4242);
	put_inner_tcp(&packet, 30);
	packet_close(&packet);
	expect_verdict(&packet, MT_VERDICT_OUTER_FRAGMENT);
	/* A later one has no port to know it by: an ordinary packet. */
	start_gwlb(&packet, 4, IPPROTO_UDP, 0x00b9);
	put_udp(&packet, 65408, VXLAN_PORT); /* looks like it, is not read */
	put_pattern(&packet, 30);
	packet_close(&packet);
	facts = expect_inner(&packet, 0, GWLB_PAYLOAD, 14 + 20 + 8 + 30);
	assert_int_equal(facts.made_up_ethertype, ETHERTYPE_V4);
}

static void made_up_header(void **state)
{
	uint8_t header[14];

	(void)state;
	mt_packet_make_up_ethernet(header, ETHERTYPE_V6);
	assert_memory_equal(header, "\2\0\0\0\0\2\2\0\0\0\0\1\x86\xdd", 14);
	mt_packet_make_up_ethernet(header, ETHERTYPE_V4);
	assert_memory_equal(header + 12, "\x08\0", 2);
}

static void tunnel_names(void **state)
{
	(void)state;
	assert_string_equal(mt_tunnel_name(MT_TUNNEL_NONE), "-");
	assert_string_equal(mt_tunnel_name(MT_TUNNEL_VXLAN), "vxlan");
	assert_string_equal(mt_tunnel_name(MT_TUNNEL_GENEVE), "geneve");
	assert_string_equal(mt_tunnel_name(MT_TUNNEL_GENEVE_VXLAN), "geneve+vxlan");
}

/* --- segments --- */

/* The same facts whether the frame is whole, cut in two anywhere, in three around any byte, or in
 * pieces of a few bytes. */
static void expect_same_in_segments(const struct packet *packet)
{
	struct mt_tunnels tunnels = default_tunnels();
	struct mt_facts whole = packet_read(packet, &tunnels);
	struct mt_facts split;
	struct chain chain;
	uint32_t cuts[CHAIN_SEGMENTS - 1];

	for (uint32_t cut = 0; cut <= packet->length; cut++) {
		for (uint32_t middle = 0; middle < 4; middle++) {
			cuts[0] = cut;
			cuts[1] = cut + middle;
			chain_split(&chain, packet->bytes, packet->length, cuts, 2);
			mt_packet_decapsulate(chain.segments, &tunnels, &split);
			chain_free(&chain);
			assert_true(facts_equal(&whole, &split));
		}
	}
	for (uint32_t piece = 4; piece < 20; piece++) {
		for (unsigned i = 0; i < CHAIN_SEGMENTS - 1; i++)
			cuts[i] = (i + 1) * piece;
		chain_split(&chain, packet->bytes, packet->length, cuts, CHAIN_SEGMENTS - 1);
		mt_packet_decapsulate(chain.segments, &tunnels, &split);
		chain_free(&chain);
		assert_true(facts_equal(&whole, &split));
	}
}

static void segments_vxlan(void **state)
{
	static const uint8_t headers[3] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS};
	struct packet packet;

	(void)state;
	build_common(&packet);
	expect_same_in_segments(&packet);
	build_v6(&packet, headers, 3, 1);
	expect_same_in_segments(&packet);
	packet_start(&packet);
	put_macs(&packet, 2, 1);
	put_32(&packet, 0x88a80064);
	put_32(&packet, 0x81000064);
	put_16(&packet, ETHERTYPE_V4);
	put_ipv4(&packet, &plain_udp);
	put_udp(&packet, 65408, VXLAN_PORT);
	put_vxlan(&packet, 9);
	put_macs(&packet, 2, 1);
	put_32(&packet, 0x81000064);
	put_16(&packet, ETHERTYPE_V6);
	put_ipv6(&packet, IPPROTO_DSTOPTS, 1, 2);
	put_extension(&packet, IPPROTO_SCTP, 0);
	put_sctp(&packet, 1000, 2000);
	packet_close(&packet);
	expect_same_in_segments(&packet);
}

static void segments_geneve_icmp(void **state)
{
	struct ipv4 router = {
		.source = 0xc0000201, .destination = 0x0a000001, .protocol = IPPROTO_ICMP};
	struct ipv4 quoted = {
		.source = 0x0a000001, .destination = 0xc0000207, .protocol = IPPROTO_UDP};
	struct packet packet;

	(void)state;
	start_gwlb(&packet, 6, IPPROTO_UDP, 0);
	put_udp(&packet, 65408, VXLAN_PORT);
	put_vxlan(&packet, 4242);
	put_ethernet(&packet, ETHERTYPE_V4);
	put_ipv4(&packet, &router);
	put_icmp(&packet, 3, 3);
	put_ipv4(&packet, &quoted);
	put_udp(&packet, 5000, 53);
	packet_close(&packet);
	expect_verdict(&packet, MT_VERDICT_ACCEPTED);
	expect_same_in_segments(&packet);
	packet.bytes[TUNNEL + 8 + 2] |= 0x80; /* a critical option */
	expect_verdict(&packet, MT_VERDICT_GENEVE_CRITICAL_OPTION);
	expect_same_in_segments(&packet);
}

static void segments_jumbo(void **state)
{
	struct packet packet;
	struct mt_tunnels tunnels = default_tunnels();
	uint32_t cuts[4] = {2048, 4096, 6144, 8192};
	struct mt_facts facts;
	struct chain chain;

	(void)state;
	packet_start(&packet);
	put_outer_vxlan(&packet, 1);
	put_inner_tcp(&packet, 9000);
	packet_close(&packet);
	chain_split(&chain, packet.bytes, packet.length, cuts, 4);
	mt_packet_decapsulate(chain.segments, &tunnels, &facts);
	chain_free(&chain);
	assert_int_equal(facts.verdict, MT_VERDICT_ACCEPTED);
	assert_int_equal(facts.inner_length, INNER_TCP_HEADERS + 9000);
	assert_int_equal(facts.flags & MT_FLAG_TRUNCATED, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(common_shape),
		cmocka_unit_test(outer_vlan_tags),
		cmocka_unit_test(outer_cut_short),
		cmocka_unit_test(outer_not_mirror_traffic),
		cmocka_unit_test(outer_ipv4_options),
		cmocka_unit_test(outer_ipv4_contradicts_itself),
		cmocka_unit_test(outer_any_destination),
		cmocka_unit_test(outer_checksums_do_not_matter),
		cmocka_unit_test(outer_ipv6),
		cmocka_unit_test(outer_ipv6_authentication),
		cmocka_unit_test(outer_ipv6_contradicts_itself),
		cmocka_unit_test(smallest_length_wins),
		cmocka_unit_test(udp_bad_length),
		cmocka_unit_test(inner_truncation),
		cmocka_unit_test(inner_truncation_v6_and_tags),
		cmocka_unit_test(inner_padding_stays),
		cmocka_unit_test(inner_runts),
		cmocka_unit_test(inner_checksums_do_not_matter),
		cmocka_unit_test(inner_of_any_kind),
		cmocka_unit_test(direction),
		cmocka_unit_test(outer_fragments_v4),
		cmocka_unit_test(outer_fragments_v6),
		cmocka_unit_test(vxlan_flags),
		cmocka_unit_test(vxlan_vnis),
		cmocka_unit_test(configured_ports),
		cmocka_unit_test(vxlan_in_vxlan_stays),
		cmocka_unit_test(geneve_ethernet),
		cmocka_unit_test(geneve_options),
		cmocka_unit_test(geneve_bad_options),
		cmocka_unit_test(geneve_critical_option),
		cmocka_unit_test(geneve_header),
		cmocka_unit_test(gwlb_plain_packet),
		cmocka_unit_test(gwlb_empty_or_unsound_packet),
		cmocka_unit_test(gwlb_mirror_session),
		cmocka_unit_test(gwlb_middle_fragments),
		cmocka_unit_test(made_up_header),
		cmocka_unit_test(tunnel_names),
		cmocka_unit_test(segments_vxlan),
		cmocka_unit_test(segments_geneve_icmp),
		cmocka_unit_test(segments_jumbo),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
