/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ports.h"

#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_mbuf.h>

#include "control/log.h"
#include "datapath/mempool_lifo.h"

enum {
	POOL_CACHE = 256, /* mbufs that each lcore keeps for itself; the plan counts them */
	MTU = 9216,       /* ENA's largest */
	TX_DESCRIPTORS = 512,
};

static int create_pool(struct mt_port *port, const struct mt_plan *plan, unsigned index,
	char *error, size_t error_size)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "mt_pool_%s", port->config->name);
	port->pool = rte_pktmbuf_pool_create_by_ops(name, plan->ports[index].mbufs, POOL_CACHE, 0,
		plan->ports[index].buffer_bytes, port->device.numa_node, mt_mempool_lifo());
	if (port->pool != NULL)
		return 0;
	snprintf(error, error_size,
		"port %s: pool of %u buffers (%llu MiB): %s; reserve more hugepages (with "
		"--no-huge: a larger -m in dataplane.eal) or shorten descriptors, queue_length or "
		"the outputs' rings",
		port->config->name, plan->ports[index].mbufs,
		(unsigned long long)plan->ports[index].bytes >> 20, rte_strerror(rte_errno));
	return -rte_errno;
}

int mt_port_start(struct mt_port *port, const struct mt_config_port *config,
	const struct mt_plan *plan, unsigned index, char *error, size_t error_size)
{
	struct mt_ethdev_request request = {
		.rx_queues = plan->receivers_count,
		.tx_queues = 1, /* for what is not mirror traffic to be answered */
		.rx_descriptors = config->descriptors,
		.tx_descriptors = TX_DESCRIPTORS,
		.mtu = MTU,
		.all_rx_queues = true,
	};
	char reason[256];
	int rc;

	port->config = config;
	rc = mt_ethdev_probe(config->device, &port->device, reason, sizeof(reason));
	if (rc == 0) {
		rc = create_pool(port, plan, index, error, error_size);
		if (rc < 0)
			return rc;
		request.pool = port->pool;
		port->request = request;
		rc = mt_ethdev_start(&port->device, &request, reason, sizeof(reason));
	}
	if (rc == 0 && port->device.rx_queues == 0) {
		snprintf(reason, sizeof(reason),
			"device \"%s\" can't receive; give it a receive side", config->device);
		rc = -ENOTSUP;
	}
	if (rc < 0) {
		snprintf(error, error_size, "port %s: %s", config->name, reason);
		return rc;
	}
	mt_log(MT_LOG_INFO,
		"port %s: %s, driver %s, NUMA node %d, %u receive queue%s of %u descriptors, "
		"spread by %s, MTU %u, long packets in %s, outer checksums %s, %u buffers of %u "
		"bytes",
		config->name, config->device, port->device.driver, port->device.numa_node,
		port->device.rx_queues, port->device.rx_queues == 1 ? "" : "s",
		port->device.rx_descriptors,
		port->device.rss_types != 0 ? "RSS on the outer headers" : "the device itself",
		port->device.mtu, port->device.scatter ? "several buffers" : "one buffer",
		port->device.rx_checksums ? "checked" : "not checked", plan->ports[index].mbufs,
		plan->ports[index].buffer_bytes);
	return 0;
}

void mt_port_check_nodes(const struct mt_port *port, const struct mt_plan *plan)
{
	int node = port->device.numa_node;
	const struct mt_plan_worker *far = mt_plan_far_worker(plan, node);

	if (far == NULL)
		return;
	mt_log(MT_LOG_WARNING,
		"port %s is on NUMA node %d, but lcore %u that %s is on node %d: every packet of "
		"its crosses between them; choose dataplane.%s on node %d",
		port->config->name, node, far->lcore, far->receives ? "polls it" : "owns queues",
		far->numa_node, far->receives ? "receive_lcores" : "queue_lcores", node);
}

void mt_port_stop(struct mt_port *port)
{
	mt_ethdev_stop(&port->device);
}

void mt_port_free(struct mt_port *port)
{
	rte_mempool_free(port->pool);
	port->pool = NULL;
}
