/* SPDX-License-Identifier: BSD-3-Clause */
/* Live capture: copies that the workers make, whole or cut, of chained frames too, with a filter or
 * a VNI; a full ring loses and counts; taken away while workers copy; and the stream of pcapng that
 * is made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>

#include "control/live_stream.h"
#include "datapath/live.h"
#include "datapath/stages.h"
#include "output/pcapng_blocks.h"
#include "packet/frame_info.h"

enum {
	BUFFERS = 1023,
	QUEUE_BYTES = 1 << 16,
	TIME_NS = 1000,
};

static struct rte_mempool *pool(void)
{
	return rte_mempool_lookup("frames");
}

/* `length` bytes in segments of `piece`: byte i is seed + i. Looks like no protocol in particular,
 * unless `ethertype` is set. */
static struct rte_mbuf *make(
	uint32_t vni, uint32_t length, uint32_t piece, uint8_t seed, uint16_t ethertype)
{
	struct rte_mbuf *head = NULL;

	for (uint32_t at = 0; at < length; at += piece) {
		uint32_t part = RTE_MIN(piece, length - at);
		struct rte_mbuf *segment = rte_pktmbuf_alloc(pool());
		char *bytes;

		assert_non_null(segment);
		bytes = rte_pktmbuf_append(segment, (uint16_t)part);
		assert_non_null(bytes);
		for (uint32_t i = 0; i < part; i++) {
			uint32_t place = at + i;

			bytes[i] = (char)(seed + place);
			if (ethertype != 0 && (place == 12 || place == 13))
				bytes[i] = (char)(place == 12 ? ethertype >> 8 : ethertype);
		}
		if (head == NULL)
			head = segment;
		else
			assert_int_equal(rte_pktmbuf_chain(head, segment), 0);
	}
	*mt_frame_info(head) = (struct mt_frame_info){
		.time_ns = TIME_NS + seed,
		.vni_flags = vni << 8 | MT_FLAG_INGRESS,
		.original_length = length + 1000,
	};
	return head;
}

struct bench {
	struct mt_datapath datapath;
	struct mt_worker *worker;
};

static void open_bench(struct bench *bench)
{
	memset(bench, 0, sizeof(*bench));
	bench->worker = rte_zmalloc("worker", sizeof(*bench->worker), RTE_CACHE_LINE_SIZE);
	assert_non_null(bench->worker);
	bench->worker->datapath = &bench->datapath;
}

static void close_bench(struct bench *bench)
{
	assert_int_equal(atomic_load(&bench->datapath.capturing), 0);
	rte_free(bench->worker);
	assert_int_equal(rte_mempool_in_use_count(pool()), 0);
}

static struct mt_live *open_live(const struct mt_live_settings *settings)
{
	char error[256] = "";
	struct mt_live *live = mt_live_create(settings, error, sizeof(error));

	if (live == NULL)
		fail_msg("%s", error);
	return live;
}

static void offer(struct bench *bench, uint16_t queue, struct rte_mbuf *frame)
{
	mt_stage_capture(bench->worker, queue, &frame, 1);
	rte_pktmbuf_free(frame);
}

/* The next copy: of `length` bytes kept, seed + i. */
static void expect(
	struct mt_live_queue *queue, uint32_t vni, uint32_t length, uint32_t original, uint8_t seed)
{
	const struct mt_live_frame *frame = mt_live_peek(queue);

	assert_non_null(frame);
	assert_int_equal(frame->length, length);
	assert_int_equal(frame->original_length, original);
	assert_int_equal(frame->vni_flags, vni << 8 | MT_FLAG_INGRESS);
	assert_int_equal(frame->time_ns, TIME_NS + seed);
	for (uint32_t i = 0; i < length; i++)
		assert_int_equal(mt_live_bytes(frame)[i], (uint8_t)(seed + i));
	mt_live_pop(queue, frame);
}

/* --- copies --- */

