/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/inner.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_common.h>

static uint32_t hash_endpoint(const struct mt_hash_config *hash, const struct mt_ip *ip,
	const struct mt_address *address, uint16_t port)
{
	if (ip->version == 4)
		return mt_hash_endpoint4(hash, (uint32_t)(address->low >> 32), port);
	return mt_hash_endpoint6(hash, address->high, address->low, port);
}

static uint32_t hash_ip(const struct rte_mbuf *frame, const struct mt_hash_config *hash,
	const struct mt_ip *ip, uint32_t vni)
{
	uint16_t ports[2] = {0, 0};
	uint16_t scratch[2];

	if (ip->complete && ip->fragment == MT_FRAGMENT_NONE
		&& mt_protocol_has_ports(ip->protocol)) {
		const void *field = mt_read(frame, ip->payload, ip->end, sizeof(ports), scratch);

		if (field != NULL)
			memcpy(ports, field, sizeof(ports));
	}
	return mt_hash_join(hash, hash_endpoint(hash, ip, &ip->source, ports[0]),
		hash_endpoint(hash, ip, &ip->destination, ports[1]), ip->protocol, vni);
}

/* Does this ICMP message carry the start of the packet that it complains about? */
static bool is_icmp_error(const struct mt_ip *ip, uint8_t type)
{
	if (ip->version == 4 && ip->protocol == IPPROTO_ICMP) /* RFC 792 */
		return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
	if (ip->version == 6 && ip->protocol == IPPROTO_ICMPV6) /* RFC 4443 section 2.1 */
		return type >= 1 && type <= 4;
	return false;
}

static bool read_quoted(const struct rte_mbuf *frame, const struct mt_ip *ip, struct mt_ip *quoted)
{
	enum { ICMP_LENGTH = 8 };
	uint8_t scratch;
	const uint8_t *type;

	if (!ip->complete || ip->fragment != MT_FRAGMENT_NONE)
		return false;
	type = mt_read(frame, ip->payload, ip->end, sizeof(scratch), &scratch);
	if (type == NULL || !is_icmp_error(ip, *type))
		return false;
	return mt_ip_read(frame, ip->payload + ICMP_LENGTH, ip->end,
		ip->version == 4 ? MT_ETHERTYPE_IPV4 : MT_ETHERTYPE_IPV6, quoted);
}

static bool same_address(const struct mt_address *a, const struct mt_address *b)
{
	return a->high == b->high && a->low == b->low;
}

static void read_inner_ip(const struct rte_mbuf *frame, const struct mt_hash_config *hash,
	const struct mt_ip *ip, uint32_t header_length, struct mt_facts *facts)
{
	uint32_t stated = ip->stated_end - facts->strip + header_length;
	struct mt_ip quoted;

	if (stated > facts->original_length)
		facts->original_length = stated;
	if (same_address(&ip->source, &facts->source))
		facts->flags |= MT_FLAG_EGRESS;
	else if (same_address(&ip->destination, &facts->source))
		facts->flags |= MT_FLAG_INGRESS;
	if (read_quoted(frame, ip, &quoted))
		facts->flow_hash = hash_ip(frame, hash, &quoted, facts->vni);
	else
		facts->flow_hash = hash_ip(frame, hash, ip, facts->vni);
}

static uint64_t read_mac(const uint8_t *field)
{
	uint64_t mac = 0;

	memcpy(&mac, field, 6);
	return mac;
}

static uint32_t hash_macs(const struct rte_mbuf *frame, const struct mt_hash_config *hash,
	const struct mt_facts *facts, uint32_t end, uint16_t ethertype)
{
	uint8_t scratch[12];
	const uint8_t *macs = mt_read(frame, facts->strip, end, sizeof(scratch), scratch);

	if (ethertype < 0x0600)
		ethertype = 0; /* a length, IEEE 802.3: not the same in both directions */
	if (macs == NULL || facts->made_up_ethertype != 0)
		return mt_hash_join(hash, 0, 0, ethertype, facts->vni);
	return mt_hash_join(hash, mt_hash_endpoint_mac(hash, read_mac(macs)),
		mt_hash_endpoint_mac(hash, read_mac(macs + 6)), ethertype, facts->vni);
}

/* Where the IP packet at `offset` ends by a header of which truncation left only the first bytes:
 * all that can be known of such a packet. 0 if its length was cut off too, or if it is not IP. */
static uint32_t cut_stated_end(
	const struct rte_mbuf *frame, uint32_t offset, uint32_t end, uint16_t ethertype)
{
	uint8_t scratch[6];
	const uint8_t *header = NULL;

	if (ethertype == MT_ETHERTYPE_IPV4 && end - offset < 20) {
		header = mt_read(frame, offset, end, 4, scratch); /* RFC 791 section 3.1 */
		if (header != NULL && header[0] >> 4 == 4)
			return offset + (uint32_t)(header[2] << 8 | header[3]);
	} else if (ethertype == MT_ETHERTYPE_IPV6 && end - offset < 40) {
		header = mt_read(frame, offset, end, 6, scratch); /* RFC 8200 section 3 */
		if (header != NULL && header[0] >> 4 == 6)
			return offset + 40 + (uint32_t)(header[4] << 8 | header[5]);
	}
	return 0;
}

void mt_inner_read(
	const struct rte_mbuf *frame, const struct mt_hash_config *hash, struct mt_facts *facts)
{
	uint32_t made_up = facts->made_up_ethertype != 0 ? MT_ETHERNET_LENGTH : 0;
	uint32_t end = facts->strip + facts->inner_length - made_up;
	uint32_t payload = facts->strip;
	uint16_t ethertype = facts->made_up_ethertype;
	uint32_t stated_end;
	struct mt_ip ip;

	if (ethertype == 0)
		ethertype = mt_ethertype_read(frame, facts->strip, end, &payload);
	if ((ethertype == MT_ETHERTYPE_IPV4 || ethertype == MT_ETHERTYPE_IPV6)
		&& mt_ip_read(frame, payload, end, ethertype, &ip)) {
		read_inner_ip(frame, hash, &ip, made_up, facts);
	} else {
		facts->flow_hash = hash_macs(frame, hash, facts, end, ethertype);
		stated_end = cut_stated_end(frame, payload, end, ethertype);
		if (stated_end > facts->strip + facts->original_length - made_up)
			facts->original_length = stated_end - facts->strip + made_up;
	}
	if (facts->original_length > facts->inner_length)
		facts->flags |= MT_FLAG_TRUNCATED;
}
