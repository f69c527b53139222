/* SPDX-License-Identifier: BSD-3-Clause */
/* The decapsulate stage for the common shape of packet/fast.h, several frames at once. */
#pragma once

#include <stdint.h>

#include "datapath/batch.h"
#include "packet/fast.h"

/* Device flags that an inner frame keeps, and those that may say something bad of the outer packet
 * (RTE_MBUF_F_RX_*_CKSUM_NONE has the bit of BAD too). Frames with either go the plain way. */
#define MT_FLAGS_BORROWED (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)
#define MT_FLAGS_MAYBE_BAD (RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD)

/* Decapsulates those frames of the batch that it can, exactly as the plain way in decapsulate.c
 * would, adds them up, and leaves the others untouched, all in their places. Returns the set of the
 * former: bit i for frames[i]. */
typedef uint64_t mt_decapsulate_simd_t(const struct mt_fast *fast, struct mt_batch *batch);

mt_decapsulate_simd_t mt_decapsulate_avx512, mt_decapsulate_avx2; /* x86-64 */

/* Bits of the widest vectors that pay on this CPU; 0: none do. */
uint16_t mt_decapsulate_simd_bits(void);

/* The best one for this CPU with vectors of at most `max_bits` (rte_vect_get_max_simd_bitwidth()),
 * its name in *name; NULL and "plain" where there is none: then all frames go the plain way. */
mt_decapsulate_simd_t *mt_decapsulate_simd_choose(uint16_t max_bits, const char **name);
