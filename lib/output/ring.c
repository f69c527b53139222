/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "output/monotonic.h"
#include "output/release.h"

enum {
	/* What a worker takes back for one consumer at a time: two bursts, so that it keeps up. */
	TAKE_BACK_BURST = 128,
	DROP_TRIES = 4,
	COPY_BYTES = 9234, /* of a frame, without `snap`: what AWS mirrors at most, and tags */
};

/* --- the memory of one queue --- */

static uint32_t record_bytes(uint32_t capture_bytes)
{
	return RTE_ALIGN_CEIL((uint32_t)sizeof(struct mt_ring_record) + capture_bytes, 64u);
}

static void lay_out(struct mt_ring_area *area, const struct mt_output_settings *settings,
	uint16_t queue, uint32_t record)
{
	*area = (struct mt_ring_area){
		.magic = MT_RING_MAGIC,
		.abi = MT_RING_ABI,
		.mode = settings->copy ? MT_RING_COPY : MT_RING_ZERO_COPY,
		.queue = queue,
		.length = settings->length,
		.snap = settings->snap,
		.drop_old = settings->drop_old,
		.record_bytes = record,
		.records = settings->copy ? settings->length : 0,
		.slots_offset = sizeof(*area),
		.records_offset = sizeof(*area) + (uint64_t)settings->length * sizeof(uint64_t),
	};
	area->total_bytes = area->records_offset + (uint64_t)area->records * record;
}

/* A memfd that no peer can make smaller beneath us. All of it is there from the start: a worker
 * waits for no page. */
