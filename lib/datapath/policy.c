/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/policy.h"

#include "datapath/cut.h"
#include "datapath/stages.h"
#include "datapath/worker.h"
#include "packet/frame_info.h"

static_assert((int)MT_POLICY_BURST >= (int)MT_BURST, "a burst is decided upon in one call");

/* Cuts what is behind `length` bytes off. The original length stays as it is. */
static void truncate_frame(struct rte_mbuf *frame, uint32_t length)
{
	if (length == 0 || frame->pkt_len <= length)
		return;
	mt_cut_back(frame, length);
	mt_frame_info(frame)->vni_flags |= MT_FLAG_TRUNCATED;
}

void mt_stage_policy(struct mt_worker *worker, struct mt_batch *batch)
{
	const struct mt_snapshot *snapshot = worker->snapshot;
	struct mt_decision decisions[MT_BURST];
	uint16_t kept = 0;

	batch->sums = mt_sums_none();
	mt_policy_decide(snapshot->policy, &worker->policy, batch->frames, batch->count, decisions);
	for (uint16_t i = 0; i < batch->count; i++) {
		struct rte_mbuf *frame = batch->frames[i];

		if (decisions[i].verdict != MT_VERDICT_ACCEPTED) {
			mt_batch_drop_of_session(batch, frame, decisions[i].verdict,
				mt_frame_vni(mt_frame_info(frame)));
			continue;
		}
		truncate_frame(frame, decisions[i].truncate);
		*mt_frame_choices(frame) = decisions[i].choices;
		mt_sums_add(&batch->sums, frame);
		batch->frames[kept++] = frame;
	}
	batch->count = kept;
}
