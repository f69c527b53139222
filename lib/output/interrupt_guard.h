/* SPDX-License-Identifier: BSD-3-Clause */
/* What DPDK's interrupt thread does when the peer of a memif device dies, made harmless. Two
 * functions of the C library are defined here for the program; called in other threads they are as
 * they were.
 *
 * munmap(): the driver unmaps the memory that it shared with the peer, whatever the workers do
 * (memif_disconnect() in DPDK 22.11 to 26.07): one that is in the middle of a burst is ended by
 * SIGSEGV, and the daemon with it. No event tells beforehand. Here it waits until no worker can be
 * in the driver any more.
 *
 * sendmsg(): a peer that is dead before it was greeted makes memif_listener_handler() close a
 * descriptor that the thread still waits for, and that ends the daemon by rte_panic(). Here sending
 * to it seems to succeed; that it has gone is heard next, by the way that cleans up. */
#pragma once

#include <stdbool.h>

/* Someone who uses devices that may be unmapped: `leave` is called before `synchronize` is, in the
 * interrupt thread. It tells the workers to keep away from those whose link is down. */
struct mt_interrupt_user {
	void (*leave)(void *context);
	void *context;
	struct mt_interrupt_user *next; /* the guard's */
};

/* From this call to the other one `user` stays where it is. On return of the second no call is
 * going on. Any thread but the interrupt thread. */
void mt_interrupt_guard_add(struct mt_interrupt_user *user);
void mt_interrupt_guard_remove(struct mt_interrupt_user *user);

/* From now on `synchronize` is asked before the interrupt thread unmaps anything; it returns when
 * every worker has begun a new loop, or false if one does not: then the memory stays mapped, which
 * is lost, but does no harm. NULL: unmapped at once. On return no call of the one before is going
 * on. Any thread but the interrupt thread. */
void mt_interrupt_guard_set(bool (*synchronize)(void *context), void *context);

/* Before rte_eal_cleanup(), when all devices are closed: the interrupt thread, which EAL never
 * ends, does nothing any more until the process ends. It looks through its list of sources whenever
 * it wakes, and the memif driver leaves its listener there (memif_socket_remove_device() in
 * DPDK 22.11), in memory that rte_eal_cleanup() unmaps. Waits for a second at the most. */
void mt_interrupts_end(void);
