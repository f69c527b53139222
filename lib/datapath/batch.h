/* SPDX-License-Identifier: BSD-3-Clause */
/* A batch: the packets of one receive burst on their way through the stages. */
#pragma once

#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>

#include "packet/frame_info.h"
#include "packet/verdict.h"

enum {
	MT_BURST = 64, /* packets that one poll takes at most */
};

/* Inner frames added up, for all who count. */
struct mt_sums {
	uint64_t bytes;
	uint32_t some; /* vni_flags of the frame information of all of them, by OR */
	uint32_t all;  /* and by AND: where both have the same VNI, all frames have it */
};

/* A stage keeps the survivors in `frames`, in order; the others it gives a verdict and moves to
 * `dropped`, or to `host`. On the worker's stack or in its memory; only the worker touches it. */
struct mt_batch {
	struct rte_mbuf *frames[MT_BURST];
	struct rte_mbuf *dropped[MT_BURST];
	struct rte_mbuf *host[MT_BURST];
	uint16_t count;
	uint16_t dropped_count;
	uint16_t host_count;
	uint16_t verdicts[MT_VERDICT_COUNT]; /* given to those that did not survive */
	uint64_t time_ns;                    /* when it was received */
	uint64_t received_bytes;             /* of all frames as they came */
	struct mt_sums sums;                 /* of `frames`, once they are inner ones */
	uint32_t session_drops[MT_BURST];    /* VNIs of those in `dropped` that had one */
	uint16_t session_drops_count;
};

static inline struct mt_sums mt_sums_none(void)
{
	return (struct mt_sums){.all = UINT32_MAX};
}

static inline void mt_sums_add(struct mt_sums *sums, struct rte_mbuf *frame)
{
	const uint32_t vni_flags = mt_frame_info(frame)->vni_flags;

	sums->bytes += frame->pkt_len;
	sums->some |= vni_flags;
	sums->all &= vni_flags;
}

static inline void mt_batch_drop(
	struct mt_batch *batch, struct rte_mbuf *frame, enum mt_verdict verdict)
{
	batch->verdicts[verdict]++;
	if (verdict == MT_VERDICT_HOST)
		batch->host[batch->host_count++] = frame;
	else
		batch->dropped[batch->dropped_count++] = frame;
}

/* Drops a frame whose tunnel header was read: its session's counters show it. */
static inline void mt_batch_drop_of_session(
	struct mt_batch *batch, struct rte_mbuf *frame, enum mt_verdict verdict, uint32_t vni)
{
	batch->session_drops[batch->session_drops_count++] = vni;
	mt_batch_drop(batch, frame, verdict);
}
