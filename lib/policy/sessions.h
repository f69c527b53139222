/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions by VNI: open addressing, in memory that never changes once it is made. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>

#include "policy/spec.h"

/* From one address to another, both in host order and included. */
struct mt_source_range {
	unsigned __int128 first;
	unsigned __int128 last;
};

/* What a worker reads of a session: one cache line. */
struct mt_session_policy {
	struct mt_treatment treatment;
	uint32_t filter;       /* index + 1; 0: none */
	uint32_t ranges;       /* first of its sources */
	uint32_t ranges_count; /* 0: any source */
	const struct mt_session_spec *session;
} __rte_cache_aligned;

struct mt_session_slot {
	uint32_t vni_plus_one; /* 0: free */
	uint32_t entry;
};

struct mt_session_table {
	struct mt_session_slot *slots;
	struct mt_session_policy *entries;
	struct mt_source_range *ranges; /* of one session: apart from each other, ascending */
	uint32_t count;
	uint8_t shift; /* 32 - log2 of the slots */
	bool drop_unknown;
};

/* Returns 0 or -ENOMEM. The entries' filters are places in spec->filters. */
int mt_session_table_make(struct mt_session_table *sessions, const struct mt_policy_spec *spec);

void mt_session_table_free(struct mt_session_table *sessions);

/* Is `source` among the sources of the entry? */
bool mt_session_table_allow(const struct mt_session_table *sessions,
	const struct mt_session_policy *entry, struct mt_address source);

static inline uint32_t mt_session_slot(const struct mt_session_table *sessions, uint32_t vni)
{
	return (vni * 0x9e3779b1u) >> sessions->shift;
}

/* NULL: the VNI has no session. Few steps: at most a quarter of the slots is taken. */
static inline const struct mt_session_policy *mt_session_table_find(
	const struct mt_session_table *sessions, uint32_t vni)
{
	const uint32_t mask = UINT32_MAX >> sessions->shift;
	uint32_t slot = mt_session_slot(sessions, vni);

	for (;; slot = (slot + 1) & mask) {
		const struct mt_session_slot *found = &sessions->slots[slot];

		if (found->vni_plus_one == vni + 1)
			return &sessions->entries[found->entry];
		if (found->vni_plus_one == 0)
			return NULL;
	}
}
