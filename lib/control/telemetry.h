/* SPDX-License-Identifier: BSD-3-Clause */
/* The documents of /api/v1 as commands of DPDK's telemetry socket: /mirrortap/ledger and others,
 * for dpdk-telemetry.py and collectors that speak it. */
#pragma once

#include "control/daemon.h"

/* Registers the commands; once in the life of a process. A failure is logged and is none of the
 * daemon's business: it may run with --no-telemetry. */
void mt_telemetry_start(struct mt_daemon *daemon);

/* From its return on the commands answer nothing and touch nothing. */
void mt_telemetry_stop(void);
