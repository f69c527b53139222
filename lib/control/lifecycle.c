/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/lifecycle.h"

#include <string.h>

#include <rte_cycles.h>
#include <rte_timer.h>

#include "control/log.h"
#include "control/test_events.h"

enum {
	LEAVE_MS = 1000, /* within which every worker must have left a port */
};

bool mt_lifecycle_synchronize(void *daemon)
{
	return mt_datapath_synchronize(&((struct mt_daemon *)daemon)->datapath, LEAVE_MS);
}

/* Workers and the host interface leave the port. */
static bool take_away(struct mt_daemon *daemon, unsigned index)
{
	struct mt_port *port = &daemon->ports[index];

	atomic_store_explicit(&daemon->datapath.paused[index], true, memory_order_seq_cst);
	if (daemon->hosts[index] != NULL)
		mt_host_set_port_away(daemon->hosts[index], true);
	if (mt_lifecycle_synchronize(daemon))
		return true;
	mt_log_limited(&port->told.busy, MT_LOG_ERROR,
		"port %s: a worker does not leave it; it is not touched until it does",
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
	char error[256];

	mt_log_limited(&port->told.asks, MT_LOG_WARNING, "port %s: the device asks to be reset",
		port->config->name);
	if (!take_away(daemon, index)) {
		/* again in the next round */
		mt_ethdev_raise(&port->life, RTE_ETH_EVENT_INTR_RESET);
		return;
	}
	if (mt_ethdev_reset(&port->device, &port->request, &port->life, error, sizeof(error)) < 0) {
		mt_log_limited(&port->told.failed, MT_LOG_ERROR,
			"port %s: reset failed: %s; tried again in a second", port->config->name,
			error);
		return;
	}
	give_back(daemon, index);
	mt_log_limited(&port->told.reset, MT_LOG_NOTICE, "port %s: was reset and is back",
		port->config->name);
}

static void remove_port(struct mt_daemon *daemon, unsigned index)
{
	struct mt_port *port = &daemon->ports[index];
	int rc;

	mt_log_limited(&port->told.unplugged, MT_LOG_ERROR,
		"port %s: %s was unplugged; looked for again each second", port->config->name,
		port->config->device);
	if (!take_away(daemon, index)) {
		mt_ethdev_raise(&port->life, RTE_ETH_EVENT_INTR_RMV);
		return;
	}
	rc = mt_ethdev_unplug(&port->device, &port->life);
	if (rc < 0)
		mt_log_limited(&port->told.kept, MT_LOG_ERROR,
			"port %s: DPDK does not let go of %s: %s; restart if it does not come back",
			port->config->name, port->config->device, strerror(-rc));
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

static void look_for(struct mt_daemon *daemon, unsigned index)
{
	struct mt_port *port = &daemon->ports[index];
	char error[256];

	if (mt_ethdev_return(&port->device, &port->request, &port->life, error, sizeof(error))
		< 0) {
		if (error[0] != '\0')
			mt_log_limited(&port->told.refused, MT_LOG_ERROR, "port %s: %s",
				port->config->name, error);
		return;
	}
	renumber(daemon, index);
	give_back(daemon, index);
	mt_log_limited(&port->told.back, MT_LOG_NOTICE, "port %s: %s is back", port->config->name,
		port->config->device);
}

static void tell_link(struct mt_port *port)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port->device.id, &link) == 0)
		mt_log_limited(&port->told.link, MT_LOG_NOTICE, "port %s: link is %s",
			port->config->name, link.link_status == RTE_ETH_LINK_UP ? "up" : "down");
}

static void act_upon_event(struct mt_daemon *daemon, unsigned index)
{
	struct mt_port *port = &daemon->ports[index];
	enum rte_eth_event_type event = mt_ethdev_take_event(&port->life);

	if (port->life.gone)
		return;
	if (event == RTE_ETH_EVENT_INTR_RMV)
		remove_port(daemon, index);
	else if (event == RTE_ETH_EVENT_INTR_RESET)
		reset(daemon, index);
	else if (event == RTE_ETH_EVENT_INTR_LSC)
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
		act_upon_event(daemon, p);
		if (second && daemon->ports[p].life.gone)
			look_for(daemon, p);
	}
}
