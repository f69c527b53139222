/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/ip.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_ip.h>

uint16_t mt_ethertype_read(
	const struct rte_mbuf *frame, uint32_t offset, uint32_t end, uint32_t *payload)
{
	uint32_t at = offset + MT_ETHERNET_LENGTH - 2;
	uint16_t ethertype = 0;
	uint8_t scratch[2];

	for (unsigned tags = 0;; tags++) {
		const uint8_t *field = mt_read(frame, at, end, sizeof(scratch), scratch);

		if (field == NULL) {
			*payload = 0;
			return 0;
		}
		ethertype = (uint16_t)(field[0] << 8 | field[1]);
		at += sizeof(scratch);
		*payload = at;
		if ((ethertype != MT_ETHERTYPE_VLAN && ethertype != MT_ETHERTYPE_QINQ) || tags == 2)
			return ethertype;
		at += sizeof(scratch); /* the tag control information */
	}
}

bool mt_protocol_has_ports(int protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		return true;
	default:
		return false;
	}
}

static bool read_ipv4(const struct rte_mbuf *frame, uint32_t offset, uint32_t end, struct mt_ip *ip)
{
	struct rte_ipv4_hdr scratch;
	const struct rte_ipv4_hdr *header = mt_read(frame, offset, end, sizeof(scratch), &scratch);
	uint32_t header_length;
	uint32_t total;
	uint16_t fragment;

	/* RFC 791 section 3.1: version 4, at least five words of header, all of it within the
	 * total length. Options that are cut short still leave addresses and length to know. */
	if (header == NULL || header->version_ihl >> 4 != 4)
		return false;
	header_length = (header->version_ihl & 0xf) * 4u;
	total = rte_be_to_cpu_16(header->total_length);
	if (header_length < sizeof(*header))
		return false;
	if (total != 0 && total < header_length)
		return false;

	fragment = rte_be_to_cpu_16(header->fragment_offset);
	if ((fragment & RTE_IPV4_HDR_OFFSET_MASK) != 0)
		ip->fragment = MT_FRAGMENT_LATER;
	else if ((fragment & RTE_IPV4_HDR_MF_FLAG) != 0)
		ip->fragment = MT_FRAGMENT_FIRST;
	ip->version = 4;
	ip->protocol = header->next_proto_id;
	ip->source = mt_address_from_ipv4(header->src_addr);
	ip->destination = mt_address_from_ipv4(header->dst_addr);
	ip->payload = offset + header_length;
	ip->length_unstated = total == 0;
	ip->stated_end = total == 0 ? end : offset + total;
	ip->end = RTE_MIN(end, ip->stated_end);
	ip->complete = header_length <= end - offset;
	return true;
}

/* Follows the extension headers from ip->payload on, a bounded number of them (RFC 8200 section 4
 * sets no bound). Leaves ip->complete false when one is cut short or there are too many. */
static void follow_extensions(const struct rte_mbuf *frame, struct mt_ip *ip)
{
	for (unsigned n = 0;; n++) {
		uint8_t scratch[8];
		const uint8_t *header;
		uint32_t length;

		switch (ip->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_AH:
		case IPPROTO_FRAGMENT:
			break;
		default:
			ip->complete = true;
			return;
		}
		if (n == MT_MAX_IPV6_EXTENSIONS)
			return;
		header = mt_read(frame, ip->payload, ip->end, sizeof(scratch), scratch);
		if (header == NULL)
			return;
		if (ip->protocol == IPPROTO_FRAGMENT) {
			uint16_t fragment = (uint16_t)(header[2] << 8 | header[3]);

			length = 8;
			if ((fragment & 0xfff8) != 0)
				ip->fragment = MT_FRAGMENT_LATER;
			else if ((fragment & 1) != 0)
				ip->fragment = MT_FRAGMENT_FIRST;
		} else if (ip->protocol == IPPROTO_AH) {
			length = (header[1] + 2u) * 4; /* RFC 4302 section 2.2 */
		} else {
			length = (header[1] + 1u) * 8;
		}
		if (length > ip->end - ip->payload)
			return;
		ip->protocol = header[0];
		ip->payload += length;
		if (ip->fragment != MT_FRAGMENT_NONE) {
			/* What follows may stand in the first fragment only: stop, so that all
			 * fragments of a packet are read alike. */
			ip->complete = true;
			return;
		}
	}
}

static bool read_ipv6(const struct rte_mbuf *frame, uint32_t offset, uint32_t end, struct mt_ip *ip)
{
	struct rte_ipv6_hdr scratch;
	const struct rte_ipv6_hdr *header = mt_read(frame, offset, end, sizeof(scratch), &scratch);
	uint32_t length;

	if (header == NULL || (rte_be_to_cpu_32(header->vtc_flow) >> 28) != 6)
		return false;
	length = rte_be_to_cpu_16(header->payload_len);
	memcpy(&ip->source, header->src_addr, sizeof(ip->source));
	memcpy(&ip->destination, header->dst_addr, sizeof(ip->destination));
	ip->version = 6;
	ip->protocol = header->proto;
	ip->payload = offset + sizeof(*header);
	/* Length 0 before hop-by-hop options is a jumbogram (RFC 2675). */
	ip->length_unstated = length == 0 && header->proto == IPPROTO_HOPOPTS;
	ip->stated_end = ip->length_unstated ? end : ip->payload + length;
	ip->end = RTE_MIN(end, ip->stated_end);
	follow_extensions(frame, ip);
	return true;
}

bool mt_ip_read(const struct rte_mbuf *frame, uint32_t offset, uint32_t end, uint16_t ethertype,
	struct mt_ip *ip)
{
	*ip = (struct mt_ip){0};
	if (offset > end)
		return false;
	if (ethertype == MT_ETHERTYPE_IPV4)
		return read_ipv4(frame, offset, end, ip);
	return read_ipv6(frame, offset, end, ip);
}
