/* SPDX-License-Identifier: BSD-3-Clause */
/* One IP header, wherever it stands: outer, in the middle of a GWLB's tunnel, inner, or quoted by
 * an ICMP error. RFC 791, RFC 8200. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "packet/facts.h"

enum {
	MT_ETHERTYPE_IPV4 = 0x0800,
	MT_ETHERTYPE_IPV6 = 0x86dd,
	MT_ETHERTYPE_VLAN = 0x8100,
	MT_ETHERTYPE_QINQ = 0x88a8,
};

enum mt_fragment {
	MT_FRAGMENT_NONE,
	MT_FRAGMENT_FIRST,
	MT_FRAGMENT_LATER,
};

/* Offsets and lengths in bytes from the start of the frame. */
struct mt_ip {
	struct mt_address source;
	struct mt_address destination;
	uint32_t payload;     /* where the protocol's own header begins */
	uint32_t end;         /* of the packet: what the header states, within what is there */
	uint32_t stated_end;  /* what the header states; == end where it states nothing */
	bool length_unstated; /* IPv4 total length 0, IPv6 jumbo: as left by segmentation offload */
	bool complete; /* `payload` was reached; false: options or an extension header were cut, or
			* there were too many */
	uint8_t version;
	uint8_t protocol; /* after the extension headers */
	uint8_t fragment; /* enum mt_fragment; an IPv6 atomic fragment (RFC 6946) is none */
};

/* `length` bytes at `offset` of the frame, or NULL beyond `end`. They may be copied to `scratch`
 * (of that size) when they lie in several segments. */
static inline const void *mt_read(
	const struct rte_mbuf *frame, uint32_t offset, uint32_t end, uint32_t length, void *scratch)
{
	if (length > end || offset > end - length)
		return NULL;
	return rte_pktmbuf_read(frame, offset, length, scratch);
}

/* Reads the IP header at `offset`, which ethertype (MT_ETHERTYPE_IPV4 or _IPV6) announced, of a
 * frame whose bytes end at `end`. False if there is no sound header: its fixed part cut short,
 * another version, or lengths that contradict each other. */
bool mt_ip_read(const struct rte_mbuf *frame, uint32_t offset, uint32_t end, uint16_t ethertype,
	struct mt_ip *ip);

/* Does this protocol have ports where TCP and UDP have theirs? */
bool mt_protocol_has_ports(int protocol);

/* Skips up to two VLAN tags behind the MAC addresses at `offset`. Returns the ethertype (host
 * order) and leaves the offset of what follows it in `payload`; both are 0 when cut short. A third
 * tag is returned as its ethertype. IEEE 802.1Q. */
uint16_t mt_ethertype_read(
	const struct rte_mbuf *frame, uint32_t offset, uint32_t end, uint32_t *payload);
