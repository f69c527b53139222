/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: the devices that receive mirror traffic, each with its pool of mbufs. */
#pragma once

#include "control/config.h"
#include "control/log.h"
#include "control/plan.h"
#include "output/ethdev.h"
#include "output/ethdev_life.h"

struct mt_port {
	const struct mt_config_port *config;
	struct mt_ethdev device;
	struct rte_mempool *pool;         /* on the device's NUMA node */
	struct mt_ethdev_request request; /* to start it again with */
	struct mt_ethdev_life life;
	/* A device may flap. Control only. */
	struct {
		struct mt_log_limit busy;
		struct mt_log_limit asks;
		struct mt_log_limit failed;
		struct mt_log_limit reset;
		struct mt_log_limit unplugged;
		struct mt_log_limit kept;
		struct mt_log_limit refused;
		struct mt_log_limit back;
		struct mt_log_limit link;
	} told;
};

/* Finds, fits and starts one port, for as many receiving workers as the plan has. Returns 0, or
 * -errno with one line in `error`. */
int mt_port_start(struct mt_port *port, const struct mt_config_port *config,
	const struct mt_plan *plan, unsigned index, char *error, size_t error_size);

/* One warning if a worker sits on another NUMA node than the port. */
void mt_port_check_nodes(const struct mt_port *port, const struct mt_plan *plan);

/* Stops the device; its buffers may still be in outputs. */
void mt_port_stop(struct mt_port *port);

/* Frees the pool: when nothing holds its buffers any more. */
void mt_port_free(struct mt_port *port);
