/* SPDX-License-Identifier: BSD-3-Clause */
#include "random_packet.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_common.h>

static uint64_t random_state = 20190611; /* always the same packets */

uint32_t random_next(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) >> 16);
}

uint32_t random_below(uint32_t limit)
{
	return (uint32_t)((uint64_t)random_next() * limit >> 32);
}

bool random_one_in(uint32_t n)
{
	return random_below(n) == 0;
}

static void put_inner_v4(struct random_packet *made, uint8_t protocol)
{
	struct ipv4 ip = {
		/* The outer source now and then, so that directions occur. */
		.source = random_one_in(3) ? 0x0a000001 : random_next(),
		.destination = random_one_in(3) ? 0x0a000001 : random_next(),
		.protocol = protocol,
	};

	if (random_one_in(12)) {
		ip.option_words = (uint8_t)random_below(11);
		made->common &= ip.option_words == 0;
	}
	if (random_one_in(12)) {
		ip.fragment = (uint16_t)random_next();
		made->common &= (ip.fragment & 0x3fff) == 0;
	}
	put_ipv4(&made->packet, &ip);
}

static void put_inner_v6(struct random_packet *made, uint8_t protocol)
{
	bool extension = random_one_in(8);
	uint32_t offset = put_ipv6(&made->packet, extension ? IPPROTO_DSTOPTS : protocol, 1, 2);

	for (unsigned i = 8; i < 40; i++)
		made->packet.bytes[offset + i] = (uint8_t)random_next();
	/* Mapped IPv4 addresses, the outer source among them. */
	if (random_one_in(10)) {
		memcpy(made->packet.bytes + offset + 8, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1",
			16);
		made->common = false;
	}
	if (extension) {
		put_extension(&made->packet, protocol, (uint8_t)random_below(3));
		made->common = false;
	}
}

static void put_inner(struct random_packet *made)
{
	struct packet *packet = &made->packet;
	uint8_t protocol = random_one_in(2) ? IPPROTO_TCP : IPPROTO_UDP;
	bool v6 = random_one_in(3);

	if (random_one_in(10)) {
		protocol = (uint8_t)random_next();
		made->common &= protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
	}
	put_macs(packet, (uint8_t)random_next(), (uint8_t)random_next());
	for (uint32_t tags = random_one_in(10) ? random_below(4) : 0; tags > 0; tags--) {
		put_32(packet, 0x81000001);
		made->common = false;
	}
	put_16(packet, v6 ? ETHERTYPE_V6 : ETHERTYPE_V4);
	if (v6)
		put_inner_v6(made, protocol);
	else
		put_inner_v4(made, protocol);
	if (protocol == IPPROTO_UDP)
		put_udp(packet, (uint16_t)random_next(), (uint16_t)random_next());
	else
		put_tcp(packet, (uint16_t)random_next(), (uint16_t)random_next());
	put_pattern(packet, random_below(64));
}

/* Options, sound or not, as a Gateway Load Balancer or another device puts them there; and in one
 * of two VXLAN in it. */
static void put_random_geneve(struct random_packet *made)
{
	struct packet *packet = &made->packet;
	struct ipv4 middle = {.source = 0x0a000001, .destination = 0x0a000009, .protocol = 17};
	bool vxlan = !made->geneve && random_one_in(2);
	uint8_t options = random_one_in(3) ? 0 : 32;

	made->common &= made->geneve;
	put_udp(packet, 65408, GENEVE_PORT);
	put_geneve(packet, vxlan ? ETHERTYPE_V4 : ETHERTYPE_BRIDGE, random_next() >> 8, options);
	if (options != 0) {
		uint8_t first = random_one_in(10) ? (uint8_t)(random_below(10) * 4) : 8;
		uint8_t second = random_one_in(20) ? 0x82 : 2;

		made->common &= first == 8 && second == 2;
		put_geneve_option(packet, 0x0108, 1, first);
		put_geneve_option(packet, 0x0108, second, 8);
		put_geneve_option(packet, 0x0108, 3, 4);
	}
	if (!vxlan)
		return;
	if (random_one_in(12))
		middle.fragment = (uint16_t)random_next();
	put_ipv4(packet, &middle);
	put_udp(packet, (uint16_t)random_next(), VXLAN_PORT);
	put_vxlan(packet, random_next() >> 8);
}

static void put_outer_headers(struct random_packet *made)
{
	struct packet *packet = &made->packet;
	struct ipv4 ip = {.source = 0x0a000001, .destination = 0x0a000002, .protocol = IPPROTO_UDP};

	put_macs(packet, 2, 1);
	for (uint32_t tags = random_one_in(20) ? random_below(4) : 0; tags > 0; tags--) {
		put_32(packet, 0x81000001);
		made->common = false;
	}
	if (random_one_in(20)) {
		put_16(packet, ETHERTYPE_V6);
		put_ipv6(packet, IPPROTO_UDP, 1, 2);
		made->common = false;
	} else {
		put_16(packet, ETHERTYPE_V4);
		if (random_one_in(20))
			ip.option_words = (uint8_t)random_below(11);
		made->common &= ip.option_words == 0;
		put_ipv4(packet, &ip);
	}
	if (made->geneve || random_one_in(8)) {
		put_random_geneve(made);
	} else {
		put_udp(packet, (uint16_t)random_next(), VXLAN_PORT);
		put_vxlan(packet, random_next() >> 8);
	}
}

void random_packet(struct random_packet *made)
{
	made->common = true;
	packet_start(&made->packet);
	put_outer_headers(made);
	put_inner(made);
	packet_close(&made->packet);
	if (random_one_in(8))
		put_pattern(&made->packet, random_below(20)); /* a trailer */
}

void random_mutation(struct random_packet *made)
{
	static const uint8_t interesting[] = {
		0, 1, 4, 5, 6, 8, 17, 0x3f, 0x40, 0x45, 0x46, 0x60, 0x7f, 0x80, 0x86, 0xdd, 0xff};
	struct packet *packet = &made->packet;

	made->common = false;
	for (uint32_t n = 1 + random_below(3); n > 0; n--) {
		uint32_t offset = random_below(packet->length < 120 ? packet->length : 120);

		switch (random_below(6)) {
		case 0:
			packet->bytes[offset] ^= (uint8_t)(1 << random_below(8));
			break;
		case 1:
			packet->bytes[offset] = (uint8_t)random_next();
			break;
		case 2:
			packet->bytes[offset] = interesting[random_below(sizeof(interesting))];
			break;
		case 3: /* lengths of IP and UDP, outer and inner, by a little */
			offset = (const uint8_t[]){17, 39, 67, 69}[random_below(4)];
			if (offset < packet->length)
				packet->bytes[offset] += (uint8_t)(random_below(9) - 4);
			break;
		case 4: /* inner lengths by much: truncation */
			offset = random_one_in(2) ? 66 : 68;
			if (offset < packet->length)
				packet->bytes[offset] = (uint8_t)random_below(40);
			break;
		case 5:
			packet->length = random_one_in(4)
				? random_below(packet->length + 1)
				: packet->length - random_below(RTE_MIN(4u, packet->length));
			break;
		}
		if (packet->length == 0)
			return;
	}
}
