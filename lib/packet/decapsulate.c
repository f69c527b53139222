/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/decapsulate.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_udp.h>

#include "packet/inner.h"
#include "packet/ip.h"
#include "packet/tunnel.h"

const char *mt_tunnel_name(enum mt_tunnel tunnel)
{
	switch (tunnel) {
	case MT_TUNNEL_NONE:
		break;
	case MT_TUNNEL_VXLAN:
		return "vxlan";
	case MT_TUNNEL_GENEVE:
		return "geneve";
	case MT_TUNNEL_GENEVE_VXLAN:
		return "geneve+vxlan";
	}
	return "-";
}

void mt_packet_make_up_ethernet(uint8_t *header, uint16_t ethertype)
{
	static const uint8_t macs[12] = {0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01};

	memcpy(header, macs, sizeof(macs));
	header[12] = (uint8_t)(ethertype >> 8);
	header[13] = (uint8_t)ethertype;
}

/* What a UDP datagram to a tunnel port carries. */
struct datagram {
	enum mt_tunnel tunnel; /* that the port stands for; none: not a tunnel port */
	uint32_t payload;
	uint32_t end; /* smallest of frame, IP length, UDP length */
	uint32_t
		stated_end; /* smallest of IP length and UDP length, even where bytes are missing */
};

static bool port_in(const uint16_t *ports, unsigned count, uint16_t port)
{
	for (unsigned i = 0; i < count; i++) {
		if (ports[i] == port)
			return true;
	}
	return false;
}

static enum mt_tunnel tunnel_of_port(const struct mt_tunnels *tunnels, uint16_t port)
{
	if (port_in(tunnels->vxlan_ports, tunnels->vxlan_count, port))
		return MT_TUNNEL_VXLAN;
	if (port_in(tunnels->geneve_ports, tunnels->geneve_count, port))
		return MT_TUNNEL_GENEVE;
	return MT_TUNNEL_NONE;
}

/* Reads the UDP header behind `ip`, which must be complete and of UDP. */
static enum mt_verdict read_udp(const struct rte_mbuf *frame, const struct mt_ip *ip,
	const struct mt_tunnels *tunnels, struct datagram *datagram)
{
	struct rte_udp_hdr scratch;
	const struct rte_udp_hdr *udp =
		mt_read(frame, ip->payload, ip->end, sizeof(scratch), &scratch);
	uint32_t length;

	if (udp == NULL)
		return MT_VERDICT_OUTER_MALFORMED;
	datagram->tunnel = tunnel_of_port(tunnels, udp->dst_port);
	if (datagram->tunnel == MT_TUNNEL_NONE)
		return MT_VERDICT_HOST;
	length = rte_be_to_cpu_16(udp->dgram_len);
	if (length < sizeof(*udp))
		return MT_VERDICT_UDP_BAD_LENGTH;
	datagram->payload = ip->payload + sizeof(*udp);
	datagram->end = RTE_MIN(ip->end, ip->payload + length);
	datagram->stated_end = RTE_MIN(ip->stated_end, ip->payload + length);
	return MT_VERDICT_ACCEPTED;
}

/* Could this outer fragment be a part of a UDP datagram? All fragments of a packet must get the
 * same answer, so a chain of IPv6 headers that goes on behind the fragment header counts as yes. */
static bool fragment_may_be_udp(const struct mt_ip *ip)
{
	return ip->protocol == IPPROTO_UDP
		|| (ip->version == 6
			&& (ip->protocol == IPPROTO_HOPOPTS || ip->protocol == IPPROTO_ROUTING
				|| ip->protocol == IPPROTO_DSTOPTS || ip->protocol == IPPROTO_AH));
}

static enum mt_verdict read_outer(const struct rte_mbuf *frame, const struct mt_tunnels *tunnels,
	struct datagram *datagram, struct mt_address *source)
{
	uint32_t end = frame->pkt_len;
	uint32_t payload = 0;
	uint16_t ethertype;
	struct mt_ip ip;

