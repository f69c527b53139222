/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_template.h"

#include <netinet/in.h>

#include "gen_bytes.h"

enum {
	OUTER_TTL = 255,
	IPV4_LENGTH = 20,
	IPV6_LENGTH = 40,
	UDP_LENGTH = 8,
	TCP_LENGTH = 20,
	FRAGMENT_LENGTH = 8,
	GENEVE_LENGTH = 8,
	AWS_CLASS = 0x0108,
	AWS_OPTIONS = 32,
	TCP_ACK = 0x10,
	DONT_FRAGMENT = 0x4000,
	MORE_FRAGMENTS = 0x2000,
};

/* Appends to a template. */
struct writer {
	struct gen_template *template;
	const struct gen_ends *ends;
	uint16_t at;
};

static uint8_t *append(struct writer *writer, uint32_t bytes)
{
	uint8_t *field = writer->template->bytes + writer->at;

	memset(field, 0, bytes);
	writer->at = (uint16_t)(writer->at + bytes);
	return field;
}

static void put_ethertype(struct writer *writer, bool ipv6)
{
	gen_put16(append(writer, 2), ipv6 ? 0x86dd : 0x0800);
}

static void put_ipv6(
	struct writer *writer, struct gen_template_ip *ip, uint8_t protocol, uint8_t ttl)
{
	uint8_t *header = append(writer, IPV6_LENGTH);

	header[0] = 0x60;
	header[6] = protocol;
	header[7] = ttl;
	gen_put32(header + 8, GEN_IPV6_PREFIX);
	gen_put32(header + 24, GEN_IPV6_PREFIX);
	ip->source = (uint16_t)(ip->at + 20);
	ip->destination = (uint16_t)(ip->at + 36);
}

static void put_ipv4(struct writer *writer, struct gen_template_ip *ip, uint8_t protocol,
	uint8_t ttl, uint16_t flags)
{
	uint8_t *header = append(writer, IPV4_LENGTH);

	header[0] = 0x45;
	gen_put16(header + 6, flags);
	header[8] = ttl;
	header[9] = protocol;
	ip->source = (uint16_t)(ip->at + 12);
	ip->destination = (uint16_t)(ip->at + 16);
}

/* Its `sum` is set later, when the addresses that do not change are in place. */
static void put_ip(struct writer *writer, struct gen_template_ip *ip, bool v6, uint8_t protocol,
	uint8_t ttl, uint16_t flags)
{
	*ip = (struct gen_template_ip){.at = writer->at, .v6 = v6};
	if (v6)
		put_ipv6(writer, ip, protocol, ttl);
	else
		put_ipv4(writer, ip, protocol, ttl, flags);
}

/* IP to the mirror target and UDP: AWS sends IP ID 0, DF clear, TTL 255, UDP checksum 0. */
static void put_datagram(struct writer *writer, struct gen_template_ip *ip, bool v6, uint16_t port)
{
	uint8_t *bytes = writer->template->bytes;

	put_ip(writer, ip, v6, IPPROTO_UDP, OUTER_TTL, 0);
	if (v6)
		memcpy(bytes + ip->at + 24, writer->ends->target6, 16);
	else
		gen_put32(bytes + ip->destination, writer->ends->target);
	gen_put16(append(writer, UDP_LENGTH) + 2, port);
}

static void put_vxlan(struct writer *writer)
{
	append(writer, 8)[0] = 0x08;
	writer->template->vni = (uint16_t)(writer->at - 4);
}

static void put_option(struct writer *writer, uint8_t type, uint8_t bytes)
{
	uint8_t *option = append(writer, 4u + bytes);

	gen_put16(option, AWS_CLASS);
	option[2] = type;
	option[3] = bytes / 4;
	memset(option + 4, 0x10 * type, bytes);
}