static void copies_any_segments(void **state)
{
	static const uint32_t pieces[] = {1, 7, 100, 1500};
	static const uint32_t snaps[] = {1, 6, 7, 8, 60, 1499, 1500, MT_LIVE_MAX_SNAP};
	struct bench bench;

	(void)state;
	open_bench(&bench);
	for (size_t s = 0; s < RTE_DIM(snaps); s++) {
		struct mt_live_settings settings = {
			.snap = snaps[s], .queues = 2, .queue_bytes = QUEUE_BYTES};
		struct mt_live *live = open_live(&settings);

		mt_live_attach(&bench.datapath, s, live);
		for (size_t p = 0; p < RTE_DIM(pieces); p++) {
			uint32_t length = pieces[p] == 1 ? 50 : 1500;

			offer(&bench, 1, make(7, length, pieces[p], (uint8_t)p, 0));
			assert_null(mt_live_peek(&live->queues[0]));
			expect(&live->queues[1], 7, RTE_MIN(snaps[s], length), length + 1000,
				(uint8_t)p);
			assert_null(mt_live_peek(&live->queues[1]));
		}
		mt_live_detach(&bench.datapath, s);
		offer(&bench, 1, make(7, 60, 60, 0, 0));
		assert_null(mt_live_peek(&live->queues[1]));
		assert_int_equal(mt_live_lost(live), 0);
		mt_live_destroy(live);
	}
	close_bench(&bench);
}

/* Each takes its own, at the same time; the filter reads over the end of a segment. */
static void takes_what_it_wants(void **state)
{
	struct mt_live_settings settings[] = {
		{.snap = 2000, .queues = 1},
		{.snap = 2000, .queues = 1, .one_vni = true, .vni = 8},
		{.snap = 2000, .queues = 1, .filter = "ether proto 0x88b5"},
		{.snap = 2000, .queues = 1, .filter = "ether proto 0x88b5", .one_vni = true},
	};
	struct mt_live *lives[RTE_DIM(settings)];
	struct bench bench;

	(void)state;
	open_bench(&bench);
	for (unsigned l = 0; l < RTE_DIM(settings); l++) {
		lives[l] = open_live(&settings[l]);
		mt_live_attach(&bench.datapath, l, lives[l]);
	}
	for (uint32_t piece = 3; piece < 64; piece += 10) {
		offer(&bench, 0, make(8, 100, piece, 1, 0x88b5));
		offer(&bench, 0, make(9, 100, piece, 2, 0x88b6));
		for (unsigned l = 0; l < RTE_DIM(settings); l++) {
			static const unsigned wanted[] = {2, 1, 1, 0};

			for (unsigned n = 0; n < wanted[l]; n++) {
				const struct mt_live_frame *frame =
					mt_live_peek(&lives[l]->queues[0]);

				assert_non_null(frame);
				assert_int_equal(frame->vni_flags >> 8, n == 0 ? 8 : 9);
				mt_live_pop(&lives[l]->queues[0], frame);
			}
			assert_null(mt_live_peek(&lives[l]->queues[0]));
		}
	}
	for (unsigned l = 0; l < RTE_DIM(settings); l++) {
		mt_live_detach(&bench.datapath, l);
		mt_live_destroy(lives[l]);
	}
	close_bench(&bench);
}

static void refuses_a_bad_filter(void **state)
{
	struct mt_live_settings settings = {
		.snap = 100, .queues = 1, .filter = "tcp prt 80", .queue_bytes = QUEUE_BYTES};
	char error[256] = "";

	(void)state;
	assert_null(mt_live_create(&settings, error, sizeof(error)));
	assert_non_null(strstr(error, "syntax error"));
}

/* What finds no room is lost and counted by VNI, what is there stays as it is, and after reading
 * there is room again, in every place of the circle. */
