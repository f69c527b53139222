/* SPDX-License-Identifier: BSD-3-Clause */
/* Batches of decapsulated frames for tests, without DPDK's memory. */
#pragma once

#include "datapath/sessions.h"

enum {
	VNIS = 1 << 24,
	SECOND = 1000000000,
};

/* A batch and its frames: of an mbuf only what the table of sessions reads. */
struct frames {
	struct rte_mbuf mbufs[MT_BURST];
	struct mt_batch batch;
};

void start_frames(struct frames *frames, uint64_t time_ns);
void add_frame(struct frames *frames, uint32_t vni, uint8_t flags, uint32_t length);

/* Counts the batch as a worker does. */
void count_frames(struct mt_sessions *table, struct frames *frames);

/* The same with `packets` frames of 100 bytes of each VNI, all VNIs in turn. */
void count_vnis(struct mt_sessions *table, const uint32_t *vnis, uint32_t count, uint32_t packets,
	uint64_t time_ns);

/* Different VNIs in an order without order; to be freed. */
uint32_t *make_vnis(uint32_t count, uint32_t seed);
