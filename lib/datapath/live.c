/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "datapath/stages.h"
#include "policy/bpf.h"

/* --- making one ------------------------------------------------------------------------------- */

static size_t queue_bytes(const struct mt_live_settings *settings)
{
	size_t size = MT_LIVE_BYTES;

	if (settings->queue_bytes != 0)
		return settings->queue_bytes;
	while (size > MT_LIVE_QUEUE_BYTES && size * settings->queues > MT_LIVE_BYTES)
		size /= 2;
	return size;
}

static bool open_queue(struct mt_live_queue *queue, size_t size)
{
	/* Its pages are there from the start: a worker that touches a new one would wait for the
	 * kernel. */
	queue->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (queue->memory == MAP_FAILED) {
		queue->memory = NULL;
		return false;
	}
	queue->size = size;
	queue->lost_vnis = malloc(sizeof(*queue->lost_vnis));
	if (queue->lost_vnis == NULL)
		return false;
	memset(queue->lost_vnis, 0, sizeof(*queue->lost_vnis)); /* calloc() may leave it to later */
	return true;
}

static bool make(struct mt_live *live, const struct mt_live_settings *settings)
{
	const size_t size = sizeof(*live->queues) * settings->queues;

	live->queues = aligned_alloc(RTE_CACHE_LINE_SIZE, size);
	if (live->queues == NULL)
		return false;
	memset(live->queues, 0, size);
	live->queues_count = settings->queues;
	live->one_vni = settings->one_vni;
	live->vni = settings->vni;
	live->snap = settings->snap;
	for (uint16_t q = 0; q < settings->queues; q++) {
		if (!open_queue(&live->queues[q], queue_bytes(settings)))
			return false;
	}
	return true;
}

struct mt_live *mt_live_create(
	const struct mt_live_settings *settings, char *error, size_t error_size)
{
	struct mt_live *live = calloc(1, sizeof(*live));

	if (live == NULL || !make(live, settings)) {
		snprintf(error, error_size,
			"no memory for the copies: %zu KiB for each of %u queues",
			queue_bytes(settings) >> 10, settings->queues);
		mt_live_destroy(live);
		return NULL;
	}
	if (settings->filter == NULL)
		return live;
	live->filter = mt_bpf_create(settings->filter, error, error_size);
	if (live->filter == NULL) {
		mt_live_destroy(live);
		return NULL;
	}
	return live;
}

void mt_live_destroy(struct mt_live *live)
{
	if (live == NULL)
		return;
	for (uint16_t q = 0; q < live->queues_count; q++) {
		if (live->queues[q].memory != NULL)
			munmap(live->queues[q].memory, live->queues[q].size);
		free(live->queues[q].lost_vnis);
	}
	mt_bpf_destroy(live->filter);
	free(live->queues);
	free(live);
}

void mt_live_attach(struct mt_datapath *datapath, unsigned place, struct mt_live *live)
{
	atomic_store_explicit(&datapath->captures[place], live, memory_order_release);
	atomic_fetch_or_explicit(&datapath->capturing, 1u << place, memory_order_release);
}

void mt_live_detach(struct mt_datapath *datapath, unsigned place)
{
	atomic_fetch_and_explicit(&datapath->capturing, ~(1u << place), memory_order_release);
	atomic_store_explicit(&datapath->captures[place], NULL, memory_order_release);
}

uint64_t mt_live_lost(const struct mt_live *live)
{
	uint64_t lost = 0;

	for (uint16_t q = 0; q < live->queues_count; q++)
		lost += mt_counter(&live->queues[q].lost);
	return lost;
}

/* --- the capture's thread --------------------------------------------------------------------- */

const struct mt_live_frame *mt_live_peek(struct mt_live_queue *queue)
{
	uint64_t head = atomic_load_explicit(&queue->head, memory_order_acquire);
	uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
	const struct mt_live_frame *frame;

	while (tail != head) {
		size_t at = tail & (queue->size - 1);

		frame = (const struct mt_live_frame *)(queue->memory + at);
		if (frame->bytes != 0)
			return frame;
		tail += queue->size - at;
		atomic_store_explicit(&queue->tail, tail, memory_order_release);
	}
	return NULL;
}

/* --- workers ---------------------------------------------------------------------------------- */

static bool wants(const struct mt_live *live, struct rte_mbuf *frame)
{
	if (live->one_vni && mt_frame_vni(mt_frame_info(frame)) != live->vni)
		return false;
	return live->filter == NULL || mt_bpf_match(live->filter, frame);
}

/* Room for `bytes` in one piece behind *head, which then stands before it. NULL: there is none. */
static struct mt_live_frame *reserve(struct mt_live_queue *queue, uint64_t *head, uint32_t bytes)
{
	const size_t at = *head & (queue->size - 1);
	const size_t to_end = queue->size - at;
	const size_t need = bytes <= to_end ? bytes : to_end + bytes;

	if (*head + need - queue->tail_seen > queue->size) {
		queue->tail_seen = atomic_load_explicit(&queue->tail, memory_order_acquire);
		if (*head + need - queue->tail_seen > queue->size)
			return NULL;
	}
	if (bytes <= to_end)
		return (struct mt_live_frame *)(queue->memory + at);
	((struct mt_live_frame *)(queue->memory + at))->bytes = 0; /* all are multiples of 8 */
	*head += to_end;
	return (struct mt_live_frame *)queue->memory;
}

static void copy(uint8_t *to, const struct rte_mbuf *frame, uint32_t length)
{
	while (length > 0) {
		uint32_t part = RTE_MIN(length, (uint32_t)frame->data_len);

		memcpy(to, rte_pktmbuf_mtod(frame, const void *), part);
		to += part;
		length -= part;
		frame = frame->next;
	}
}

static void take(struct mt_live *live, uint16_t index, struct rte_mbuf **frames, uint16_t count)
{
	struct mt_live_queue *queue = &live->queues[index];
	uint64_t head = atomic_load_explicit(&queue->head, memory_order_relaxed);

	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *frame = frames[i];
		const struct mt_frame_info *info = mt_frame_info(frame);
		const uint32_t length = RTE_MIN(frame->pkt_len, live->snap);
		const uint32_t bytes =
			RTE_ALIGN_CEIL((uint32_t)sizeof(struct mt_live_frame) + length, 8);
		struct mt_live_frame *to;

		if (!wants(live, frame))
			continue;
		to = reserve(queue, &head, bytes);
		if (unlikely(to == NULL)) {
			mt_count(&queue->lost, 1);
			mt_vni_count(queue->lost_vnis, mt_frame_vni(info));
			continue;
		}
		*to = (struct mt_live_frame){
			.bytes = bytes,
			.length = length,
			.time_ns = info->time_ns,
			.vni_flags = info->vni_flags,
			.original_length = info->original_length,
		};
		copy((uint8_t *)(to + 1), frame, length);
		head += bytes;
	}
	atomic_store_explicit(&queue->head, head, memory_order_release);
}

void mt_stage_capture(
	struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct mt_datapath *datapath = worker->datapath;
	uint32_t places = atomic_load_explicit(&datapath->capturing, memory_order_acquire);

	for (; places != 0; places &= places - 1) {
		struct mt_live *live = atomic_load_explicit(
			&datapath->captures[__builtin_ctz(places)], memory_order_acquire);

		/* Taken away meanwhile. */
		if (live != NULL)
			take(live, queue, frames, count);
	}
}
