/* SPDX-License-Identifier: BSD-3-Clause */
#define ALLOW_EXPERIMENTAL_API /* rte_devargs_reset, until DPDK 23.11 */
#include "output/ethdev.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_bus.h>
#include <rte_bus_vdev.h>
#include <rte_common.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>

/* "net_pcap0" of "net_pcap0,rx_pcap=x": what DPDK names the port. */
static void device_name(const char *device, char *name, size_t size)
{
	snprintf(name, size, "%.*s", (int)strcspn(device, ","), device);
}

static bool is_vdev(const struct rte_bus *bus)
{
	return strcmp(rte_bus_name(bus), "vdev") == 0;
}

/* rte_dev_probe() asks every other process of ours, seconds long if one does not answer; a virtual
 * device is ours alone, and needs no one. */
static int plug_in(const char *device)
{
	struct rte_devargs arguments = {0};
	int rc = rte_devargs_parse(&arguments, device);

	if (rc == 0 && is_vdev(arguments.bus)) {
		rc = rte_vdev_init(arguments.name, arguments.args);
		rc = rc > 0 ? -ENODEV : rc; /* no driver of that name */
	} else if (rc == 0) {
		rc = rte_dev_probe(device);
	}
	rte_devargs_reset(&arguments);
	return rc;
}

int mt_ethdev_take_out(const struct rte_device *device)
{
	if (is_vdev(rte_dev_bus(device)))
		return rte_vdev_uninit(rte_dev_name(device));
	return rte_dev_remove((struct rte_device *)(uintptr_t)device);
}