static void loses_when_full(void **state)
{
	struct mt_live_settings settings = {
		.snap = MT_LIVE_MAX_SNAP, .queues = 1, .queue_bytes = 4096};
	struct mt_live *live = open_live(&settings);
	struct mt_live_queue *queue = &live->queues[0];
	uint64_t lost = 0;
	struct bench bench;

	(void)state;
	open_bench(&bench);
	mt_live_attach(&bench.datapath, 7, live);
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t length = 60 + round * 5;
		uint32_t kept = 0;

		for (uint32_t n = 0; n < 80; n++)
			offer(&bench, 0, make(5, length, length, (uint8_t)n, 0));
		while (mt_live_peek(queue) != NULL)
			expect(queue, 5, length, length + 1000, (uint8_t)kept++);
		assert_true(kept >= 4096 / (length + 32) - 1);
		assert_true(kept * (length + 24) <= 4096);
		lost += 80 - kept;
		assert_int_equal(mt_live_lost(live), lost);
	}
	assert_int_equal(mt_counter(&queue->lost_vnis->packets[0]), lost);
	assert_int_equal(queue->lost_vnis->vnis[0], 5);
	/* One that is longer than all the room. */
	offer(&bench, 0, make(6, 4096, 1024, 0, 0));
	assert_null(mt_live_peek(queue));
	assert_int_equal(mt_live_lost(live), lost + 1);
	mt_live_detach(&bench.datapath, 7);
	mt_live_destroy(live);
	close_bench(&bench);
}

/* --- the stream --- */

static bool describe(void *context, uint32_t vni, struct mt_output_session *session)
{
	(void)context;
	snprintf(session->name, sizeof(session->name), "web");
	return vni == 5;
}

struct found {
	unsigned sections;
	unsigned interfaces;
	unsigned packets;
	uint64_t last_ns;
	struct mt_pcapng_statistics statistics[MT_VNI_NUMBERS];
};

/* Reads blocks as a reader does, from the stream's buffer, and sends them. */
static void read_blocks(struct mt_live_stream *stream, struct found *found)
{
	while (stream->sent < stream->used) {
		const uint8_t *block = stream->buffer + stream->sent;
		struct mt_pcapng_statistics statistics;
		uint32_t length;

		switch (mt_pcapng_look(block, &length)) {
		case MT_PCAPNG_SECTION:
			found->sections++;
			break;
		case MT_PCAPNG_PACKET:
			found->packets++;
			assert_true(mt_pcapng_packet_time(block) >= found->last_ns);
			found->last_ns = mt_pcapng_packet_time(block);
			break;
		case MT_PCAPNG_OTHER:
			if (!mt_pcapng_read_statistics(block, length, &statistics))
				found->interfaces++;
			else
				found->statistics[statistics.interface] = statistics;
			break;
		default:
			fail_msg("broken block");
		}
		assert_true(length <= stream->used - stream->sent);
		mt_live_stream_advance(stream, length);
	}
}

static struct mt_live_stream *open_stream(struct mt_live *live, uint64_t limit)
{
	struct mt_live_stream *stream = calloc(1, sizeof(*stream));

	assert_non_null(stream);
	stream->live = live;
	stream->limit = limit;
	stream->snap = live->snap;
	stream->describe = describe;
	assert_int_equal(mt_live_stream_begin(stream), 0);
	return stream;
}

static void close_stream(struct mt_live_stream *stream)
{
	free(stream->buffer);
	free(stream);
}