static int make_area(struct mt_ring_queue *q, const struct mt_ring_area *layout, const char *name)
{
	void *memory;

	q->memory_fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (q->memory_fd < 0 || ftruncate(q->memory_fd, (off_t)layout->total_bytes) < 0
		|| fcntl(q->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	memory = mmap(NULL, layout->total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		q->memory_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	memcpy(memory, layout, sizeof(*layout));
	memcpy(q->header, layout, sizeof(q->header));
	q->mapped_bytes = layout->total_bytes;
	q->area = memory;
	q->slots = RTE_PTR_ADD(memory, layout->slots_offset);
	q->records = RTE_PTR_ADD(memory, layout->records_offset);
	return 0;
}

static void *touched(size_t bytes)
{
	void *memory = malloc(bytes);

	if (memory != NULL)
		memset(memory, 0, bytes); /* so that a worker waits for no page */
	return memory;
}

static int open_queue(
	struct mt_ring_queue *q, const struct mt_output_settings *settings, uint16_t queue)
{
	struct mt_ring_area layout;
	int rc;

	q->length = settings->length;
	q->mask = settings->length - 1;
	q->copy = settings->copy;
	q->drop_old = settings->drop_old;
	q->keep = settings->keep;
	q->capture_bytes = settings->snap != 0 ? settings->snap : COPY_BYTES;
	q->record_bytes = settings->copy ? record_bytes(q->capture_bytes) : 0;
	lay_out(&layout, settings, queue, q->record_bytes);
	rc = make_area(q, &layout, settings->name);
	if (rc < 0)
		return rc;
	q->waiting = touched(sizeof(*q->waiting) * q->length);
	q->borrowed = touched(sizeof(*q->borrowed) * q->length);
	q->free_stack = touched(settings->copy ? sizeof(*q->free_stack) * q->length : 1);
	if (q->waiting == NULL || q->borrowed == NULL || q->free_stack == NULL)
		return -ENOMEM;
	for (uint32_t r = 0; settings->copy && r < q->length; r++)
		q->free_stack[q->free_count++] = q->length - 1 - r;
	return 0;
}

static void free_frames(struct mt_ring_queue *q, void **handles, uint32_t count)
{
	if (!q->copy) {
		mt_release((struct rte_mbuf **)handles, count);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		q->free_stack[q->free_count++] = (uint32_t)(uintptr_t)handles[i];
}

/* Frees `count` entries of waiting[] or borrowed[], from `from` on. */
static void free_range(struct mt_ring_queue *q, void **handles, uint64_t from, uint32_t count)
{
	uint32_t first = RTE_MIN(count, q->length - (uint32_t)(from & q->mask));

	free_frames(q, &handles[from & q->mask], first);
	free_frames(q, handles, count - first);
}

/* What a consumer still held when it was to leave, and what it did not take. */
static void free_left(struct mt_ring_queue *q)
{
	free_range(q, q->waiting, q->left_from, q->left);
	free_range(
		q, q->borrowed, q->borrowed_tail, (uint32_t)(q->borrowed_head - q->borrowed_tail));
}

static void close_queue(struct mt_ring_queue *q)
{
	if (q->waiting != NULL && q->borrowed != NULL && q->free_stack != NULL)
		free_left(q);
	if (q->area != NULL)
		munmap(q->area, q->mapped_bytes);
	if (q->memory_fd >= 0)
		close(q->memory_fd);
	free(q->waiting);
	free(q->borrowed);
	free(q->free_stack);
}

static void ring_close(struct mt_output *output)
{
	struct mt_ring_output *ring = output->private;

	mt_ring_claims_stop(output);
	for (uint16_t q = 0; q < output->queues; q++)
		close_queue(&ring->queues[q]);
	free(ring->queues);
	free(ring);
}

static int ring_open(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct mt_ring_output *ring = calloc(1, sizeof(*ring));
	int rc = 0;

	if (ring == NULL)
		return -ENOMEM;
	output->private = ring;
	ring->queues = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*ring->queues) * settings->queues);
	if (ring->queues == NULL) {
		free(ring);
		return -ENOMEM;
	}
	memset(ring->queues, 0, sizeof(*ring->queues) * settings->queues);
	for (uint16_t q = 0; q < settings->queues; q++)
		ring->queues[q].memory_fd = -1;
	for (uint16_t q = 0; q < settings->queues && rc == 0; q++) {
		rc = open_queue(&ring->queues[q], settings, q);
		if (rc < 0)
			snprintf(output->error, sizeof(output->error),
				"memory for %u frames of queue %u: %s; shorten outputs[].length or "
				"outputs[].snap",
				settings->length, q, strerror(-rc));
	}
	if (rc == 0)
		rc = mt_ring_claims_start(output, settings);
	if (rc < 0)
		ring_close(output);
	return rc;
}

/* --- the worker: what came back from the consumer --- */

/* Sees what the consumer has taken and given back, `limit` frames of each at most: all that it can
 * write are two counts, and neither gets beyond what there is. Within a commit. */
static void take_back(struct mt_ring_queue *q, struct mt_output_counts *counts, uint32_t limit)
{
	uint64_t waiting = q->head - q->taken;
	uint64_t taken = atomic_load_explicit(&q->area->taken, memory_order_acquire) - q->taken;
	uint64_t released;

	if (unlikely(taken > waiting)) {
		mt_count(&q->misbehaved, 1);
		taken = 0;
	}
	taken = RTE_MIN(taken, (uint64_t)limit);
	for (uint32_t i = 0; i < taken; i++)
		q->borrowed[(q->borrowed_head + i) & q->mask] =
			q->waiting[(q->taken + i) & q->mask];
	q->taken += taken;
	mt_count(&counts->taken, taken);
	q->borrowed_head += taken;

	released =
		atomic_load_explicit(&q->area->released, memory_order_acquire) - q->borrowed_tail;
	released = RTE_MIN(released, q->borrowed_head - q->borrowed_tail);
	released = RTE_MIN(released, (uint64_t)limit);
	if (released > 0)
		free_range(q, q->borrowed, q->borrowed_tail, (uint32_t)released);
	q->borrowed_tail += released;
	mt_count(&counts->waiting, -taken);
	mt_count(&q->out, taken - released);
}

/* The consumer has gone: what it held comes back, and what it did not take is dropped, but if the
 * next one shall find it. A burst at a time. Within a commit. */
static void take_all_back(struct mt_ring_queue *q, struct mt_output_counts *counts)
{
	uint32_t borrowed, waiting;

	take_back(q, counts, TAKE_BACK_BURST);
	borrowed =
		RTE_MIN((uint32_t)(q->borrowed_head - q->borrowed_tail), (uint32_t)TAKE_BACK_BURST);
	free_range(q, q->borrowed, q->borrowed_tail, borrowed);
	q->borrowed_tail += borrowed;
	mt_count(&q->out, -(uint64_t)borrowed);
	/* It may have written nonsense; then it took nothing more. */
	if (atomic_load_explicit(&q->area->taken, memory_order_relaxed) - q->taken
			<= q->head - q->taken
		&& atomic_load_explicit(&q->area->taken, memory_order_relaxed) != q->taken)
		return;
	waiting = q->keep ? 0 : RTE_MIN((uint32_t)(q->head - q->taken), (uint32_t)TAKE_BACK_BURST);
	if (waiting > 0) {
		free_range(q, q->waiting, q->taken, waiting);
		q->taken += waiting;
		mt_count(&counts->taken, waiting);
		mt_count(&counts->waiting, -(uint64_t)waiting);
		mt_count(&counts->delivered, -(uint64_t)waiting);
		mt_count(&counts->drops[MT_OUTPUT_DROP_CONSUMER_ABSENT], waiting);
		/* No one else writes it now; the next round finds it as it should be. */
	}
	atomic_store_explicit(&q->area->taken, q->taken, memory_order_relaxed);
	atomic_store_explicit(&q->area->released, q->borrowed_tail, memory_order_relaxed);
	atomic_store_explicit(&q->area->head, q->head, memory_order_relaxed);
	if (q->borrowed_head != q->borrowed_tail || (!q->keep && q->head != q->taken))
		return;
	q->taking_back = false;
	atomic_store_explicit(&q->settled, q->serving, memory_order_release);
	q->serving = 0;
}

/* The claims thread says that a consumer came or went; it may have gone before this was seen. */
static void change_consumer(struct mt_ring_queue *q, uint32_t claim)
{
	q->seen = claim;
	if (q->serving != 0)
		q->taking_back = true;
	else if ((claim & 1) != 0)
		q->serving = claim >> 1;
	else
		atomic_store_explicit(&q->settled, claim >> 1, memory_order_release);
}

static inline void look_at_claim(struct mt_ring_queue *q)
{
	uint32_t claim = atomic_load_explicit(&q->claim, memory_order_acquire);

	if (unlikely(claim != q->seen))
		change_consumer(q, claim);
}

/* --- the worker: new frames --- */

/* Drops up to `count` of the oldest frames that wait. The consumer may take them at the same time:
 * whoever moves `taken` has them. Within a commit. */
static void drop_oldest(struct mt_ring_queue *q, struct mt_output_counts *counts, uint32_t count)
{
	for (unsigned n = 0; n < DROP_TRIES; n++) {
		uint64_t taken = q->taken;
		uint32_t dropped = (uint32_t)RTE_MIN((uint64_t)count, q->head - taken);

		if (atomic_compare_exchange_strong_explicit(&q->area->taken, &taken,
			    taken + dropped, memory_order_acq_rel, memory_order_acquire)) {
			free_range(q, q->waiting, q->taken, dropped);
			q->taken += dropped;
			mt_count(&counts->taken, dropped);
			mt_count(&counts->waiting, -(uint64_t)dropped);
			mt_count(&counts->delivered, -(uint64_t)dropped);
			mt_count(&counts->drops[MT_OUTPUT_DROP_FULL], dropped);
			return;
		}
		take_back(q, counts, TAKE_BACK_BURST);
	}
}

static uint32_t copy_frame(struct mt_ring_queue *q, struct rte_mbuf *frame)
{
	uint32_t number = q->free_stack[--q->free_count];
	struct mt_ring_record *record = RTE_PTR_ADD(q->records, (size_t)number * q->record_bytes);
	uint32_t length = RTE_MIN(frame->pkt_len, q->capture_bytes);
	uint8_t *to = (uint8_t *)(record + 1);
	uint32_t left = length;

	record->info = *mt_frame_info(frame);
	if (length < frame->pkt_len)
		record->info.vni_flags |= MT_FLAG_TRUNCATED;
	record->length = length;
	record->flow_hash = frame->hash.rss;
	for (const struct rte_mbuf *part = frame; part != NULL && left > 0; part = part->next) {
		uint32_t bytes = RTE_MIN(left, (uint32_t)part->data_len);

		rte_memcpy(to, rte_pktmbuf_mtod(part, const void *), bytes);
		to += bytes;
		left -= bytes;
	}
	return number;
}

/* The frames are in slots, and the consumer's, when this returns. */
static void put(struct mt_ring_queue *q, struct rte_mbuf **frames, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		void *handle = frames[i];

		if (q->copy)
			handle = (void *)(uintptr_t)copy_frame(q, frames[i]);
		q->waiting[(q->head + i) & q->mask] = handle;
		q->slots[(q->head + i) & q->mask] = (uintptr_t)handle;
	}
	q->head += count;
	atomic_store_explicit(&q->area->head, q->head, memory_order_release);
}

static uint32_t room(const struct mt_ring_queue *q)
{
	return q->length - (uint32_t)(q->head - q->taken)
		- (uint32_t)(q->borrowed_head - q->borrowed_tail);
}

/* Within a commit. Returns how many frames found room. */
static uint32_t offer(struct mt_ring_queue *q, struct mt_output_counts *counts,
	struct rte_mbuf **frames, uint32_t count)
{
	uint32_t sent;

	take_back(q, counts, TAKE_BACK_BURST);
	if (unlikely(room(q) < count && q->drop_old))
		drop_oldest(q, counts, count - room(q));
	sent = RTE_MIN(count, room(q));
	put(q, frames, sent);
	mt_count(&counts->delivered, sent);
	mt_count(&counts->waiting, sent);
	if (unlikely(sent < count))
		mt_count(&counts->drops[MT_OUTPUT_DROP_FULL], count - sent);
	if (counts->waiting > q->high_water)
		mt_count(&q->high_water, counts->waiting - q->high_water);
	return sent;
}

static uint64_t sum_bytes(struct rte_mbuf **frames, uint32_t count)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < count; i++)
		bytes += frames[i]->pkt_len;
	return bytes;
}

