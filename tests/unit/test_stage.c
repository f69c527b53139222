/* SPDX-License-Identifier: BSD-3-Clause */
/* The decapsulate stage on real mbufs: whatever segments a frame arrives in, what stays in the
 * batch is a sound mbuf with the inner frame's bytes and its information, and no buffer is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <rte_mbuf.h>

#include "build_packet.h"
#include "datapath/stages.h"
#include "frame_pool.h"
#include "packet/frame_info.h"

enum {
	BUFFERS = 511,
	TIME_NS = 1234567890,
	PAYLOAD = 300,
};

static struct mt_snapshot snapshot(bool plain_hash)
{
	struct mt_snapshot made = {.tunnels = default_tunnels(), .queues = 1};

	made.fast = mt_fast_prepare(&made.tunnels);
	made.plain_hash = plain_hash;
	return made;
}

/* The packet in segments: the first `first` bytes in one, the rest in pieces of `piece`. */
static struct rte_mbuf *in_segments(const struct packet *packet, uint32_t first, uint32_t piece)
{
	struct rte_mbuf *head = NULL;
	uint32_t at = 0;

	while (at < packet->length || head == NULL) {
		uint32_t length = RTE_MIN(head == NULL ? first : piece, packet->length - at);
		struct rte_mbuf *segment = rte_pktmbuf_alloc(frame_pool());

		assert_non_null(segment);
		memcpy(rte_pktmbuf_append(segment, length), packet->bytes + at, length);
		at += length;
		if (head == NULL)
			head = segment;
		else
			assert_int_equal(rte_pktmbuf_chain(head, segment), 0);
	}
	return head;
}

/* Runs one frame through the stage. Returns what is left of it, or NULL if it got a verdict. */
static struct rte_mbuf *run(
	const struct mt_snapshot *made, struct rte_mbuf *frame, struct mt_batch *batch)
{
	memset(batch, 0, sizeof(*batch));
	batch->frames[0] = frame;
	batch->count = 1;
	batch->time_ns = TIME_NS;
	mt_stage_decapsulate(made, batch);
	assert_int_equal(batch->count + batch->dropped_count + batch->host_count, 1);
	return batch->count == 1 ? batch->frames[0] : NULL;
}

static void expect_frame(struct rte_mbuf *frame, const uint8_t *bytes, uint32_t length)
{
	uint8_t copy[PACKET_BYTES];
	const char *reason = NULL;

	assert_non_null(frame);
	assert_int_equal(rte_mbuf_check(frame, 1, &reason), 0);
	assert_int_equal(frame->pkt_len, length);
	assert_memory_equal(rte_pktmbuf_read(frame, 0, length, copy), bytes, length);
	assert_int_equal(mt_frame_info(frame)->time_ns, TIME_NS);
	assert_int_equal(mt_frame_info(frame)->original_length, length);
}

/* Every split of the headers, small and large pieces behind. */
static void vxlan_in_any_segments(void **state)
{
	static const uint32_t pieces[] = {1, 7, 64, 2000};
	struct mt_snapshot made = snapshot(true);
	struct packet packet;
	struct mt_batch batch;
	uint32_t inner;
	uint32_t hash = 0;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, VXLAN_PORT);
	inner = put_vxlan(&packet, 4321) + 8;
	put_inner_tcp(&packet, PAYLOAD);
	packet_close(&packet);
	for (size_t p = 0; p < RTE_DIM(pieces); p++) {
		for (uint32_t first = 1; first <= packet.length; first++) {
			struct rte_mbuf *frame = in_segments(&packet, first, pieces[p]);

			frame = run(&made, frame, &batch);
			expect_frame(frame, packet.bytes + inner, packet.length - inner);
			assert_int_equal(mt_frame_vni(mt_frame_info(frame)), 4321);
			assert_true(hash == 0 || hash == frame->hash.rss);
			hash = frame->hash.rss;
			rte_pktmbuf_free(frame);
			assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
		}
	}
}

/* Ethernet padding behind the datagram, in the same segment or in its own, is cut off. */
static void padding_in_any_segment(void **state)
{
	struct mt_snapshot made = snapshot(true);
	struct packet packet;
	struct mt_batch batch;
	uint32_t inner, end;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, VXLAN_PORT);
	inner = put_vxlan(&packet, 1) + 8;
	put_inner_tcp(&packet, PAYLOAD);
	end = packet.length;
	packet_close(&packet);
	put_pattern(&packet, 100);
	for (uint32_t first = 60; first <= packet.length; first += 5) {
		struct rte_mbuf *frame = run(&made, in_segments(&packet, first, 50), &batch);

		expect_frame(frame, packet.bytes + inner, end - inner);
		rte_pktmbuf_free(frame);
		assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
	}
}

