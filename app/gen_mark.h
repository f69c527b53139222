/* SPDX-License-Identifier: BSD-3-Clause */
/* The mark: what mirrorgen writes behind the inner headers, and --receive looks for. All numbers in
 * network order, without padding:
 *
 *     bytes  0 to  3   magic: "MTGN"
 *            4         version: 1
 *            5         flags: bit 0: towards the mirrored interface (else from it)
 *            6 to  7   0
 *            8 to 11   run: the seed's lower 32 bits
 *           12 to 15   flow, from 0
 *           16 to 23   number within the flow, both directions counted together, from 0
 *           24 to 31   number within the run, of marked packets, from 0
 *           32 to 39   time of sending, ns since 1970-01-01 UTC
 *
 * It stands behind the TCP or UDP header, in a later fragment behind the IP header. The copy of a
 * second mirror point has the same mark. docs/mirrorgen.md has the same table. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf_core.h>

#include "packet/facts.h"

enum {
	GEN_MARK_LENGTH = 40,
	GEN_MARK_MAGIC = 0x4d54474e,
	GEN_MARK_VERSION = 1,
	GEN_MARK_INGRESS = 1,
};

struct gen_mark {
	uint32_t run;
	uint32_t flow;
	uint64_t flow_sequence;
	uint64_t sequence;
	uint64_t time_ns;
	uint8_t flags;
};

/* Writes GEN_MARK_LENGTH bytes. */
static inline void gen_mark_write(uint8_t *bytes, const struct gen_mark *mark)
{
	const uint64_t words[] = {
		rte_cpu_to_be_64((uint64_t)GEN_MARK_MAGIC << 32 | GEN_MARK_VERSION << 24
			| (uint64_t)mark->flags << 16),
		rte_cpu_to_be_64((uint64_t)mark->run << 32 | mark->flow),
		rte_cpu_to_be_64(mark->flow_sequence),
		rte_cpu_to_be_64(mark->sequence),
		rte_cpu_to_be_64(mark->time_ns),
	};

	memcpy(bytes, words, sizeof(words));
}

/* Looks for a mark in a frame: one that has been decapsulated, or mirror traffic as it arrives, of
 * which the tunnel is then taken off first. Nothing is trusted. False: there is none. */
bool gen_mark_find(
	const struct rte_mbuf *frame, const struct mt_tunnels *tunnels, struct gen_mark *mark);
