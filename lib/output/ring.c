/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <rte_errno.h>

#include "output/output.h"
#include "output/release.h"

enum {
	FLUSH_TRIES = 100, /* of a tenth of a millisecond */
};

struct ring_output {
	struct rte_ring *rings[MT_OUTPUT_MAX_QUEUES];
	bool flushed; /* all is accounted for; control only */
};

static void ring_close(struct mt_output *output)
{
	struct ring_output *ring = output->private;

	for (uint16_t q = 0; q < output->queues; q++)
		rte_ring_free(ring->rings[q]);
	free(ring);
}

static int ring_open(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct ring_output *ring = calloc(1, sizeof(*ring));
	char name[RTE_RING_NAMESIZE];

	if (ring == NULL)
		return -ENOMEM;
	output->private = ring;
	for (uint16_t q = 0; q < settings->queues; q++) {
		mt_ring_name(name, settings->name, q);
		/* One producer, the queue's owner; consumers may share a queue. */
		ring->rings[q] = rte_ring_create(name, settings->length, settings->queue_node[q],
			RING_F_SP_ENQ | RING_F_EXACT_SZ);
		if (ring->rings[q] == NULL) {
			int rc = -rte_errno;

			snprintf(output->error, sizeof(output->error),
				"ring of %u frames for queue %u: %s; shorten outputs[].length or "
				"give EAL more hugepages",
				settings->length, q, rte_strerror(rte_errno));
			ring_close(output);
			return rc;
		}
	}
	return 0;
}

static void ring_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct ring_output *ring = output->private;
	struct mt_output_queue *q = &output->per_queue[queue];
	uint64_t bytes = 0;
	unsigned sent;

	/* Lengths are read before: afterwards the frames may be someone else's. */
	for (uint16_t i = 0; i < count; i++)
		bytes += frames[i]->pkt_len;
	mt_commit_begin(&q->commit);
	sent = rte_ring_enqueue_burst(ring->rings[queue], (void **)frames, count, NULL);
	for (unsigned i = sent; i < count; i++)
		bytes -= frames[i]->pkt_len;
	mt_count(&q->counts.offered, count);
	mt_count(&q->counts.delivered, sent);
	mt_count(&q->counts.delivered_bytes, bytes);
	if (sent < count)
		mt_count(&q->counts.drops[MT_OUTPUT_DROP_FULL], count - sent);
	mt_commit_end(&q->commit);
	if (sent < count)
		mt_release(&frames[sent], count - sent);
}

/* What consumers have taken is where the ring's consumer tail stands: it counts from 0 on and wraps
 * at 32 bits, far beyond what a ring holds. It is read before the counters, so it is never ahead of
 * them, and only grows. */
static void ring_read(struct mt_output *output, uint16_t queue, struct mt_output_counts *counts,
	uint64_t *in_flight)
{
	struct ring_output *ring = output->private;
	struct mt_output_queue *q = &output->per_queue[queue];
	uint32_t taken = ring->rings[queue]->cons.tail;

	atomic_thread_fence(memory_order_acquire);
	mt_commit_read(
		&q->commit, (uint64_t *)counts, (const uint64_t *)&q->counts, sizeof(*counts));
	if (ring->flushed)
		return;
	*in_flight = (uint32_t)(counts->delivered + counts->drops[MT_OUTPUT_DROP_STOPPED]) - taken;
	counts->delivered -= *in_flight;
}

static void count_stopped(struct mt_output_queue *queue, uint32_t frames)
{
	mt_commit_begin(&queue->commit);
	mt_count(&queue->counts.delivered, -(uint64_t)frames);
	mt_count(&queue->counts.drops[MT_OUTPUT_DROP_STOPPED], frames);
	mt_commit_end(&queue->commit);
}

/* A consumer that was killed in the middle of taking frames leaves the ring's head ahead of its
 * tail for ever, and a dequeue would wait for it for as long: so look first. What such a ring still
 * holds is counted and not freed; the pool ends with the daemon. */
static bool consumers_are_away(const struct rte_ring *ring)
{
	for (unsigned n = 0; n < FLUSH_TRIES; n++) {
		if (ring->cons.head == ring->cons.tail)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
	return false;
}

static void flush_queue(struct rte_ring *ring, struct mt_output_queue *queue)
{
	struct rte_mbuf *frames[32];
	unsigned n;

	while (consumers_are_away(ring)) {
		n = rte_ring_dequeue_burst(ring, (void **)frames, 32, NULL);
		if (n == 0)
			return;
		mt_release(frames, n);
		count_stopped(queue, n);
	}
	count_stopped(queue, ring->prod.tail - ring->cons.tail);
}

static void ring_flush(struct mt_output *output)
{
	struct ring_output *ring = output->private;

	for (uint16_t q = 0; q < output->queues; q++)
		flush_queue(ring->rings[q], &output->per_queue[q]);
	ring->flushed = true;
}

const struct mt_output_ops mt_output_ring = {
	.type = "ring",
	.open = ring_open,
	.send = ring_send,
	.read = ring_read,
	.flush = ring_flush,
	.close = ring_close,
};
