/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers: lcores that poll receive queues, own queues, or both. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "datapath/batch.h"
#include "datapath/clock.h"
#include "datapath/counters.h"
#include "datapath/idle.h"
#include "datapath/sessions.h"
#include "datapath/snapshot.h"
#include "policy/dedup.h"
#include "policy/policy.h"

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

/* Where a worker is, for the log line about one that is stuck. */
enum mt_stage {
	MT_STAGE_IDLE,
	MT_STAGE_RECEIVE, /* in the driver */
	MT_STAGE_DECAPSULATE,
	MT_STAGE_POLICY,
	MT_STAGE_HOST,
	MT_STAGE_SPREAD,
	MT_STAGE_DELIVER, /* in an output */
	MT_STAGE_COUNT
};

/* "receive", "decapsulate", ... */
const char *mt_stage_name(enum mt_stage stage);

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
	/* The owner's; NULL: none. */
	struct mt_dedup *dedup;
	struct mt_reorder *reorder;
	struct mt_queue_counters counters;
} __rte_cache_aligned;

struct mt_datapath {
	_Atomic int phase; /* enum mt_phase */
	uint16_t queues_count;
	uint16_t workers_count;
	struct mt_queue *queues[MT_DATAPATH_MAX_QUEUES];
	struct mt_worker *workers[MT_MAX_WORKERS];
	/* Ports that no worker may touch: they are being reset or are gone. Writer: control, which
	 * then waits for the workers with mt_datapath_synchronize(). Readers: workers. */
	_Atomic bool paused[MT_DATAPATH_MAX_PORTS];
	struct rte_rcu_qsbr *readers; /* each worker reports between loops that it holds nothing */
};

/* Waits until every worker has begun a new loop, so that none still uses what was taken away from
 * them before the call. Control thread. Returns false if one did not within `limit_ms`. */
bool mt_datapath_synchronize(struct mt_datapath *datapath, unsigned limit_ms);

/* The frames of a batch that go to one queue. */
struct mt_spread {
	uint64_t bytes;
	uint16_t count;
	struct rte_mbuf *frames[MT_BURST];
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
	/* To the pump of a port's host interface; NULL: the port has none. Producer: the worker;
	 * consumer: the pump. */
	struct rte_ring *host[MT_DATAPATH_MAX_PORTS];
	uint16_t owned[MT_DATAPATH_MAX_QUEUES];

	/* Writer: the worker. Readers: control. */
	struct mt_receive_counters receive;
	struct mt_full_counters full;
	struct mt_load_counters load;
	struct mt_sessions sessions;
	_Atomic uint64_t heartbeat __rte_cache_aligned; /* loops */
	_Atomic uint8_t stage;                          /* enum mt_stage */
	_Atomic bool drained; /* in MT_PHASE_DRAIN: its receive queues were empty */

	/* The worker's own. */
	struct mt_clock clock __rte_cache_aligned;
	struct mt_idle idle;
	struct mt_policy_state policy;
	struct mt_spread spread[MT_DATAPATH_MAX_QUEUES];
} __rte_cache_aligned;

/* Body of a worker's lcore, for rte_eal_remote_launch(); `worker` is a struct mt_worker. Returns 0
 * when the phase is MT_PHASE_STOP. */
int mt_worker_run(void *worker);
