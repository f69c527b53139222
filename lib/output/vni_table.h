/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers VNIs from 0 as they are first seen, for tables that are bounded: the last number,
 * MT_VNI_OTHER, is for all that came too late. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "output/commit.h"

enum {
	MT_VNI_NUMBERS = 1024, /* with MT_VNI_OTHER */
	MT_VNI_OTHER = MT_VNI_NUMBERS - 1,
	MT_VNI_SLOTS = 2 * MT_VNI_NUMBERS, /* power of two: never more than half full */
};

/* All zero: empty. */
struct mt_vni_table {
	struct {
		uint32_t vni;
		uint32_t number_plus_one; /* 0: free */
	} slots[MT_VNI_SLOTS];
	uint32_t count; /* numbers given out */
};

/* The number of a VNI; a new one where it has none yet. */
static inline uint32_t mt_vni_number(struct mt_vni_table *table, uint32_t vni)
{
	uint32_t slot = vni * 0x9e3779b1u >> 16 & (MT_VNI_SLOTS - 1);

	for (; table->slots[slot].number_plus_one != 0; slot = (slot + 1) % MT_VNI_SLOTS) {
		if (table->slots[slot].vni == vni)
			return table->slots[slot].number_plus_one - 1;
	}
	if (table->count == MT_VNI_OTHER)
		return MT_VNI_OTHER;
	table->slots[slot].vni = vni;
	table->slots[slot].number_plus_one = ++table->count;
	return table->count - 1;
}

/* Counters by VNI that one thread writes and one reads. */
struct mt_vni_counts {
	/* Writer only. */
	struct mt_vni_table table;
	/* Writer and reader. */
	_Atomic uint32_t count; /* of vnis[] and packets[], without MT_VNI_OTHER */
	uint32_t vnis[MT_VNI_NUMBERS];
	uint64_t packets[MT_VNI_NUMBERS];
	/* Reader only: what it has taken of packets[]. */
	uint64_t taken[MT_VNI_NUMBERS];
};

static inline void mt_vni_count(struct mt_vni_counts *counts, uint32_t vni)
{
	uint32_t number = mt_vni_number(&counts->table, vni);

	if (number != MT_VNI_OTHER
		&& number == atomic_load_explicit(&counts->count, memory_order_relaxed)) {
		counts->vnis[number] = vni;
		atomic_store_explicit(&counts->count, number + 1, memory_order_release);
	}
	mt_count(&counts->packets[number], 1);
}

/* What was counted for number `n` since it was last taken. */
static inline uint64_t mt_vni_take(struct mt_vni_counts *counts, uint32_t n)
{
	uint64_t packets = mt_counter(&counts->packets[n]);
	uint64_t more = packets - counts->taken[n];

	counts->taken[n] = packets;
	return more;
}