/* Of two queues, in the order of time; VNI 5 loses some. */
static void streams_what_is_copied(void **state)
{
	struct mt_live_settings settings = {.snap = 200, .queues = 2, .queue_bytes = 1 << 14};
	struct mt_live *live = open_live(&settings);
	struct mt_live_stream *stream = open_stream(live, 0);
	struct found *found = calloc(1, sizeof(*found));
	uint64_t lost;
	struct bench bench;

	(void)state;
	assert_non_null(found);
	open_bench(&bench);
	mt_live_attach(&bench.datapath, 0, live);
	for (uint8_t n = 0; n < 60; n++)
		offer(&bench, n % 2, make(n % 3 == 0 ? 5 : 6, 100, 60, n, 0));
	mt_live_stream_fill(stream);
	read_blocks(stream, found);
	assert_int_equal(found->sections, 1);
	assert_int_equal(found->interfaces, 2);
	assert_int_equal(found->packets, 60);
	assert_int_equal(stream->frames, 60);
	assert_int_equal(stream->bytes, 6000);

	for (uint8_t n = 60; n < 200; n++)
		offer(&bench, 0, make(5, 300, 300, n, 0));
	lost = mt_live_lost(live);
	assert_true(lost > 0 && lost < 140);
	mt_live_detach(&bench.datapath, 0);
	while (!mt_live_stream_finish(stream))
		read_blocks(stream, found);
	read_blocks(stream, found);
	assert_int_equal(found->packets, 200 - lost);
	assert_int_equal(found->statistics[0].delivered, 20 + 140 - lost);
	assert_int_equal(found->statistics[0].dropped, lost);
	assert_int_equal(found->statistics[0].received, 160);
	assert_int_equal(found->statistics[1].delivered, 40);
	assert_int_equal(found->statistics[1].dropped, 0);
	close_stream(stream);
	free(found);
	mt_live_destroy(live);
	close_bench(&bench);
}

/* More VNIs than there are interfaces, half of them seen as losses only: the statistics, which do
 * not fit into the buffer at once, tell of each frame. */
static void streams_many_sessions(void **state)
{
	enum { VNIS = 2000 };
	struct mt_live_settings settings = {.snap = 64, .queues = 1, .queue_bytes = 1 << 17};
	struct mt_live *live = open_live(&settings);
	struct mt_live_stream *stream = open_stream(live, 0);
	struct found *found = calloc(1, sizeof(*found));
	uint64_t delivered = 0, dropped = 0;
	struct bench bench;

	(void)state;
	assert_non_null(found);
	open_bench(&bench);
	mt_live_attach(&bench.datapath, 0, live);
	for (uint32_t vni = 0; vni < VNIS; vni++)
		offer(&bench, 0, make(vni, 100, 100, 0, 0));
	assert_true(mt_live_lost(live) > 0);
	mt_live_detach(&bench.datapath, 0);
	while (!mt_live_stream_finish(stream))
		read_blocks(stream, found);
	read_blocks(stream, found);
	assert_int_equal(found->interfaces, MT_VNI_NUMBERS);
	for (unsigned i = 0; i < MT_VNI_NUMBERS; i++) {
		delivered += found->statistics[i].delivered;
		dropped += found->statistics[i].dropped;
	}
	assert_int_equal(delivered, found->packets);
	assert_int_equal(dropped, mt_live_lost(live));
	assert_int_equal(delivered + dropped, VNIS);
	close_stream(stream);
	free(found);
	mt_live_destroy(live);
	close_bench(&bench);
}

static void ends_at_the_limit(void **state)
{
	struct mt_live_settings settings = {.snap = 64, .queues = 1, .queue_bytes = QUEUE_BYTES};
	struct mt_live *live = open_live(&settings);
	struct mt_live_stream *stream = open_stream(live, 3);
	struct found *found = calloc(1, sizeof(*found));
	struct bench bench;

	(void)state;
	assert_non_null(found);
	open_bench(&bench);
	mt_live_attach(&bench.datapath, 0, live);
	for (uint8_t n = 0; n < 10; n++)
		offer(&bench, 0, make(5, 100, 100, n, 0));
	mt_live_stream_fill(stream);
	assert_true(mt_live_stream_is_full(stream));
	mt_live_detach(&bench.datapath, 0);
	assert_true(mt_live_stream_finish(stream));
	read_blocks(stream, found);
	assert_int_equal(found->packets, 3);
	assert_int_equal(found->statistics[0].delivered, 3);
	assert_int_equal(found->statistics[0].dropped, 0);
	close_stream(stream);
	free(found);
	mt_live_destroy(live);
	close_bench(&bench);
}

