/* SPDX-License-Identifier: BSD-3-Clause */
/* Malformed frames, by the verdict that they get. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gen_choice.h"
#include "gen_traffic.h"

/* What a specification asks for. */
struct gen_broken {
	uint32_t count;           /* of verdicts; 0: none is asked for */
	uint64_t share;           /* of all frames, for gen_hits() */
	struct gen_choice choice; /* among the verdicts */
	struct gen_broken_kind *kinds;
};

/* False: no memory. */
bool gen_broken_begin(struct gen_broken *broken, const struct gen_spec *spec);
void gen_broken_end(struct gen_broken *broken);

/* Writes the next frame of the verdict that has been drawn. Returns its length. */
uint32_t gen_broken_write(
	struct gen_broken *broken, uint32_t drawn, uint8_t *bytes, enum mt_verdict *verdict);

/* Writes the `variant`-th malformed frame that gets `verdict`. Returns its length, 0 if there are
 * not so many, or none. */
uint32_t gen_broken_make(enum mt_verdict verdict, unsigned variant, const struct gen_ends *ends,
	uint8_t bytes[GEN_BROKEN_BYTES]);
