/* SPDX-License-Identifier: BSD-3-Clause */
/* Times in ns, counted in bounded memory: buckets as wide as a fixed share of what they hold, so a
 * percentile is never more than that share too high. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <rte_common.h>

enum {
	GEN_HISTOGRAM_OCTAVES = 40, /* to 2^40 ns, 18 minutes; longer times count as that */
	GEN_HISTOGRAM_FINE = 7,     /* 128 buckets an octave: under 1 % */
	GEN_HISTOGRAM_COARSE = 4,   /* 16: under 7 % */
};

struct gen_histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t min;
	uint64_t max;
	uint32_t bits;      /* 2^bits buckets an octave */
	uint32_t buckets[]; /* gen_histogram_buckets(bits) of them; they stop at their largest */
};

static inline uint32_t gen_histogram_buckets(uint32_t bits)
{
	return (GEN_HISTOGRAM_OCTAVES - bits + 1) << bits;
}

/* To be given to free(); NULL: no memory. */
static inline struct gen_histogram *gen_histogram_create(uint32_t bits)
{
	struct gen_histogram *histogram =
		calloc(1, sizeof(*histogram) + gen_histogram_buckets(bits) * sizeof(uint32_t));

	if (histogram != NULL) {
		histogram->bits = bits;
		histogram->min = UINT64_MAX;
	}
	return histogram;
}

/* Of a time below 2^GEN_HISTOGRAM_OCTAVES. Times below 2^bits have a bucket each; above, the bits
 * below the first 2^bits are left out. */
static inline uint32_t gen_histogram_bucket(uint32_t bits, uint64_t time_ns)
{
	uint32_t shift;

	if (time_ns >> bits == 0)
		return (uint32_t)time_ns;
	shift = 63u - (uint32_t)__builtin_clzll(time_ns) - bits;
	return (shift << bits) + (uint32_t)(time_ns >> shift);
}

/* The longest time that a bucket holds. */
static inline uint64_t gen_histogram_upper(uint32_t bits, uint32_t bucket)
{
	uint32_t shift = bucket >> bits == 0 ? 0 : (bucket >> bits) - 1;
	uint64_t first = bucket - ((uint64_t)shift << bits);

	return ((first + 1) << shift) - 1;
}

static inline void gen_histogram_add(struct gen_histogram *histogram, uint64_t time_ns)
{
	uint32_t *bucket;

	time_ns = RTE_MIN(time_ns, (1ull << GEN_HISTOGRAM_OCTAVES) - 1);
	bucket = &histogram->buckets[gen_histogram_bucket(histogram->bits, time_ns)];

	*bucket += *bucket != UINT32_MAX;
	histogram->count++;
	histogram->sum += time_ns;
	histogram->min = RTE_MIN(histogram->min, time_ns);
	histogram->max = RTE_MAX(histogram->max, time_ns);
}

/* The time that a share (0 to 1) of all times do not exceed; 0 of none. */
static inline uint64_t gen_histogram_percentile(const struct gen_histogram *histogram, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.999999);
	uint64_t seen = 0;

	for (uint32_t b = 0; b < gen_histogram_buckets(histogram->bits); b++) {
		seen += histogram->buckets[b];
		if (seen >= wanted && seen > 0) {
			uint64_t upper = gen_histogram_upper(histogram->bits, b);

			return RTE_MIN(upper, histogram->max);
		}
	}
	return histogram->count != 0 ? histogram->max : 0;
}
