/* SPDX-License-Identifier: BSD-3-Clause */
#include "build_packet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "packet/inner.h"

void packet_start(struct packet *packet)
{
	packet->length = 0;
	packet->lengths_count = 0;
}

void packet_close(struct packet *packet)
{
	for (unsigned i = 0; i < packet->lengths_count; i++)
		set_16(packet, packet->lengths[i].field,
			(uint16_t)(packet->length - packet->lengths[i].start));
}

/* Has packet_close fill in the length at `field`, counted from `start`. */
static void note_length(struct packet *packet, uint32_t field, uint32_t start)
{
	assert(packet->lengths_count < PACKET_LENGTHS);
	packet->lengths[packet->lengths_count].field = field;
	packet->lengths[packet->lengths_count].start = start;
	packet->lengths_count++;
}

uint32_t put_bytes(struct packet *packet, const void *bytes, uint32_t count)
{
	uint32_t offset = packet->length;

	assert(count <= PACKET_BYTES - packet->length);
	memcpy(packet->bytes + offset, bytes, count);
	packet->length += count;
	return offset;
}

uint32_t put_8(struct packet *packet, uint8_t value)
{
	return put_bytes(packet, &value, sizeof(value));
}

uint32_t put_16(struct packet *packet, uint16_t value)
{
	value = htons(value);
	return put_bytes(packet, &value, sizeof(value));
}

uint32_t put_32(struct packet *packet, uint32_t value)
{
	value = htonl(value);
	return put_bytes(packet, &value, sizeof(value));
}

void set_16(struct packet *packet, uint32_t offset, uint16_t value)
{
	packet->bytes[offset] = (uint8_t)(value >> 8);
	packet->bytes[offset + 1] = (uint8_t)value;
}

uint32_t put_pattern(struct packet *packet, uint32_t count)
{
	uint32_t offset = packet->length;

	for (uint32_t i = 0; i < count; i++)
		put_8(packet, (uint8_t)(i * 7 + 1));
	return offset;
}

uint32_t put_macs(struct packet *packet, uint8_t destination, uint8_t source)
{
	const uint8_t macs[12] = {2, 0, 0, 0, 0, destination, 2, 0, 0, 0, 0, source};

	return put_bytes(packet, macs, sizeof(macs));
}

uint32_t put_ethernet(struct packet *packet, uint16_t ethertype)
{
	uint32_t offset = put_macs(packet, 0xbb, 0xaa);

	put_16(packet, ethertype);
	return offset;
}

uint32_t put_ipv4(struct packet *packet, const struct ipv4 *header)
{
	uint32_t offset = put_8(packet, 0x45 + header->option_words);

	put_8(packet, 0);
	note_length(packet, put_16(packet, 0), offset);
	put_16(packet, 0);
	put_16(packet, header->fragment);
	put_8(packet, 255);
	put_8(packet, header->protocol);
	put_16(packet, 0); /* checksum: nobody looks */
	put_32(packet, header->source);
	put_32(packet, header->destination);
	for (unsigned i = 0; i < header->option_words; i++)
		put_32(packet, 0x01010101); /* no operation */
	return offset;
}

uint32_t put_ipv6(struct packet *packet, uint8_t protocol, uint8_t source, uint8_t destination)
{
	uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8};
	uint32_t offset = put_32(packet, 0x60000000);

	note_length(packet, put_16(packet, 0), offset + 40);
	put_8(packet, protocol);
	put_8(packet, 64);
	address[15] = source;
	put_bytes(packet, address, sizeof(address));
	address[15] = destination;
	put_bytes(packet, address, sizeof(address));
	return offset;
}

uint32_t put_extension(struct packet *packet, uint8_t next, uint8_t more)
{
	uint32_t offset = put_8(packet, next);

	put_8(packet, more);
	for (unsigned i = 2; i < 8u + more * 8u; i++)
		put_8(packet, 0);
	return offset;
}

uint32_t put_fragment6(struct packet *packet, uint8_t next, uint16_t offset_bytes, bool more)
{
	uint32_t offset = put_8(packet, next);

	put_8(packet, 0);
	put_16(packet, offset_bytes | (more ? 1 : 0)); /* of 8 bytes each: three bits are free */
	put_32(packet, 0xdeadbeef);
	return offset;
}

uint32_t put_udp(struct packet *packet, uint16_t source, uint16_t destination)
{
	uint32_t offset = put_16(packet, source);

	put_16(packet, destination);
	note_length(packet, put_16(packet, 0), offset);
	put_16(packet, 0);
	return offset;
}

uint32_t put_tcp(struct packet *packet, uint16_t source, uint16_t destination)
{
	uint32_t offset = put_16(packet, source);

	put_16(packet, destination);
	put_32(packet, 1000);
	put_32(packet, 2000);
	put_32(packet, 0x50180200);
	put_32(packet, 0);
	return offset;
}

uint32_t put_sctp(struct packet *packet, uint16_t source, uint16_t destination)
{
	uint32_t offset = put_16(packet, source);

	put_16(packet, destination);
	put_32(packet, 0x12345678);
	put_32(packet, 0);
	return offset;
}

