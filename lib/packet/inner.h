/* SPDX-License-Identifier: BSD-3-Clause */
/* The inner frame: whose conversation it is, whether it was truncated, which way it went. */
#pragma once

#include "packet/facts.h"
#include "packet/ip.h"

/* Reads the inner Ethernet frame at facts->strip, or the bare IP packet there when
 * facts->made_up_ethertype is set. In: strip, inner_length, original_length, vni, source. Out:
 * flow_hash; MT_FLAG_TRUNCATED and original_length from the inner IP header; direction flags.
 *
 * Flow: addresses, protocol and ports of TCP, UDP, SCTP, UDP-Lite, DCCP; addresses and protocol of
 * other protocols and of fragments; the quoted flow for an ICMP error (RFC 792, RFC 4443); the MAC
 * pair and ethertype for all that is not sound IP. Nothing in an inner frame is a reason to drop
 * it. */
void mt_inner_read(
	const struct rte_mbuf *frame, const struct mt_hash_config *hash, struct mt_facts *facts);
