/* SPDX-License-Identifier: BSD-3-Clause */
#include "packet/decapsulate.h"

#include <rte_cpuflags.h>
#include <rte_vect.h>

#include "datapath/cut.h"
#include "datapath/decapsulate_simd.h"
#include "datapath/stages.h"
#include "packet/fast.h"
#include "packet/frame_info.h"
#include "packet/inner.h"

/* Cuts `length` bytes off the front, whole segments too. The chain is longer than that. */
static struct rte_mbuf *cut_front(struct rte_mbuf *frame, uint32_t length)
{
	while (length >= frame->data_len && frame->next != NULL) {
		struct rte_mbuf *next = frame->next;

		length -= frame->data_len;
		next->pkt_len = frame->pkt_len - frame->data_len;
		next->nb_segs = frame->nb_segs - 1;
		next->port = frame->port;
		frame->next = NULL;
		frame->nb_segs = 1;
		rte_pktmbuf_free_seg(frame);
		frame = next;
	}
	frame->data_off += length;
	frame->data_len -= length;
	frame->pkt_len -= length;
	return frame;
}

/* What is left of the stripped headers in front has room for a made-up one: at least 50 bytes were
 * stripped, but they may have been in segments that are gone. Then the header takes its place in
 * the headroom that every segment of ours has; false for a device that leaves none. */
static bool add_ethernet(struct rte_mbuf *frame, uint16_t ethertype)
{
	uint8_t *header = (uint8_t *)rte_pktmbuf_prepend(frame, MT_ETHERNET_LENGTH);

	if (header != NULL)
		mt_packet_make_up_ethernet(header, ethertype);
	return header != NULL;
}

static inline void write_info(
	struct rte_mbuf *frame, const struct mt_facts *facts, uint64_t time_ns)
{
	struct mt_frame_info *info = mt_frame_info(frame);

	info->time_ns = time_ns;
	info->source = facts->source;
	info->vni_flags = facts->vni << 8 | facts->flags;
	info->original_length = facts->original_length;
	/* What the device said of the outer packet does not hold for the inner one. */
	frame->packet_type = 0;
	frame->vlan_tci = 0;
	frame->hash.rss = facts->flow_hash;
}

