/* SPDX-License-Identifier: BSD-3-Clause */
/* From one configuration to the next while the daemon runs: what may differ, and what may not. */
#pragma once

#include "control/config.h"
#include "control/plan.h"

/* May `wanted` take the place of `running` without a restart? Returns 0, or -EINVAL with one line
 * in `error`: each key that can't change, by the file and line of the one that is wanted. */
int mt_config_change_check(const struct mt_config *running, const struct mt_config *wanted,
	char *error, size_t error_size);

/* Do the packet buffers that the ports were started with suffice? As above. */
int mt_config_change_check_buffers(const struct mt_config *wanted, const struct mt_plan *running,
	const struct mt_plan *plan, char *error, size_t error_size);

/* Are the two one and the same output, so that it need not be opened again? What policy or health
 * make of it (filter, sample, required) does not matter. */
bool mt_config_same_output(
	const struct mt_config_output *left, const struct mt_config_output *right);

/* Must the one be closed before the other can be opened: do they have a name, an interface or a
 * device in common? */
bool mt_config_outputs_collide(
	const struct mt_config_output *left, const struct mt_config_output *right);

/* The output of that name, or NULL. */
const struct mt_config_output *mt_config_find_output(
	const struct mt_config *config, const char *name);
