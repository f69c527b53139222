/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a device while it is in use: it asks to be reset, is unplugged and comes back. Who uses
 * the device sees to it that nothing else does while it is changed. Control thread only, but for
 * what says otherwise. */
#pragma once

#include <stdatomic.h>

#include "output/ethdev.h"

struct mt_ethdev_life {
	/* What the driver said that needs doing, 1 << enum rte_eth_event_type. Writer: DPDK's
	 * threads; control takes it. */
	_Atomic uint32_t events;
	/* Times that the device was reset, or came back. Writer: control. Readers: all. */
	_Atomic uint64_t resets;
	bool gone; /* unplugged, or not to be reset: looked for again */
};

/* Asks DPDK to tell of events of the device; `life` must not move. */
void mt_ethdev_watch(const struct mt_ethdev *ethdev, struct mt_ethdev_life *life);

/* Ends that. */
void mt_ethdev_forget(const struct mt_ethdev *ethdev, struct mt_ethdev_life *life);

/* Notes an event, as the driver's call does; any thread. */
void mt_ethdev_raise(struct mt_ethdev_life *life, enum rte_eth_event_type event);

/* Takes what was noted. Of several, the one that goes before: removal, reset, link. Returns
 * RTE_ETH_EVENT_UNKNOWN if there is nothing. */
enum rte_eth_event_type mt_ethdev_take_event(struct mt_ethdev_life *life);

/* Stops the device, resets it where its driver can, configures and starts it as it was. Returns 0,
 * or -errno with `error`, the device marked as gone. */
int mt_ethdev_reset(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	struct mt_ethdev_life *life, char *error, size_t error_size);

/* Takes a device that was unplugged out of DPDK. Returns 0, or -errno if DPDK keeps it: then it
 * can't be found again. It is gone in any case. */
int mt_ethdev_unplug(struct mt_ethdev *ethdev, struct mt_ethdev_life *life);

/* Looks for a device that is gone, plugs it in and starts it as it was; it may have another number
 * then. Returns 0, or -errno and a device that is still gone: with `error` if it is there, but
 * can't be taken, "" if it is not there. */
int mt_ethdev_return(struct mt_ethdev *ethdev, const struct mt_ethdev_request *request,
	struct mt_ethdev_life *life, char *error, size_t error_size);
