/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/key.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_tcp.h>

#include "packet/ip.h"

enum {
	PORTS_LENGTH = 4,
	TCP_FLAGS_OFFSET = offsetof(struct rte_tcp_hdr, tcp_flags),
	VLAN_ID_MASK = 0x0fff,
};

static uint8_t direction_of(uint8_t flags)
{
	if ((flags & MT_FLAG_INGRESS) != 0)
		return MT_DIRECTION_INGRESS;
	return (flags & MT_FLAG_EGRESS) != 0 ? MT_DIRECTION_EGRESS : MT_DIRECTION_UNKNOWN;
}

/* IEEE 802.1Q: the id is in the lower 12 bits of the tag; id 0 is a priority without a VLAN. */
static uint16_t read_vlan(const struct rte_mbuf *frame)
{
	uint8_t scratch[4];
	const uint8_t *tag = mt_read(frame, MT_ETHERNET_LENGTH - 2, frame->pkt_len, 4, scratch);
	uint16_t ethertype;

	if (tag == NULL)
		return 0;
	ethertype = (uint16_t)(tag[0] << 8 | tag[1]);
	if (ethertype != MT_ETHERTYPE_VLAN && ethertype != MT_ETHERTYPE_QINQ)
		return 0;
	return rte_cpu_to_be_16((uint16_t)(tag[2] << 8 | tag[3]) & VLAN_ID_MASK);
}

/* What follows the IP header, where it is there and the packet is whole: all fragments of a packet
 * get the same answer. */
static void read_transport(const struct rte_mbuf *frame, const struct mt_ip *ip, struct mt_key *key)
{
	uint8_t scratch[TCP_FLAGS_OFFSET + 1];
	const uint8_t *field;

	if (!ip->complete || ip->fragment != MT_FRAGMENT_NONE)
		return;
	if (ip->protocol == IPPROTO_ICMP || ip->protocol == IPPROTO_ICMPV6) {
		field = mt_read(frame, ip->payload, ip->end, 1, scratch);
		if (field == NULL)
			return;
		key->icmp_type = field[0];
		key->known |= MT_KNOWN_PORTS;
		return;
	}
	if (!mt_protocol_has_ports(ip->protocol))
		return;
	field = mt_read(frame, ip->payload, ip->end, PORTS_LENGTH, scratch);
	if (field == NULL)
		return;
	memcpy(&key->source_port, field, 2);
	memcpy(&key->destination_port, field + 2, 2);
	key->known |= MT_KNOWN_PORTS;
	if (ip->protocol != IPPROTO_TCP)
		return;
	field = mt_read(frame, ip->payload, ip->end, sizeof(scratch), scratch);
	if (field == NULL)
		return;
	key->tcp_flags = field[TCP_FLAGS_OFFSET];
	key->known |= MT_KNOWN_TCP_FLAGS;
}

static void copy_addresses(const struct mt_ip *ip, struct mt_key *key)
{
	if (ip->version == 4) {
		/* Mapped: the last four bytes. */
		memcpy(key->source, (const uint8_t *)&ip->source + 12, 4);
		memcpy(key->destination, (const uint8_t *)&ip->destination + 12, 4);
	} else {
		memcpy(key->source, &ip->source, sizeof(key->source));
		memcpy(key->destination, &ip->destination, sizeof(key->destination));
	}
}

static void read_any(const struct rte_mbuf *frame, struct mt_key *key)
{
	uint32_t payload = 0;
	uint16_t ethertype = mt_ethertype_read(frame, 0, frame->pkt_len, &payload);
	struct mt_ip ip;

	key->vlan = read_vlan(frame);
	if ((ethertype != MT_ETHERTYPE_IPV4 && ethertype != MT_ETHERTYPE_IPV6)
		|| !mt_ip_read(frame, payload, frame->pkt_len, ethertype, &ip))
		return;
	key->family = ip.version;
	key->protocol = ip.protocol;
	key->known = MT_KNOWN_IP;
	copy_addresses(&ip, key);
	read_transport(frame, &ip, key);
}

/* Untagged IPv4 without options or fragments, with TCP or UDP, all of it there: most frames. */
static bool read_common(const struct rte_mbuf *frame, struct mt_key *key)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);
	const uint8_t *ip = bytes + MT_ETHERNET_LENGTH;
	uint32_t total;

	if (frame->data_len < MT_ETHERNET_LENGTH + 20 + TCP_FLAGS_OFFSET + 1)
		return false;
	total = (uint32_t)(ip[2] << 8 | ip[3]);
	if (bytes[12] != 0x08 || bytes[13] != 0x00 || ip[0] != 0x45 || (ip[6] & 0x3f) != 0
		|| ip[7] != 0 || total < 20 + TCP_FLAGS_OFFSET + 1)
		return false;
	if (ip[9] != IPPROTO_TCP && ip[9] != IPPROTO_UDP)
		return false;
	key->family = 4;
	key->protocol = ip[9];
	key->known = MT_KNOWN_IP | MT_KNOWN_PORTS;
	memcpy(key->source, ip + 12, 4);
	memcpy(key->destination, ip + 16, 4);
	memcpy(&key->source_port, ip + 20, 2);
	memcpy(&key->destination_port, ip + 22, 2);
	if (ip[9] == IPPROTO_TCP) {
		key->tcp_flags = ip[20 + TCP_FLAGS_OFFSET];
		key->known |= MT_KNOWN_TCP_FLAGS;
	}
	return true;
}

void mt_key_read(const struct rte_mbuf *frame, uint8_t flags, struct mt_key *key)
{
	*key = (struct mt_key){.direction = direction_of(flags)};
	if (!read_common(frame, key))
		read_any(frame, key);
}
