/* SPDX-License-Identifier: BSD-3-Clause */
/* From received bytes to facts: the one entrance to the packet room. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf_core.h>

#include "packet/facts.h"

/* Reads one received frame, outer, tunnel and inner, and says what it is. Complete: takes every
 * shape, chained segments too. Changes nothing.
 *
 * Only data_off, data_len, pkt_len, next and buf_addr of the segments are read, so the mbufs need
 * not come from a mempool: offline readers and fuzzers put them on the stack.
 *
 * RFC 7348 (VXLAN), RFC 8926 (GENEVE), RFC 791, RFC 8200, RFC 768; AWS Gateway Load Balancer's
 * "Getting started with GENEVE appliances" for protocols 0x0800 and 0x86dd. */
void mt_packet_decapsulate(
	const struct rte_mbuf *frame, const struct mt_tunnels *tunnels, struct mt_facts *facts);

/* Writes the Ethernet header that is made up for an IP packet out of GENEVE (protocol 0x0800 or
 * 0x86dd), which had none: destination 02:00:00:00:00:02, source 02:00:00:00:00:01 (locally
 * administered, RFC 7042 section 2.1), then the ethertype (host order). Writes 14 bytes. */
void mt_packet_make_up_ethernet(uint8_t *header, uint16_t ethertype);
