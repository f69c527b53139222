/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/lifecycle.h"

#include <errno.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_timer.h>

#include "control/log.h"
#include "control/test_events.h"

enum {
	LEAVE_MS = 1000, /* within which every worker must have left a port */
};

static const enum rte_eth_event_type watched[] = {
	RTE_ETH_EVENT_INTR_RESET,
	RTE_ETH_EVENT_INTR_LSC,
	RTE_ETH_EVENT_INTR_RMV,
};

/* Comes from a thread of DPDK, or from rte_timer_manage(): only noted here. */
static int note_event(uint16_t id, enum rte_eth_event_type event, void *arg, void *result)
{
	struct mt_port *port = arg;

	(void)id;
	(void)result;
	atomic_fetch_or_explicit(&port->events, 1u << event, memory_order_release);
	return 0;
}

void mt_lifecycle_watch(struct mt_port *port)
{
	for (size_t e = 0; e < RTE_DIM(watched); e++)
		rte_eth_dev_callback_register(port->device.id, watched[e], note_event, port);
}

static void forget(struct mt_port *port)
{
	for (size_t e = 0; e < RTE_DIM(watched); e++)
		rte_eth_dev_callback_unregister(port->device.id, watched[e], note_event, port);
}

void mt_lifecycle_raise(struct mt_port *port, enum rte_eth_event_type event)
{
	note_event(port->device.id, event, port, NULL);
}

/* Workers and the host interface leave the port. */
static bool take_away(struct mt_daemon *daemon, unsigned index)
{
	struct mt_port *port = &daemon->ports[index];

	atomic_store_explicit(&daemon->datapath.paused[index], true, memory_order_seq_cst);
	if (daemon->hosts[index] != NULL)
		mt_host_set_port_away(daemon->hosts[index], true);
	if (mt_datapath_synchronize(&daemon->datapath, LEAVE_MS))
		return true;
	mt_log(MT_LOG_ERROR, "port %s: a worker does not leave it; it is not touched until it does",
		port->config->name);
	return false;
}

static void give_back(struct mt_daemon *daemon, unsigned index)
{
	if (daemon->hosts[index] != NULL)
		mt_host_set_port_away(daemon->hosts[index], false);
	atomic_store_explicit(&daemon->datapath.paused[index], false, memory_order_release);
}

static void reset(struct mt_daemon *daemon, unsigned index)
{
	struct mt_port *port = &daemon->ports[index];
	char error[256] = "";
	int rc;

	mt_log(MT_LOG_WARNING, "port %s: the device asks to be reset", port->config->name);
	if (!take_away(daemon, index)) {
		mt_lifecycle_raise(port, RTE_ETH_EVENT_INTR_RESET); /* again in the next round */
		return;
	}
	rte_eth_dev_stop(port->device.id);
	rc = rte_eth_dev_reset(port->device.id);
	/* Drivers without a reset are content with being configured anew. */
	if (rc == 0 || rc == -ENOTSUP)
		rc = mt_ethdev_start(&port->device, &port->request, error, sizeof(error));
	if (rc < 0) {
		mt_log(MT_LOG_ERROR, "port %s: reset failed: %s; tried again in a second",
			port->config->name, error[0] != '\0' ? error : rte_strerror(-rc));
		port->gone = true;
		return;
	}
	port->resets++;
	give_back(daemon, index);
	mt_log(MT_LOG_NOTICE, "port %s: was reset and is back", port->config->name);
}

static void unplug(struct mt_port *port)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port->device.id, &info);

	forget(port);
	mt_ethdev_stop(&port->device);
	if (rc == 0 && info.device != NULL)
		rte_dev_remove((struct rte_device *)(uintptr_t)info.device);
}

static void remove_port(struct mt_daemon *daemon, unsigned index)
{
	struct mt_port *port = &daemon->ports[index];

	mt_log(MT_LOG_ERROR, "port %s: %s was unplugged; looked for again each second",
		port->config->name, port->config->device);
	if (!take_away(daemon, index)) {
		mt_lifecycle_raise(port, RTE_ETH_EVENT_INTR_RMV);
		return;
	}
	unplug(port);
	port->gone = true;
}

/* The device may have another number when it comes back. No worker looks while it is paused. */
static void renumber(struct mt_daemon *daemon, unsigned index)
{
	uint16_t id = daemon->ports[index].device.id;

	for (uint16_t w = 0; w < daemon->datapath.workers_count; w++) {
		struct mt_worker *worker = daemon->datapath.workers[w];

		for (uint16_t r = 0; r < worker->rx_count; r++) {
			if (worker->rx[r].port == index)
				worker->rx[r].port_id = id;
		}
	}
	if (daemon->hosts[index] != NULL)
		daemon->hosts[index]->port_id = id;
}

/* Every receive queue has a worker that polls it; a device with others can't take its place. */
static bool same_queues(const struct mt_port *port, uint16_t rx_queues)
{
	return port->device.rx_queues == rx_queues;
}

static void look_for(struct mt_daemon *daemon, unsigned index)
{
	struct mt_port *port = &daemon->ports[index];
	uint16_t rx_queues = port->device.rx_queues;
	struct mt_ethdev device = {0};
	char error[256];

	if (mt_ethdev_probe(port->config->device, &device, error, sizeof(error)) < 0)
		return;
	port->device = device;
	if (mt_ethdev_start(&port->device, &port->request, error, sizeof(error)) < 0
		|| !same_queues(port, rx_queues)) {
		unplug(port);
		port->device.rx_queues = rx_queues;
		return;
	}
	renumber(daemon, index);
	mt_lifecycle_watch(port);
	port->gone = false;
	give_back(daemon, index);
	mt_log(MT_LOG_NOTICE, "port %s: %s is back", port->config->name, port->config->device);
}

static void tell_link(const struct mt_port *port)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port->device.id, &link) == 0)
		mt_log(MT_LOG_NOTICE, "port %s: link is %s", port->config->name,
			link.link_status == RTE_ETH_LINK_UP ? "up" : "down");
}

static void act_upon_events(struct mt_daemon *daemon, unsigned index)
{
	struct mt_port *port = &daemon->ports[index];
	uint32_t events = atomic_exchange_explicit(&port->events, 0, memory_order_acquire);

	if (port->gone)
		return;
	if ((events & 1u << RTE_ETH_EVENT_INTR_RMV) != 0)
		remove_port(daemon, index);
	else if ((events & 1u << RTE_ETH_EVENT_INTR_RESET) != 0)
		reset(daemon, index);
	else if ((events & 1u << RTE_ETH_EVENT_INTR_LSC) != 0)
		tell_link(port);
}

void mt_lifecycle_round(struct mt_daemon *daemon)
{
	uint64_t now = rte_get_timer_cycles();
	bool second = now - daemon->last_second >= rte_get_timer_hz();

	if (second) {
		daemon->last_second = now;
		rte_timer_manage();
	}
	mt_test_events(daemon);
	for (unsigned p = 0; p < daemon->ports_count; p++) {
		act_upon_events(daemon, p);
		if (second && daemon->ports[p].gone)
			look_for(daemon, p);
	}
}
