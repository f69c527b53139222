/* SPDX-License-Identifier: BSD-3-Clause */
#include "build_frames.h"

#include <stdlib.h>
#include <string.h>

#include "packet/frame_info.h"

void add_frame(struct frames *frames, uint32_t vni, uint8_t flags, uint32_t length)
{
	struct rte_mbuf *frame = &frames->mbufs[frames->batch.count];

	frame->pkt_len = length;
	mt_frame_info(frame)->vni_flags = vni << 8 | flags;
	frames->batch.frames[frames->batch.count++] = frame;
	mt_sums_add(&frames->batch.sums, frame);
}

void start_frames(struct frames *frames, uint64_t time_ns)
{
	memset(frames, 0, sizeof(*frames));
	frames->batch.time_ns = time_ns;
	frames->batch.sums = mt_sums_none();
}

void count_frames(struct mt_sessions *table, struct frames *frames)
{
	mt_sessions_count(table, &frames->batch);
}

void count_vnis(struct mt_sessions *table, const uint32_t *vnis, uint32_t count, uint32_t packets,
	uint64_t time_ns)
{
	struct frames frames;

	start_frames(&frames, time_ns);
	for (uint64_t n = 0; n < (uint64_t)packets * count; n++) {
		add_frame(&frames, vnis[n % count], 0, 100);
		if (frames.batch.count == MT_BURST) {
			count_frames(table, &frames);
			start_frames(&frames, time_ns);
		}
	}
	count_frames(table, &frames);
}

/* An odd factor permutes the numbers below a power of two. */
uint32_t *make_vnis(uint32_t count, uint32_t seed)
{
	uint32_t *vnis = malloc(count * sizeof(*vnis));

	if (vnis == NULL)
		abort();
	for (uint32_t i = 0; i < count; i++) {
		uint32_t x = (i + seed) * 0x5bd1e995u % VNIS;

		x ^= x >> 11;
		vnis[i] = x * 0xc2b2ae35u % VNIS;
	}
	return vnis;
}
