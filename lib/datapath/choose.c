/* SPDX-License-Identifier: BSD-3-Clause */
#include "datapath/stages.h"
#include "output/output.h"
#include "policy/policy.h"

/* What an output is offered and its own filter or sampling keeps from it. */
static void count_kept_back(struct mt_output_queue *queue, uint32_t filtered, uint32_t sampled)
{
	if (filtered + sampled == 0)
		return;
	mt_commit_begin(&queue->commit);
	mt_count(&queue->counts.offered, filtered + sampled);
	mt_count(&queue->counts.drops[MT_OUTPUT_DROP_FILTERED], filtered);
	mt_count(&queue->counts.drops[MT_OUTPUT_DROP_SAMPLED], sampled);
	mt_commit_end(&queue->commit);
}

/* As many references as outputs get the frame. Those that none gets are freed. */
static void share(const struct mt_snapshot *snapshot, struct rte_mbuf **frames,
	const uint32_t *choices, uint16_t count)
{
	struct rte_mbuf *unwanted[MT_BURST];
	uint16_t unwanted_count = 0;

	for (uint16_t i = 0; i < count; i++) {
		uint32_t outputs = choices[i] & ~(choices[i] >> 16) & snapshot->places_set;
		int16_t takers = (int16_t)__builtin_popcount(outputs);

		if (takers == 0)
			unwanted[unwanted_count++] = frames[i];
		else if (takers > 1)
			rte_pktmbuf_refcnt_update(frames[i], (int16_t)(takers - 1));
	}
	if (unwanted_count > 0)
		rte_pktmbuf_free_bulk(unwanted, unwanted_count);
}

void mt_deliver_chosen(const struct mt_snapshot *snapshot, uint16_t queue, struct rte_mbuf **frames,
	uint16_t count)
{
	struct rte_mbuf *chosen[MT_BURST];
	uint32_t choices[MT_BURST];

	/* Read before any frame is someone else's. */
	for (uint16_t i = 0; i < count; i++)
		choices[i] = *mt_frame_choices(frames[i]);
	share(snapshot, frames, choices, count);
	for (uint16_t o = 0; o < snapshot->outputs_count; o++) {
		struct mt_output *output = snapshot->outputs[o];
		uint32_t kept_back[2] = {0, 0};
		uint16_t chosen_count = 0;

		for (uint16_t i = 0; i < count; i++) {
			enum mt_choice choice = mt_choice_of(choices[i], snapshot->places[o]);

			if (choice == MT_CHOICE_DELIVER)
				chosen[chosen_count++] = frames[i];
			kept_back[0] += choice == MT_CHOICE_FILTERED;
			kept_back[1] += choice == MT_CHOICE_SAMPLED;
		}
		count_kept_back(&output->per_queue[queue], kept_back[0], kept_back[1]);
		if (chosen_count > 0)
			output->ops->send(output, queue, chosen, chosen_count);
	}
}
