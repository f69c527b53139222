/* SPDX-License-Identifier: BSD-3-Clause */
/* Real mbufs for tests: EAL without hugepages, the frame information's fields, and one pool. */
#pragma once

#include <rte_mbuf.h>

/* Starts EAL with so much memory, and makes the pool. Returns 0, or -1. */
int frame_pool_open(unsigned megabytes, unsigned buffers);

/* The pool of buffers of RTE_MBUF_DEFAULT_BUF_SIZE. */
struct rte_mempool *frame_pool(void);

/* Ends EAL; cmocka's tear-down of a group. */
int frame_pool_close(void **state);
