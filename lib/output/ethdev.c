/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/ethdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_common.h>
#include <rte_dev.h>
#include <rte_errno.h>

/* "net_pcap0" of "net_pcap0,rx_pcap=x": what DPDK names the port. */
static void device_name(const char *device, char *name, size_t size)
{
	snprintf(name, size, "%.*s", (int)strcspn(device, ","), device);
}

int mt_ethdev_probe(const char *device, struct mt_ethdev *ethdev, char *error, size_t error_size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_dev_info info;
	int rc;

	*ethdev = (struct mt_ethdev){0};
	device_name(device, name, sizeof(name));
	if (rte_eth_dev_get_port_by_name(name, &ethdev->id) < 0) {
		rc = rte_dev_probe(device);
		if (rc < 0 && rc != -EEXIST) {
			snprintf(error, error_size,
				"device \"%s\": %s; give a PCI address that is bound to a DPDK "
				"driver, or a vdev string whose arguments are right",
				device, rte_strerror(-rc));
			return rc;
		}
		if (rte_eth_dev_get_port_by_name(name, &ethdev->id) < 0) {
			snprintf(error, error_size,
				"device \"%s\": no such network device; for a NIC write its full "
				"PCI address and bind it to igb_uio or vfio-pci",
				device);
			return -ENODEV;
		}
	}
	rc = rte_eth_dev_info_get(ethdev->id, &info);
	if (rc < 0) {
		snprintf(error, error_size, "device \"%s\": %s", device, rte_strerror(-rc));
		return rc;
	}
	snprintf(ethdev->driver, sizeof(ethdev->driver), "%s", info.driver_name);
	ethdev->numa_node = rte_eth_dev_socket_id(ethdev->id);
	return 0;
}

/* Their queues exist before they are configured, and each one that is not polled loses packets. */
static bool has_fixed_queues(const char *driver)
{
	static const char *const drivers[] = {"net_pcap", "net_af_packet", "net_af_xdp",
		"net_vhost", "net_virtio_user", "net_ring"};

	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	}
	return false;
}

/* A NIC, as opposed to a virtual device: its MTU is ours to set. */
static bool is_nic(const struct rte_eth_dev_info *info)
{
	return info->device != NULL && strcmp(rte_bus_name(rte_dev_bus(info->device)), "vdev") != 0;
}

static int configure(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	const struct rte_eth_dev_info *info)
{
	const uint64_t tx_wanted = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	const uint64_t rx_wanted = RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_IPV4_CKSUM
		| RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const uint64_t hash_wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;
	struct rte_eth_conf conf = {0};

	ethdev->rx_queues = RTE_MIN(request->rx_queues, info->max_rx_queues);
	if (request->all_rx_queues && has_fixed_queues(ethdev->driver))
		ethdev->rx_queues = info->max_rx_queues;
	ethdev->tx_queues = RTE_MIN(request->tx_queues, info->max_tx_queues);
	/* The hash over the outer tuple is coarse, but it spreads the work of decapsulation. ENA
	 * lets neither fields nor key be chosen: ask for what it says it does. */
	ethdev->rss_types = ethdev->rx_queues > 1 ? info->flow_type_rss_offloads & hash_wanted : 0;
	if (ethdev->rss_types != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = ethdev->rss_types;
	}
	conf.rxmode.offloads = info->rx_offload_capa & rx_wanted;
	conf.txmode.offloads = info->tx_offload_capa & tx_wanted;
	ethdev->multi_segment_tx = conf.txmode.offloads != 0;
	if (is_nic(info))
		conf.rxmode.mtu = RTE_MIN(request->mtu, info->max_mtu);
	return rte_eth_dev_configure(ethdev->id, ethdev->rx_queues, ethdev->tx_queues, &conf);
}

static int set_up_queues(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request)
{
	uint16_t rx_descriptors = request->rx_descriptors;
	uint16_t tx_descriptors = request->tx_descriptors;
	unsigned node = ethdev->numa_node < 0 ? SOCKET_ID_ANY : ethdev->numa_node;
	int rc;

	rc = rte_eth_dev_adjust_nb_rx_tx_desc(ethdev->id, &rx_descriptors, &tx_descriptors);
	ethdev->rx_descriptors = rx_descriptors;
	for (uint16_t q = 0; rc == 0 && q < ethdev->rx_queues; q++)
		rc = rte_eth_rx_queue_setup(
			ethdev->id, q, rx_descriptors, node, NULL, request->pool);
	for (uint16_t q = 0; rc == 0 && q < ethdev->tx_queues; q++)
		rc = rte_eth_tx_queue_setup(ethdev->id, q, tx_descriptors, node, NULL);
	return rc;
}

int mt_ethdev_start(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request, char *error,
	size_t error_size)
{
	const char *step = "device information";
	struct rte_eth_dev_info info;
	uint16_t mtu;
	int rc;

	rc = rte_eth_dev_info_get(ethdev->id, &info);
	if (rc == 0) {
		step = "configure";
		rc = configure(ethdev, request, &info);
	}
	if (rc == 0 && is_nic(&info)) {
		/* Some drivers tell the device only here; those that can't have been told above. */
		step = "MTU";
		rc = rte_eth_dev_set_mtu(ethdev->id, (uint16_t)RTE_MIN(request->mtu, info.max_mtu));
		rc = rc == -ENOTSUP ? 0 : rc;
	}
	if (rc == 0) {
		step = "queues";
		rc = set_up_queues(ethdev, request);
	}
	if (rc == 0) {
		step = "start";
		rc = rte_eth_dev_start(ethdev->id);
	}
	if (rc < 0) {
		snprintf(error, error_size, "driver %s: %s: %s", ethdev->driver, step,
			rte_strerror(-rc));
		return rc;
	}
	/* Mirror traffic is addressed to the port, but in a lab it need not be. Devices without
	 * the notion say so. */
	rte_eth_promiscuous_enable(ethdev->id);
	if (rte_eth_dev_get_mtu(ethdev->id, &mtu) == 0)
		ethdev->mtu = mtu;
	return 0;
}

void mt_ethdev_stop(struct mt_ethdev *ethdev)
{
	if (ethdev->driver[0] == '\0')
		return; /* never probed */
	rte_eth_dev_stop(ethdev->id);
	rte_eth_dev_close(ethdev->id);
}
