/* SPDX-License-Identifier: BSD-3-Clause */
/* A mempool handler (DPDK Programmer's Guide, "Mempool Library") that gives out the buffers first
 * that came back last, so that no more of them go through a CPU's caches than are in use: with
 * DPDK's default, a ring, all of a pool take turns as soon as more is in hand than an lcore's cache
 * holds, or buffers are freed on another core. DPDK's own stacks have a lock, which the workers
 * must not wait for, or a list with an element for each buffer.
 *
 * Buffers lie in nodes of some of them, and whole chains of nodes are pushed and popped by one
 * compare and exchange. A thread that loses its CPU anywhere in that keeps no other from going
 * on. */
#pragma once

enum {
	/* What the handler needs for each buffer of a pool: a node for the worst case that all came
	 * back one by one. */
	MT_MEMPOOL_LIFO_BYTES = 136,
};

/* Registers the handler with DPDK, once. Returns its name, for rte_pktmbuf_pool_create_by_ops().
 * Control thread. */
const char *mt_mempool_lifo(void);
