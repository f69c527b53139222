/* SPDX-License-Identifier: BSD-3-Clause */
/* A VLAN tag in front of an inner frame, chosen by its VNI (vlan_from_vni). IEEE 802.1Q, 9.3. */
#pragma once

#include <rte_byteorder.h>
#include <rte_ether.h>

#include "output/vni_map.h"
#include "packet/frame_info.h"

enum {
	MT_VLAN_TAG = 4,
	MT_VLAN_AT = 2 * RTE_ETHER_ADDR_LEN, /* behind the addresses */
};

/* The VLAN of a frame, or MT_VNI_MAP_NONE: it stays as it is, as one without addresses does. */
static inline int32_t mt_vlan_of(const struct mt_vni_map *vlans, const struct rte_mbuf *frame)
{
	if (frame->data_len < MT_VLAN_AT)
		return MT_VNI_MAP_NONE;
	return mt_vni_map_find(vlans, mt_frame_vni(mt_frame_info_of(frame)));
}

/* Writes the tag: type 0x8100, priority 0. */
static inline void mt_vlan_write(uint8_t tag[MT_VLAN_TAG], int32_t vlan)
{
	tag[0] = RTE_ETHER_TYPE_VLAN >> 8;
	tag[1] = RTE_ETHER_TYPE_VLAN & 0xff;
	tag[2] = (uint8_t)(vlan >> 8);
	tag[3] = (uint8_t)vlan;
}
