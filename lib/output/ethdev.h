/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet devices of DPDK: found, asked for what they can do, fitted and started. Used for the
 * ports that receive mirror traffic and for outputs that send to a port. Control thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ethdev.h>

/* What is wanted; the device may get less. */
struct mt_ethdev_request {
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t rx_descriptors; /* per queue */
	uint16_t tx_descriptors;
	uint32_t mtu;       /* of a NIC; virtual devices keep theirs */
	bool all_rx_queues; /* take every queue of a device whose string says how many it has */
	struct rte_mempool *pool; /* for received packets */
};

/* What it got. */
struct mt_ethdev {
	const char *device; /* as it was probed; the caller's string */
	uint16_t id;        /* DPDK's port id */
	uint16_t rx_queues;
	uint16_t tx_queues;
	uint16_t rx_descriptors;
	uint32_t mtu;          /* as DPDK has it; a virtual device may not care */
	uint64_t rss_types;    /* RTE_ETH_RSS_*, 0: the device does not spread */
	bool multi_segment_tx; /* takes chained frames */
	bool scatter;          /* spreads a long packet over several buffers */
	bool rx_checksums;     /* checks outer checksums */
	uint32_t max_tx_bytes; /* longest frame that it can send, Ethernet header included */
	int numa_node;         /* -1: any */
	char driver[32];
};

/* Finds the device, a PCI address or a vdev string with its arguments, and plugs it in where EAL
 * has not done so. Returns 0 with id, driver and numa_node set, or -errno with what is wrong and
 * what helps in `error`. */
int mt_ethdev_probe(const char *device, struct mt_ethdev *ethdev, char *error, size_t error_size);

/* Configures a probed device for the request, as far as its capabilities go, and starts it.
 * Returns 0 with the rest of `ethdev` set, or -errno with `error`. */
int mt_ethdev_start(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request, char *error,
	size_t error_size);

/* What to ask of a device with these capabilities: fills `conf` and, of `ethdev`, queues, RSS
 * types, offloads and MTU. Never more than `info` says. `nic`: not a virtual device. Calls nothing,
 * so a test can show what an ENA would be asked. */
void mt_ethdev_fit(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	const struct rte_eth_dev_info *info, bool nic, struct rte_eth_conf *conf);

/* How many transmit queues an output with `queues` queues should use of the device, if its user
 * does not say: a memif peer may have one ring only, and frames for others would go astray. */
uint16_t mt_ethdev_default_tx_queues(const struct mt_ethdev *ethdev, uint16_t queues);

/* A device in memory that a peer of its own, a process, shares: it comes and goes with that. */
bool mt_ethdev_is_memif(const struct mt_ethdev *ethdev);

/* Such a one that, when it is started, connects to its peer, instead of waiting for it. */
bool mt_ethdev_connects(const struct mt_ethdev *ethdev);

/* How many packet buffers a device takes from its pool for itself as soon as it has `queues` queue
 * pairs, and how long they must be at least; both may be 0. */
void mt_ethdev_own_buffers(
	const struct mt_ethdev *ethdev, uint16_t queues, uint32_t *buffers, uint32_t *room);

/* Stops a started device, sets it up anew and starts it. Returns 0, or -errno with `error`: it is
 * stopped then. */
int mt_ethdev_restart(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	char *error, size_t error_size);

/* Stops and closes it. */
void mt_ethdev_stop(struct mt_ethdev *ethdev);

/* Takes a device out of DPDK: what rte_eth_dev_info_get() called its device before it was stopped.
 * Returns 0 or -errno. */
int mt_ethdev_take_out(const struct rte_device *device);
