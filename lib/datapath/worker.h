/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers: lcores that poll receive queues, own queues, or both. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ring.h>

#include "datapath/batch.h"
#include "datapath/counters.h"
#include "datapath/snapshot.h"

enum {
	MT_MAX_RX_PER_WORKER = 64,
	MT_MAX_WORKERS = 128,
};

/* What the workers shall do. Writer: control. Readers: workers, each loop. */
enum mt_phase {
	MT_PHASE_RUN,
	MT_PHASE_DRAIN, /* receive what the ports still hold, until a poll comes back empty */
	MT_PHASE_FLUSH, /* receive nothing more, empty the queues */
	MT_PHASE_STOP,
};

/* One receive queue of one port. */
struct mt_rx {
	uint16_t port_id; /* DPDK's */
	uint16_t queue_id;
	uint16_t port; /* place in the configuration */
};

/* A queue and its owner. */
struct mt_queue {
	/* NULL if no worker but the owner feeds it. Producers: other receiving workers. */
	struct rte_ring *ring;
	uint16_t owner; /* index of the worker */
	struct mt_queue_counters counters;
} __rte_cache_aligned;

struct mt_datapath {
	_Atomic int phase; /* enum mt_phase */
	uint16_t queues_count;
	uint16_t workers_count;
	struct mt_queue *queues[MT_DATAPATH_MAX_QUEUES];
	struct mt_worker *workers[MT_MAX_WORKERS];
};

/* Memory of one worker, on its NUMA node. */
struct mt_worker {
	/* Set by control before the start, then read only. */
	struct mt_datapath *datapath;
	const struct mt_snapshot *snapshot;
	uint16_t index;
	uint16_t rx_count;
	uint16_t owned_count;
	unsigned lcore;
	struct mt_rx rx[MT_MAX_RX_PER_WORKER];
	uint16_t owned[MT_DATAPATH_MAX_QUEUES];

	/* Writer: the worker. Readers: control. */
	struct mt_receive_counters receive;
	struct mt_full_counters full;
	_Atomic uint64_t heartbeat __rte_cache_aligned; /* loops */
	_Atomic bool drained; /* in MT_PHASE_DRAIN: its receive queues were empty */

	/* The worker's own. */
	struct {
		uint64_t tsc; /* at which it was `ns` */
		uint64_t ns;
		uint64_t ns_per_tick; /* times 2^32 */
		uint64_t last_ns;
	} clock __rte_cache_aligned;
	uint16_t spread_counts[MT_DATAPATH_MAX_QUEUES];
	struct rte_mbuf *spread[MT_DATAPATH_MAX_QUEUES][MT_BURST];
} __rte_cache_aligned;

/* Body of a worker's lcore, for rte_eal_remote_launch(); `worker` is a struct mt_worker. Returns 0
 * when the phase is MT_PHASE_STOP. */
int mt_worker_run(void *worker);
