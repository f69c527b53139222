/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of the ports while the daemon runs: a device that asks to be reset, that loses its link,
 * that is unplugged and comes back. The workers leave such a port first; other ports never stop.
 * (The device of an output is looked after by the output: lib/output/port.c.) */
#pragma once

#include "control/daemon.h"

/* What the control thread does in each round: acts upon events, and once a second runs DPDK's
 * timers, on the lcore that started the ports, as ENA's watchdog wants (doc/guides/nics/ena.rst,
 * "Watchdog"). */
void mt_lifecycle_round(struct mt_daemon *daemon);

/* Waits until no worker uses what was taken away from them before the call; false: one does not
 * leave. `daemon` is a struct mt_daemon: this is what outputs call. */
bool mt_lifecycle_synchronize(void *daemon);