int mt_ethdev_probe(const char *device, struct mt_ethdev *ethdev, char *error, size_t error_size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_dev_info info;
	int rc;

	*ethdev = (struct mt_ethdev){.device = device};
	device_name(device, name, sizeof(name));
	if (rte_eth_dev_get_port_by_name(name, &ethdev->id) < 0) {
		rc = plug_in(device);
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

/* What drivers of virtual devices want and don't tell in their device information. */
struct quirks {
	const char *driver;
	bool fixed_queues; /* they exist before they are configured; one not polled loses packets */
	bool paired;       /* as many transmit as receive queues, or none of it */
	/* With a receive offload its peer, a kernel or hypervisor, leaves the checksums of its TCP
	 * and UDP unfinished; sent on elsewhere, such frames would be wrong. */
	bool partial_checksums;
	bool mtu_limit;             /* sends nothing longer than its MTU, which can't be raised */
	uint16_t default_tx_queues; /* its peer may have no more; 0: as asked */
	uint32_t max_tx_bytes;      /* 0: no limit of its own */
	uint32_t buffers;           /* taken from the pool for each queue pair */
};

static const struct quirks *quirks_of(const char *driver)
{
	enum {
		XDP_BUFFERS = 4096, /* rte_eth_af_xdp.c: fill and completion rings */
		XDP_ROOM = 2048,
	};
	static const struct quirks list[] = {
		{.driver = "net_pcap", .fixed_queues = true},
		{.driver = "net_af_packet", .fixed_queues = true},
		{.driver = "net_af_xdp",
			.fixed_queues = true,
			.paired = true,
			.max_tx_bytes = XDP_ROOM,
			.buffers = XDP_BUFFERS},
		{.driver = "net_tap", .paired = true, .mtu_limit = true},
		{.driver = "net_vhost", .fixed_queues = true},
		{.driver = "net_virtio_user", .fixed_queues = true, .partial_checksums = true},
		{.driver = "net_virtio", .partial_checksums = true},
		{.driver = "net_vmxnet3", .partial_checksums = true},
		{.driver = "net_ring", .fixed_queues = true},
		{.driver = "net_memif", .paired = true, .default_tx_queues = 1},
		{.driver = ""},
	};
	size_t i = 0;

	while (i + 1 < RTE_DIM(list) && strcmp(driver, list[i].driver) != 0)
		i++;
	return &list[i];
}

uint16_t mt_ethdev_default_tx_queues(const struct mt_ethdev *ethdev, uint16_t queues)
{
	uint16_t most = quirks_of(ethdev->driver)->default_tx_queues;

	return most > 0 ? RTE_MIN(most, queues) : queues;
}

bool mt_ethdev_is_memif(const struct mt_ethdev *ethdev)
{
	return strcmp(ethdev->driver, "net_memif") == 0;
}

bool mt_ethdev_connects(const struct mt_ethdev *ethdev)
{
	return mt_ethdev_is_memif(ethdev) && strstr(ethdev->device, ",role=server") == NULL
		&& strstr(ethdev->device, ",role=master") == NULL;
}

void mt_ethdev_own_buffers(
	const struct mt_ethdev *ethdev, uint16_t queues, uint32_t *buffers, uint32_t *room)
{
	const struct quirks *quirks = quirks_of(ethdev->driver);

	*buffers = quirks->buffers * queues;
	*room = quirks->buffers > 0 ? quirks->max_tx_bytes + RTE_PKTMBUF_HEADROOM : 0;
}

/* A NIC, as opposed to a virtual device: its MTU is ours to set. */
static bool is_nic(const struct rte_eth_dev_info *info)
{
	return info->device != NULL && strcmp(rte_bus_name(rte_dev_bus(info->device)), "vdev") != 0;
}

static void fit_queues(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	const struct rte_eth_dev_info *info, const struct quirks *quirks)
{
	ethdev->rx_queues = RTE_MIN(request->rx_queues, info->max_rx_queues);
	/* More queues than the redirection table has entries would stay empty. */
	if (info->reta_size > 0)
		ethdev->rx_queues = RTE_MIN(ethdev->rx_queues, info->reta_size);
	if (request->all_rx_queues && quirks->fixed_queues)
		ethdev->rx_queues = info->max_rx_queues;
	ethdev->tx_queues = RTE_MIN(request->tx_queues, info->max_tx_queues);
	if (quirks->paired)
		ethdev->rx_queues = ethdev->tx_queues =
			RTE_MAX(ethdev->rx_queues, ethdev->tx_queues);
}

/* MTU of the kernel interface that a device stands on; 0: it stands on none. */
static uint32_t kernel_mtu(const struct rte_eth_dev_info *info)
{
	struct ifreq request = {0};
	uint32_t mtu = 0;
	int control;

	if (info->if_index == 0 || if_indextoname(info->if_index, request.ifr_name) == NULL)
		return 0;
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control >= 0 && ioctl(control, SIOCGIFMTU, &request) == 0)
		mtu = (uint32_t)request.ifr_mtu;
	if (control >= 0)
		close(control);
	return mtu;
}

/* net_af_packet frees a frame that does not fit its ring's frames and says that it was sent, and
 * the kernel skips one that is longer than the interface's MTU allows. */
static uint32_t longest_af_packet_frame(const struct mt_ethdev *ethdev)
{
	enum { DEFAULT_FRAME = 2048, FRAME_HEADER = 32 }; /* TPACKET2_HDRLEN - sockaddr_ll */
	const char *option = strstr(ethdev->device, ",framesz=");
	uint32_t longest = option != NULL ? strtoul(option + 9, NULL, 10) : DEFAULT_FRAME;

	longest = longest > FRAME_HEADER ? longest - FRAME_HEADER : 0;
	return RTE_MIN(longest, ethdev->mtu + RTE_ETHER_HDR_LEN);
}

/* net_memif spreads a longer frame over several buffers, but before DPDK 26.03 it leaves their
 * flags behind in the ring, and whatever is sent in them next arrives glued to its successor
 * (upstream commit f7a52200d4). The buffers are the client's; both sides are given one bsize. */
static uint32_t longest_memif_frame(const struct mt_ethdev *ethdev)
{
	enum { DEFAULT_BUFFER = 2048, OPTION_LENGTH = 7 };
	const char *option = strstr(ethdev->device, ",bsize=");

	return option != NULL ? strtoul(option + OPTION_LENGTH, NULL, 10) : DEFAULT_BUFFER;
}

/* The longest frame that goes out whole: two VLAN tags are allowed beyond the MTU. */
static uint32_t longest_frame(const struct mt_ethdev *ethdev, const struct rte_eth_dev_info *info,
	const struct quirks *quirks)
{
	enum { TAGGED_ETHERNET = 14 + 8 };

	if (is_nic(info) || quirks->mtu_limit)
		return ethdev->mtu + TAGGED_ETHERNET;
	if (strcmp(ethdev->driver, "net_af_packet") == 0)
		return longest_af_packet_frame(ethdev);
	if (mt_ethdev_is_memif(ethdev))
		return longest_memif_frame(ethdev);
	return quirks->max_tx_bytes != 0 ? quirks->max_tx_bytes : UINT32_MAX;
}

void mt_ethdev_fit(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	const struct rte_eth_dev_info *info, bool nic, struct rte_eth_conf *conf)
{
	const struct quirks *quirks = quirks_of(ethdev->driver);
	const uint64_t checksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const uint64_t rx_wanted =
		RTE_ETH_RX_OFFLOAD_SCATTER | (quirks->partial_checksums ? 0 : checksums);
	const uint64_t hash_wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;

	*conf = (struct rte_eth_conf){0};
	fit_queues(ethdev, request, info, quirks);
	/* The hash over the outer tuple is coarse, but it spreads the work of decapsulation. ENA
	 * lets neither fields nor key be chosen: ask for what it says it does. */
	ethdev->rss_types = ethdev->rx_queues > 1 ? info->flow_type_rss_offloads & hash_wanted : 0;
	if (ethdev->rss_types != 0) {
		conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf->rx_adv_conf.rss_conf.rss_hf = ethdev->rss_types;
	}
	conf->rxmode.offloads = info->rx_offload_capa & rx_wanted;
	conf->txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	ethdev->scatter = (conf->rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	ethdev->rx_checksums = (conf->rxmode.offloads & ~RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
	ethdev->multi_segment_tx = conf->txmode.offloads != 0;
	ethdev->mtu = nic ? RTE_MIN(request->mtu, info->max_mtu) : 0;
	conf->rxmode.mtu = ethdev->mtu;
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
	struct rte_eth_conf conf;
	uint16_t mtu;
	int rc;

	rc = rte_eth_dev_info_get(ethdev->id, &info);
	if (rc == 0) {
		step = "configure";
		mt_ethdev_fit(ethdev, request, &info, is_nic(&info), &conf);
		rc = rte_eth_dev_configure(ethdev->id, ethdev->rx_queues, ethdev->tx_queues, &conf);
	}
	if (rc == 0 && is_nic(&info)) {
		/* Some drivers tell the device only here; those that can't have been told above. */
		step = "MTU";
		rc = rte_eth_dev_set_mtu(ethdev->id, (uint16_t)ethdev->mtu);
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
	/* DPDK knows no better than 1500 of a device that stands on a kernel interface. */
	if (!quirks_of(ethdev->driver)->mtu_limit && kernel_mtu(&info) > 0)
		ethdev->mtu = kernel_mtu(&info);
	ethdev->max_tx_bytes = longest_frame(ethdev, &info, quirks_of(ethdev->driver));
	return 0;
}

int mt_ethdev_restart(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	char *error, size_t error_size)
{
	rte_eth_dev_stop(ethdev->id);
	return mt_ethdev_start(ethdev, request, error, error_size);
}

void mt_ethdev_stop(struct mt_ethdev *ethdev)
{
	if (ethdev->driver[0] == '\0')
		return; /* never probed, or stopped before */
	rte_eth_dev_stop(ethdev->id);
	rte_eth_dev_close(ethdev->id);
	ethdev->driver[0] = '\0';
}
