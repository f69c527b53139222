/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/latency.h"
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "output/output.h"
#include "output/release.h"
#include "packet/flow_hash.h"

static bool is_wanted(const struct mt_snapshot *snapshot, uint16_t queue)
{
	for (uint16_t o = 0; o < snapshot->outputs_count; o++) {
		struct mt_output *output = snapshot->outputs[o];

		if (output->ops->wants == NULL || output->ops->wants(output, queue))
			return true;
	}
	return false;
}

/* Where something looks at frames before the outputs, it must see them. */
static bool may_skip(const struct mt_worker *worker)
{
	const struct mt_snapshot *snapshot = worker->snapshot;

	return snapshot->dedup_tables == NULL && snapshot->reorder_window_tsc == 0
		&& !snapshot->chooses
		&& atomic_load_explicit(&worker->datapath->capturing, memory_order_relaxed) == 0;
}

static uint64_t find_unwanted(const struct mt_worker *worker)
{
	uint64_t queues = 0;

	for (uint16_t n = 0; n < worker->owned_count; n++)
		if (!is_wanted(worker->snapshot, worker->owned[n]))
			queues |= UINT64_C(1) << worker->owned[n];
	return queues;
}

/* Counts what nobody wants and moves it to `unwanted`; what is left stays in order. Without
 * branches, because no one knows which queue comes next. Returns how many were moved. */
static uint16_t sort_out(
	struct mt_worker *worker, struct mt_batch *batch, struct rte_mbuf **unwanted)
{
	const uint16_t queues = worker->snapshot->queues;
	struct mt_skip *skip = &worker->skip;
	const uint64_t set = skip->queues;
	uint16_t kept = 0, moved = 0;

	for (uint16_t i = 0; i < batch->count; i++) {
		struct rte_mbuf *frame = batch->frames[i];
		const uint16_t queue = mt_hash_queue(frame->hash.rss, queues);
		const bool is_unwanted = set >> queue & 1;

		skip->tallies[queue] += is_unwanted * mt_tally_of(frame->pkt_len);
		unwanted[moved] = frame;
		batch->frames[kept] = frame;
		moved += is_unwanted;
		kept += !is_unwanted;
	}
	batch->count = kept;
	return moved;
}

static void count_all(struct mt_worker *worker, const struct mt_batch *batch)
{
	const uint16_t queues = worker->snapshot->queues;

	for (uint16_t i = 0; i < batch->count; i++) {
		const struct rte_mbuf *frame = batch->frames[i];

		worker->skip.tallies[mt_hash_queue(frame->hash.rss, queues)] +=
			mt_tally_of(frame->pkt_len);
	}
}

void mt_stage_skip(struct mt_worker *worker, struct mt_batch *batch)
{
	struct mt_skip *skip = &worker->skip;
	struct rte_mbuf *unwanted[MT_BURST];
	uint16_t count;

	if (!skip->known) {
		skip->known = true;
		skip->queues = may_skip(worker) ? find_unwanted(worker) : 0;
	}
	if (skip->queues == 0)
		return;
	if (skip->count == 0)
		skip->time_ns = batch->time_ns;
	if (likely(__builtin_popcountll(skip->queues) == worker->snapshot->queues)) {
		count_all(worker, batch);
		skip->count += batch->count;
		mt_release(batch->frames, batch->count);
		batch->count = 0;
		return;
	}
	count = sort_out(worker, batch, unwanted);
	skip->count += count;
	mt_release(unwanted, count);
}

static void commit(struct mt_worker *worker, uint16_t queue, mt_tally_t tally, uint64_t ns)
{
	const struct mt_snapshot *snapshot = worker->snapshot;
	struct mt_queue_counters *counters = &worker->datapath->queues[queue]->counters;
	const uint16_t frames = mt_tally_frames(tally);

	mt_queue_accept(counters, frames, mt_tally_bytes(tally));
	for (uint16_t o = 0; o < snapshot->outputs_count; o++)
		snapshot->outputs[o]->ops->count_unwanted(snapshot->outputs[o], queue, frames);
	mt_latency_count(&counters->latency, ns, frames);
}

void mt_skip_commit(struct mt_worker *worker)
{
	struct mt_skip *skip = &worker->skip;
	uint64_t ns;

	skip->known = false;
	if (skip->count == 0)
		return;
	skip->count = 0;
	ns = mt_clock_since(&worker->clock, skip->time_ns);
	for (uint64_t queues = skip->queues; queues != 0; queues &= queues - 1) {
		const uint16_t queue = (uint16_t)__builtin_ctzll(queues);
		const mt_tally_t tally = skip->tallies[queue];

		if (tally == 0)
			continue;
		skip->tallies[queue] = 0;
		commit(worker, queue, tally, ns);
	}
}