/* The load balancer's own tunnel: its address stands in for it, the last of the target's /24. */
static void put_gwlb(struct writer *writer, bool v6)
{
	struct gen_template *template = writer->template;
	uint8_t *geneve;

	put_datagram(writer, &template->outer, v6, writer->ends->geneve_port);
	gen_put32(template->bytes + template->outer.source, writer->ends->target | 0xff);
	geneve = append(writer, GENEVE_LENGTH);
	geneve[0] = AWS_OPTIONS / 4;
	gen_put16(geneve + 2, v6 ? 0x86dd : 0x0800);
	put_option(writer, 1, 8); /* endpoint */
	put_option(writer, 2, 8); /* attachment */
	put_option(writer, 3, 4); /* flow cookie */
}

static void put_tunnel(struct writer *writer, enum gen_tunnel tunnel, bool v6)
{
	struct gen_template *template = writer->template;

	if (tunnel == GEN_GENEVE) {
		put_datagram(writer, &template->mirror, v6, writer->ends->geneve_port);
		gen_put16(append(writer, GENEVE_LENGTH) + 2, 0x6558);
		template->vni = (uint16_t)(writer->at - 4);
		return;
	}
	if (tunnel == GEN_GWLB)
		put_gwlb(writer, v6);
	put_datagram(writer, &template->mirror, v6, writer->ends->vxlan_port);
	put_vxlan(writer);
}

static void put_inner(struct writer *writer, bool v6, enum gen_inner inner)
{
	struct gen_template *template = writer->template;
	bool fragment = inner >= GEN_FRAGMENT_FIRST;
	uint8_t protocol = inner == GEN_TCP ? IPPROTO_TCP : IPPROTO_UDP;
	uint16_t flags = fragment ? 0 : DONT_FRAGMENT;

	template->inner = writer->at;
	append(writer, 12); /* MAC addresses: 06:00:a.b.c.d, as the writer of frames has it */
	put_ethertype(writer, v6);
	if (inner == GEN_FRAGMENT_FIRST)
		flags = MORE_FRAGMENTS;
	put_ip(writer, &template->inner_ip, v6, fragment && v6 ? IPPROTO_FRAGMENT : protocol, 0,
		flags);
	if (fragment && v6) /* RFC 8200, 4.5; offset and identification are the writer's */
		append(writer, FRAGMENT_LENGTH)[0] = protocol;
	template->l4 = writer->at;
	if (inner == GEN_TCP) {
		uint8_t *tcp = append(writer, TCP_LENGTH);

		tcp[12] = 0x50;
		tcp[13] = TCP_ACK;
		gen_put16(tcp + 14, UINT16_MAX);
	} else if (inner != GEN_FRAGMENT_LATER) {
		append(writer, UDP_LENGTH);
	}
	template->payload = writer->at;
}

static void sum_up(struct gen_template *template, struct gen_template_ip *ip)
{
	if (!ip->v6)
		ip->sum = gen_sum(template->bytes + ip->at, IPV4_LENGTH);
}

void gen_template_make(struct gen_template *template, unsigned shape, const struct gen_ends *ends)
{
	struct writer writer = {.template = template, .ends = ends};
	enum gen_tunnel tunnel = shape / (4 * GEN_INNERS);
	bool outer_v6 = (shape / (2 * GEN_INNERS)) & 1;
	bool v6 = (shape / GEN_INNERS) & 1;

	*template =
		(struct gen_template){.inner_kind = shape % GEN_INNERS, .tunnel = (uint8_t)tunnel};
	for (uint32_t i = 0; i < GEN_MAX_PREFIX; i++)
		template->bytes[i] = gen_filler(i);
	memcpy(append(&writer, 6), ends->target_mac, 6);
	memcpy(append(&writer, 6), ends->sender_mac, 6);
	put_ethertype(&writer, outer_v6);
	put_tunnel(&writer, tunnel, outer_v6);
	put_inner(&writer, v6, shape % GEN_INNERS);
	sum_up(template, &template->mirror);
	if (tunnel == GEN_GWLB)
		sum_up(template, &template->outer);
	sum_up(template, &template->inner_ip);
}
