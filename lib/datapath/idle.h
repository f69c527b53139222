/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker does while nothing arrives. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum mt_idle_mode {
	/* Looks again at once: least latency, a whole CPU. */
	MT_IDLE_POLL,
	/* Looks again after at most MT_IDLE_PAUSE_NS, and lets the CPU's other thread and its clock
	 * have the time: in a light sleep state where the CPU has one (WAITPKG). */
	MT_IDLE_PAUSE,
	/* Gives the CPU away, for MT_IDLE_SLEEP_NS at most. */
	MT_IDLE_SLEEP,
};

enum {
	MT_IDLE_PAUSE_NS = 2000,
	MT_IDLE_SLEEP_NS = 100000, /* what 1,024 descriptors hold at ten million packets a second */
};

struct mt_idle {
	enum mt_idle_mode mode;
	bool waitpkg;       /* the CPU has timed pauses */
	uint32_t empties;   /* loops in a row that found nothing */
	uint64_t pause_tsc; /* MT_IDLE_PAUSE_NS */
};

/* Prepares the calling thread. */
void mt_idle_init(struct mt_idle *idle, enum mt_idle_mode mode);

/* Rests, if it is time to; `idle` is of another mode than poll. */
void mt_idle_rest(struct mt_idle *idle);

/* After a loop of a worker that had `packets`. */
static inline void mt_idle_after(struct mt_idle *idle, uint32_t packets)
{
	if (packets > 0)
		idle->empties = 0;
	else if (idle->mode != MT_IDLE_POLL)
		mt_idle_rest(idle);
}
