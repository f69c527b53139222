/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config_dedup.h"

enum {
	DEFAULT_WINDOW_MS = 50,
	DEFAULT_WINDOW_US = 1000,
	DEFAULT_PACKETS = 1024,
	DEFAULT_ENTRIES = 262144, /* 50 ms of five million packets a second */
};

static void fill_reorder(struct mt_config_reorder *reorder)
{
	if (reorder->window_us == 0)
		reorder->window_us = DEFAULT_WINDOW_US;
	if (reorder->packets == 0)
		reorder->packets = DEFAULT_PACKETS;
}

static void fill_dedup(struct mt_config_lines *lines, struct mt_config_dedup *dedup)
{
	if (dedup->window_ms == 0)
		dedup->window_ms = DEFAULT_WINDOW_MS;
	if (dedup->entries == 0)
		dedup->entries = DEFAULT_ENTRIES;
	if (dedup->payload_bytes == 0)
		dedup->payload_bytes = MT_DEDUP_MAX_BYTES;
	if (mt_config_lines_node(lines, "dedup.across_sessions") == NULL)
		dedup->across_sessions = true;
}

int mt_config_dedup(struct mt_config_lines *lines, struct mt_config *config)
{
	const struct mt_config_hash *hash = &config->dataplane.hash;

	if (mt_config_lines_node(lines, "reorder") != NULL)
		fill_reorder(&config->reorder);
	if (mt_config_lines_node(lines, "dedup") == NULL)
		return 0;
	fill_dedup(lines, &config->dedup);
	/* A queue finds only copies that come to it. */
	if (config->dedup.across_sessions && config->dataplane.queues > 1
		&& (hash->include_vni || hash->fields == MT_HASH_VNI))
		return mt_config_lines_refuse(lines, "dedup",
			"would miss copies: dataplane.hash sends those of another session to "
			"another queue; set across_sessions to false, or hash by addresses "
			"without include_vni");
	return 0;
}
