/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/snapshot.h"

#include <errno.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_random.h>

#include "control/daemon.h"

static void free_tables(struct mt_dedup_tables *tables)
{
	if (tables == NULL || --tables->snapshots > 0)
		return;
	for (uint16_t q = 0; q < tables->count; q++)
		mt_dedup_destroy(tables->of[q]);
	rte_free(tables);
}

static struct mt_dedup_tables *make_tables(const struct mt_plan *plan, uint32_t entries)
{
	struct mt_dedup_tables *tables =
		rte_zmalloc("mt_dedup_tables", sizeof(*tables), RTE_CACHE_LINE_SIZE);

	if (tables == NULL)
		return NULL;
	tables->snapshots = 1;
	tables->entries = entries;
	for (uint16_t q = 0; q < plan->queues; q++) {
		int node = plan->workers[plan->queue_owner[q]].numa_node;

		tables->of[q] = mt_dedup_create(entries, rte_rand(), node);
		if (tables->of[q] == NULL) {
			free_tables(tables);
			return NULL;
		}
		tables->count++;
	}
	return tables;
}

/* Tables that fit are taken over: what was delivered before a reload is known after it. */
static struct mt_dedup_tables *find_tables(const struct mt_daemon *daemon, uint32_t entries)
{
	struct mt_dedup_tables *tables =
		daemon->snapshot != NULL ? daemon->snapshot->dedup_tables : NULL;

	entries = mt_dedup_entries(entries);
	if (tables == NULL || tables->entries != entries)
		return make_tables(daemon->plan, entries);
	tables->snapshots++;
	return tables;
}

static bool set_dedup(struct mt_snapshot *snapshot, const struct mt_daemon *daemon,
	const struct mt_config_dedup *config)
{
	if (config->window_ms == 0)
		return true;
	snapshot->dedup = (struct mt_dedup_config){
		.window_ms = config->window_ms,
		.bytes = config->payload_bytes,
		.across_sessions = config->across_sessions,
		.ignore_dscp = config->ignore_dscp,
		.by_outputs = snapshot->chooses,
	};
	snapshot->dedup_tables = find_tables(daemon, config->entries);
	return snapshot->dedup_tables != NULL;
}

static void set_reorder(struct mt_snapshot *snapshot, const struct mt_config *config)
{
	snapshot->reorder = (struct mt_reorder_config){
		.window_us = config->reorder.window_us,
		/* What is left of copies in several sessions is one conversation. */
		.across_sessions = config->dedup.window_ms != 0 && config->dedup.across_sessions,
	};
	snapshot->reorder_window_tsc = rte_get_tsc_hz() / 1000000 * config->reorder.window_us;
}

struct mt_snapshot *mt_snapshot_make(const struct mt_daemon *daemon, const struct mt_config *config,
	const struct mt_policy *policy)
{
	struct mt_snapshot *snapshot =
		rte_zmalloc("mt_snapshot", sizeof(*snapshot), RTE_CACHE_LINE_SIZE);

	if (snapshot == NULL)
		return NULL;
	mt_config_tunnels(config, &snapshot->tunnels);
	snapshot->fast = mt_fast_prepare(&snapshot->tunnels);
	snapshot->simd = daemon->simd;
	snapshot->idle = config->dataplane.idle;
	snapshot->plain_hash = config->dataplane.hash.fields == MT_HASH_5_TUPLE
		&& !config->dataplane.hash.include_vni;
	snapshot->queues = daemon->plan->queues;
	snapshot->policy = policy;
	snapshot->chooses = policy != NULL && mt_policy_chooses(policy);
	set_reorder(snapshot, config);
	if (!set_dedup(snapshot, daemon, &config->dedup)) {
		rte_free(snapshot);
		return NULL;
	}
	return snapshot;
}

void mt_snapshot_free(struct mt_snapshot *snapshot)
{
	if (snapshot != NULL)
		free_tables(snapshot->dedup_tables);
	rte_free(snapshot);
}

void mt_snapshot_add_output(struct mt_snapshot *snapshot, struct mt_output *output, unsigned place)
{
	uint16_t index = snapshot->outputs_count++;

	snapshot->outputs[index] = output;
	snapshot->places[index] = (uint8_t)place;
	snapshot->places_set |= UINT32_C(1) << place;
}

int mt_snapshot_policy(
	const struct mt_config *config, struct mt_policy **policy, char *error, size_t error_size)
{
	const struct mt_policy_spec *spec = &config->policy;

	*policy = NULL;
	if (mt_policy_spec_is_empty(spec))
		return 0;
	*policy = mt_policy_create(spec, error, error_size);
	return *policy == NULL ? -EINVAL : 0;
}
