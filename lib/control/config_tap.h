/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of outputs that tell sessions apart: `per` and `vlan_from_vni`. */
#pragma once

#include "control/config.h"
#include "control/config_lines.h"

/* Fills in the VLANs and the sessions' interfaces of all outputs; sessions and filters must be
 * there. Returns 0, or -errno with the message written. */
int mt_config_tap(struct mt_config_lines *lines, struct mt_config *config);
