/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_alarm.h>
#include <rte_cycles.h>

#include "output/port.h"
#include "output/vlan.h"

enum {
	RENEW_AGAIN_US = 100000,
};

void mt_port_fit_to_copies(struct mt_port_output *port)
{
	if (port->vlans != NULL)
		port->device.max_tx_bytes -= MT_VLAN_TAG;
	if (port->vlans != NULL || !port->device.multi_segment_tx)
		port->device.max_tx_bytes = RTE_MIN(port->device.max_tx_bytes,
			(uint32_t)MT_PORT_COPY_LENGTH - RTE_PKTMBUF_HEADROOM);
}

static void __attribute__((format(printf, 2, 3)))
fail(struct mt_output *output, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(output->error, sizeof(output->error), format, args);
	va_end(args);
	mt_output_fail(output);
}

static void look_at_link(struct mt_output *output)
{
	struct mt_port_output *port = output->private;
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port->device.id, &link) < 0)
		return;
	if (link.link_status == RTE_ETH_LINK_UP)
		atomic_store_explicit(&output->state, MT_OUTPUT_UP, memory_order_relaxed);
	else
		fail(output, "link of driver %s is down; is its peer connected?",
			port->device.driver);
}

/* The workers leave the device. */
static bool take_away(struct mt_output *output)
{
	struct mt_port_output *port = output->private;

	atomic_store_explicit(&port->away, true, memory_order_seq_cst);
	if (port->synchronize != NULL && port->synchronize(port->synchronize_context))
		return true;
	fail(output, "a worker does not leave its device; that is not touched until it does");
	return false;
}

static void give_back(struct mt_port_output *port)
{
	mt_port_fit_to_copies(port);
	/* A memif has its peer first. */
	atomic_store_explicit(&port->away, port->memif, memory_order_release);
}

static void reset(struct mt_output *output)
{
	struct mt_port_output *port = output->private;
	char error[256];

	if (!take_away(output))
		mt_ethdev_raise(&port->life, RTE_ETH_EVENT_INTR_RESET); /* in the next round */
	else if (mt_ethdev_reset(&port->device, &port->request, &port->life, error, sizeof(error))
		< 0)
		fail(output, "reset of its device failed: %s; tried again each second", error);
	else
		give_back(port);
}

static void unplug(struct mt_output *output)
{
	struct mt_port_output *port = output->private;
	int rc;

	if (!take_away(output)) {
		mt_ethdev_raise(&port->life, RTE_ETH_EVENT_INTR_RMV);
		return;
	}
	rc = mt_ethdev_unplug(&port->device, &port->life);
	if (rc < 0)
		fail(output,
			"%s was unplugged, and DPDK does not let go of it: %s; restart if it does "
			"not come back",
			port->device_string, strerror(-rc));
	else
		fail(output, "%s was unplugged; looked for again each second", port->device_string);
}

static bool a_second_passed(struct mt_port_output *port)
{
	uint64_t now = rte_get_timer_cycles();

	if (now - port->looked < rte_get_timer_hz())
		return false;
	port->looked = now;
	return true;
}

static void look_for(struct mt_output *output)
{
	struct mt_port_output *port = output->private;
	char error[256];

	if (!a_second_passed(port))
		return;
	if (mt_ethdev_return(&port->device, &port->request, &port->life, error, sizeof(error)) == 0)
		give_back(port);
	else if (error[0] != '\0')
		fail(output, "%s", error);
}

/* --- a memif's peer --------------------------------------------------------------------------- */

static bool link_is_up(const struct mt_port_output *port)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(port->device.id, &link) == 0
		&& link.link_status == RTE_ETH_LINK_UP;
}

/* Sets the device up anew and starts it. In the interrupt thread, because that is where the driver
 * serves the peer: nothing else of it happens meanwhile. */
static void renew(void *context)
{
	struct mt_output *output = context;
	struct mt_port_output *port = output->private;
	struct mt_ethdev device = port->device;
	char error[256];

	if (!port->synchronize(port->synchronize_context)) {
		rte_eal_alarm_set(RENEW_AGAIN_US, renew, output);
		return;
	}
	/* Without success its link stays down, which is told. What it can do is known at the latest
	 * now, and does not change. */
	if (mt_ethdev_restart(&device, &port->request, error, sizeof(error)) == 0) {
		port->device.max_tx_bytes = device.max_tx_bytes;
		mt_port_fit_to_copies(port);
	}
	atomic_store_explicit(&port->renewing, false, memory_order_release);
}

/* Lock held, and the workers have been told to leave. */
static void ask_to_renew(struct mt_output *output)
{
	struct mt_port_output *port = output->private;

	if (port->synchronize == NULL
		|| atomic_exchange_explicit(&port->renewing, true, memory_order_relaxed))
		return;
	if (rte_eal_alarm_set(1, renew, output) < 0)
		atomic_store_explicit(&port->renewing, false, memory_order_relaxed);
}

struct ending {
	struct mt_ethdev *device;
	sem_t done;
};

static void stop_device(void *context)
{
	struct ending *ending = context;

	mt_ethdev_stop(ending->device);
	sem_post(&ending->done);
}

