/* SPDX-License-Identifier: BSD-3-Clause */
/* Facts: what the packet room found out about one received frame. */
#pragma once

#include <stdint.h>

#include "packet/flow_hash.h"
#include "packet/frame.h"
#include "packet/verdict.h"

enum {
	MT_MAX_TUNNEL_PORTS = 8,
	MT_ETHERNET_LENGTH = 14,
	MT_MAX_IPV6_EXTENSIONS = 8, /* extension headers followed before giving up */
};

/* Which UDP destination ports carry mirror traffic. Network order. */
struct mt_tunnels {
	uint16_t vxlan_ports[MT_MAX_TUNNEL_PORTS];
	uint16_t geneve_ports[MT_MAX_TUNNEL_PORTS];
	uint8_t vxlan_count;
	uint8_t geneve_count;
	struct mt_hash_config hash;
};

enum mt_tunnel {
	MT_TUNNEL_NONE,
	MT_TUNNEL_VXLAN,
	MT_TUNNEL_GENEVE,
	MT_TUNNEL_GENEVE_VXLAN, /* VXLAN inside GENEVE: AWS mirroring through a GWLB */
};

/* "-", "vxlan", "geneve" or "geneve+vxlan". */
const char *mt_tunnel_name(enum mt_tunnel tunnel);

/* All lengths in bytes. When `verdict` is not `accepted` only `verdict` has a meaning, and `vni`
 * when it is `inner_too_short`. */
struct mt_facts {
	struct mt_address source; /* outer source: the mirrored ENI */
	uint32_t vni;
	uint32_t flow_hash;
	uint32_t strip; /* to cut off in front; the inner frame (or IP packet) begins there */
	uint32_t inner_length;      /* of the inner frame as delivered, a made-up header included */
	uint32_t original_length;   /* before truncation; inner_length where nothing is known */
	uint16_t made_up_ethertype; /* host order: deliver with a made-up Ethernet header; else 0 */
	uint8_t verdict;            /* enum mt_verdict */
	uint8_t tunnel;             /* enum mt_tunnel */
	uint8_t flags;              /* MT_FLAG_* */
};
