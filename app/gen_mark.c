/* SPDX-License-Identifier: BSD-3-Clause */
#include "gen_mark.h"

#include <netinet/in.h>

#include "packet/decapsulate.h"
#include "packet/ip.h"

static bool read_mark(
	const struct rte_mbuf *frame, uint32_t offset, uint32_t end, struct gen_mark *mark)
{
	uint64_t words[GEN_MARK_LENGTH / sizeof(uint64_t)];
	uint64_t scratch[GEN_MARK_LENGTH / sizeof(uint64_t)];
	const void *bytes = mt_read(frame, offset, end, GEN_MARK_LENGTH, scratch);

	if (bytes == NULL)
		return false;
	memcpy(words, bytes, sizeof(words));
	for (unsigned i = 0; i < RTE_DIM(words); i++)
		words[i] = rte_be_to_cpu_64(words[i]);
	if (words[0] >> 32 != GEN_MARK_MAGIC || (uint8_t)(words[0] >> 24) != GEN_MARK_VERSION)
		return false;
	*mark = (struct gen_mark){
		.run = (uint32_t)(words[1] >> 32),
		.flow = (uint32_t)words[1],
		.flow_sequence = words[2],
		.sequence = words[3],
		.time_ns = words[4],
		.flags = (uint8_t)(words[0] >> 16),
	};
	return true;
}

/* In the IP packet at `offset`. */
static bool find_in_ip(const struct rte_mbuf *frame, uint32_t offset, uint32_t end,
	uint16_t ethertype, struct gen_mark *mark)
{
	const uint8_t *words;
	struct mt_ip ip;
	uint8_t scratch;

	if ((ethertype != MT_ETHERTYPE_IPV4 && ethertype != MT_ETHERTYPE_IPV6)
		|| !mt_ip_read(frame, offset, end, ethertype, &ip) || !ip.complete)
		return false;
	if (ip.fragment == MT_FRAGMENT_LATER)
		return read_mark(frame, ip.payload, ip.end, mark);
	if (ip.protocol == IPPROTO_UDP)
		return read_mark(frame, ip.payload + 8, ip.end, mark);
	if (ip.protocol != IPPROTO_TCP)
		return false;
	words = mt_read(frame, ip.payload + 12, ip.end, 1, &scratch); /* RFC 9293, 3.1 */
	return words != NULL && read_mark(frame, ip.payload + (words[0] >> 4) * 4u, ip.end, mark);
}

bool gen_mark_find(
	const struct rte_mbuf *frame, const struct mt_tunnels *tunnels, struct gen_mark *mark)
{
	struct mt_facts facts;
	uint32_t offset = 0;
	uint32_t end = frame->pkt_len;
	uint32_t payload;
	uint16_t ethertype;

	mt_packet_decapsulate(frame, tunnels, &facts);
	if (facts.verdict == MT_VERDICT_ACCEPTED) {
		if (facts.made_up_ethertype != 0)
			return false; /* not of ours */
		offset = facts.strip;
		end = facts.strip + facts.inner_length;
	}
	ethertype = mt_ethertype_read(frame, offset, end, &payload);
	return payload != 0 && find_in_ip(frame, payload, end, ethertype, mark);
}
