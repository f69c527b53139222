/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/ethdev_life.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include <rte_common.h>
#include <rte_dev.h>
#include <rte_errno.h>

enum {
	FORGET_TRIES = 100,
	FORGET_NS = 100000,
};

/* In the order in which they are acted upon. */
static const enum rte_eth_event_type watched[] = {
	RTE_ETH_EVENT_INTR_RMV,
	RTE_ETH_EVENT_INTR_RESET,
	RTE_ETH_EVENT_INTR_LSC,
};

void mt_ethdev_raise(struct mt_ethdev_life *life, enum rte_eth_event_type event)
{
	atomic_fetch_or_explicit(&life->events, 1u << event, memory_order_release);
}

/* Comes from a thread of DPDK, or from rte_timer_manage(): only noted here. */
static int note_event(uint16_t id, enum rte_eth_event_type event, void *life, void *result)
{
	(void)id;
	(void)result;
	mt_ethdev_raise(life, event);
	return 0;
}

void mt_ethdev_watch(const struct mt_ethdev *ethdev, struct mt_ethdev_life *life)
{
	for (size_t e = 0; e < RTE_DIM(watched); e++)
		rte_eth_dev_callback_register(ethdev->id, watched[e], note_event, life);
}

void mt_ethdev_forget(const struct mt_ethdev *ethdev, struct mt_ethdev_life *life)
{
	for (size_t e = 0; e < RTE_DIM(watched); e++) {
		int tries = FORGET_TRIES;

		/* -EAGAIN: it is being called, which takes no time. */
		while (rte_eth_dev_callback_unregister(ethdev->id, watched[e], note_event, life)
				== -EAGAIN
			&& --tries > 0)
			nanosleep(&(struct timespec){.tv_nsec = FORGET_NS}, NULL);
	}
}

enum rte_eth_event_type mt_ethdev_take_event(struct mt_ethdev_life *life)
{
	uint32_t events = atomic_exchange_explicit(&life->events, 0, memory_order_acquire);

	for (size_t e = 0; e < RTE_DIM(watched); e++) {
		if ((events & 1u << watched[e]) != 0)
			return watched[e];
	}
	return RTE_ETH_EVENT_UNKNOWN;
}

/* Workers are bound to the queues of the old one, and send what it could take: a device that
 * differs can't take its place. */
static int start_like(const struct mt_ethdev *old, struct mt_ethdev *ethdev,
	const struct mt_ethdev_request *request, char *error, size_t error_size)
{
	int rc = mt_ethdev_start(ethdev, request, error, error_size);

	if (rc < 0)
		return rc;
	if (ethdev->rx_queues == old->rx_queues && ethdev->tx_queues == old->tx_queues
		&& ethdev->multi_segment_tx == old->multi_segment_tx)
		return 0;
	snprintf(error, error_size,
		"device \"%s\" came back with other queues (%u to receive, %u to send) or "
		"abilities; restart to use it",
		old->device, ethdev->rx_queues, ethdev->tx_queues);
	return -ENODEV;
}

static void count_return(struct mt_ethdev_life *life)
{
	life->gone = false;
	atomic_fetch_add_explicit(&life->resets, 1, memory_order_relaxed);
}

int mt_ethdev_reset(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	struct mt_ethdev_life *life, char *error, size_t error_size)
{
	struct mt_ethdev started = *ethdev;
	int rc;

	rte_eth_dev_stop(ethdev->id);
	rc = rte_eth_dev_reset(ethdev->id);
	if (rc < 0 && rc != -ENOTSUP)
		snprintf(error, error_size, "driver %s: reset: %s", ethdev->driver,
			rte_strerror(-rc));
	/* Drivers without a reset are content with being configured anew. */
	else
		rc = start_like(ethdev, &started, request, error, error_size);
	if (rc < 0) {
		life->gone = true;
		return rc;
	}
	*ethdev = started;
	count_return(life);
	return 0;
}

int mt_ethdev_unplug(struct mt_ethdev *ethdev, struct mt_ethdev_life *life)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(ethdev->id, &info);

	mt_ethdev_forget(ethdev, life);
	mt_ethdev_stop(ethdev);
	if (rc == 0 && info.device != NULL)
		rc = mt_ethdev_take_out(info.device);
	life->gone = true;
	return rc;
}

int mt_ethdev_return(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	struct mt_ethdev_life *life, char *error, size_t error_size)
{
	struct mt_ethdev found;
	int rc = mt_ethdev_probe(ethdev->device, &found, error, error_size);

	if (rc < 0) {
		error[0] = '\0';
		return rc;
	}
	rc = start_like(ethdev, &found, request, error, error_size);
	if (rc < 0) {
		mt_ethdev_unplug(&found, life);
		ethdev->driver[0] = '\0'; /* where its reset had failed: closed now */
		return rc;
	}
	*ethdev = found;
	mt_ethdev_watch(ethdev, life);
	count_return(life);
	return 0;
}