/* A memif likewise in the interrupt thread, which may just be seeing its peer off. */
void mt_port_end(struct mt_output *output)
{
	struct mt_port_output *port = output->private;
	struct ending ending = {.device = &port->device};

	if (port->user.leave != NULL)
		mt_interrupt_guard_remove(&port->user);
	rte_eal_alarm_cancel(renew, output);
	sem_init(&ending.done, 0, 0);
	if (!port->memif || rte_eal_alarm_set(1, stop_device, &ending) < 0)
		stop_device(&ending);
	while (sem_wait(&ending.done) < 0)
		continue; /* interrupted by a signal */
	sem_destroy(&ending.done);
}

/* The driver takes the link down first, then unmaps the memory. A queue of it keeps the place of
 * its ring from one peer to the next, also where the next has no such ring: only one that is set up
 * anew has none. */
static void leave(void *context)
{
	struct mt_output *output = context;
	struct mt_port_output *port = output->private;

	if (link_is_up(port))
		return;
	pthread_mutex_lock(&port->lock);
	if (!atomic_exchange_explicit(&port->away, true, memory_order_seq_cst)
		&& port->tx_queues > 1)
		ask_to_renew(output);
	pthread_mutex_unlock(&port->lock);
}

/* Frames for one transmit queue, whichever queues share it. */
static uint64_t offered_to(const struct mt_output *output, uint16_t tx_queue)
{
	const struct mt_port_output *port = output->private;
	uint64_t offered = 0;

	for (uint16_t q = tx_queue; q < output->queues; q += port->tx_queues)
		offered += mt_counter(&output->per_queue[q].counts.offered);
	return offered;
}

/* A transmit queue for which there are frames, none of which the peer has a ring for or reads,
 * while it reads another; -1: there is none. */
static int find_unread(struct mt_output *output)
{
	struct mt_port_output *port = output->private;
	uint16_t count = RTE_MIN(port->tx_queues, RTE_DIM(port->rings.offered));
	struct rte_eth_stats stats;
	int unread = -1;

	if (rte_eth_stats_get(port->device.id, &stats) < 0 || stats.opackets == 0)
		return -1;
	for (uint16_t q = 0; q < count; q++) {
		uint64_t offered = offered_to(output, q);

		if (stats.q_opackets[q] == 0 && offered != port->rings.offered[q])
			unread = q;
		port->rings.offered[q] = offered;
	}
	return unread;
}

/* What the driver does with frames for a ring that its peer does not have is not to be relied on.
 */
static void look_at_rings(struct mt_output *output)
{
	struct mt_port_output *port = output->private;
	struct mt_port_rings *rings = &port->rings;
	uint64_t now = rte_get_timer_cycles();
	int unread;

	if (port->tx_queues == 1 || now - rings->looked < rte_get_timer_hz())
		return;
	rings->looked = now;
	unread = find_unread(output);
	rings->unread = unread >= 0 && rings->suspect == unread + 1;
	rings->suspect = (uint16_t)(unread + 1);
}

static void judge_peer(struct mt_output *output)
{
	struct mt_port_output *port = output->private;

	look_at_rings(output);
	/* As the client, several workers would write into one ring. */
	atomic_store_explicit(&port->away, port->rings.unread && mt_ethdev_connects(&port->device),
		memory_order_release);
	if (!port->rings.unread)
		atomic_store_explicit(&output->state, MT_OUTPUT_UP, memory_order_relaxed);
	else
		fail(output,
			"its peer does not read transmit queue %u of %u; give it as many queues, "
			"or set tx_queues lower",
			port->rings.suspect, port->tx_queues);
}

/* Who connects does so when it is started. */
static void look_at_peer(struct mt_output *output)
{
	struct mt_port_output *port = output->private;

	if (atomic_load_explicit(&port->renewing, memory_order_acquire))
		return;
	pthread_mutex_lock(&port->lock);
	if (link_is_up(port)) {
		judge_peer(output);
	} else {
		atomic_store_explicit(&port->away, true, memory_order_seq_cst);
		port->rings = (struct mt_port_rings){.looked = rte_get_timer_cycles()};
		if (mt_ethdev_connects(&port->device) && a_second_passed(port))
			ask_to_renew(output);
		fail(output, "link of driver %s is down; is its peer there, with %s %u queues?",
			port->device.driver,
			mt_ethdev_connects(&port->device) ? "at least" : "at most",
			port->tx_queues);
	}
	pthread_mutex_unlock(&port->lock);
}

/* --- all of it ---------------------------------------------------------------------------------
 */

/* A change of the link is seen without the driver's word, in each round. */
static void look_at_device(struct mt_output *output)
{
	struct mt_port_output *port = output->private;

	if (port->life.gone)
		return;
	if (port->memif)
		look_at_peer(output);
	else if (!atomic_load_explicit(&port->away, memory_order_relaxed))
		look_at_link(output);
}

void mt_port_begin(struct mt_output *output)
{
	struct mt_port_output *port = output->private;

	pthread_mutex_init(&port->lock, NULL);
	atomic_store_explicit(&port->away, port->memif, memory_order_relaxed);
	if (port->memif) {
		port->user = (struct mt_interrupt_user){.leave = leave, .context = output};
		mt_interrupt_guard_add(&port->user);
	}
	look_at_device(output);
}

void mt_port_maintain(struct mt_output *output)
{
	struct mt_port_output *port = output->private;
	enum rte_eth_event_type event = mt_ethdev_take_event(&port->life);

	if (port->life.gone)
		look_for(output);
	else if (event == RTE_ETH_EVENT_INTR_RMV)
		unplug(output);
	else if (event == RTE_ETH_EVENT_INTR_RESET)
		reset(output);
	look_at_device(output);
}