/* Nobody reads: the whole cost of a ring output is this. */
static void ring_count_unwanted(struct mt_output *output, uint16_t queue, uint32_t count)
{
	struct mt_output_queue *own = &output->per_queue[queue];

	mt_commit_begin(&own->commit);
	mt_count(&own->counts.offered, count);
	mt_count(&own->counts.drops[MT_OUTPUT_DROP_CONSUMER_ABSENT], count);
	mt_commit_end(&own->commit);
}

static bool ring_wants(struct mt_output *output, uint16_t queue)
{
	struct mt_ring_output *ring = output->private;
	struct mt_ring_queue *q = &ring->queues[queue];

	look_at_claim(q);
	return (q->serving != 0 && !q->taking_back) || q->keep;
}

static void ring_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct mt_ring_output *ring = output->private;
	struct mt_ring_queue *q = &ring->queues[queue];
	struct mt_output_queue *own = &output->per_queue[queue];
	uint32_t sent = 0;
	uint64_t bytes;

	if (!ring_wants(output, queue)) {
		ring_count_unwanted(output, queue, count);
		mt_release(frames, count);
		return;
	}
	/* Lengths are read before: afterwards the frames may be someone else's. */
	bytes = sum_bytes(frames, count);
	mt_commit_begin(&own->commit);
	mt_count(&own->counts.offered, count);
	sent = offer(q, &own->counts, frames, count);
	mt_count(&own->counts.delivered_bytes, bytes - sum_bytes(&frames[sent], count - sent));
	mt_commit_end(&own->commit);
	if (q->copy)
		mt_release(frames, count);
	else if (unlikely(sent < count))
		mt_release(&frames[sent], count - sent);
}

