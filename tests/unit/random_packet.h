/* SPDX-License-Identifier: BSD-3-Clause */
/* Random mirror packets, the same ones in every run: mostly of the common shape, with all that can
 * be different now and then. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "build_packet.h"

struct random_packet {
	struct packet packet;
	bool geneve; /* in: GENEVE with an Ethernet frame in it, and no other tunnel */
	bool common; /* the fast path must take it */
};

uint32_t random_next(void);
uint32_t random_below(uint32_t limit);
bool random_one_in(uint32_t n);

void random_packet(struct random_packet *made);
/* Anything may be wrong: bits, bytes, lengths, the end. Headers most of all. */
void random_mutation(struct random_packet *made);
