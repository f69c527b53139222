/* SPDX-License-Identifier: BSD-3-Clause */
/* Capture files: each queue's owner sets frames aside in a ring, and one thread of the output's own
 * writes them (pcapng_writer.c). So a slow or full disk costs this output its frames and nobody
 * anything else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "output/output.h"
#include "output/pcapng_blocks.h"
#include "output/pcapng_writer.h"
#include "output/release.h"
#include "packet/frame_info.h"

struct pcapng_output {
	struct mt_pcapng_writer writer;
	struct mt_pcapng_queue queues[MT_OUTPUT_MAX_QUEUES];
	char *directory;
	bool started;
};

static void stop(struct pcapng_output *pcapng)
{
	if (pcapng->started)
		mt_pcapng_writer_stop(&pcapng->writer);
	pcapng->started = false;
}

static void pcapng_close(struct mt_output *output)
{
	struct pcapng_output *pcapng = output->private;

	stop(pcapng);
	for (uint16_t q = 0; q < output->queues; q++) {
		rte_ring_free(pcapng->queues[q].ring);
		free(pcapng->queues[q].lost_before);
		free(pcapng->queues[q].lost_after);
	}
	free(pcapng->directory);
	rte_free(pcapng);
}

static int open_queue(
	struct mt_output *output, const struct mt_output_settings *settings, uint16_t q)
{
	struct mt_pcapng_queue *queue = &((struct pcapng_output *)output->private)->queues[q];
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "mti_f_%.15s_%u", settings->name, q % 1000);
	queue->ring = rte_ring_create(name, settings->length, settings->queue_node[q],
		RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	if (queue->ring == NULL)
		return -rte_errno;
	queue->lost_before = calloc(1, sizeof(*queue->lost_before));
	queue->lost_after = calloc(1, sizeof(*queue->lost_after));
	return queue->lost_before == NULL || queue->lost_after == NULL ? -ENOMEM : 0;
}

/* The thread's word on how it stands, for control. */
static void look(struct mt_output *output)
{
	struct mt_pcapng_writer *writer = &((struct pcapng_output *)output->private)->writer;
	bool failed;

	pthread_mutex_lock(&writer->lock);
	failed = writer->failed;
	if (failed)
		memcpy(output->error, writer->error, sizeof(output->error));
	pthread_mutex_unlock(&writer->lock);
	if (failed)
		mt_output_fail(output);
	else
		atomic_store_explicit(&output->state, MT_OUTPUT_UP, memory_order_relaxed);
}

static int start(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct pcapng_output *pcapng = output->private;
	struct mt_pcapng_writer *writer = &pcapng->writer;
	int rc;

	pcapng->directory = strdup(settings->directory);
	if (pcapng->directory == NULL)
		return -ENOMEM;
	writer->queues = pcapng->queues;
	writer->queues_count = output->queues;
	writer->ring = (struct mt_capture_ring){
		.directory = pcapng->directory,
		.name = output->name,
		.keep_files = settings->keep_files,
		.keep_bytes = settings->keep_bytes,
	};
	writer->rotate_bytes = settings->rotate_bytes;
	writer->rotate_ns = settings->rotate_seconds * UINT64_C(1000000000);
	writer->snap = settings->snap > 0 ? settings->snap : MT_PCAPNG_MAX_PACKET_BYTES;
	writer->describe = settings->describe;
	writer->describe_context = settings->describe_context;
	rc = mt_pcapng_writer_start(writer);
	pcapng->started = rc == 0;
	return rc;
}

static int pcapng_open(struct mt_output *output, const struct mt_output_settings *settings)
{
	struct pcapng_output *pcapng =
		rte_zmalloc("mt_output_pcapng", sizeof(*pcapng), RTE_CACHE_LINE_SIZE);
	int rc = 0;

	if (pcapng == NULL)
		return -ENOMEM;
	output->private = pcapng;
	for (uint16_t q = 0; q < settings->queues && rc == 0; q++)
		rc = open_queue(output, settings, q);
	if (rc < 0)
		snprintf(output->error, sizeof(output->error),
			"rings of %u frames: %s; shorten outputs[].length or give EAL more "
			"hugepages",
			settings->length, rte_strerror(-rc));
	if (rc == 0)
		rc = start(output, settings);
	if (rc < 0) {
		pcapng_close(output);
		return rc;
	}
	look(output); /* it may not be writable from the start */
	return 0;
}

/* For the statistics of the sessions in the file. */
static void count_lost(struct mt_pcapng_queue *queue, struct rte_mbuf **frames, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		mt_vni_count(queue->lost_before, mt_frame_vni(mt_frame_info(frames[i])));
}

static void pcapng_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct pcapng_output *pcapng = output->private;
	struct mt_pcapng_queue *to = &pcapng->queues[queue];
	struct mt_output_queue *q = &output->per_queue[queue];
	int refuse = atomic_load_explicit(&pcapng->writer.refuse, memory_order_relaxed);
	unsigned set = 0;

	/* Within the commit, so that the thread is never seen to be ahead. */
	mt_commit_begin(&q->commit);
	if (likely(refuse == MT_PCAPNG_TAKING)) {
		set = rte_ring_enqueue_burst(to->ring, (void **)frames, count, NULL);
		refuse = MT_OUTPUT_DROP_FULL;
	}
	mt_count(&q->counts.offered, count);
	mt_count(&q->counts.delivered, set);
	if (unlikely(set < count))
		mt_count(&q->counts.drops[refuse], count - set);
	mt_commit_end(&q->commit);
	if (likely(set == count))
		return;
	count_lost(to, &frames[set], count - set);
	mt_release(&frames[set], count - set);
}

static void pcapng_read(struct mt_output *output, uint16_t queue, struct mt_output_counts *counts,
	uint64_t *in_flight)
{
	struct mt_output_queue *written =
		&((struct pcapng_output *)output->private)->queues[queue].written;
	struct mt_output_queue *q = &output->per_queue[queue];
	struct mt_output_counts done;

	/* What was written first, then what was set aside, so that the difference is not
	 * negative. */
	mt_commit_read(&written->commit, (uint64_t *)&done, (const uint64_t *)&written->counts,
		sizeof(done));
	mt_commit_read(
		&q->commit, (uint64_t *)counts, (const uint64_t *)&q->counts, sizeof(*counts));
	*in_flight = counts->delivered - done.delivered;
	for (unsigned r = 0; r < MT_OUTPUT_DROP_COUNT; r++) {
		*in_flight -= done.drops[r];
		counts->drops[r] += done.drops[r];
	}
	counts->delivered = done.delivered;
	counts->delivered_bytes = done.delivered_bytes;
}

/* The thread writes what it can; the rest was stopped. */
static void pcapng_flush(struct mt_output *output)
{
	struct pcapng_output *pcapng = output->private;
	struct rte_mbuf *frames[32];
	unsigned n;

	stop(pcapng);
	for (uint16_t q = 0; q < output->queues; q++) {
		struct mt_pcapng_queue *queue = &pcapng->queues[q];

		while ((n = rte_ring_dequeue_burst(queue->ring, (void **)frames, 32, NULL)) > 0) {
			mt_release(frames, n);
			mt_commit_begin(&queue->written.commit);
			mt_count(&queue->written.counts.drops[MT_OUTPUT_DROP_STOPPED], n);
			mt_commit_end(&queue->written.commit);
		}
	}
}

const struct mt_output_ops mt_output_pcapng = {
	.type = "pcapng",
	.open = pcapng_open,
	.send = pcapng_send,
	.maintain = look,
	.read = pcapng_read,
	.flush = pcapng_flush,
	.close = pcapng_close,
};
