/* SPDX-License-Identifier: BSD-3-Clause */
/* The short straight path for the common shape: untagged Ethernet, IPv4 without options or
 * fragments, UDP, VXLAN (or GENEVE, or VXLAN in GENEVE as a Gateway Load Balancer sends it), and in
 * it an untagged TCP or UDP packet of IPv4 without options or of IPv6 without extension headers,
 * all in one segment. It knows nothing that mt_packet_decapsulate does not know;
 * tests/unit/test_fast.c holds the two against each other. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_common.h>

#include "packet/facts.h"

enum {
	/* Where things stand in a packet of that shape. */
	MT_FAST_IP = 14,
	MT_FAST_UDP = 34,
	MT_FAST_VXLAN = 42,
	MT_FAST_INNER = 50,
	/* The least that is read of an inner frame: to the end of an IPv4 header and ports. */
	MT_FAST_MIN_INNER = 14 + 20 + 4,
	MT_FAST_MIN_LENGTH = MT_FAST_INNER + MT_FAST_MIN_INNER,
};

enum mt_fast_result {
	MT_FAST_NONE,  /* not the common shape, the facts mean nothing */
	MT_FAST_OUTER, /* mt_inner_read() shall complete the facts */
	MT_FAST_ALL,   /* the facts are what mt_packet_decapsulate would say */
};

static inline uint64_t mt_load64(const uint8_t *field)
{
	uint64_t value;

	memcpy(&value, field, sizeof(value));
	return value;
}

static inline uint32_t mt_load32(const uint8_t *field)
{
	uint32_t value;

	memcpy(&value, field, sizeof(value));
	return value;
}

static inline uint16_t mt_load16(const uint8_t *field)
{
	uint16_t value;

	memcpy(&value, field, sizeof(value));
	return value;
}

static inline void mt_fast_direction(struct mt_facts *facts, bool egress, bool ingress)
{
	if (egress)
		facts->flags |= MT_FLAG_EGRESS;
	else if (ingress)
		facts->flags |= MT_FLAG_INGRESS;
}

/* Eight bytes of a header as they are loaded: compared under a mask, several of them at once. */
#define MT_BYTES(a, b, c, d, e, f, g, h)                                          \
	RTE_BE64((uint64_t)(a) << 56 | (uint64_t)(b) << 48 | (uint64_t)(c) << 40  \
		| (uint64_t)(d) << 32 | (uint64_t)(e) << 24 | (uint64_t)(f) << 16 \
		| (uint64_t)(g) << 8 | (uint64_t)(h))

/* From the ethertype on: IPv4 with a header of 20 bytes (RFC 791 section 3.1), then type of
 * service, total length, identification. */
#define MT_FAST_IPV4 MT_BYTES(0x08, 0x00, 0x45, 0, 0, 0, 0, 0)
#define MT_FAST_IPV4_MASK MT_BYTES(0xff, 0xff, 0xff, 0, 0, 0, 0, 0)
/* The next eight: flags and fragment offset (no fragment), time to live, protocol, checksum. */
#define MT_FAST_FRAGMENT_MASK MT_BYTES(0x3f, 0xff, 0, 0, 0, 0, 0, 0)
#define MT_FAST_UDP4 MT_BYTES(0, 0, 0, IPPROTO_UDP, 0, 0, 0, 0)
#define MT_FAST_UDP4_MASK MT_BYTES(0x3f, 0xff, 0, 0xff, 0, 0, 0, 0)
/* From the UDP destination port on: port, length, checksum, then the I bit of VXLAN (RFC 7348
 * section 5). */
#define MT_FAST_VXLAN_MASK MT_BYTES(0xff, 0xff, 0, 0, 0, 0, 0x08, 0)

/* Inner IPv4 at `ip`, behind `facts->inner_length` - 14 bytes or less; its version, header length
 * and fragment fields are known to be plain. */
