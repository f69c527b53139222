/* SPDX-License-Identifier: BSD-3-Clause */
/* Hand-built packets for tests: headers are appended from the outside in; packet_close fills in all
 * the lengths. What a test wants broken it writes over afterwards, at the offsets that the put_
 * functions return. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf_core.h>

#include "packet/decapsulate.h"
#include "packet/fast.h"

enum {
	PACKET_BYTES = 12000,
	PACKET_LENGTHS = 16,
	CHAIN_SEGMENTS = 64,

	/* Ethertypes, protocols and ports by name. */
	ETHERTYPE_V4 = 0x0800,
	ETHERTYPE_V6 = 0x86dd,
	ETHERTYPE_BRIDGE = 0x6558,
	VXLAN_PORT = 4789,
	GENEVE_PORT = 6081,
};

struct packet {
	uint8_t bytes[PACKET_BYTES];
	uint32_t length;
	struct {
		uint32_t field; /* where a 16-bit length stands */
		uint32_t start; /* the first byte that it counts */
	} lengths[PACKET_LENGTHS];
	unsigned lengths_count;
};

/* IPv4 header fields; protocol, addresses in host order. Zero is a plain header. */
struct ipv4 {
	uint32_t source;
	uint32_t destination;
	uint8_t protocol;
	uint8_t option_words;
	uint16_t fragment; /* flags and offset, as in the header: 0x2000 is MF */
};

/* A frame as segments, each in a heap block of its very size so that a sanitizer sees a read beyond
 * it. */
struct chain {
	struct rte_mbuf segments[CHAIN_SEGMENTS];
	unsigned count;
};

void packet_start(struct packet *packet); /* empty */
void packet_close(struct packet *packet); /* fills in the lengths */

/* Each appends and returns the offset of what it appended. */
uint32_t put_bytes(struct packet *packet, const void *bytes, uint32_t count);
uint32_t put_8(struct packet *packet, uint8_t value);
uint32_t put_16(struct packet *packet, uint16_t value);
uint32_t put_32(struct packet *packet, uint32_t value);
uint32_t put_pattern(struct packet *packet, uint32_t count); /* bytes that differ */
uint32_t put_macs(struct packet *packet, uint8_t destination, uint8_t source); /* 02:..:NN */
uint32_t put_ethernet(struct packet *packet, uint16_t ethertype);
uint32_t put_ipv4(struct packet *packet, const struct ipv4 *header);
/* Addresses 2001:db8::NN. */
uint32_t put_ipv6(struct packet *packet, uint8_t protocol, uint8_t source, uint8_t destination);
/* Hop-by-hop, routing or destination options of 8 + 8 * more bytes. */
uint32_t put_extension(struct packet *packet, uint8_t next, uint8_t more);
uint32_t put_fragment6(struct packet *packet, uint8_t next, uint16_t offset, bool more);
uint32_t put_udp(struct packet *packet, uint16_t source, uint16_t destination);
uint32_t put_tcp(struct packet *packet, uint16_t source, uint16_t destination);
uint32_t put_sctp(struct packet *packet, uint16_t source, uint16_t destination);
uint32_t put_icmp(struct packet *packet, uint8_t type, uint8_t code); /* 8 bytes, v4 and v6 */
uint32_t put_vxlan(struct packet *packet, uint32_t vni);
uint32_t put_geneve(struct packet *packet, uint16_t protocol, uint32_t vni, uint8_t option_bytes);
uint32_t put_geneve_option(struct packet *packet, uint16_t class, uint8_t type, uint8_t data_bytes);

/* Common starts: Ethernet, IPv4 10.0.0.1 to 10.0.0.2, UDP to VXLAN or GENEVE. */
uint32_t put_outer(struct packet *packet, uint16_t udp_port);
uint32_t put_outer_vxlan(struct packet *packet, uint32_t vni);
/* A whole inner frame: Ethernet, IPv4 10.0.0.1 to 192.0.2.7, TCP 40000 to 80, payload. */
uint32_t put_inner_tcp(struct packet *packet, uint32_t payload);

void set_16(struct packet *packet, uint32_t offset, uint16_t value);

/* Splits bytes before each of the `count` ascending offsets in `cuts`. */
void chain_split(struct chain *chain, const uint8_t *bytes, uint32_t length, const uint32_t *cuts,
	unsigned count);
void chain_free(struct chain *chain);

/* Ports 4789 and 6081, hash of the 5-tuple. */
struct mt_tunnels default_tunnels(void);
/* mt_packet_decapsulate on the packet in one segment. */
struct mt_facts packet_read(const struct packet *packet, const struct mt_tunnels *tunnels);

/* The facts by the fast path, the inner ones by mt_inner_read() where it left these to it, of a
 * frame in one segment. The configuration is made anew, as the daemon makes it once. */
enum mt_fast_result packet_read_fast(
	const struct rte_mbuf *frame, const struct mt_tunnels *tunnels, struct mt_facts *facts);

/* Every fact is the same. */
bool facts_equal(const struct mt_facts *a, const struct mt_facts *b);
