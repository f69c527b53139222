/* SPDX-License-Identifier: BSD-3-Clause */
/* One of many things with given weights, drawn in constant time (Walker's alias method, in Vose's
 * form: ACM TOMS 3(3), 1977; IEEE TSE 17(9), 1991). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct gen_choice {
	uint32_t count; /* 0: nothing to draw */
	struct gen_alias {
		uint32_t share; /* of 2^32: how often this place means itself */
		uint32_t alias; /* what it means otherwise */
	} * places;
};

/* Draws 0..count-1 in proportion to `weights`, of which none is negative and one is positive.
 * False: no memory. */
bool gen_choice_make(struct gen_choice *choice, const double *weights, uint32_t count);

/* Zipf's law: the n-th of `count` (from 1) is drawn in proportion to n to the power of -exponent.
 */
bool gen_choice_zipf(struct gen_choice *choice, uint32_t count, double exponent);

void gen_choice_free(struct gen_choice *choice);

/* From 64 uniform bits. */
static inline uint32_t gen_choice_draw(const struct gen_choice *choice, uint64_t bits)
{
	uint32_t place = (uint32_t)((bits >> 32) * choice->count >> 32);
	const struct gen_alias *drawn = &choice->places[place];

	return (uint32_t)bits < drawn->share ? place : drawn->alias;
}
