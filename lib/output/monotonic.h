/* SPDX-License-Identifier: BSD-3-Clause */
/* A clock that no one sets, for waits, ages and rates. Here because outputs, control and consumers
 * all need it. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t mt_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline uint64_t mt_monotonic_ms(void)
{
	return mt_monotonic_ns() / 1000000;
}

static inline double mt_monotonic_seconds(void)
{
	return (double)mt_monotonic_ns() / 1e9;
}
