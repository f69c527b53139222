/* SPDX-License-Identifier: BSD-3-Clause */
/* The plan: what the configuration will take of the machine. Made before anything is started, so
 * that --check can show it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "control/config.h"

enum {
	MT_MAX_LCORES = 128,            /* EAL's RTE_MAX_LCORE in Debian's DPDK */
	MT_PLAN_WORKER_BYTES = 5 << 18, /* a worker's memory, mostly its table of sessions */
};

struct mt_plan_worker {
	unsigned lcore; /* EAL's id */
	int cpu;        /* first CPU that it may run on */
	int numa_node;
	bool receives; /* polls receive queues */
	bool owns;     /* owns queues */
};

struct mt_plan {
	unsigned control_lcore;
	int control_cpu;
	struct mt_plan_worker workers[MT_MAX_LCORES];
	unsigned workers_count;
	unsigned receivers_count;
	unsigned queue_owner[MT_MAX_QUEUES]; /* index into workers[] */
	unsigned queues;
	/* Memory, from queues, descriptors, rings and bursts. */
	struct {
		unsigned mbufs;
		uint32_t buffer_bytes; /* data room of one mbuf, headroom included */
		uint64_t bytes;        /* of the pool */
	} ports[MT_MAX_PORTS];
	uint64_t workers_bytes;
	uint64_t rings_bytes;
	uint64_t dedup_bytes;     /* tables of all queues */
	uint64_t reorder_bytes;   /* likewise */
	uint64_t outputs_bytes;   /* buffers of port outputs, at most */
	uint64_t policy_bytes;    /* sessions and filters, twice: a reload has both */
	uint64_t consumers_bytes; /* shared with consumers of ring outputs: not hugepages */
	uint64_t total_bytes;     /* of hugepages */
};

/* Makes the plan of a checked configuration. Returns 0, or -EINVAL with one line in `error`
 * ("FILE:LINE: ..."), e.g. for lcores that the machine does not have. */
int mt_plan_make(
	const struct mt_config *config, struct mt_plan *plan, char *error, size_t error_size);

/* A worker that sits on another NUMA node than `node` and so takes packets across: one that
 * receives if there is any, else an owner of queues. NULL: none, or `node` is not known (less than
 * 0). */
const struct mt_plan_worker *mt_plan_far_worker(const struct mt_plan *plan, int node);

/* Prints the plan for a person: cores, queues, memory. */
void mt_plan_print(const struct mt_config *config, const struct mt_plan *plan, FILE *stream);
