/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/vni_map.h"

#include <stdlib.h>

#include <rte_common.h>

struct mt_vni_map *mt_vni_map_create(const struct mt_vni_number *numbers, unsigned count)
{
	uint32_t slots = rte_align32pow2(2 * count + 1);
	struct mt_vni_map *map = malloc(sizeof(*map) + slots * sizeof(map->slots[0]));

	if (map == NULL)
		return NULL;
	map->mask = slots - 1;
	for (uint32_t s = 0; s < slots; s++) {
		map->slots[s].vni = UINT32_MAX; /* no VNI */
		map->slots[s].number = MT_VNI_MAP_NONE;
	}
	for (unsigned i = 0; i < count; i++) {
		uint32_t slot = numbers[i].vni * 0x9e3779b1u >> 8 & map->mask;

		while (map->slots[slot].number != MT_VNI_MAP_NONE)
			slot = (slot + 1) & map->mask;
		map->slots[slot].vni = numbers[i].vni;
		map->slots[slot].number = numbers[i].number;
	}
	return map;
}
