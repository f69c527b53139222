/* SPDX-License-Identifier: BSD-3-Clause */
/* Live capture: copies of frames that the workers make as they deliver them, for a program that
 * looks on. Copies, because a reader that stands still must not hold buffers of the ports' pools;
 * into memory that is bounded and there from the start, so that a worker neither allocates nor
 * waits. Where a copy finds no room the capture loses it, and nobody else anything. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "datapath/worker.h"
#include "output/vni_table.h"
#include "packet/frame_info.h"

struct mt_bpf;

enum {
	MT_LIVE_BYTES = 16 << 20,      /* room of one capture, shared among its queues */
	MT_LIVE_QUEUE_BYTES = 1 << 20, /* but no less for a queue */
	MT_LIVE_MAX_SNAP = 262144,
};

/* What shall be captured. */
struct mt_live_settings {
	const char *filter; /* pcap-filter(7) expression on the inner frame; NULL: all frames */
	bool one_vni;       /* frames of `vni` only */
	uint32_t vni;
	uint32_t snap; /* bytes of a frame that are kept at most, up to MT_LIVE_MAX_SNAP */
	uint16_t queues;
	size_t queue_bytes; /* a power of two; 0: as the constants say */
};

/* A copy. Its bytes stand directly behind. */
struct mt_live_frame {
	uint32_t bytes;  /* of it all, with padding; 0: the next one is at the memory's begin */
	uint32_t length; /* bytes that were kept */
	uint64_t time_ns;
	uint32_t vni_flags; /* as in struct mt_frame_info */
	uint32_t original_length;
};
static_assert(sizeof(struct mt_live_frame) == 24, "in eighths of a cache line");

/* Copies of one queue's frames: places count bytes since the begin, memory is used in circles. */
struct mt_live_queue {
	/* Writer: the queue's owner. Readers: the capture's thread, control. */
	_Atomic uint64_t head;
	uint64_t lost;
	struct mt_vni_counts *lost_vnis;
	/* The owner's own. */
	uint64_t tail_seen;
	/* Writer: the capture's thread. Reader: the owner. */
	_Atomic uint64_t tail __rte_cache_aligned;
	/* Never changed. */
	uint8_t *memory __rte_cache_aligned;
	size_t size;
} __rte_cache_aligned;

struct mt_live {
	struct mt_bpf *filter; /* NULL: none */
	bool one_vni;
	uint32_t vni;
	uint32_t snap;
	uint16_t queues_count;
	struct mt_live_queue *queues;
};

/* Makes a capture that no worker knows of yet. Returns NULL with one line in `error`. Needs EAL. */
struct mt_live *mt_live_create(
	const struct mt_live_settings *settings, char *error, size_t error_size);

/* No worker may know of it any more. */
void mt_live_destroy(struct mt_live *live);

/* From now on the workers copy into it. `place`: below MT_DATAPATH_MAX_CAPTURES, free. Any thread,
 * each with a place of its own. */
void mt_live_attach(struct mt_datapath *datapath, unsigned place, struct mt_live *live);

/* The workers begin no more copies for it; after mt_datapath_synchronize() none is being made. */
void mt_live_detach(struct mt_datapath *datapath, unsigned place);

/* The oldest copy of a queue, or NULL. It stays until mt_live_pop(). The capture's thread. */
const struct mt_live_frame *mt_live_peek(struct mt_live_queue *queue);

static inline void mt_live_pop(struct mt_live_queue *queue, const struct mt_live_frame *frame)
{
	uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);

	atomic_store_explicit(&queue->tail, tail + frame->bytes, memory_order_release);
}

static inline const uint8_t *mt_live_bytes(const struct mt_live_frame *frame)
{
	return (const uint8_t *)(frame + 1);
}

/* Frames that matched and found no room, of all queues; any thread. */
uint64_t mt_live_lost(const struct mt_live *live);