/* Frames come back though no new ones come. That can wait for a worker that rests: 0. */
static uint16_t ring_poll(struct mt_output *output, uint16_t queue)
{
	struct mt_ring_output *ring = output->private;
	struct mt_ring_queue *q = &ring->queues[queue];
	struct mt_output_queue *own = &output->per_queue[queue];

	look_at_claim(q);
	if (q->serving == 0)
		return 0;
	if (likely(!q->taking_back)
		&& q->borrowed_tail
			== atomic_load_explicit(&q->area->released, memory_order_relaxed)
		&& q->taken == atomic_load_explicit(&q->area->taken, memory_order_relaxed))
		return 0;
	mt_commit_begin(&own->commit);
	if (likely(!q->taking_back))
		take_back(q, &own->counts, TAKE_BACK_BURST);
	else
		take_all_back(q, &own->counts);
	mt_commit_end(&own->commit);
	return 0;
}

/* --- control --- */

/* What the consumer took since the worker last looked counts too. Its word is read before the
 * counters: so it is never ahead of them, and only grows, and it is bounded as the worker does it.
 */
static void ring_read(struct mt_output *output, uint16_t queue, struct mt_output_counts *counts,
	uint64_t *in_flight)
{
	struct mt_ring_output *ring = output->private;
	struct mt_output_queue *own = &output->per_queue[queue];
	uint64_t taken =
		atomic_load_explicit(&ring->queues[queue].area->taken, memory_order_acquire);

	mt_commit_read(
		&own->commit, (uint64_t *)counts, (const uint64_t *)&own->counts, sizeof(*counts));
	taken -= counts->taken;
	*in_flight = counts->waiting - (taken <= counts->waiting ? taken : 0);
	counts->delivered -= *in_flight;
}

