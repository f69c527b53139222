/* SPDX-License-Identifier: BSD-3-Clause */
/* A number for each of some VNIs, which are known from the start: the VLAN of a session, or its
 * interface. Made by control, then read only. */
#pragma once

#include <stdint.h>

enum {
	MT_VNI_MAP_NONE = -1,
};

struct mt_vni_number {
	uint32_t vni;
	uint16_t number;
};

struct mt_vni_map {
	uint32_t mask; /* slots - 1; never more than half of them are in use */
	struct {
		uint32_t vni;
		int32_t number; /* MT_VNI_MAP_NONE: free */
	} slots[];
};

/* Each VNI is there once. Returns NULL if there is no memory; free() frees it. */
struct mt_vni_map *mt_vni_map_create(const struct mt_vni_number *numbers, unsigned count);

/* The number of a VNI, or MT_VNI_MAP_NONE. */
static inline int32_t mt_vni_map_find(const struct mt_vni_map *map, uint32_t vni)
{
	uint32_t slot = vni * 0x9e3779b1u >> 8;

	for (;; slot++) {
		slot &= map->mask;
		if (map->slots[slot].vni == vni || map->slots[slot].number == MT_VNI_MAP_NONE)
			return map->slots[slot].number;
	}
}
