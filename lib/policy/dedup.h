/* SPDX-License-Identifier: BSD-3-Clause */
/* De-duplication: has this packet been delivered already, as another mirror point saw it? Pure: the
 * clock is an argument, and one table belongs to one caller. docs/dedup.md says what counts as a
 * duplicate, and why.
 *
 * A *mirror point* is where a packet was copied: a source, a session, and the MAC addresses that
 * the packet had there (a router's interface sees it come and go). A frame is a duplicate if the
 * same packet, from another mirror point, was delivered within the window before it, and its own
 * mirror point has not sent that one yet. So what one mirror point sends twice is two packets. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

enum {
	MT_DEDUP_WAYS = 4,
	MT_DEDUP_BUCKETS = 4,      /* that a packet which repeats in every byte may fill */
	MT_DEDUP_POINTS = 3,       /* mirror points of one packet that are told apart */
	MT_DEDUP_TICK_SHIFT = 10,  /* a tick is 1,024 ns */
	MT_DEDUP_NEAR_BYTES = 64,  /* the first part of what follows the headers */
	MT_DEDUP_MAX_BYTES = 9216, /* of what follows the headers; longer than AWS mirrors */
};

struct mt_dedup_config {
	uint32_t window_ms; /* 0: no de-duplication */
	uint32_t bytes;     /* looked at behind the transport header; 64 to MT_DEDUP_MAX_BYTES */
	bool across_sessions;
	bool ignore_dscp;
	bool by_outputs; /* the policy chooses: a copy for other outputs is none */
};

/* What a packet is known by. Each part is compared where both frames have it. */
struct mt_fingerprint {
	uint64_t headers; /* IP and transport; 0: unknown, the frame was cut before their end */
	uint32_t near;    /* the first bytes behind them; 0: unknown, cut off */
	uint32_t far;     /* the rest, up to the configured bytes; likewise */
	uint32_t point;   /* the mirror point */
	uint32_t tick;    /* when it was received */
};

struct mt_dedup_entry {
	uint64_t headers; /* 0: free */
	uint32_t near;
	uint32_t far;
	uint32_t tick; /* when the frame was delivered */
	uint32_t points[MT_DEDUP_POINTS];
};
static_assert(sizeof(struct mt_dedup_entry) == 32, "four entries are two cache lines");

/* A packet is looked for in the bucket that its headers choose. */
struct mt_dedup_bucket {
	struct mt_dedup_entry ways[MT_DEDUP_WAYS];
} __rte_aligned(128);

struct mt_dedup {
	struct mt_dedup_bucket *buckets;
	uint64_t secret[4];
	uint32_t mask; /* buckets - 1 */
	/* Entries that had to go within the window. Writer: the caller; readers: any thread. */
	uint64_t evicted;
};

/* Of `entries`, rounded up to a power of two, on `node`; forgets nothing by itself. `seed` makes
 * fingerprints that no sender can foresee. NULL: no memory. Its memory is
 * mt_dedup_bytes(entries). */
struct mt_dedup *mt_dedup_create(uint32_t entries, uint64_t seed, int node);

void mt_dedup_destroy(struct mt_dedup *dedup);

/* The entries that there are when so many are asked for. */
static inline uint32_t mt_dedup_entries(uint32_t entries)
{
	uint32_t rounded = MT_DEDUP_WAYS;

	while (rounded < entries)
		rounded *= 2;
	return rounded;
}

static inline uint64_t mt_dedup_bytes(uint32_t entries)
{
	return (uint64_t)mt_dedup_entries(entries) * sizeof(struct mt_dedup_entry)
		+ sizeof(struct mt_dedup);
}

static inline uint32_t mt_dedup_ticks(uint32_t milliseconds)
{
	return (uint32_t)((uint64_t)milliseconds * 1000000 >> MT_DEDUP_TICK_SHIFT);
}

/* Reads an inner frame with its frame information. */
void mt_dedup_read(const struct mt_dedup *dedup, const struct mt_dedup_config *config,
	const struct rte_mbuf *frame, struct mt_fingerprint *print);

/* Is it a duplicate? Else it is remembered. One frame after the other, as they were received: a
 * receive time may be before the last one, by less than the window. */
bool mt_dedup_check(struct mt_dedup *dedup, const struct mt_dedup_config *config,
	const struct mt_fingerprint *print);

static inline void mt_dedup_prefetch(
	const struct mt_dedup *dedup, const struct mt_fingerprint *print)
{
	const struct mt_dedup_bucket *bucket = &dedup->buckets[print->headers & dedup->mask];

	rte_prefetch0(&bucket->ways[0]);
	rte_prefetch0(&bucket->ways[2]);
}
