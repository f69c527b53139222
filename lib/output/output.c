/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include "output/release.h"

static const struct {
	const char *name;
	const char *meaning;
} drops[] = {
#define X(symbol, name, meaning) [MT_OUTPUT_DROP_##symbol] = {name, meaning},
	MT_OUTPUT_DROPS(X)
#undef X
};

const char *mt_output_drop_name(enum mt_output_drop reason)
{
	return (unsigned)reason < MT_OUTPUT_DROP_COUNT ? drops[reason].name : "?";
}

const char *mt_output_drop_meaning(enum mt_output_drop reason)
{
	return (unsigned)reason < MT_OUTPUT_DROP_COUNT ? drops[reason].meaning : "?";
}

struct mt_output *mt_output_create(const struct mt_output_ops *ops,
	const struct mt_output_settings *settings, char *error, size_t error_size)
{
	struct mt_output *output = rte_zmalloc("mt_output", sizeof(*output), RTE_CACHE_LINE_SIZE);
	int rc;

	if (output == NULL) {
		snprintf(error, error_size, "output %s: no memory; give EAL more hugepages",
			settings->name);
		return NULL;
	}
	output->ops = ops;
	output->queues = settings->queues;
	snprintf(output->name, sizeof(output->name), "%s", settings->name);
	output->per_queue = rte_zmalloc("mt_output_queues",
		sizeof(*output->per_queue) * settings->queues, RTE_CACHE_LINE_SIZE);
	rc = output->per_queue == NULL ? -ENOMEM : ops->open(output, settings);
	if (rc < 0) {
		snprintf(error, error_size, "output %s: %s", settings->name,
			output->error[0] != '\0' ? output->error : strerror(-rc));
		rte_free(output->per_queue);
		rte_free(output);
		return NULL;
	}
	return output;
}

void mt_output_destroy(struct mt_output *output)
{
	if (output == NULL)
		return;
	output->ops->close(output);
	free(output->earlier);
	rte_free(output->per_queue);
	rte_free(output);
}

static void add(struct mt_output_counts *sum, const struct mt_output_counts *counts)
{
	sum->offered += counts->offered;
	sum->delivered += counts->delivered;
	sum->delivered_bytes += counts->delivered_bytes;
	for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++)
		sum->drops[r] += counts->drops[r];
}

struct mt_output_counts *mt_output_counts_of(struct mt_output *output)
{
	struct mt_output_counts *sums = calloc(output->queues, sizeof(*sums));
	uint64_t in_flight;

	for (uint16_t q = 0; sums != NULL && q < output->queues; q++) {
		struct mt_output_counts counts;

		mt_output_read(output, q, &counts, &in_flight);
		add(&sums[q], &counts);
	}
	return sums;
}

void mt_output_read(struct mt_output *output, uint16_t queue, struct mt_output_counts *counts,
	uint64_t *in_flight)
{
	struct mt_output_queue *q = &output->per_queue[queue];
	const struct mt_output_counts *earlier;

	*in_flight = 0;
	if (output->ops->read != NULL)
		output->ops->read(output, queue, counts, in_flight);
	else
		mt_commit_read(&q->commit, (uint64_t *)counts, (const uint64_t *)&q->counts,
			sizeof(*counts));
	earlier = atomic_load_explicit(&output->earlier, memory_order_acquire);
	if (earlier != NULL)
		add(counts, &earlier[queue]);
}

/* --- an output that could not be opened again --- */

static int lost_open(struct mt_output *output, const struct mt_output_settings *settings)
{
	(void)settings;
	snprintf(output->error, sizeof(output->error),
		"could not be opened again after a reload failed; mend it and reload");
	mt_output_fail(output);
	return 0;
}

static void lost_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct mt_output_queue *q = &output->per_queue[queue];

	mt_commit_begin(&q->commit);
	mt_count(&q->counts.offered, count);
	mt_count(&q->counts.drops[MT_OUTPUT_DROP_ERROR], count);
	mt_commit_end(&q->commit);
	mt_release(frames, count);
}

static void lost_close(struct mt_output *output)
{
	(void)output;
}

const struct mt_output_ops mt_output_lost = {
	.type = "lost",
	.open = lost_open,
	.send = lost_send,
	.close = lost_close,
};
