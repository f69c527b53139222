/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots: made of a configuration, given to the workers, freed when none of them has it any
 * more. Control thread only. */
#pragma once

#include "control/config.h"
#include "control/plan.h"
#include "datapath/snapshot.h"
#include "policy/policy.h"

struct mt_daemon;

/* A snapshot of the configuration and its policy (NULL: none), without outputs. What belongs to a
 * queue and changes with the configuration is made here too, and freed with the snapshot. Returns
 * NULL without memory. */
struct mt_snapshot *mt_snapshot_make(const struct mt_daemon *daemon, const struct mt_config *config,
	const struct mt_policy *policy);

void mt_snapshot_free(struct mt_snapshot *snapshot);

void mt_snapshot_add_output(struct mt_snapshot *snapshot, struct mt_output *output, unsigned place);

/* The policy that a configuration asks for: NULL in `policy` where it would change nothing, so that
 * it costs nothing. Returns 0, or -EINVAL with one line in `error`. */
int mt_snapshot_policy(
	const struct mt_config *config, struct mt_policy **policy, char *error, size_t error_size);
