/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration's sections dedup and reorder: defaults, and what must agree with other
 * sections.
 */
#pragma once

#include "control/config.h"
#include "control/config_lines.h"

/* Returns 0, or -EINVAL with the error in `lines`. */
int mt_config_dedup(struct mt_config_lines *lines, struct mt_config *config);
