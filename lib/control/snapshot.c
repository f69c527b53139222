/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/snapshot.h"

#include <errno.h>

#include <rte_malloc.h>

#include "control/daemon.h"

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
	return snapshot;
}

void mt_snapshot_free(struct mt_snapshot *snapshot)
{
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
