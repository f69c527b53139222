/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_packet.h"

#include <netinet/in.h>
#include <stdlib.h>

#include <rte_common.h>

#include "gen_bytes.h"

enum {
	TTL_LEAVING = 64,
	TTL_ARRIVING = 57, /* after some gateways */
};

/* Lengths of the IP packet that ends at `end`, and of IPv4 the checksum; `sum` is of what the
 * caller has written into the header. */
static void close_ip(uint8_t *bytes, const struct gen_template_ip *ip, uint32_t end, uint32_t sum)
{
	uint32_t length = end - ip->at;

	if (ip->v6) {
		gen_put16(bytes + ip->at + 4, length - 40);
		return;
	}
	gen_put16(bytes + ip->at + 2, length);
	gen_put16(bytes + ip->at + 10, gen_fold(ip->sum + sum + length));
}

/* UDP behind an outer IP header. */
static void close_udp(uint8_t *bytes, const struct gen_template_ip *ip, uint32_t end, uint16_t port)
{
	uint32_t at = ip->at + (ip->v6 ? 40 : 20);

	gen_put16(bytes + at, port);
	gen_put16(bytes + at + 4, end - at);
}

static void copy_template(uint8_t *bytes, const struct gen_template *template, uint32_t prefix)
{
	for (uint32_t i = 0; i < prefix; i += GEN_COPY_ALIGN)
		memcpy(bytes + i, template->bytes + i, GEN_COPY_ALIGN);
}

void gen_packet_write_outer(uint8_t *bytes, const struct gen_packet *packet,
	const struct gen_template *template, uint32_t prefix, uint32_t inner)
{
	uint32_t end = template->inner + inner;

	copy_template(bytes, template, prefix);
	if (template->tunnel == GEN_GWLB) {
		close_udp(bytes, &template->outer, end, packet->outer_port);
		close_ip(bytes, &template->outer, end, 0);
	}
	gen_put32(bytes + template->mirror.source, packet->own);
	close_udp(bytes, &template->mirror, end, packet->outer_port);
	close_ip(bytes, &template->mirror, end, gen_sum32(packet->own));
	gen_put32(bytes + template->vni, packet->vni << 8);
}

/* From or to `own`, whose other side is the gateway. */
static void write_macs(uint8_t *frame, uint32_t own, bool towards)
{
	static const uint8_t gateway[6] = {0x06, 0xff, 0xff, 0xff, 0xff, 0xfe};
	uint8_t *mine = frame + (towards ? 0 : 6);

	gen_put16(mine, 0x0600);
	gen_put32(mine + 2, own);
	memcpy(frame + (towards ? 6 : 0), gateway, sizeof(gateway));
}

/* `sum`: of what write_fragment() wrote. */
static void write_inner_ip(uint8_t *bytes, const struct gen_packet *packet,
	const struct gen_template *template, uint32_t end, uint32_t sum)
{
	const struct gen_template_ip *ip = &template->inner_ip;
	uint8_t ttl = packet->towards ? TTL_ARRIVING : TTL_LEAVING;

	gen_put32(bytes + ip->source, packet->towards ? packet->other : packet->own);
	gen_put32(bytes + ip->destination, packet->towards ? packet->own : packet->other);
	bytes[ip->at + (ip->v6 ? 7 : 8)] = ttl;
	sum += gen_sum32(packet->own) + gen_sum32(packet->other) + ((uint32_t)ttl << 8);
	close_ip(bytes, ip, end, sum);
}

/* Offset and identification of a fragment; before the header is closed. Returns what they add to
 * the sum of an IPv4 header. */
static uint32_t write_fragment(
	uint8_t *bytes, const struct gen_template *template, uint32_t id, uint32_t payload)
{
	const struct gen_template_ip *ip = &template->inner_ip;
	bool first = template->inner_kind == GEN_FRAGMENT_FIRST;
	uint32_t field;

	if (ip->v6) {
		gen_put16(bytes + ip->at + 42, first ? 1 : payload);
		gen_put32(bytes + ip->at + 44, id);
		return 0;
	}
	field = first ? 0x2000 : payload / 8;
	gen_put16(bytes + ip->at + 4, id);
	gen_put16(bytes + ip->at + 6, field);
	return (id & 0xffff) + (first ? 0 : field); /* MF is in the template's sum */
}

uint32_t *gen_packet_sums(uint32_t longest)
{
	uint32_t words = longest / 2 + 2;
	uint32_t *sums = malloc((words + 1) * sizeof(*sums));

	if (sums == NULL)
		return NULL;
	sums[0] = 0;
	for (uint32_t n = 0; n < words; n++)
		sums[n + 1] = sums[n] + (gen_filler(2 * n) << 8 | gen_filler(2 * n + 1));
	return sums;
}

