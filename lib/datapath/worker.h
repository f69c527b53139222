/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers: lcores that poll receive queues, own queues, or both. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "datapath/batch.h"
#include "datapath/clock.h"
#include "datapath/counters.h"
#include "datapath/idle.h"
#include "datapath/sessions.h"
#include "datapath/snapshot.h"
#include "datapath/tally.h"
#include "policy/policy.h"

enum {
	MT_MAX_RX_PER_WORKER = 64,
	MT_MAX_WORKERS = 128,
	MT_DATAPATH_MAX_CAPTURES = 8, /* live ones, at a time */
};

struct mt_live;

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
	struct mt_reorder *reorder;
	struct mt_queue_counters counters;
} __rte_cache_aligned;

struct mt_datapath {
	_Atomic int phase; /* enum mt_phase */
	/* Live captures: a set of places, and what is there. Writers: their threads, by
	 * mt_live_attach() and mt_live_detach(). Readers: workers, for each delivery. */
	_Atomic uint32_t capturing;
	uint16_t queues_count;
	uint16_t workers_count;
	struct mt_queue *queues[MT_DATAPATH_MAX_QUEUES];
	struct mt_worker *workers[MT_MAX_WORKERS];
	/* Ports that no worker may touch: they are being reset or are gone. Writer: control, which
	 * then waits for the workers with mt_datapath_synchronize(). Readers: workers. */
	_Atomic bool paused[MT_DATAPATH_MAX_PORTS];
	_Atomic(struct mt_live *) captures[MT_DATAPATH_MAX_CAPTURES];
	struct rte_rcu_qsbr *readers; /* each worker reports between loops that it holds nothing */
	/* Writer: control, by mt_datapath_publish(). Readers: workers, at the begin of a loop. */
	_Atomic(const struct mt_snapshot *) snapshot;
};

/* Gives the workers another snapshot: one pointer, and none of them waits. Control thread. */
static inline void mt_datapath_publish(
	struct mt_datapath *datapath, const struct mt_snapshot *snapshot)
{
	atomic_store_explicit(&datapath->snapshot, snapshot, memory_order_release);
}

/* Waits until every worker has begun a new loop, so that none still uses what was taken away from
 * them before the call. Control thread. Returns false if one did not within `limit_ms`. */
bool mt_datapath_synchronize(struct mt_datapath *datapath, unsigned limit_ms);

/* The same, and until every frame that was on its way to a queue's owner, or is held back there to
 * be put in order, has been delivered: then nothing is left that was decided under what was
 * published before. The time that frames are held back comes on top of the limit. */
bool mt_datapath_settle(struct mt_datapath *datapath, unsigned limit_ms);

/* Frames on their way to their queues: of one batch, or of several where queues are many and bursts
 * come full, because each hand-over costs as much as several frames. */
enum {
	/* Frames that wait at the most for more of their queues. No more than an lcore's mempool
	 * cache takes back without its ring: beyond, buffers leave the CPU's caches before they
	 * are used again. */
	MT_SPREAD_FRAMES = 384,
	MT_SPREAD_PER_QUEUE = 16,
};

/* Of one queue. Its size spreads those of many queues over all sets of a cache. */
struct mt_spread_queue {
	mt_tally_t tally;
	struct rte_mbuf *frames[MT_BURST];
} __rte_cache_aligned;

struct mt_spread {
	uint64_t time_ns; /* when the oldest were received */
	uint16_t count;
	struct mt_spread_queue to[MT_DATAPATH_MAX_QUEUES];
};

/* How many frames are spread at once. */
static inline uint16_t mt_spread_limit(uint16_t queues)
{
	return RTE_MAX(MT_BURST, RTE_MIN(queues * MT_SPREAD_PER_QUEUE, MT_SPREAD_FRAMES));
}

enum {
	/* Frames that nobody wants and that are counted together at the most. */
	MT_SKIP_FRAMES = 1024,
};

/* Of one loop: frames that went back to their pool and are still to be counted. */
struct mt_skip {
	uint64_t time_ns; /* when the oldest were received */
	uint64_t queues;  /* a set: own ones whose frames nobody wants */
	uint32_t count;
	bool known; /* `queues` is of this loop */
	mt_tally_t tallies[MT_DATAPATH_MAX_QUEUES];
};

/* Memory of one worker, on its NUMA node. */
struct mt_worker {
	/* Set by control before the start, then read only. */
	struct mt_datapath *datapath;
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
	const struct mt_snapshot *snapshot __rte_cache_aligned; /* of this loop */
	uint64_t slow_cycles; /* a loop that takes longer is slow */
	struct mt_clock clock;
	struct mt_idle idle;
	struct mt_policy_state policy;
	bool owns[MT_DATAPATH_MAX_QUEUES];
	uint16_t fed_count;
	uint16_t next_polled;                 /* in owned[] */
	uint16_t fed[MT_DATAPATH_MAX_QUEUES]; /* of those owned: the ones with a ring */
	struct mt_skip skip;
	struct mt_spread spread;
} __rte_cache_aligned;

/* Says where the worker is from now on. The worker itself. */
static inline void mt_worker_enter(struct mt_worker *worker, enum mt_stage stage)
{
	atomic_store_explicit(&worker->stage, stage, memory_order_relaxed);
}

/* Body of a worker's lcore, for rte_eal_remote_launch(); `worker` is a struct mt_worker. Returns 0
 * when the phase is MT_PHASE_STOP. */
int mt_worker_run(void *worker);
