/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers that look random and are the same for the same seed, on every machine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct gen_random {
	uint64_t state;
};

/* splitmix64's finaliser: spreads every bit of `x` over all of the result. */
static inline uint64_t gen_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* 64 uniform bits. */
static inline uint64_t gen_random_next(struct gen_random *random)
{
	random->state += 0x9e3779b97f4a7c15u;
	return gen_mix(random->state);
}

/* A share of 0 to 1 as a number to compare with: true for that share of all `bits`. */
static inline uint64_t gen_share(double share)
{
	if (share <= 0)
		return 0;
	return share >= 1 ? UINT64_MAX : (uint64_t)(share * 0x1p64);
}

static inline bool gen_hits(uint64_t bits, uint64_t share)
{
	return bits < share || share == UINT64_MAX;
}