	ethertype = mt_ethertype_read(frame, 0, end, &payload);
	if (payload == 0) /* addresses, ethertype or a tag cut short */
		return MT_VERDICT_OUTER_MALFORMED;
	if (ethertype != MT_ETHERTYPE_IPV4 && ethertype != MT_ETHERTYPE_IPV6)
		return MT_VERDICT_HOST;
	if (!mt_ip_read(frame, payload, end, ethertype, &ip) || ip.length_unstated)
		return MT_VERDICT_OUTER_MALFORMED;
	if (ip.fragment != MT_FRAGMENT_NONE)
		return fragment_may_be_udp(&ip) ? MT_VERDICT_OUTER_FRAGMENT : MT_VERDICT_HOST;
	if (!ip.complete)
		return MT_VERDICT_OUTER_MALFORMED;
	if (ip.protocol != IPPROTO_UDP)
		return MT_VERDICT_HOST;
	*source = ip.source;
	return read_udp(frame, &ip, tunnels, datagram);
}

/* AWS through a GWLB: is the IP packet inside GENEVE itself a mirrored packet in VXLAN? If so,
 * moves `datagram` and the source on to it and returns MT_VERDICT_ACCEPTED. Returns
 * MT_VERDICT_HOST when it is an ordinary packet, which is then delivered as it is. */
static enum mt_verdict read_middle(const struct rte_mbuf *frame, const struct mt_tunnels *tunnels,
	const struct mt_tunnel_header *geneve, struct datagram *datagram, struct mt_address *source)
{
	struct datagram middle = {0};
	enum mt_verdict verdict;
	struct mt_ip ip;

	if (!mt_ip_read(frame, geneve->payload, datagram->end, geneve->protocol, &ip)
		|| !ip.complete || ip.protocol != IPPROTO_UDP || ip.length_unstated
		|| ip.fragment == MT_FRAGMENT_LATER)
		return MT_VERDICT_HOST;
	verdict = read_udp(frame, &ip, tunnels, &middle);
	if (middle.tunnel != MT_TUNNEL_VXLAN)
		return MT_VERDICT_HOST;
	if (verdict != MT_VERDICT_ACCEPTED)
		return verdict;
	if (ip.fragment != MT_FRAGMENT_NONE)
		return MT_VERDICT_OUTER_FRAGMENT;
	*datagram = middle;
	*source = ip.source;
	return MT_VERDICT_ACCEPTED;
}

static enum mt_verdict read_tunnel(const struct rte_mbuf *frame, const struct mt_tunnels *tunnels,
	struct datagram *datagram, struct mt_facts *facts)
{
	struct mt_tunnel_header header = {0};
	enum mt_verdict verdict;

	facts->tunnel = datagram->tunnel;
	if (datagram->tunnel == MT_TUNNEL_GENEVE) {
		verdict = mt_geneve_read(frame, datagram->payload, datagram->end, &header);
		if (verdict != MT_VERDICT_ACCEPTED)
			return verdict;
		if (header.protocol == MT_ETHERTYPE_IPV4 || header.protocol == MT_ETHERTYPE_IPV6) {
			verdict = read_middle(frame, tunnels, &header, datagram, &facts->source);
			if (verdict == MT_VERDICT_HOST)
				facts->made_up_ethertype = header.protocol;
			else if (verdict != MT_VERDICT_ACCEPTED)
				return verdict;
			else
				facts->tunnel = MT_TUNNEL_GENEVE_VXLAN;
		}
	}
	if (datagram->tunnel == MT_TUNNEL_VXLAN) {
		verdict = mt_vxlan_read(frame, datagram->payload, datagram->end, &header);
		if (verdict != MT_VERDICT_ACCEPTED)
			return verdict;
	}
	facts->vni = header.vni;
	facts->strip = header.payload;
	return MT_VERDICT_ACCEPTED;
}

void mt_packet_decapsulate(
	const struct rte_mbuf *frame, const struct mt_tunnels *tunnels, struct mt_facts *facts)
{
	struct datagram datagram = {0};
	uint32_t made_up;

	*facts = (struct mt_facts){0};
	facts->verdict = read_outer(frame, tunnels, &datagram, &facts->source);
	if (facts->verdict != MT_VERDICT_ACCEPTED)
		return;
	facts->verdict = read_tunnel(frame, tunnels, &datagram, facts);
	if (facts->verdict != MT_VERDICT_ACCEPTED)
		return;

	made_up = facts->made_up_ethertype != 0 ? MT_ETHERNET_LENGTH : 0;
	facts->inner_length = datagram.end - facts->strip + made_up;
	facts->original_length =
		RTE_MAX(datagram.stated_end, datagram.end) - facts->strip + made_up;
	if (facts->inner_length < MT_ETHERNET_LENGTH || datagram.end == facts->strip) {
		facts->verdict = MT_VERDICT_INNER_TOO_SHORT;
		return;
	}
	mt_inner_read(frame, &tunnels->hash, facts);
}
