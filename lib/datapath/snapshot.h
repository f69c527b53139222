/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshot: what the workers read of the configuration. Made whole by the control thread before
 * it is given to them, and never changed after: a reload makes another one. */
#pragma once

#include <stdint.h>

#include "datapath/counters.h"
#include "datapath/decapsulate_simd.h"
#include "datapath/idle.h"
#include "packet/facts.h"
#include "packet/fast.h"
#include "policy/dedup.h"
#include "policy/reorder.h"

struct mt_output;
struct mt_policy;

enum {
	MT_SNAPSHOT_MAX_OUTPUTS = 16,
};

/* What the de-duplication knows, a table for each queue; those of one size stay from snapshot to
 * snapshot. */
struct mt_dedup_tables {
	unsigned snapshots; /* that have them; control only */
	uint16_t count;
	uint32_t entries;
	struct mt_dedup *of[MT_DATAPATH_MAX_QUEUES];
};

struct mt_snapshot {
	struct mt_tunnels tunnels;   /* which ports carry mirror traffic, and how it is hashed */
	struct mt_fast fast;         /* the same for the fast path */
	mt_decapsulate_simd_t *simd; /* several frames at once; NULL: one by one */
	enum mt_idle_mode idle;
	bool plain_hash;                /* the hash is the default one: 5-tuple, without the VNI */
	bool chooses;                   /* the policy does not send all frames to all outputs */
	const struct mt_policy *policy; /* sessions and filters; NULL: none */
	struct mt_dedup_config dedup;
	struct mt_dedup_tables *dedup_tables; /* NULL: no de-duplication */
	struct mt_reorder_config reorder;
	uint64_t reorder_window_tsc; /* how long a segment is held back at most; 0: none is */
	uint16_t queues;
	uint16_t outputs_count;
	struct mt_output *outputs[MT_SNAPSHOT_MAX_OUTPUTS];
	/* The bit that each output has in a frame's choices, and all of them together. It stays the
	 * same from snapshot to snapshot: frames that were chosen for under one are delivered under
	 * the next. */
	uint8_t places[MT_SNAPSHOT_MAX_OUTPUTS];
	uint32_t places_set;
};