/* RTE_MBUF_F_RX_*_CKSUM_NONE has the bit of BAD too: ask for the whole field. */
static inline uint8_t checksum_flag(uint64_t device_flags)
{
	bool bad = (device_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_BAD
		|| (device_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_BAD;

	return bad ? MT_FLAG_BAD_CHECKSUM : 0;
}

/* The complete way: any shape. NULL: the frame was given a verdict. It has facts of its own, so
 * that those of the fast way can stay in registers. */
static __rte_noinline struct rte_mbuf *decapsulate_any(
	const struct mt_tunnels *tunnels, struct mt_batch *batch, struct rte_mbuf *frame)
{
	const uint64_t device_flags = frame->ol_flags;
	struct mt_facts facts;
	uint32_t made_up;
	struct rte_mbuf *inner;

	mt_packet_decapsulate(frame, tunnels, &facts);
	if (facts.verdict == MT_VERDICT_INNER_TOO_SHORT) {
		mt_batch_drop_of_session(batch, frame, facts.verdict, facts.vni);
		return NULL;
	}
	if (facts.verdict != MT_VERDICT_ACCEPTED) {
		mt_batch_drop(batch, frame, facts.verdict);
		return NULL;
	}
	made_up = facts.made_up_ethertype != 0 ? MT_ETHERNET_LENGTH : 0;
	inner = cut_front(frame, facts.strip);
	mt_cut_back(inner, facts.inner_length - made_up);
	if (made_up != 0 && !add_ethernet(inner, facts.made_up_ethertype)) {
		mt_batch_drop_of_session(batch, inner, MT_VERDICT_NO_HEADROOM, facts.vni);
		return NULL;
	}
	facts.flags |= checksum_flag(device_flags);
	write_info(inner, &facts, batch->time_ns);
	inner->ol_flags = (inner->ol_flags & MT_FLAGS_BORROWED) | RTE_MBUF_F_RX_RSS_HASH;
	return inner;
}

/* Makes an inner frame of one in a single segment. */
static __rte_always_inline void cut_single(
	struct rte_mbuf *frame, struct mt_facts *facts, uint64_t time_ns)
{
	const uint64_t device_flags = frame->ol_flags;

	frame->data_off += facts->strip;
	frame->data_len = facts->inner_length;
	frame->pkt_len = facts->inner_length;
	frame->ol_flags = RTE_MBUF_F_RX_RSS_HASH;
	if (unlikely((device_flags & (MT_FLAGS_MAYBE_BAD | MT_FLAGS_BORROWED)) != 0)) {
		facts->flags |= checksum_flag(device_flags);
		frame->ol_flags |= device_flags & MT_FLAGS_BORROWED;
	}
	write_info(frame, facts, time_ns);
}

/* A common outside with something else in it. By value and in facts of its own, so that those of
 * the fast way stay in registers. */
static __rte_noinline void decapsulate_outer(const struct mt_hash_config *hash,
	struct rte_mbuf *frame, struct mt_address source, uint32_t vni, uint32_t strip,
	uint32_t inner_length, uint64_t time_ns)
{
	struct mt_facts facts = {
		.source = source,
		.vni = vni,
		.strip = strip,
		.inner_length = inner_length,
		.original_length = inner_length,
	};

	mt_inner_read(frame, hash, &facts);
	cut_single(frame, &facts, time_ns);
}

static __rte_always_inline bool decapsulate_fast(const struct mt_fast *fast,
	const struct mt_hash_config *hash, struct rte_mbuf *frame, uint64_t time_ns)
{
	enum mt_fast_result result;
	struct mt_facts facts;

	if (unlikely(frame->nb_segs != 1))
		return false;
	result = mt_packet_fast(
		rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len, fast, hash, &facts);
	if (likely(result == MT_FAST_ALL))
		cut_single(frame, &facts, time_ns);
	else if (result == MT_FAST_OUTER)
		decapsulate_outer(hash, frame, facts.source, facts.vni, facts.strip,
			facts.inner_length, time_ns);
	return result != MT_FAST_NONE;
}

/* All frames but those in the set `done`. */
static __rte_always_inline void decapsulate_batch(const struct mt_snapshot *snapshot,
	const struct mt_hash_config *hash, struct mt_batch *batch, uint64_t done)
{
	const struct mt_fast fast = snapshot->fast;
	const uint64_t time_ns = batch->time_ns;
	const uint16_t count = batch->count;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *frame = batch->frames[i];

		if ((done >> i & 1) == 0) {
			batch->received_bytes += frame->pkt_len;
			if (unlikely(!decapsulate_fast(&fast, hash, frame, time_ns)))
				frame = decapsulate_any(&snapshot->tunnels, batch, frame);
			if (unlikely(frame == NULL))
				continue;
			mt_sums_add(&batch->sums, frame);
		}
		batch->frames[kept++] = frame;
	}
	batch->count = kept;
}

void mt_stage_decapsulate(const struct mt_snapshot *snapshot, struct mt_batch *batch)
{
	uint64_t done = 0;

	batch->received_bytes = 0;
	batch->sums = mt_sums_none();
	if (snapshot->simd != NULL) {
		done = snapshot->simd(&snapshot->fast, batch);
		if (likely(done == UINT64_MAX >> (MT_BURST - batch->count)))
			return;
	}
	/* The default as a constant: the masks of the hash vanish from the code. */
	if (likely(snapshot->plain_hash)) {
		const struct mt_hash_config plain = mt_hash_configure(MT_HASH_5_TUPLE, 0);

		decapsulate_batch(snapshot, &plain, batch, done);
	} else {
		decapsulate_batch(snapshot, &snapshot->fast.hash, batch, done);
	}
}

#if defined(MT_HAVE_X86_SIMD)
static bool have(enum rte_cpu_flag_t flag)
{
	return rte_cpu_get_flag_enabled(flag) > 0;
}

/* All that lib/meson.build compiles it for. CPUs before VBMI2 (Ice Lake, Zen 4) lower their clock
 * for vectors of 512 bits. */
static bool have_avx512(void)
{
	return have(RTE_CPUFLAG_AVX512F) && have(RTE_CPUFLAG_AVX512BW) && have(RTE_CPUFLAG_AVX512DQ)
		&& have(RTE_CPUFLAG_AVX512VL) && have(RTE_CPUFLAG_BMI2)
		&& have(RTE_CPUFLAG_AVX512VBMI2);
}

static bool have_avx2(void)
{
	return have(RTE_CPUFLAG_AVX2) && have(RTE_CPUFLAG_BMI2);
}
#endif

uint16_t mt_decapsulate_simd_bits(void)
{
#if defined(MT_HAVE_X86_SIMD)
	if (have_avx512())
		return RTE_VECT_SIMD_512;
	if (have_avx2())
		return RTE_VECT_SIMD_256;
#endif
	return 0;
}

mt_decapsulate_simd_t *mt_decapsulate_simd_choose(uint16_t max_bits, const char **name)
{
#if defined(MT_HAVE_X86_SIMD)
	if (max_bits >= RTE_VECT_SIMD_512 && have_avx512()) {
		*name = "avx512";
		return mt_decapsulate_avx512;
	}
	if (max_bits >= RTE_VECT_SIMD_256 && have_avx2()) {
		*name = "avx2";
		return mt_decapsulate_avx2;
	}
#else
	(void)max_bits;
#endif
	*name = "plain";
	return NULL;
}
