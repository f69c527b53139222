/* SPDX-License-Identifier: BSD-3-Clause */
/* The decapsulate stage with vectors against the same stage without, on millions of frames: the
 * same frames must stay in the batch, with the same bytes, the same information and the same mbuf.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <rte_cpuflags.h>
#include <rte_mbuf.h>
#include <rte_vect.h>

#include "datapath/stages.h"
#include "frame_pool.h"
#include "packet/frame_info.h"
#include "random_packet.h"

enum {
	BURSTS = 60000,
	BUFFERS = 1023,
	TIME_NS = 1234567890,
};

static struct rte_mbuf *in_mbuf(const struct packet *packet, uint64_t flags, uint32_t first)
{
	struct rte_mbuf *frame = rte_pktmbuf_alloc(frame_pool());
	uint16_t length = (uint16_t)RTE_MIN(first, packet->length);

	assert_non_null(frame);
	frame->ol_flags = flags;
	frame->packet_type = RTE_PTYPE_L2_ETHER;
	frame->vlan_tci = 7;
	frame->hash.rss = 0xdeadbeef;
	memset(mt_frame_info(frame), 0xa5, sizeof(struct mt_frame_info));
	memcpy(rte_pktmbuf_append(frame, length), packet->bytes, length);
	if (length < packet->length) {
		struct rte_mbuf *rest = rte_pktmbuf_alloc(frame_pool());

		assert_non_null(rest);
		memcpy(rte_pktmbuf_append(rest, packet->length - length), packet->bytes + length,
			packet->length - length);
		assert_int_equal(rte_pktmbuf_chain(frame, rest), 0);
	}
	return frame;
}

/* The same frames for both. Every fourth burst has anything in it, the others are of common frames,
 * one in three of GENEVE. */
static void fill(struct mt_batch *a, struct mt_batch *b, unsigned burst)
{
	static struct random_packet made;

	made.geneve = burst % 4 == 2;
	memset(a, 0, sizeof(*a));
	memset(b, 0, sizeof(*b));
	a->count = b->count = random_one_in(3) ? MT_BURST : 1 + random_below(MT_BURST);
	a->time_ns = b->time_ns = TIME_NS;
	for (uint16_t i = 0; i < a->count; i++) {
		uint64_t flags = random_one_in(200) ? RTE_MBUF_F_RX_IP_CKSUM_BAD
			: random_one_in(200)        ? RTE_MBUF_F_RX_L4_CKSUM_NONE
						    : RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		uint32_t first = random_one_in(200) ? 10 + random_below(100) : UINT16_MAX;

		do {
			random_packet(&made);
		} while (burst % 4 != 0 && !made.common);
		if (burst % 4 == 0 && random_one_in(2))
			random_mutation(&made);
		a->frames[i] = in_mbuf(&made.packet, flags, first);
		b->frames[i] = in_mbuf(&made.packet, flags, first);
	}
}

static void expect_same(struct rte_mbuf *a, struct rte_mbuf *b)
{
	assert_int_equal(a->data_off, b->data_off);
	assert_int_equal(a->refcnt, b->refcnt);
	assert_int_equal(a->nb_segs, b->nb_segs);
	assert_int_equal(a->port, b->port);
	assert_int_equal(a->ol_flags, b->ol_flags);
	assert_int_equal(a->packet_type, b->packet_type);
	assert_int_equal(a->pkt_len, b->pkt_len);
	assert_int_equal(a->data_len, b->data_len);
	assert_int_equal(a->vlan_tci, b->vlan_tci);
	assert_int_equal(a->hash.rss, b->hash.rss);
	assert_memory_equal(mt_frame_info(a), mt_frame_info(b), sizeof(struct mt_frame_info));
	assert_memory_equal(rte_pktmbuf_mtod(a, void *), rte_pktmbuf_mtod(b, void *), a->data_len);
}

/* What is compared, and how many frames it took: the test would say nothing if that were few. */
static mt_decapsulate_simd_t *subject;
static uint64_t taken;

static uint64_t counted(const struct mt_fast *fast, struct mt_batch *batch)
{
	uint64_t done = subject(fast, batch);

	taken += __builtin_popcountll(done);
	return done;
}

static void free_all(struct mt_batch *batch)
{
	rte_pktmbuf_free_bulk(batch->frames, batch->count);
	rte_pktmbuf_free_bulk(batch->dropped, batch->dropped_count);
	rte_pktmbuf_free_bulk(batch->host, batch->host_count);
}

