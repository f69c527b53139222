/* SPDX-License-Identifier: BSD-3-Clause */
/* The policy stage and delivery by choice, on real mbufs with outputs that write down what they
 * get: each frame ends once, in every segment shape, and no buffer is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "datapath/stages.h"
#include "datapath/worker.h"
#include "frame_pool.h"
#include "output/output.h"
#include "packet/frame_info.h"

enum {
	BUFFERS = 1023,
	OUTPUTS = 3,
	LENGTH = 300,
};

/* An output that takes frames and frees them at once, as a device might. */
struct sink {
	uint32_t vnis[MT_BURST];
	unsigned count;
};

static void sink_send(
	struct mt_output *output, uint16_t queue, struct rte_mbuf **frames, uint16_t count)
{
	struct sink *sink = output->private;
	struct mt_output_queue *q = &output->per_queue[queue];

	for (uint16_t i = 0; i < count; i++)
		sink->vnis[sink->count++] = mt_frame_vni(mt_frame_info(frames[i]));
	mt_count(&q->counts.offered, count);
	mt_count(&q->counts.delivered, count);
	rte_pktmbuf_free_bulk(frames, count);
}

static const struct mt_output_ops sink_ops = {.type = "sink", .send = sink_send};

struct bench {
	struct mt_snapshot snapshot;
	struct mt_worker *worker;
	struct mt_output outputs[OUTPUTS];
	struct mt_output_queue queues[OUTPUTS];
	struct sink sinks[OUTPUTS];
};

static void open_bench(struct bench *bench, const struct mt_policy_spec *spec)
{
	char error[256] = "";

	memset(bench, 0, sizeof(*bench));
	for (unsigned o = 0; o < OUTPUTS; o++) {
		bench->outputs[o] = (struct mt_output){
			.ops = &sink_ops,
			.private = &bench->sinks[o],
			.queues = 1,
			.per_queue = &bench->queues[o],
		};
		bench->snapshot.outputs[o] = &bench->outputs[o];
		bench->snapshot.places[o] = o;
	}
	bench->snapshot.outputs_count = OUTPUTS;
	bench->snapshot.places_set = (1u << OUTPUTS) - 1;
	bench->snapshot.queues = 1;
	bench->snapshot.policy = mt_policy_create(spec, error, sizeof(error));
	if (bench->snapshot.policy == NULL)
		fail_msg("%s", error);
	bench->snapshot.chooses = mt_policy_chooses(bench->snapshot.policy);
	bench->worker = rte_zmalloc("worker", sizeof(*bench->worker), RTE_CACHE_LINE_SIZE);
	assert_non_null(bench->worker);
	bench->worker->snapshot = &bench->snapshot;
	bench->worker->policy.random = 1;
}

static void close_bench(struct bench *bench)
{
	mt_policy_destroy((struct mt_policy *)bench->snapshot.policy);
	rte_free(bench->worker);
	assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
}

/* LENGTH bytes in segments of `piece`. */
static struct rte_mbuf *make(uint32_t vni, uint32_t piece)
{
	struct rte_mbuf *head = NULL;

	for (uint32_t at = 0; at < LENGTH; at += piece) {
		uint32_t length = RTE_MIN(piece, LENGTH - at);
		struct rte_mbuf *segment = rte_pktmbuf_alloc(frame_pool());

		assert_non_null(segment);
		memset(rte_pktmbuf_append(segment, length), 0, length);
		if (head == NULL)
			head = segment;
		else
			assert_int_equal(rte_pktmbuf_chain(head, segment), 0);
	}
	*mt_frame_info(head) = (struct mt_frame_info){
		.vni_flags = vni << 8,
		.original_length = LENGTH,
	};
	return head;
}

static void start_batch(struct mt_batch *batch, struct rte_mbuf **frames, uint16_t count)
{
	memset(batch, 0, sizeof(*batch));
	memcpy(batch->frames, frames, sizeof(*frames) * count);
	batch->count = count;
	batch->sums = mt_sums_none();
	for (uint16_t i = 0; i < count; i++)
		mt_sums_add(&batch->sums, frames[i]);
}

/* Every length to cut to, in every size of segments: a sound mbuf, marked, its original length
 * kept; longer than the frame: untouched. */
