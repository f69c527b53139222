/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a frame: no system call, lock or allocation. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "consumer/consumer.h"
#include "packet/frame_info.h"

static_assert((int)MIRRORTAP_TRUNCATED == MT_FLAG_TRUNCATED
		&& (int)MIRRORTAP_INGRESS == MT_FLAG_INGRESS
		&& (int)MIRRORTAP_EGRESS == MT_FLAG_EGRESS
		&& (int)MIRRORTAP_BAD_CHECKSUM == MT_FLAG_BAD_CHECKSUM,
	"flags are the packet room's");
static_assert(sizeof(struct mirrortap_frame) == 64, "one cache line, and the ABI");

enum {
	PREFETCH = 4,
	TAKE_TRIES = 16,
	LOOK_POLLS = 4096, /* empty ones, after which the kernel is asked about the daemon */
};

static void describe(struct mirrortap_frame *frame, const struct mt_frame_info *info,
	uint32_t length, uint32_t contiguous, uint32_t snap)
{
	uint16_t flags = mt_frame_flags(info);

	if (length > snap) {
		length = snap;
		flags |= MIRRORTAP_TRUNCATED;
	}
	frame->length = length;
	frame->contiguous = RTE_MIN(contiguous, length);
	frame->original_length = info->original_length;
	frame->vni = mt_frame_vni(info);
	frame->time_ns = info->time_ns;
	memcpy(frame->source, &info->source, sizeof(frame->source));
	frame->flags = flags;
}

/* Not where the daemon's memory is: a driver that keeps frames elsewhere, or a broken daemon. */
static void fill_nothing(struct mirrortap_frame *frame)
{
	frame->data = (const uint8_t *)"";
	frame->internal = NULL;
	frame->contiguous = 0;
	frame->length = 0;
	frame->flags |= MIRRORTAP_TRUNCATED;
}

static inline void fill_mbuf(
	struct mirrortap_queue *queue, struct mirrortap_frame *frame, uint64_t handle)
{
	const struct mirrortap_consumer *consumer = queue->consumer;
	const struct rte_mbuf *mbuf = (const void *)(uintptr_t)(handle + consumer->delta);
	uint64_t data;

	frame->queue = queue->number;
	if (unlikely(handle < consumer->from || handle > consumer->to - sizeof(*mbuf))) {
		memset(frame, 0, sizeof(*frame));
		fill_nothing(frame);
		return;
	}
	data = (uint64_t)(uintptr_t)mbuf->buf_addr + mbuf->data_off;
	frame->data = (const uint8_t *)(uintptr_t)(data + consumer->delta);
	frame->internal = mbuf;
	frame->flow_hash = mbuf->hash.rss;
	describe(frame, mt_frame_info_of(mbuf), mbuf->pkt_len, mbuf->data_len, queue->snap);
	if (unlikely(data < consumer->from || data > consumer->to - frame->contiguous))
		fill_nothing(frame);
}

static inline void fill_record(
	struct mirrortap_queue *queue, struct mirrortap_frame *frame, uint64_t number)
{
	const struct mt_ring_record *record;
	uint32_t length;

	number = RTE_MIN(number, queue->records_count - 1);
	record = (const void *)(queue->records + number * queue->record_bytes);
	length = RTE_MIN(record->length, queue->record_bytes - (uint32_t)sizeof(*record));
	frame->data = (const uint8_t *)(record + 1);
	frame->internal = NULL;
	frame->flow_hash = record->flow_hash;
	frame->queue = queue->number;
	describe(frame, &record->info, length, length, UINT32_MAX);
}

static inline void prefetch(uint64_t mbuf)
{
	rte_prefetch0((void *)(uintptr_t)mbuf);
	rte_prefetch0((char *)(uintptr_t)mbuf + RTE_CACHE_LINE_SIZE);
}

static void fill(struct mirrortap_queue *queue, struct mirrortap_frame *frames,
	const uint64_t *handles, unsigned count)
{
	for (unsigned i = 0; queue->copy && i < count; i++)
		fill_record(queue, &frames[i], handles[i]);
	if (queue->copy)
		return;
	for (unsigned i = 0; i < PREFETCH && i < count; i++)
		prefetch(handles[i] + queue->consumer->delta);
	for (unsigned i = 0; i < count; i++) {
		if (i + PREFETCH < count)
			prefetch(handles[i + PREFETCH] + queue->consumer->delta);
		fill_mbuf(queue, &frames[i], handles[i]);
	}
}

bool mt_consumer_daemon_gone(struct mirrortap_consumer *consumer)
{
	struct pollfd polled = {.fd = consumer->fd, .events = POLLIN};

	if (!consumer->closing)
		consumer->closing = poll(&polled, 1, 0) > 0 && (polled.revents & POLLHUP) != 0;
	return consumer->closing;
}

/* There is nothing: because none came, or because none will? */
static int nothing(struct mirrortap_queue *queue)
{
	struct mirrortap_consumer *consumer = queue->consumer;

	if (atomic_load_explicit(&queue->area->closing, memory_order_relaxed) != 0)
		consumer->closing = true;
	if (consumer->closing
		|| (queue->polls % LOOK_POLLS == 0 && mt_consumer_daemon_gone(consumer)))
		return -ESHUTDOWN;
	return 0;
}

/* Takes slots [taken, taken + count) if they are still there. */
static bool take(struct mirrortap_queue *queue, unsigned count)
{
	uint64_t taken = queue->taken;

	if (!queue->drop_old) {
		atomic_store_explicit(&queue->area->taken, taken + count, memory_order_release);
		return true;
	}
	return atomic_compare_exchange_strong_explicit(&queue->area->taken, &taken, taken + count,
		memory_order_acq_rel, memory_order_acquire);
}

