/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/live_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "output/monotonic.h"
#include "output/pcapng_blocks.h"

enum {
	/* Frames are put while the buffer holds no more than this; behind it is room for one more
	 * of any length and its interface. */
	ENOUGH_BYTES = 256 << 10,
	BUFFER_BYTES = ENOUGH_BYTES + MT_LIVE_MAX_SNAP + 4096,
	STATISTICS_MS = 1000,
};

static uint64_t time_of_day_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static bool has_room(const struct mt_live_stream *stream)
{
	return stream->used <= ENOUGH_BYTES;
}

int mt_live_stream_begin(struct mt_live_stream *stream)
{
	stream->buffer = malloc(BUFFER_BYTES);
	if (stream->buffer == NULL)
		return -ENOMEM;
	stream->start_ns = time_of_day_ns();
	stream->statistics_ns = mt_monotonic_ns();
	stream->used = mt_pcapng_put_section(stream->buffer);
	return 0;
}

/* The VNI's interface, described when it is first needed. There is room. */
static uint32_t interface_of(struct mt_live_stream *stream, uint32_t vni)
{
	uint32_t number = mt_vni_number(&stream->vnis, vni);

	if (number < stream->described)
		return number;
	stream->used += mt_pcapng_put_session(stream->buffer + stream->used, number, vni,
		stream->snap, stream->describe, stream->describe_context);
	return stream->described++;
}

static void put_frame(struct mt_live_stream *stream, const struct mt_live_frame *frame)
{
	struct mt_pcapng_packet packet = {
		.time_ns = frame->time_ns,
		.interface = interface_of(stream, frame->vni_flags >> 8),
		.original_length = frame->original_length,
		.flags = (uint8_t)frame->vni_flags,
	};
	uint8_t *to = stream->buffer + stream->used;

	mt_pcapng_put_packet_head(to, &packet, frame->length);
	to += MT_PCAPNG_PACKET_HEAD_BYTES;
	memcpy(to, mt_live_bytes(frame), frame->length);
	mt_pcapng_put_packet_tail(to + frame->length, packet.flags, frame->length);
	stream->used += mt_pcapng_packet_bytes(frame->length);
	stream->interfaces[packet.interface].written++;
	mt_count(&stream->frames, 1);
	mt_count(&stream->bytes, frame->length);
}

/* The queue whose oldest copy is the oldest of all. */
static struct mt_live_queue *oldest(
	const struct mt_live_stream *stream, const struct mt_live_frame **frame)
{
	struct mt_live_queue *from = NULL;

	*frame = NULL;
	for (uint16_t q = 0; q < stream->live->queues_count; q++) {
		struct mt_live_queue *queue = &stream->live->queues[q];
		const struct mt_live_frame *first = mt_live_peek(queue);

		if (first == NULL || (*frame != NULL && first->time_ns >= (*frame)->time_ns))
			continue;
		*frame = first;
		from = queue;
	}
	return from;
}

static void put_frames(struct mt_live_stream *stream)
{
	while (has_room(stream) && !mt_live_stream_is_full(stream)) {
		const struct mt_live_frame *frame;
		struct mt_live_queue *queue = oldest(stream, &frame);

		if (queue == NULL)
			return;
		put_frame(stream, frame);
		mt_live_pop(queue, frame);
	}
}

/* Adds what a queue has lost since the last time to the interfaces of the VNIs. Returns false where
 * the buffer is full before it is through. */
static bool collect_lost(struct mt_live_stream *stream, struct mt_vni_counts *lost)
{
	uint32_t count = atomic_load_explicit(&lost->count, memory_order_acquire);

	for (uint32_t n = 0; n < MT_VNI_NUMBERS; n++) {
		uint32_t interface = MT_VNI_OTHER;

		if (n == MT_VNI_OTHER ? stream->described <= MT_VNI_OTHER : n >= count)
			continue; /* that interface can only be the last one */
		if (mt_counter(&lost->packets[n]) == lost->taken[n])
			continue;
		if (!has_room(stream))
			return false;
		if (n != MT_VNI_OTHER)
			interface = interface_of(stream, lost->vnis[n]);
		stream->interfaces[interface].dropped += mt_vni_take(lost, n);
		stream->statistics_due = true;
	}
	return true;
}

static bool collect(struct mt_live_stream *stream)
{
	for (uint16_t q = 0; q < stream->live->queues_count; q++) {
		if (!collect_lost(stream, stream->live->queues[q].lost_vnis))
			return false;
	}
	return true;
}

static bool put_statistics(struct mt_live_stream *stream)
{
	for (; stream->statistics_next < stream->described; stream->statistics_next++) {
		const uint32_t i = stream->statistics_next;
		struct mt_pcapng_statistics statistics = {
			.interface = i,
			.start_ns = stream->start_ns,
			.now_ns = time_of_day_ns(),
			.received = stream->interfaces[i].written + stream->interfaces[i].dropped,
			.dropped = stream->interfaces[i].dropped,
			.delivered = stream->interfaces[i].written,
		};

		if (!has_room(stream))
			return false;
		stream->used +=
			mt_pcapng_put_statistics(stream->buffer + stream->used, &statistics);
	}
	stream->statistics_next = 0;
	stream->statistics_due = false;
	return true;
}

void mt_live_stream_fill(struct mt_live_stream *stream)
{
	uint64_t now;

	put_frames(stream);
	now = mt_monotonic_ns();
	if (now - stream->statistics_ns < STATISTICS_MS * UINT64_C(1000000))
		return;
	if (collect(stream) && (!stream->statistics_due || put_statistics(stream)))
		stream->statistics_ns = now;
}

bool mt_live_stream_finish(struct mt_live_stream *stream)
{
	put_frames(stream);
	return has_room(stream) && collect(stream) && put_statistics(stream);
}
