/* SPDX-License-Identifier: BSD-3-Clause */
#include "frame_pool.h"

#include <stdio.h>

#include <rte_common.h>
#include <rte_eal.h>

#include "packet/frame_info.h"

static const char name[] = "frames";

int frame_pool_open(unsigned megabytes, unsigned buffers)
{
	char memory[16];
	char *arguments[] = {"test", "--no-huge", "-m", memory, "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0"};

	snprintf(memory, sizeof(memory), "%u", megabytes);
	if (rte_eal_init(RTE_DIM(arguments), arguments) < 0 || mt_frame_info_register() < 0)
		return -1;
	return rte_pktmbuf_pool_create(name, buffers, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0) != NULL
		? 0
		: -1;
}

struct rte_mempool *frame_pool(void)
{
	return rte_mempool_lookup(name);
}

int frame_pool_close(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}