/* Reads handles out of the slots, and then takes them: the daemon, which drops the oldest where it
 * is told to, may have been faster. */
static unsigned take_handles(struct mirrortap_queue *queue, uint64_t *handles, unsigned max)
{
	for (unsigned n = 0; n < TAKE_TRIES; n++) {
		uint64_t head = atomic_load_explicit(&queue->area->head, memory_order_acquire);
		uint64_t count;

		if (queue->drop_old)
			queue->taken =
				atomic_load_explicit(&queue->area->taken, memory_order_acquire);
		count = head - queue->taken;
		if (count > queue->length)
			continue; /* the other moved after `head` was read */
		count = RTE_MIN(count, (uint64_t)max);
		if (count == 0)
			return 0;
		for (unsigned i = 0; i < count; i++)
			handles[i] = queue->slots[(queue->taken + i) & queue->mask];
		if (take(queue, (unsigned)count)) {
			queue->taken += count;
			return (unsigned)count;
		}
	}
	return 0;
}

static void disarm(struct mirrortap_queue *queue)
{
	uint64_t count;

	queue->armed = false;
	atomic_store_explicit(&queue->area->sleeping, 0, memory_order_relaxed);
	if (read(queue->wake_fd, &count, sizeof(count)) < 0)
		return; /* not written: there was nothing */
}

int mirrortap_receive(struct mirrortap_queue *queue, struct mirrortap_frame *frames, unsigned max)
{
	enum { BURST = 64 };
	uint64_t handles[BURST];
	unsigned sum = 0;

	atomic_store_explicit(&queue->area->polls, ++queue->polls, memory_order_relaxed);
	if (queue->armed)
		disarm(queue);
	/* What is in the slots of a ring that is closed does not count as delivered, and is freed
	 * soon. */
	if (atomic_load_explicit(&queue->area->closing, memory_order_relaxed) != 0)
		return nothing(queue);
	if (atomic_load_explicit(&queue->area->head, memory_order_relaxed) == queue->taken
		&& !queue->drop_old)
		return nothing(queue);
	while (sum < max) {
		unsigned wanted = RTE_MIN(max - sum, (unsigned)BURST);
		unsigned count = take_handles(queue, handles, wanted);

		fill(queue, &frames[sum], handles, count);
		sum += count;
		if (count < wanted)
			break;
	}
	queue->held += sum;
	return sum > 0 ? (int)sum : nothing(queue);
}

void mirrortap_release(struct mirrortap_queue *queue, unsigned count)
{
	uint64_t released = RTE_MIN((uint64_t)count, queue->held);

	queue->held -= released;
	queue->released += released;
	queue->processed += released;
	atomic_store_explicit(&queue->area->processed, queue->processed, memory_order_relaxed);
	atomic_store_explicit(&queue->area->released, queue->released, memory_order_release);
}

/* In an mbuf are the daemon's addresses; the frame's own data says how far they are from ours. */
static const struct rte_mbuf *next_part(
	const struct mirrortap_frame *frame, const struct rte_mbuf *part)
{
	const struct rte_mbuf *first = frame->internal;
	uint64_t delta = (uint64_t)(uintptr_t)frame->data
		- ((uint64_t)(uintptr_t)first->buf_addr + first->data_off);

	return part->next == NULL ? NULL : (const void *)((uintptr_t)part->next + (uintptr_t)delta);
}

static const uint8_t *bytes_of(const struct mirrortap_frame *frame, const struct rte_mbuf *part)
{
	const struct rte_mbuf *first = frame->internal;

	return frame->data + ((intptr_t)part->buf_addr + part->data_off)
		- ((intptr_t)first->buf_addr + first->data_off);
}

const void *mirrortap_frame_read(
	const struct mirrortap_frame *frame, uint32_t offset, uint32_t length, void *buffer)
{
	const struct rte_mbuf *part = frame->internal;
	uint8_t *to = buffer;

	if (offset > frame->length || length > frame->length - offset)
		return NULL;
	if (offset + length <= frame->contiguous)
		return frame->data + offset;
	for (; part != NULL && length > 0; part = next_part(frame, part)) {
		uint32_t bytes;

		if (offset >= part->data_len) {
			offset -= part->data_len;
			continue;
		}
		bytes = RTE_MIN(length, part->data_len - offset);
		memcpy(to, bytes_of(frame, part) + offset, bytes);
		to += bytes;
		length -= bytes;
		offset = 0;
	}
	return length == 0 ? buffer : NULL;
}

unsigned mirrortap_queue_number(const struct mirrortap_queue *queue)
{
	return queue->number;
}

void mirrortap_read_counts(const struct mirrortap_queue *queue, struct mirrortap_counts *counts)
{
	const struct mt_ring_area *area = queue->area;

	*counts = (struct mirrortap_counts){
		.offered = atomic_load_explicit(&area->offered, memory_order_relaxed),
		.delivered = atomic_load_explicit(&area->delivered, memory_order_relaxed),
		.dropped_full = atomic_load_explicit(&area->dropped_full, memory_order_relaxed),
		.dropped_absent = atomic_load_explicit(&area->dropped_absent, memory_order_relaxed),
		.high_water = atomic_load_explicit(&area->high_water, memory_order_relaxed),
		.waiting = atomic_load_explicit(&area->head, memory_order_relaxed)
			- atomic_load_explicit(&area->taken, memory_order_relaxed),
		.held = queue->held,
		.processed = queue->processed,
	};
}
