/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that workers may be using is not taken away under them.
 *
 * When the peer of a memif device dies, the driver unmaps the memory that they shared, in DPDK's
 * interrupt thread, whatever the workers do (memif_disconnect() in DPDK 22.11 to 26.07): one that
 * is in the middle of a burst is ended by SIGSEGV, and the daemon with it. No event tells
 * beforehand. So this file defines munmap() for the program: called in the interrupt thread, it
 * waits until no worker can be in the driver any more, and unmaps then. In other threads it is as
 * it was. */
#pragma once

#include <stdbool.h>

/* From now on `synchronize` is asked before the interrupt thread unmaps anything; it returns when
 * every worker has begun a new loop, or false if one does not: then the memory stays mapped, which
 * is lost, but does no harm. NULL: unmapped at once. On return no call of the one before is going
 * on. Any thread but the interrupt thread. */
void mt_unmap_guard_set(bool (*synchronize)(void *context), void *context);
