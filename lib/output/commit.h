/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters with one writer that readers see whole.
 *
 * A ledger must balance at any moment, so a reader must not see the packets of half a batch. The
 * writer adds to its counters once per batch, between mt_commit_begin() and mt_commit_end(); a
 * reader copies them and tries again if a commit went on meanwhile. The writer never waits. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <rte_pause.h>

struct mt_commit {
	_Atomic uint32_t sequence; /* odd while the writer is at it */
};

static inline void mt_commit_begin(struct mt_commit *commit)
{
	uint32_t sequence = atomic_load_explicit(&commit->sequence, memory_order_relaxed);

	atomic_store_explicit(&commit->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static inline void mt_commit_end(struct mt_commit *commit)
{
	uint32_t sequence = atomic_load_explicit(&commit->sequence, memory_order_relaxed);

	atomic_store_explicit(&commit->sequence, sequence + 1, memory_order_release);
}

/* Adds to a counter that only the calling thread writes. */
static inline void mt_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* Reads one counter that another thread writes. */
static inline uint64_t mt_counter(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* Copies `size` bytes of uint64_t counters, as they stood between two commits. */
static inline void mt_commit_read(
	struct mt_commit *commit, uint64_t *copy, const uint64_t *counters, size_t size)
{
	uint32_t before;

	for (;;) {
		before = atomic_load_explicit(&commit->sequence, memory_order_acquire);
		if ((before & 1) == 0) {
			for (size_t i = 0; i < size / sizeof(*copy); i++)
				copy[i] = mt_counter(&counters[i]);
			atomic_thread_fence(memory_order_acquire);
			if (atomic_load_explicit(&commit->sequence, memory_order_relaxed) == before)
				return;
		}
		rte_pause();
	}
}
