/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK for mirrorgen: EAL, one port, one pool. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "gen_options.h"
#include "output/ethdev.h"

struct gen_port {
	struct mt_ethdev device;
	struct rte_mempool *pool;
};

/* Starts EAL, as a primary process that shares nothing, and the port of options->device with one
 * transmit queue (and whatever receive queues it has, if `receive`), and buffers of `room` bytes
 * of data; waits for its link. On failure one line has been told, and all is undone. */
bool gen_port_open(
	struct gen_port *port, const struct gen_options *options, bool receive, uint32_t room);
void gen_port_close(struct gen_port *port);
