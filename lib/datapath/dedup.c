/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/dedup.h"

#include "datapath/stages.h"
#include "datapath/worker.h"
#include "output/release.h"

enum {
	AHEAD = 4,              /* frames whose bytes are fetched before they are read */
	HEADERS = 14 + 40 + 20, /* of a usual frame, before the bytes of its payload */
};

/* No one else reads the payload on its way: it is where the device put it. */
static inline void prefetch_frame(struct rte_mbuf *frame, uint32_t payload_bytes)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);
	uint32_t length = RTE_MIN(frame->data_len, HEADERS + payload_bytes);

	rte_prefetch0(mt_frame_info(frame));
	for (uint32_t at = 0; at < length; at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(bytes + at);
}

static void read_all(const struct mt_dedup *dedup, const struct mt_dedup_config *config,
	struct rte_mbuf *const *frames, uint16_t count, struct mt_fingerprint *prints)
{
	for (uint16_t i = 0; i < RTE_MIN(count, (uint16_t)AHEAD); i++)
		prefetch_frame(frames[i], config->bytes);
	for (uint16_t i = 0; i < count; i++) {
		if (i + AHEAD < count)
			prefetch_frame(frames[i + AHEAD], config->bytes);
		mt_dedup_read(dedup, config, frames[i], &prints[i]);
		mt_dedup_prefetch(dedup, &prints[i]);
	}
}

static void drop(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct mt_queue_counters *counters = &worker->datapath->queues[queue]->counters;

	mt_commit_begin(&counters->commit);
	mt_count(&counters->counts.duplicates, count);
	mt_commit_end(&counters->commit);
	mt_sessions_count_duplicates(&worker->sessions, frames, count);
	mt_release(frames, count);
}

uint16_t mt_stage_dedup(struct mt_worker *worker, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count, uint64_t *bytes)
{
	const struct mt_dedup_config *config = &worker->snapshot->dedup;
	struct mt_dedup *dedup = worker->snapshot->dedup_tables->of[queue];
	const uint64_t evicted = dedup->evicted;
	struct mt_fingerprint prints[MT_BURST];
	struct rte_mbuf *duplicates[MT_BURST];
	uint16_t duplicates_count = 0;
	uint16_t kept = 0;

	read_all(dedup, config, frames, count, prints);
	for (uint16_t i = 0; i < count; i++) {
		if (mt_dedup_check(dedup, config, &prints[i])) {
			*bytes -= frames[i]->pkt_len;
			duplicates[duplicates_count++] = frames[i];
		} else {
			frames[kept++] = frames[i];
		}
	}
	mt_count(
		&worker->datapath->queues[queue]->counters.dedup_evicted, dedup->evicted - evicted);
	if (duplicates_count > 0)
		drop(worker, queue, duplicates, duplicates_count);
	return kept;
}