static void compare_bursts(void)
{
	struct mt_snapshot plain = {.tunnels = default_tunnels(), .queues = 1};
	struct mt_snapshot vector;
	struct mt_batch a, b;
	uint64_t frames = 0;

	taken = 0;
	for (unsigned burst = 0; burst < BURSTS; burst++) {
		plain.tunnels.hash =
			mt_hash_configure((enum mt_hash_fields)(burst / 8 % 3), burst / 24 % 2);
		plain.fast = mt_fast_prepare(&plain.tunnels);
		plain.plain_hash = burst / 8 % 6 == 0;
		vector = plain;
		vector.simd = counted;
		fill(&a, &b, burst);
		frames += a.count;
		mt_stage_decapsulate(&plain, &a);
		mt_stage_decapsulate(&vector, &b);
		assert_int_equal(a.count, b.count);
		assert_memory_equal(a.verdicts, b.verdicts, sizeof(a.verdicts));
		assert_int_equal(a.received_bytes, b.received_bytes);
		assert_memory_equal(&a.sums, &b.sums, sizeof(a.sums));
		for (uint16_t i = 0; i < a.count; i++)
			expect_same(a.frames[i], b.frames[i]);
		free_all(&a);
		free_all(&b);
		assert_int_equal(rte_mempool_in_use_count(frame_pool()), 0);
	}
	print_message("%llu of %llu frames by vectors\n", (unsigned long long)taken,
		(unsigned long long)frames);
	assert_true(taken > frames / 2);
	assert_true(taken < frames);
}

#if defined(RTE_ARCH_X86_64)
/* What the code is compiled for (lib/meson.build). */
static const enum rte_cpu_flag_t avx512_flags[] = {
	RTE_CPUFLAG_AVX512F,
	RTE_CPUFLAG_AVX512BW,
	RTE_CPUFLAG_AVX512DQ,
	RTE_CPUFLAG_AVX512VL,
	RTE_CPUFLAG_BMI2,
};
static const enum rte_cpu_flag_t avx2_flags[] = {RTE_CPUFLAG_AVX2, RTE_CPUFLAG_BMI2};

static bool have_all(const enum rte_cpu_flag_t *flags, size_t count)
{
	for (size_t f = 0; f < count; f++) {
		if (rte_cpu_get_flag_enabled(flags[f]) <= 0)
			return false;
	}
	return true;
}

static void avx512(void **state)
{
	(void)state;
	if (!have_all(avx512_flags, RTE_DIM(avx512_flags)))
		skip();
	subject = mt_decapsulate_avx512;
	compare_bursts();
}

static void avx2(void **state)
{
	(void)state;
	if (!have_all(avx2_flags, RTE_DIM(avx2_flags)))
		skip();
	subject = mt_decapsulate_avx2;
	compare_bursts();
}

#endif

static void widest_that_is_allowed(void **state)
{
	const char *name = NULL;

	(void)state;
	assert_null(mt_decapsulate_simd_choose(RTE_VECT_SIMD_128, &name));
	assert_string_equal(name, "plain");
#if defined(RTE_ARCH_X86_64)
	bool wide = have_all(avx512_flags, RTE_DIM(avx512_flags))
		&& rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX512VBMI2) > 0;
	mt_decapsulate_simd_t *narrow =
		have_all(avx2_flags, RTE_DIM(avx2_flags)) ? mt_decapsulate_avx2 : NULL;

	assert_ptr_equal(mt_decapsulate_simd_choose(RTE_VECT_SIMD_256, &name), narrow);
	assert_ptr_equal(mt_decapsulate_simd_choose(RTE_VECT_SIMD_512, &name),
		wide ? mt_decapsulate_avx512 : narrow);
	assert_int_equal(mt_decapsulate_simd_bits() == RTE_VECT_SIMD_512, wide);
#endif
}

static int start(void **state)
{
	(void)state;
	return frame_pool_open(64, BUFFERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(RTE_ARCH_X86_64)
		cmocka_unit_test(avx512),
		cmocka_unit_test(avx2),
#endif
		cmocka_unit_test(widest_that_is_allowed),
	};

	return cmocka_run_group_tests_name("simd", tests, start, frame_pool_close);
}
