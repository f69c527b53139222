/* SPDX-License-Identifier: BSD-3-Clause */
/* Order: holds a TCP segment back that arrives ahead of its sequence, until the gap before it
 * closes, or a time or a number of segments is reached. Nothing else is delayed, and nothing is
 * lost. Pure: the clock is an argument, in any unit; one object belongs to one caller.
 * docs/dedup.md says when that helps. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

enum {
	MT_REORDER_FLOWS = 65536, /* directions of conversations that are followed at a time */
	MT_REORDER_WAYS = 4,
	MT_REORDER_MAX_PACKETS = 8192,
};

struct mt_reorder_config {
	uint32_t window_us;   /* 0: no reordering */
	bool across_sessions; /* one conversation is one, whatever sessions its packets come from */
};

/* Of a frame, where it stands in its flow. */
struct mt_segment {
	uint64_t flow; /* of one direction; 0: no TCP segment that can be put in order */
	uint32_t begin;
	uint32_t end; /* the sequence number behind it */
	bool syn;
};

/* One direction of a conversation. What is held of it is a list in the order of sequence numbers.
 */
struct mt_reorder_flow {
	uint64_t flow; /* 0: free */
	uint32_t next; /* sequence number that is expected */
	uint32_t used; /* by which the longest unused one is found */
	uint32_t first;
	uint32_t last;
	uint32_t held;
	uint32_t unused;
};
static_assert(sizeof(struct mt_reorder_flow) == 32, "a bucket is two cache lines");

struct mt_reorder_slot {
	struct rte_mbuf *frame;
	uint64_t deadline;
	uint32_t begin;
	uint32_t end;
	uint32_t flow;  /* its place */
	uint32_t next;  /* slot of the next one in the flow */
	uint32_t older; /* all that are held are in a list by age too; free ones use `newer` */
	uint32_t newer;
};

/* Why a held segment was let go. Writer: the caller; readers: any thread. */
struct mt_reorder_counts {
	uint64_t closed;  /* the gap before it closed */
	uint64_t expired; /* it was held for as long as may be */
	uint64_t full;    /* as many were held as may be */
};

struct mt_reorder {
	struct mt_reorder_flow *flows; /* in buckets of MT_REORDER_WAYS */
	struct mt_reorder_slot *slots;
	struct rte_mbuf **ready; /* to be delivered, in this order; the caller empties it */
	uint32_t ready_count;
	uint32_t held;    /* readers: any thread */
	uint32_t packets; /* slots */
	uint32_t free;
	uint32_t oldest;
	uint32_t newest;
	uint32_t clock; /* counts uses of flows */
	uint64_t seed;
	struct mt_reorder_counts counts;
};

/* Holds at most `packets` at a time (1 to MT_REORDER_MAX_PACKETS), and takes bursts of at most
 * `burst`. NULL: no memory. */
struct mt_reorder *mt_reorder_create(uint32_t packets, uint32_t burst, uint64_t seed, int node);

void mt_reorder_destroy(struct mt_reorder *reorder);

/* The memory that it takes, at bursts of 64. */
static inline uint64_t mt_reorder_bytes(uint32_t packets)
{
	return sizeof(struct mt_reorder)
		+ (uint64_t)MT_REORDER_FLOWS * sizeof(struct mt_reorder_flow)
		+ packets * sizeof(struct mt_reorder_slot)
		+ (packets + 64) * sizeof(struct rte_mbuf *);
}

/* Reads an inner frame with its frame information. */
void mt_reorder_read(const struct mt_reorder *reorder, const struct mt_reorder_config *config,
	const struct rte_mbuf *frame, struct mt_segment *segment);

/* Takes a frame. It goes to `ready`, and behind it what waited for it; or it is held until `window`
 * after `now`. */
void mt_reorder_push(struct mt_reorder *reorder, const struct mt_segment *segment,
	struct rte_mbuf *frame, uint64_t now, uint64_t window);

/* Puts into `ready` what has been held for long enough by `now`, and what that lets go. */
void mt_reorder_expire(struct mt_reorder *reorder, uint64_t now);

/* Puts all that is held into `ready`. */
void mt_reorder_flush(struct mt_reorder *reorder);

static inline struct mt_reorder_flow *mt_reorder_bucket(
	const struct mt_reorder *reorder, uint64_t flow)
{
	return &reorder->flows[flow % (MT_REORDER_FLOWS / MT_REORDER_WAYS) * MT_REORDER_WAYS];
}

static inline void mt_reorder_prefetch(
	const struct mt_reorder *reorder, const struct mt_segment *segment)
{
	struct mt_reorder_flow *bucket = mt_reorder_bucket(reorder, segment->flow);

	rte_prefetch0(bucket);
	rte_prefetch0(bucket + 2);
}
