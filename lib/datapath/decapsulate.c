/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_prefetch.h>

#include "datapath/stages.h"
#include "packet/decapsulate.h"
#include "packet/fast.h"
#include "packet/frame_info.h"

enum {
	PREFETCH_AHEAD = 4,
};

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

/* Cuts everything behind `length` bytes off. */
static void cut_back(struct rte_mbuf *frame, uint32_t length)
{
	struct rte_mbuf *last = frame;
	uint16_t segments = 1;

	frame->pkt_len = length;
	while (length > last->data_len) {
		length -= last->data_len;
		last = last->next;
		segments++;
	}
	last->data_len = length;
	if (last->next != NULL) {
		rte_pktmbuf_free(last->next);
		last->next = NULL;
	}
	frame->nb_segs = segments;
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
	const uint64_t bad = RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
	const uint64_t kept = RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	struct mt_frame_info *info = mt_frame_info(frame);
	uint32_t flags = facts->flags;

	if (unlikely((frame->ol_flags & bad) != 0))
		flags |= MT_FLAG_BAD_CHECKSUM;
	info->source = facts->source;
	info->time_ns = time_ns;
	info->vni_flags = facts->vni << 8 | flags;
	info->original_length = facts->original_length;
	/* What the device said of the outer packet does not hold for the inner one. */
	frame->ol_flags = (frame->ol_flags & kept) | RTE_MBUF_F_RX_RSS_HASH;
	frame->packet_type = 0;
	frame->vlan_tci = 0;
	frame->hash.rss = facts->flow_hash;
}

/* The complete way: any shape. NULL: the frame was given a verdict. It has facts of its own, so
 * that those of the fast way can stay in registers. */
static __rte_noinline struct rte_mbuf *decapsulate_any(
	const struct mt_tunnels *tunnels, struct mt_batch *batch, struct rte_mbuf *frame)
{
	struct mt_facts facts;
	uint32_t made_up;
	struct rte_mbuf *inner;

	mt_packet_decapsulate(frame, tunnels, &facts);
	if (facts.verdict != MT_VERDICT_ACCEPTED) {
		mt_batch_drop(batch, frame, facts.verdict);
		return NULL;
	}
	made_up = facts.made_up_ethertype != 0 ? MT_ETHERNET_LENGTH : 0;
	inner = cut_front(frame, facts.strip);
	cut_back(inner, facts.inner_length - made_up);
	if (made_up != 0 && !add_ethernet(inner, facts.made_up_ethertype)) {
		mt_batch_drop(batch, inner, MT_VERDICT_NO_HEADROOM);
		return NULL;
	}
	write_info(inner, &facts, batch->time_ns);
	return inner;
}

static inline bool decapsulate_fast(
	const struct mt_tunnels *tunnels, struct rte_mbuf *frame, uint64_t time_ns)
{
	struct mt_facts facts;

	if (unlikely(frame->nb_segs != 1
		    || !mt_packet_fast(rte_pktmbuf_mtod(frame, const uint8_t *), frame->data_len,
			    tunnels, &facts)))
		return false;
	frame->data_off += MT_FAST_INNER;
	frame->data_len = facts.inner_length;
	frame->pkt_len = facts.inner_length;
	write_info(frame, &facts, time_ns);
	return true;
}

void mt_stage_decapsulate(const struct mt_snapshot *snapshot, struct mt_batch *batch)
{
	const struct mt_tunnels *tunnels = &snapshot->tunnels;
	const uint16_t count = batch->count;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < RTE_MIN(count, PREFETCH_AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(batch->frames[i], void *));
	for (uint16_t i = 0; i < count; i++) {
		struct rte_mbuf *frame = batch->frames[i];

		if (i + PREFETCH_AHEAD < count)
			rte_prefetch0(rte_pktmbuf_mtod(batch->frames[i + PREFETCH_AHEAD], void *));
		if (unlikely(!decapsulate_fast(tunnels, frame, batch->time_ns))) {
			frame = decapsulate_any(tunnels, batch, frame);
			if (frame == NULL)
				continue;
		}
		batch->frames[kept++] = frame;
	}
	batch->count = kept;
}
