/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's numbers as metrics. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/daemon.h"

/* Reads everything and makes the text; any thread, asks no driver. Returns what is to be given to
 * free(), or NULL without memory. The packet counts of ports, verdicts and outputs are of one
 * reading of the ledger: they balance. */
char *mt_metrics_text(struct mt_daemon *daemon, bool openmetrics, size_t *length);
