/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's Environment Abstraction Layer: arguments from the configuration, start and clean end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/config.h"
#include "control/plan.h"

struct mt_eal {
	char file_prefix[64]; /* consumers need it to attach: it is in the name of their socket */
	char runtime_dir[128];
	bool own_prefix; /* is the prefix ours alone? Not with --no-huge or --in-memory. */
	bool no_huge;
};

/* Starts EAL. Everything that it prints goes to standard error. Returns 0, or -errno with one line
 * in `error`: what is wrong and the remedy. */
int mt_eal_start(const struct mt_config *config, const struct mt_plan *plan, struct mt_eal *eal,
	char *error, size_t error_size);

/* Ends EAL and removes what it leaves: runtime folder and hugepage files of its prefix. */
void mt_eal_stop(struct mt_eal *eal);

/* The second half of mt_eal_stop(), for a process that can't do the first. */
void mt_eal_remove_files(const struct mt_eal *eal);

/* The widest vectors that the datapath may use, in bits: 512, unless dataplane.eal has
 * --force-max-simd-bitwidth. After the start. */
uint16_t mt_eal_simd_bits(void);
