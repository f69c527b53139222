/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys of an output of type pcapng that libcyaml can't check: paths and sizes. */
#pragma once

#include "control/config.h"
#include "control/config_lines.h"

/* Reads "1000", "10K", "4GiB" and the like: K, M, G, T and KB.. are powers of 1000, KiB, MiB, GiB,
 * TiB powers of 1024. Returns 0, or -EINVAL if it is no size or does not fit 64 bits. */
int mt_config_size(const char *text, uint64_t *bytes);

/* Checks outputs[index] and fills in its sizes and defaults. Returns 0 or -EINVAL, with the message
 * written. */
int mt_config_pcapng(
	struct mt_config_lines *lines, struct mt_config_output *output, unsigned index);