/* --- with a worker that runs --- */

struct runner {
	struct bench bench;
	_Atomic bool stop;
	_Atomic uint64_t offered;
};

static void *deliver(void *context)
{
	struct runner *runner = context;
	struct mt_datapath *datapath = &runner->bench.datapath;
	struct rte_mbuf *frames[8];

	for (unsigned i = 0; i < RTE_DIM(frames); i++)
		frames[i] = make(5, 200, 90, (uint8_t)i, 0);
	rte_rcu_qsbr_thread_register(datapath->readers, 0);
	rte_rcu_qsbr_thread_online(datapath->readers, 0);
	while (!atomic_load(&runner->stop)) {
		mt_stage_capture(runner->bench.worker, 0, frames, RTE_DIM(frames));
		atomic_fetch_add(&runner->offered, RTE_DIM(frames));
		rte_rcu_qsbr_quiescent(datapath->readers, 0);
	}
	rte_rcu_qsbr_thread_offline(datapath->readers, 0);
	rte_rcu_qsbr_thread_unregister(datapath->readers, 0);
	rte_pktmbuf_free_bulk(frames, RTE_DIM(frames));
	return NULL;
}

/* Captures come and go while a worker delivers: each sees whole frames, and once it was taken away
 * and the workers were waited for, its memory is its own (ASan would tell). */
static void comes_and_goes(void **state)
{
	struct mt_live_settings settings = {
		.snap = 150, .queues = 1, .queue_bytes = QUEUE_BYTES, .filter = "len > 10"};
	static struct runner runner;
	pthread_t thread;

	(void)state;
	open_bench(&runner.bench);
	runner.bench.datapath.readers =
		rte_zmalloc("readers", rte_rcu_qsbr_get_memsize(1), RTE_CACHE_LINE_SIZE);
	assert_non_null(runner.bench.datapath.readers);
	assert_int_equal(rte_rcu_qsbr_init(runner.bench.datapath.readers, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, deliver, &runner), 0);
	for (unsigned round = 0; round < 50; round++) {
		struct mt_live *live = open_live(&settings);
		unsigned place = round % MT_DATAPATH_MAX_CAPTURES;

		mt_live_attach(&runner.bench.datapath, place, live);
		for (unsigned n = 0; n < 500;) {
			const struct mt_live_frame *frame = mt_live_peek(&live->queues[0]);

			if (frame == NULL)
				continue;
			assert_int_equal(frame->length, 150);
			for (uint32_t i = 0; i < 150; i++)
				assert_int_equal(mt_live_bytes(frame)[i],
					(uint8_t)(frame->time_ns - TIME_NS + i));
			mt_live_pop(&live->queues[0], frame);
			n++;
		}
		mt_live_detach(&runner.bench.datapath, place);
		assert_true(mt_datapath_synchronize(&runner.bench.datapath, 10000));
		mt_live_destroy(live);
	}
	atomic_store(&runner.stop, true);
	pthread_join(thread, NULL);
	rte_free(runner.bench.datapath.readers);
	close_bench(&runner.bench);
}

static int start(void **state)
{
	char *arguments[] = {"test_live", "--no-huge", "-m", "256", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0"};

	(void)state;
	if (rte_eal_init(RTE_DIM(arguments), arguments) < 0 || mt_frame_info_register() < 0)
		return -1;
	return rte_pktmbuf_pool_create("frames", BUFFERS, 0, 0, 2048 + 128, 0) == NULL ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_any_segments),
		cmocka_unit_test(takes_what_it_wants),
		cmocka_unit_test(refuses_a_bad_filter),
		cmocka_unit_test(loses_when_full),
		cmocka_unit_test(streams_what_is_copied),
		cmocka_unit_test(streams_many_sessions),
		cmocka_unit_test(ends_at_the_limit),
		cmocka_unit_test(comes_and_goes),
	};

	return cmocka_run_group_tests(tests, start, end);
}