/* What a consumer takes from now on counts as not taken; what it has is counted as delivered.
 * Nothing is freed before it has left, or its time to do so is over: it may be reading. */
static void flush_queue(struct mt_ring_queue *q, struct mt_output_queue *own)
{
	uint64_t waiting;

	atomic_store(&q->area->closing, 1);
	mt_commit_begin(&own->commit);
	take_back(q, &own->counts, q->length);
	waiting = q->head - q->taken;
	q->left_from = q->taken;
	q->left = (uint32_t)waiting;
	q->taken = q->head;
	mt_count(&own->counts.taken, waiting);
	mt_count(&own->counts.waiting, -waiting);
	mt_count(&own->counts.delivered, -waiting);
	mt_count(&own->counts.drops[MT_OUTPUT_DROP_STOPPED], waiting);
	mt_commit_end(&own->commit);
}

static void ring_flush(struct mt_output *output)
{
	struct mt_ring_output *ring = output->private;

	ring->flushed_ms = mt_monotonic_ms();
	for (uint16_t q = 0; q < output->queues; q++)
		flush_queue(&ring->queues[q], &output->per_queue[q]);
}

const char *mt_ring_mode_name(const struct mt_output *output)
{
	const struct mt_ring_output *ring = output->private;

	return ring->queues[0].copy ? "copy" : "zero-copy";
}

uint64_t mt_ring_refused(const struct mt_output *output)
{
	const struct mt_ring_output *ring = output->private;

	return ring->claims == NULL ? 0 : mt_ring_claims_refused(ring->claims);
}

void mt_ring_read_status(struct mt_output *output, uint16_t queue, struct mt_ring_status *status)
{
	struct mt_ring_output *ring = output->private;
	struct mt_ring_queue *q = &ring->queues[queue];

	*status = (struct mt_ring_status){
		.state = "absent",
		.processed = atomic_load_explicit(&q->area->processed, memory_order_relaxed),
		.borrowed = mt_counter(&q->out),
		.high_water = mt_counter(&q->high_water),
		.misbehaved = mt_counter(&q->misbehaved),
	};
	if (ring->claims != NULL)
		mt_ring_claims_status(output, queue, status);
}

const struct mt_output_ops mt_output_ring = {
	.type = "ring",
	.open = ring_open,
	.send = ring_send,
	.wants = ring_wants,
	.count_unwanted = ring_count_unwanted,
	.poll = ring_poll,
	.read = ring_read,
	.rename = mt_ring_claims_rename,
	.flush = ring_flush,
	.close = ring_close,
};