static void truncates_any_segments(void **state)
{
	static const uint32_t pieces[] = {1, 7, 100, 300};
	static struct bench bench;

	(void)state;
	for (uint32_t to = 14; to <= LENGTH + 1; to++) {
		struct mt_session_spec session = {.vni = 9, .name = "s", .treatment.truncate = to};
		struct mt_policy_spec spec = {
			.sessions = &session, .sessions_count = 1, .outputs_count = OUTPUTS};

		open_bench(&bench, &spec);
		assert_false(bench.snapshot.chooses);
		for (size_t p = 0; p < RTE_DIM(pieces); p++) {
			struct rte_mbuf *frame = make(9, pieces[p]);
			const char *reason = NULL;
			struct mt_batch batch;

			start_batch(&batch, &frame, 1);
			mt_stage_policy(bench.worker, &batch);
			assert_int_equal(batch.count, 1);
			assert_ptr_equal(batch.frames[0], frame);
			assert_int_equal(rte_mbuf_check(frame, 1, &reason), 0);
			assert_int_equal(frame->pkt_len, RTE_MIN(to, (uint32_t)LENGTH));
			assert_int_equal(mt_frame_info(frame)->original_length, LENGTH);
			assert_int_equal(mt_frame_flags(mt_frame_info(frame)),
				to < LENGTH ? MT_FLAG_TRUNCATED : 0);
			assert_int_equal(mt_frame_vni(mt_frame_info(frame)), 9);
			assert_int_equal(batch.sums.bytes, frame->pkt_len);
			assert_int_equal(batch.sums.some, mt_frame_info(frame)->vni_flags);
			rte_pktmbuf_free(frame);
		}
		close_bench(&bench);
	}
}

/* What does not survive keeps its buffer in the batch, and its session is known. */
static void drops_with_the_session(void **state)
{
	struct mt_session_spec session = {.vni = 1, .name = "s"};
	struct mt_policy_spec spec = {
		.sessions = &session,
		.sessions_count = 1,
		.drop_unknown = true,
		.outputs_count = OUTPUTS,
	};
	static struct bench bench;
	struct rte_mbuf *frames[3];
	struct mt_batch batch;

	(void)state;
	open_bench(&bench, &spec);
	for (uint32_t i = 0; i < 3; i++)
		frames[i] = make(i, 100);
	start_batch(&batch, frames, 3);
	mt_stage_policy(bench.worker, &batch);
	assert_int_equal(batch.count, 1);
	assert_ptr_equal(batch.frames[0], frames[1]);
	assert_int_equal(batch.verdicts[MT_VERDICT_SESSION_UNKNOWN], 2);
	/* What is counted is what is left. */
	assert_int_equal(batch.sums.bytes, LENGTH);
	assert_int_equal(batch.sums.some >> 8, 1);
	assert_int_equal(batch.sums.all >> 8, 1);
	assert_int_equal(batch.dropped_count, 2);
	assert_int_equal(batch.session_drops_count, 2);
	assert_int_equal(batch.session_drops[0], 0);
	assert_int_equal(batch.session_drops[1], 2);
	rte_pktmbuf_free_bulk(frames, 3);
	close_bench(&bench);
}

/* Every choice of three outputs, in one burst: who gets what, and how often each counter. */
static void delivers_every_choice(void **state)
{
	enum { CHOICES = 4 * 4 * 4 };
	static const uint32_t bits[] = {
		MT_CHOICE_NONE, MT_CHOICE_DELIVER, MT_CHOICE_FILTERED, MT_CHOICE_SAMPLED};
	struct mt_policy_spec spec = {.outputs_count = OUTPUTS, .outputs[0].sample = 2};
	static struct bench bench;
	struct rte_mbuf *frames[CHOICES];

	(void)state;
	open_bench(&bench, &spec);
	assert_true(bench.snapshot.chooses);
	for (unsigned f = 0; f < CHOICES; f++) {
		frames[f] = make(f, 100);
		*mt_frame_choices(frames[f]) =
			bits[f % 4] | bits[f / 4 % 4] << 1 | bits[f / 16] << 2;
	}
	mt_deliver_chosen(&bench.snapshot, 0, frames, CHOICES);
	for (unsigned o = 0; o < OUTPUTS; o++) {
		const struct mt_output_counts *counts = &bench.queues[o].counts;

		assert_int_equal(bench.sinks[o].count, CHOICES / 4);
		for (unsigned i = 0; i < CHOICES / 4; i++)
			assert_int_equal(bench.sinks[o].vnis[i] >> 2 * o & 3, 1);
		assert_int_equal(counts->offered, 3 * CHOICES / 4);
		assert_int_equal(counts->delivered, CHOICES / 4);
		assert_int_equal(counts->drops[MT_OUTPUT_DROP_FILTERED], CHOICES / 4);
		assert_int_equal(counts->drops[MT_OUTPUT_DROP_SAMPLED], CHOICES / 4);
	}
	close_bench(&bench);
}

static int start(void **state)
{
	(void)state;
	return frame_pool_open(256, BUFFERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncates_any_segments),
		cmocka_unit_test(drops_with_the_session),
		cmocka_unit_test(delivers_every_choice),
	};

	return cmocka_run_group_tests(tests, start, frame_pool_close);
}
