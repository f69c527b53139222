/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the micro benchmark share. */
#pragma once

#include <stdint.h>

enum {
	MICRO_MAX_ROUNDS = 101,
};

/* Prints one JSON object in a line: TSC cycles per packet of a stage, of `rounds` rounds (which it
 * sorts). `shape` says what frames, `variant` which way. */
void micro_report(const char *stage, const char *shape, const char *variant, uint32_t frames,
	double *cycles, unsigned rounds);

/* micro_dedup.c: de-duplication, likewise. */
int micro_dedup(uint32_t frames, unsigned rounds);

/* micro_stages.c: spread, deliver and hand-over, `frames` frames a round. Returns 0, or -1 if there
 * is not the memory for it. */
int micro_stages(uint32_t frames, unsigned rounds);