uint32_t put_icmp(struct packet *packet, uint8_t type, uint8_t code)
{
	uint32_t offset = put_8(packet, type);

	put_8(packet, code);
	put_16(packet, 0);
	put_32(packet, 0);
	return offset;
}

uint32_t put_vxlan(struct packet *packet, uint32_t vni)
{
	uint32_t offset = put_32(packet, 0x08000000);

	put_32(packet, vni << 8);
	return offset;
}

uint32_t put_geneve(struct packet *packet, uint16_t protocol, uint32_t vni, uint8_t option_bytes)
{
	uint32_t offset = put_8(packet, option_bytes / 4);

	put_8(packet, 0);
	put_16(packet, protocol);
	put_32(packet, vni << 8);
	return offset;
}

uint32_t put_geneve_option(struct packet *packet, uint16_t class, uint8_t type, uint8_t data_bytes)
{
	uint32_t offset = put_16(packet, class);

	put_8(packet, type);
	put_8(packet, data_bytes / 4);
	put_pattern(packet, data_bytes);
	return offset;
}

uint32_t put_outer(struct packet *packet, uint16_t udp_port)
{
	const struct ipv4 ip = {.source = 0x0a000001, .destination = 0x0a000002, .protocol = 17};
	uint32_t offset = put_ethernet(packet, ETHERTYPE_V4);

	put_ipv4(packet, &ip);
	put_udp(packet, 65408, udp_port);
	return offset;
}

uint32_t put_outer_vxlan(struct packet *packet, uint32_t vni)
{
	uint32_t offset = put_outer(packet, VXLAN_PORT);

	put_vxlan(packet, vni);
	return offset;
}

uint32_t put_inner_tcp(struct packet *packet, uint32_t payload)
{
	const struct ipv4 ip = {.source = 0x0a000001, .destination = 0xc0000207, .protocol = 6};
	uint32_t offset = put_ethernet(packet, ETHERTYPE_V4);

	put_ipv4(packet, &ip);
	put_tcp(packet, 40000, 80);
	put_pattern(packet, payload);
	return offset;
}

static void add_segment(struct chain *chain, const uint8_t *bytes, uint32_t length)
{
	struct rte_mbuf *segment = &chain->segments[chain->count];

	assert(chain->count < CHAIN_SEGMENTS && length <= UINT16_MAX);
	memset(segment, 0, sizeof(*segment));
	segment->buf_addr = malloc(length != 0 ? length : 1);
	assert(segment->buf_addr != NULL);
	memcpy(segment->buf_addr, bytes, length);
	segment->data_len = (uint16_t)length;
	if (chain->count != 0)
		chain->segments[chain->count - 1].next = segment;
	chain->segments[0].pkt_len += length;
	chain->count++;
}

void chain_split(struct chain *chain, const uint8_t *bytes, uint32_t length, const uint32_t *cuts,
	unsigned count)
{
	uint32_t start = 0;

	chain->count = 0;
	for (unsigned i = 0; i < count; i++) {
		uint32_t cut = cuts[i] < length ? cuts[i] : length;

		add_segment(chain, bytes + start, cut - start);
		start = cut;
	}
	add_segment(chain, bytes + start, length - start);
}

void chain_free(struct chain *chain)
{
	for (unsigned i = 0; i < chain->count; i++)
		free(chain->segments[i].buf_addr);
	chain->count = 0;
}

struct mt_tunnels default_tunnels(void)
{
	return (struct mt_tunnels){
		.vxlan_ports = {htons(VXLAN_PORT)},
		.geneve_ports = {htons(GENEVE_PORT)},
		.vxlan_count = 1,
		.geneve_count = 1,
		.hash = mt_hash_configure(MT_HASH_5_TUPLE, 0),
	};
}

struct mt_facts packet_read(const struct packet *packet, const struct mt_tunnels *tunnels)
{
	struct mt_facts facts;
	struct chain chain;

	chain_split(&chain, packet->bytes, packet->length, NULL, 0);
	mt_packet_decapsulate(chain.segments, tunnels, &facts);
	chain_free(&chain);
	return facts;
}

enum mt_fast_result packet_read_fast(
	const struct rte_mbuf *frame, const struct mt_tunnels *tunnels, struct mt_facts *facts)
{
	struct mt_fast fast = mt_fast_prepare(tunnels);
	enum mt_fast_result result = mt_packet_fast(rte_pktmbuf_mtod(frame, const uint8_t *),
		frame->data_len, &fast, &fast.hash, facts);

	if (result == MT_FAST_OUTER)
		mt_inner_read(frame, &tunnels->hash, facts);
	return result;
}

bool facts_equal(const struct mt_facts *a, const struct mt_facts *b)
{
	if (a->verdict != b->verdict)
		return false;
	if (a->verdict != MT_VERDICT_ACCEPTED)
		return true; /* nothing else has a meaning */
	return a->source.high == b->source.high && a->source.low == b->source.low
		&& a->vni == b->vni && a->flow_hash == b->flow_hash && a->strip == b->strip
		&& a->inner_length == b->inner_length && a->original_length == b->original_length
		&& a->made_up_ethertype == b->made_up_ethertype && a->tunnel == b->tunnel
		&& a->flags == b->flags;
}