/* Of what stands from `at`, which is even, to `end`: filler. */
static uint64_t sum_filler(const uint32_t *sums, uint32_t at, uint32_t end)
{
	uint64_t sum = sums[end / 2] - sums[at / 2];

	return end % 2 != 0 ? sum + ((uint64_t)gen_filler(end - 1) << 8) : sum;
}

/* As 32-bit numbers: those add up to the same as 16-bit ones do (RFC 1071). */
static uint64_t sum_mark(const struct gen_mark *mark)
{
	uint64_t sum = GEN_MARK_MAGIC;

	sum += GEN_MARK_VERSION << 24 | (uint32_t)mark->flags << 16;
	sum += (uint64_t)mark->run + mark->flow;
	sum += (mark->flow_sequence >> 32) + (uint32_t)mark->flow_sequence;
	sum += (mark->sequence >> 32) + (uint32_t)mark->sequence;
	return sum + (mark->time_ns >> 32) + (uint32_t)mark->time_ns;
}

static uint16_t fold64(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	return gen_fold((uint32_t)sum);
}

/* The TCP or UDP checksum of an inner packet that ends at `end`, before truncation. A fragmented
 * one's stays 0: the later fragment is not written yet. */
static void write_checksum(uint8_t *bytes, const struct gen_packet *packet,
	const struct gen_template *template, const uint32_t *sums, uint32_t end, bool marked)
{
	bool tcp = template->inner_kind == GEN_TCP;
	uint32_t length = end - template->l4;
	uint32_t payload = template->payload;
	uint64_t sum =
		(uint64_t)packet->own + packet->other + packet->own_port + packet->other_port;
	uint16_t checksum;

	sum += length + (tcp ? IPPROTO_TCP : IPPROTO_UDP);
	if (template->inner_ip.v6)
		sum += 2 * (uint64_t)GEN_IPV6_PREFIX;
	if (tcp)
		sum += 2 * (uint64_t)(uint32_t)packet->mark.flow_sequence + GEN_TCP_FIXED_SUM;
	else
		sum += length;
	if (marked) {
		sum += sum_mark(&packet->mark);
		payload += GEN_MARK_LENGTH;
	}
	checksum = fold64(sum + sum_filler(sums, payload, end));
	if (tcp)
		gen_put16(bytes + template->l4 + 16, checksum);
	else
		gen_put16(bytes + template->l4 + 6, checksum != 0 ? checksum : UINT16_MAX);
}

/* Ports, lengths and numbers. `length`: of the header and what follows it, unfragmented. */
static void write_l4(uint8_t *bytes, const struct gen_packet *packet,
	const struct gen_template *template, uint32_t length)
{
	uint8_t *l4 = bytes + template->l4;

	if (template->inner_kind == GEN_FRAGMENT_LATER)
		return;
	gen_put16(l4, packet->towards ? packet->other_port : packet->own_port);
	gen_put16(l4 + 2, packet->towards ? packet->own_port : packet->other_port);
	if (template->inner_kind == GEN_TCP) {
		gen_put32(l4 + 4, (uint32_t)packet->mark.flow_sequence);
		gen_put32(l4 + 8, (uint32_t)packet->mark.flow_sequence);
	} else {
		gen_put16(l4 + 4, length);
	}
}

struct gen_written gen_packet_write(uint8_t *bytes, const struct gen_packet *packet,
	const struct gen_template *template, uint32_t prefix, uint32_t truncate,
	const uint32_t *sums)
{
	bool fragment = template->inner_kind >= GEN_FRAGMENT_FIRST;
	uint32_t l4 = (uint32_t) template->l4 - template->inner;
	uint32_t size =
		RTE_MAX((uint32_t)packet->size, (uint32_t) template->payload - template->inner);
	struct gen_written written = {0};
	uint32_t sum = 0;

	/* Offsets of fragments count in 8 bytes. */
	if (fragment)
		size = l4 + RTE_MAX((size - l4) & ~7u, 8u);
	gen_packet_write_outer(bytes, packet, template, prefix, RTE_MIN(size, truncate));
	write_macs(bytes + template->inner, packet->own, packet->towards);
	if (fragment)
		sum = write_fragment(bytes, template, packet->id, size - l4);
	write_inner_ip(bytes, packet, template, template->inner + size, sum);
	write_l4(bytes, packet, template, (size - l4) * (fragment ? 2 : 1));
	written.length = template->inner + RTE_MIN(size, truncate);
	written.truncated = size > truncate;
	written.marked = template->payload + (uint32_t)GEN_MARK_LENGTH <= written.length;
	if (written.marked)
		gen_mark_write(bytes + template->payload, &packet->mark);
	if (!fragment)
		write_checksum(
			bytes, packet, template, sums, template->inner + size, written.marked);
	return written;
}
