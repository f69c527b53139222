/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of one queue and their bytes, added up in one number, because it is written and read again
 * for each frame, with other stores in between. Of one loop of a worker: 65,535 frames at most. */
#pragma once

#include <stdint.h>

typedef uint64_t mt_tally_t; /* 0: no frames */

enum {
	MT_TALLY_FRAMES_SHIFT = 48, /* the bytes stand below */
};

/* What a frame of `bytes` adds. */
static inline mt_tally_t mt_tally_of(uint32_t bytes)
{
	return (UINT64_C(1) << MT_TALLY_FRAMES_SHIFT) + bytes;
}

static inline uint16_t mt_tally_frames(mt_tally_t tally)
{
	return (uint16_t)(tally >> MT_TALLY_FRAMES_SHIFT);
}

static inline uint64_t mt_tally_bytes(mt_tally_t tally)
{
	return tally & ((UINT64_C(1) << MT_TALLY_FRAMES_SHIFT) - 1);
}
