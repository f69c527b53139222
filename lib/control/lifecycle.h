/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of the ports while the daemon runs: a device that asks to be reset, that loses its link,
 * that is unplugged and comes back. The workers leave such a port first; other ports never stop. */
#pragma once

#include "control/daemon.h"

/* Asks DPDK to tell of events of the port. */
void mt_lifecycle_watch(struct mt_port *port);

/* What the control thread does in each round: acts upon events, and once a second runs DPDK's
 * timers, on the lcore that started the ports, as ENA's watchdog wants (doc/guides/nics/ena.rst,
 * "Watchdog"). */
void mt_lifecycle_round(struct mt_daemon *daemon);

/* As if the driver had told of it: for tests. */
void mt_lifecycle_raise(struct mt_port *port, enum rte_eth_event_type event);
