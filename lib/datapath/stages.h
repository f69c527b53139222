/* SPDX-License-Identifier: BSD-3-Clause */
/* The stages in the order in which a packet meets them. Each is one file with one burst function,
 * and none knows the next: worker.c puts them together. */
#pragma once

#include <stdbool.h>

#include "datapath/batch.h"
#include "datapath/snapshot.h"

struct mt_times;
struct mt_worker;

/* decapsulate.c: outer, tunnel and inner; what stays in the batch is the inner frames, each with
 * its frame info and flow hash. */
void mt_stage_decapsulate(const struct mt_snapshot *snapshot, struct mt_batch *batch);

/* policy.c: sessions, filters, sampling, truncation. What stays in the batch knows its outputs.
 * Only where the snapshot has a policy. */
void mt_stage_policy(struct mt_worker *worker, struct mt_batch *batch);

/* host.c: what is not mirror traffic, to the host interface of the port it came from: into the ring
 * of its pump, which a control thread empties. Without room there it is dropped (`host_full`). */
void mt_stage_host(struct mt_worker *worker, uint16_t port, struct mt_batch *batch);

/* spread.c: each frame to its flow's queue. Frames of queues that the worker itself owns it hands
 * to mt_queue_pass, the others to the owners' rings: at once, or where there are many queues, when
 * mt_spread_limit() of them have come or mt_spread_flush() is called, which must be in the same
 * loop. Empties the batch. */
void mt_stage_spread(struct mt_worker *worker, struct mt_batch *batch);
void mt_spread_flush(struct mt_worker *worker);

/* skip.c: takes frames out of the batch whose queues the worker itself owns and whose frames no
 * output wants, as long as nothing else has to see them: they are freed together, whatever their
 * queue is, and counted by mt_skip_commit(), which must be called in the same loop. What it found
 * out about the outputs holds until then. Only before a spread over several queues. */
void mt_stage_skip(struct mt_worker *worker, struct mt_batch *batch);
void mt_skip_commit(struct mt_worker *worker);

/* live.c: copies of the frames of one queue, by its owner, for the live captures that want them.
 * Leaves the frames as they are. */
void mt_stage_capture(
	struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames, uint16_t count);

/* dedup.c: drops duplicates (`duplicate`) of `count` frames of one queue, by its owner. Keeps the
 * others in front, in order, and takes the dropped ones off `bytes`; returns how many are left.
 * Only where the snapshot has a de-duplication. */
uint16_t mt_stage_dedup(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t *bytes);

/* reorder.c: takes `count` frames of one queue, by its owner, into the queue's reordering, which
 * holds back TCP segments that are ahead of their sequence; the others are then ready in it. Only
 * where the snapshot has a reordering. */
void mt_stage_reorder(
	struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames, uint16_t count);

/* deliver.c: `count` frames of one queue, of `bytes` together, by its owner, to all outputs. */
void mt_stage_deliver(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t bytes);

/* choose.c: a part of delivery: `count` frames of one queue to the outputs that policy chose for
 * each. Takes them over. */
void mt_deliver_chosen(const struct mt_snapshot *snapshot, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count);

/* queue.c: all stages right of the spread, for `count` frames of one queue, of `bytes` together, by
 * its owner. Returns how many were delivered whose latency is to be counted; `times` (or NULL) gets
 * their receive times. */
uint16_t mt_queue_pass(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t bytes, struct mt_times *times);

/* queue.c: delivers what was held back in a queue for long enough, or all of it, by its owner.
 * Returns how many frames these were. */
uint32_t mt_queue_release(struct mt_worker *worker, uint16_t queue, bool all);
