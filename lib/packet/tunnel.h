/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnel headers: VXLAN (RFC 7348) and GENEVE (RFC 8926). */
#pragma once

#include "packet/facts.h"
#include "packet/ip.h"

/* What stands behind the tunnel header at an offset. */
struct mt_tunnel_header {
	uint32_t vni;
	uint32_t payload;  /* offset of what the tunnel carries */
	uint16_t protocol; /* GENEVE: ethertype of the payload, host order */
};

/* Reads the VXLAN header at `offset`, in bytes that end at `end`. Returns MT_VERDICT_ACCEPTED, or
 * the drop. RFC 7348 section 5: the I bit must be set, reserved bits are ignored on receipt. */
enum mt_verdict mt_vxlan_read(const struct rte_mbuf *frame, uint32_t offset, uint32_t end,
	struct mt_tunnel_header *header);

/* Reads the GENEVE header at `offset` and walks its options. Returns MT_VERDICT_ACCEPTED, or the
 * drop. RFC 8926 section 3.4: an unknown version is dropped, a control packet (O bit) is not
 * forwarded; section 3.5: an unknown option with the critical bit drops the packet, whatever the C
 * bit of the header says. Known are AWS's (class 0x0108, types 1 to 3: GWLBE ENI id, attachment
 * id, flow cookie); https://aws.amazon.com/blogs/networking-and-content-delivery/
 * integrate-your-custom-logic-or-appliance-with-aws-gateway-load-balancer/ */
enum mt_verdict mt_geneve_read(const struct rte_mbuf *frame, uint32_t offset, uint32_t end,
	struct mt_tunnel_header *header);
