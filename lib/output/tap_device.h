/* SPDX-License-Identifier: BSD-3-Clause */
/* A TAP interface of the kernel: one file descriptor for each of its queues. Used by the output
 * `tap` and for the host interface of a port. Control thread, but for mt_tap_write and the
 * descriptors. */
#pragma once

#include <linux/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

enum {
	MT_TAP_MAX_QUEUES = 64,
	MT_TAP_MAX_ERROR = 160,
};

struct mt_tap {
	/* Set before mt_tap_open. */
	char interface[IFNAMSIZ];
	uint32_t mtu; /* bytes behind the Ethernet header */
	uint16_t queues;
	bool silent; /* the kernel shall send nothing on its own: no ARP, no IPv6 */
	bool has_mac;
	uint8_t mac[6];

	/* Set once by mt_tap_open. When the interface is made again its new queues take the same
	 * numbers, in one step of the kernel (dup3), so that a thread may write at any time: to
	 * the old queue, which says EBADFD, or to the new one. */
	int fds[MT_TAP_MAX_QUEUES];
	char error[MT_TAP_MAX_ERROR]; /* the last one, in words */
};

/* Makes the interface, or its missing queues, and brings it up. Returns 0 or -errno with
 * tap->error. */
int mt_tap_open(struct mt_tap *tap);

/* Closes all descriptors; with them the interface goes. */
void mt_tap_close(struct mt_tap *tap);

/* Is the interface there, up, and does it have a carrier? Returns 0 or -errno with tap->error. One
 * that was moved to another network namespace, or renamed, is someone's wish and is left alone. */
int mt_tap_check(struct mt_tap *tap);

/* Mends what mt_tap_check() found (its result): makes it again, brings it up, switches the carrier
 * on. Returns 0 or -errno with tap->error. */
int mt_tap_mend(struct mt_tap *tap, int problem);

/* Writes one frame, chained or not, into a queue. Returns 0 or an errno: EAGAIN (no room), EMSGSIZE
 * (more segments than the kernel takes at once), EIO (interface is down), EBADFD (deleted). Never
 * waits. */
int mt_tap_write(int fd, const struct rte_mbuf *frame);

/* The same, with a VLAN tag behind the addresses, which must be in the first segment. */
int mt_tap_write_tagged(int fd, const struct rte_mbuf *frame, int32_t vlan);