/* A bare IP packet out of GENEVE gets its Ethernet header in whatever segment it begins. */
static void made_up_header_in_any_segment(void **state)
{
	struct mt_snapshot made = snapshot(true);
	uint8_t expected[PACKET_BYTES];
	struct packet packet;
	struct mt_batch batch;
	uint32_t inner;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, GENEVE_PORT);
	inner = put_geneve(&packet, ETHERTYPE_V4, 0, 0) + 8;
	put_ipv4(&packet, &(struct ipv4){.source = 1, .destination = 2, .protocol = 17});
	put_udp(&packet, 53, 5353);
	put_pattern(&packet, 50);
	packet_close(&packet);
	mt_packet_make_up_ethernet(expected, ETHERTYPE_V4);
	memcpy(expected + MT_ETHERNET_LENGTH, packet.bytes + inner, packet.length - inner);
	for (uint32_t first = 1; first <= packet.length; first++) {
		struct rte_mbuf *frame = run(&made, in_segments(&packet, first, 9), &batch);

		expect_frame(frame, expected, packet.length - inner + MT_ETHERNET_LENGTH);
		rte_pktmbuf_free(frame);
		assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
	}
}

/* What does not survive keeps its buffers in the batch, for the worker to free. */
static void verdicts_keep_the_buffers(void **state)
{
	struct mt_snapshot made = snapshot(true);
	struct packet packet;
	struct mt_batch batch;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, 53);
	put_pattern(&packet, 80);
	packet_close(&packet);
	assert_null(run(&made, in_segments(&packet, 20, 20), &batch));
	assert_int_equal(batch.host_count, 1);
	assert_int_equal(batch.verdicts[MT_VERDICT_HOST], 1);
	rte_pktmbuf_free_bulk(batch.host, batch.host_count);
	assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);

	packet_start(&packet);
	put_outer(&packet, VXLAN_PORT);
	put_pattern(&packet, 5);
	packet_close(&packet);
	assert_null(run(&made, in_segments(&packet, 20, 20), &batch));
	assert_int_equal(batch.verdicts[MT_VERDICT_VXLAN_TOO_SHORT], 1);
	rte_pktmbuf_free_bulk(batch.dropped, batch.dropped_count);
	assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
}

/* What the device said of the outer checksums travels as a flag, on both ways. */
static void bad_checksums_are_flagged(void **state)
{
	static const struct {
		uint64_t device;
		uint8_t flag;
	} cases[] = {
		{0, 0},
		{RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0},
		{RTE_MBUF_F_RX_IP_CKSUM_NONE | RTE_MBUF_F_RX_L4_CKSUM_NONE, 0},
		{RTE_MBUF_F_RX_IP_CKSUM_BAD, MT_FLAG_BAD_CHECKSUM},
		{RTE_MBUF_F_RX_L4_CKSUM_BAD, MT_FLAG_BAD_CHECKSUM},
	};
	struct packet packet;
	struct mt_batch batch;

	(void)state;
	packet_start(&packet);
	put_outer(&packet, VXLAN_PORT);
	put_vxlan(&packet, 1);
	put_inner_tcp(&packet, PAYLOAD);
	packet_close(&packet);
	for (size_t c = 0; c < RTE_DIM(cases) * 4; c++) {
		struct mt_snapshot made = snapshot(c & 1);
		uint32_t first = c & 2 ? packet.length : 30;
		struct rte_mbuf *frame = in_segments(&packet, first, 2000);

		frame->ol_flags = cases[c / 4].device;
		frame = run(&made, frame, &batch);
		/* The inner source is the outer one: egress. */
		assert_int_equal(
			mt_frame_flags(mt_frame_info(frame)), cases[c / 4].flag | MT_FLAG_EGRESS);
		assert_int_equal(frame->ol_flags, RTE_MBUF_F_RX_RSS_HASH);
		rte_pktmbuf_free(frame);
	}
}

static int start(void **state)
{
	(void)state;
	return frame_pool_open(64, BUFFERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vxlan_in_any_segments),
		cmocka_unit_test(padding_in_any_segment),
		cmocka_unit_test(made_up_header_in_any_segment),
		cmocka_unit_test(verdicts_keep_the_buffers),
		cmocka_unit_test(bad_checksums_are_flagged),
	};

	return cmocka_run_group_tests(tests, start, frame_pool_close);
}
