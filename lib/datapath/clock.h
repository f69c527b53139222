/* SPDX-License-Identifier: BSD-3-Clause */
/* Time of day from the time-stamp counter, for one thread. */
#pragma once

#include <stdint.h>
#include <time.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>

struct mt_clock {
	uint64_t tsc;         /* at which it was `ns` */
	uint64_t ns;          /* since 1970-01-01 UTC */
	uint64_t ns_per_tick; /* times 2^32 */
	uint64_t last_ns;
};

/* Ties the counter to the clock; to be repeated now and then. clock_gettime() is no system call
 * here (vDSO), but it still costs more than one batch should pay. */
static inline void mt_clock_set(struct mt_clock *clock)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	clock->tsc = rte_rdtsc();
	clock->ns = (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
	clock->ns_per_tick = ((uint64_t)NS_PER_S << 32) / rte_get_tsc_hz();
}

/* The time at `tsc`. Never backwards, even when the clock was set back by less than a second. */
static inline uint64_t mt_clock_ns(struct mt_clock *clock, uint64_t tsc)
{
	uint64_t ticks = tsc - clock->tsc;
	uint64_t ns = clock->ns + (uint64_t)(((unsigned __int128)ticks * clock->ns_per_tick) >> 32);

	if (unlikely(ns < clock->last_ns && clock->last_ns - ns < NS_PER_S))
		return clock->last_ns;
	clock->last_ns = ns;
	return ns;
}

/* Nanoseconds from `time_ns` until now; 0 if that is still to come. */
static inline uint64_t mt_clock_since(struct mt_clock *clock, uint64_t time_ns)
{
	uint64_t now_ns = mt_clock_ns(clock, rte_rdtsc());

	return now_ns > time_ns ? now_ns - time_ns : 0;
}