static inline bool mt_fast_inner4(
	const uint8_t *ip, const struct mt_hash_config *hash, struct mt_facts *facts)
{
	uint32_t total = rte_be_to_cpu_16(mt_load16(ip + 2));
	uint32_t source = mt_load32(ip + 12);
	uint32_t destination = mt_load32(ip + 16);
	uint8_t protocol = ip[9];
	uint32_t outer_source = (uint32_t)(facts->source.low >> 32);

	if (unlikely((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || total < 24))
		return false;
	facts->original_length = RTE_MAX(facts->inner_length, MT_ETHERNET_LENGTH + total);
	mt_fast_direction(facts, source == outer_source, destination == outer_source);
	facts->flow_hash = mt_hash_join(hash, mt_hash_endpoint4(hash, source, mt_load16(ip + 20)),
		mt_hash_endpoint4(hash, destination, mt_load16(ip + 22)), protocol, facts->vni);
	return true;
}

/* Inner IPv6 at `ip`. An IPv6 packet has no address in common with an IPv4 source: no direction. */
static inline bool mt_fast_inner6(
	const uint8_t *ip, const struct mt_hash_config *hash, struct mt_facts *facts)
{
	uint32_t length = rte_be_to_cpu_16(mt_load16(ip + 4));
	uint8_t protocol = ip[6];

	if (unlikely(facts->inner_length < MT_ETHERNET_LENGTH + 40 + 4 || length < 4))
		return false;
	if (unlikely(protocol != IPPROTO_TCP && protocol != IPPROTO_UDP))
		return false;
	/* A mapped address (::ffff:0:0/96) on the wire could look like the source. */
	if (unlikely(mt_load64(ip + 8) == 0 || mt_load64(ip + 24) == 0))
		return false;
	facts->original_length = RTE_MAX(facts->inner_length, MT_ETHERNET_LENGTH + 40 + length);
	facts->flow_hash = mt_hash_join(hash,
		mt_hash_endpoint6(hash, mt_load64(ip + 8), mt_load64(ip + 16), mt_load16(ip + 40)),
		mt_hash_endpoint6(hash, mt_load64(ip + 24), mt_load64(ip + 32), mt_load16(ip + 42)),
		protocol, facts->vni);
	return true;
}

/* The frame at `inner`, of facts->inner_length bytes, at least MT_FAST_MIN_INNER. */
static __rte_always_inline bool mt_fast_inner(
	const uint8_t *inner, const struct mt_hash_config *hash, struct mt_facts *facts)
{
	uint64_t ip = mt_load64(inner + 12);
	uint64_t shape = (ip ^ MT_FAST_IPV4) & MT_FAST_IPV4_MASK;

	shape |= mt_load64(inner + 20) & MT_FAST_FRAGMENT_MASK;
	if (likely(shape == 0)) {
		if (!mt_fast_inner4(inner + 14, hash, facts))
			return false;
	} else if ((ip & MT_BYTES(0xff, 0xff, 0xf0, 0, 0, 0, 0, 0))
		== MT_BYTES(0x86, 0xdd, 0x60, 0, 0, 0, 0, 0)) {
		if (!mt_fast_inner6(inner + 14, hash, facts))
			return false;
	} else {
		return false;
	}
	if (unlikely(facts->original_length > facts->inner_length))
		facts->flags |= MT_FLAG_TRUNCATED;
	return true;
}

/* The part of the configuration that the fast path needs. */
struct mt_fast {
	uint64_t vxlan; /* to compare with 8 bytes from the UDP destination port on */
	struct mt_hash_config hash;
	uint16_t geneve; /* UDP destination port, network order; 0: none */
};

/* Made once for a configuration. The first port of either tunnel is the fast one. */
static inline struct mt_fast mt_fast_prepare(const struct mt_tunnels *tunnels)
{
	struct mt_fast fast = {.vxlan = UINT64_MAX, .hash = tunnels->hash};
	uint16_t port;

	if (tunnels->geneve_count > 0)
		fast.geneve = tunnels->geneve_ports[0];
	if (tunnels->vxlan_count == 0)
		return fast; /* what no masked packet is equal to */
	port = rte_be_to_cpu_16(tunnels->vxlan_ports[0]);
	fast.vxlan = MT_BYTES(port >> 8, port & 0xff, 0, 0, 0, 0, 0x08, 0);
	return fast;
}

/* Where the UDP datagram behind the plain IPv4 header at `ip` ends, counted from `ip`; 0 unless
 * both lengths agree with each other and with the `available` bytes. */
static inline uint32_t mt_fast_udp_end(const uint8_t *ip, uint32_t available)
{
	uint32_t total = rte_be_to_cpu_16(mt_load16(ip + 2));
	uint32_t udp_length = rte_be_to_cpu_16(mt_load16(ip + 24));

	return total <= available && udp_length + 20 == total ? total : 0;
}

/* The options behind a GENEVE header (RFC 8926 section 3.5) fill `length` bytes, a multiple of
 * four, and none is critical. */
static inline bool mt_fast_options(const uint8_t *options, uint32_t length)
{
	uint32_t at = 0;
	uint8_t types = 0;

	while (at < length) {
		types |= options[at + 2];
		at += 4 + (options[at + 3] & 0x1fu) * 4;
	}
	return at == length && (types & 0x80) == 0;
}

/* VXLAN in the IPv4 packet at `ip`, of at most `available` bytes, inside GENEVE. */
static inline bool mt_fast_middle(
	const uint8_t *ip, uint32_t available, const struct mt_fast *fast, struct mt_facts *facts)
{
	uint64_t shape;
	uint32_t end;

	if (available < 36 + MT_FAST_MIN_INNER)
		return false;
	shape = (mt_load64(ip) ^ MT_BYTES(0x45, 0, 0, 0, 0, 0, 0, 0))
		& MT_BYTES(0xff, 0, 0, 0, 0, 0, 0x3f, 0xff);
	shape |= (uint64_t)(ip[9] ^ IPPROTO_UDP);
	shape |= (mt_load64(ip + 22) & MT_FAST_VXLAN_MASK) ^ fast->vxlan;
	end = mt_fast_udp_end(ip, available);
	if (shape != 0 || end < 36 + MT_FAST_MIN_INNER)
		return false;
	facts->source = mt_address_from_ipv4(mt_load32(ip + 12));
	facts->vni = rte_be_to_cpu_32(mt_load32(ip + 32)) >> 8;
	facts->strip += 36;
	facts->inner_length = end - 36;
	facts->tunnel = MT_TUNNEL_GENEVE_VXLAN;
	return true;
}

/* GENEVE in the frame's UDP datagram, which ends at `end`. */
static inline bool mt_fast_geneve(
	const uint8_t *frame, uint32_t end, const struct mt_fast *fast, struct mt_facts *facts)
{
	const uint8_t *geneve = frame + MT_FAST_VXLAN;
	uint32_t options = (geneve[0] & 0x3fu) * 4;
	uint16_t protocol = mt_load16(geneve + 2);

	/* Version 0, no control message. */
	if ((geneve[0] & 0xc0) != 0 || (geneve[1] & 0x80) != 0
		|| MT_FAST_INNER + options + MT_FAST_MIN_INNER > end
		|| !mt_fast_options(frame + MT_FAST_INNER, options))
		return false;
	facts->strip = MT_FAST_INNER + options;
	if (protocol == RTE_BE16(0x0800))
		return mt_fast_middle(frame + facts->strip, end - facts->strip, fast, facts);
	if (protocol != RTE_BE16(0x6558))
		return false;
	facts->vni = rte_be_to_cpu_32(mt_load32(geneve + 4)) >> 8;
	facts->inner_length = end - facts->strip;
	facts->tunnel = MT_TUNNEL_GENEVE;
	return true;
}

/* Reads `length` contiguous bytes at `frame`. `hash` is that of `fast`, apart so that a caller can
 * make it a constant. */
static __rte_always_inline enum mt_fast_result mt_packet_fast(const uint8_t *frame, uint32_t length,
	const struct mt_fast *fast, const struct mt_hash_config *hash, struct mt_facts *facts)
{
	uint64_t outer;
	uint64_t tunnel;
	uint32_t end;

	if (unlikely(length < MT_FAST_MIN_LENGTH))
		return MT_FAST_NONE;
	outer = (mt_load64(frame + 12) ^ MT_FAST_IPV4) & MT_FAST_IPV4_MASK;
	outer |= (mt_load64(frame + 20) ^ MT_FAST_UDP4) & MT_FAST_UDP4_MASK;
	tunnel = (mt_load64(frame + MT_FAST_UDP + 2) & MT_FAST_VXLAN_MASK) ^ fast->vxlan;
	/* Padding behind the datagram is cut. */
	end = MT_FAST_IP + mt_fast_udp_end(frame + MT_FAST_IP, length - MT_FAST_IP);
	if (unlikely(outer != 0 || end < MT_FAST_MIN_LENGTH))
		return MT_FAST_NONE;

	facts->source = mt_address_from_ipv4(mt_load32(frame + MT_FAST_IP + 12));
	facts->made_up_ethertype = 0;
	facts->verdict = MT_VERDICT_ACCEPTED;
	facts->flags = 0;
	if (likely(tunnel == 0)) {
		facts->vni = rte_be_to_cpu_32(mt_load32(frame + MT_FAST_VXLAN + 4)) >> 8;
		facts->strip = MT_FAST_INNER;
		facts->inner_length = end - MT_FAST_INNER;
		facts->tunnel = MT_TUNNEL_VXLAN;
		if (likely(mt_fast_inner(frame + MT_FAST_INNER, hash, facts)))
			return MT_FAST_ALL;
	} else {
		if (fast->geneve == 0 || mt_load16(frame + MT_FAST_UDP + 2) != fast->geneve
			|| !mt_fast_geneve(frame, end, fast, facts))
			return MT_FAST_NONE;
		if (likely(mt_fast_inner(frame + facts->strip, hash, facts)))
			return MT_FAST_ALL;
	}
	facts->flags = 0;
	facts->original_length = facts->inner_length;
	return MT_FAST_OUTER;
}
