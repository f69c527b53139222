/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/reorder.h"

#include <netinet/in.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_malloc.h>
#include <rte_tcp.h>

#include "packet/fast.h"
#include "packet/frame_info.h"
#include "packet/ip.h"

enum {
	NONE = UINT32_MAX >> 1, /* no slot */
	/* Further ahead a segment does not wait for what is before it, but the flow goes on there:
	 * more than comes in a window was lost, or someone makes it up. */
	MAX_GAP = 4 << 20,
	/* Steps that a search for a segment's place in its flow takes at most. */
	MAX_STEPS = 64,
};

struct mt_reorder *mt_reorder_create(uint32_t packets, uint32_t burst, uint64_t seed, int node)
{
	struct mt_reorder *reorder =
		rte_zmalloc_socket("mt_reorder", sizeof(*reorder), RTE_CACHE_LINE_SIZE, node);

	if (reorder == NULL)
		return NULL;
	reorder->flows = rte_zmalloc_socket(
		"mt_reorder", MT_REORDER_FLOWS * sizeof(*reorder->flows), 128, node);
	reorder->slots = rte_zmalloc_socket(
		"mt_reorder", packets * sizeof(*reorder->slots), RTE_CACHE_LINE_SIZE, node);
	reorder->ready = rte_zmalloc_socket("mt_reorder",
		(packets + burst) * sizeof(struct rte_mbuf *), RTE_CACHE_LINE_SIZE, node);
	if (reorder->flows == NULL || reorder->slots == NULL || reorder->ready == NULL) {
		mt_reorder_destroy(reorder);
		return NULL;
	}
	reorder->packets = packets;
	reorder->seed = seed | 1;
	reorder->oldest = reorder->newest = reorder->free = NONE;
	for (uint32_t s = packets; s-- > 0;) {
		reorder->slots[s].newer = reorder->free;
		reorder->free = s;
	}
	return reorder;
}

void mt_reorder_destroy(struct mt_reorder *reorder)
{
	if (reorder == NULL)
		return;
	rte_free(reorder->flows);
	rte_free(reorder->slots);
	rte_free(reorder->ready);
	rte_free(reorder);
}

/* --- reading ----------------------------------------------------------------------------------
 */

static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* `length`: of the IP packet from the TCP header on, as it was before truncation. */
static void read_tcp(const uint8_t *tcp, uint32_t length, struct mt_segment *segment)
{
	uint32_t header = (tcp[12] >> 4) * 4u;
	uint8_t flags = tcp[13];

	/* RFC 9293 section 3.1: at least five words. */
	if (header < 20 || header > length) {
		segment->flow = 0;
		return;
	}
	segment->begin = rte_be_to_cpu_32(mt_load32(tcp + 4));
	segment->syn = (flags & RTE_TCP_SYN_FLAG) != 0;
	/* Section 3.4: SYN and FIN take a number each. */
	segment->end =
		segment->begin + length - header + segment->syn + ((flags & RTE_TCP_FIN_FLAG) != 0);
}

static inline void set_flow(const struct mt_reorder *reorder,
	const struct mt_reorder_config *config, const struct rte_mbuf *frame, uint64_t addresses,
	uint32_t ports, struct mt_segment *segment)
{
	uint64_t rest = ports;

	if (!config->across_sessions)
		rest |= (uint64_t)mt_frame_vni(mt_frame_info_of(frame)) << 32;
	segment->flow = fold(addresses ^ reorder->seed,
		(rest + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ reorder->seed << 1);
	if (segment->flow == 0)
		segment->flow = 1;
}

static __rte_noinline void read_any(const struct mt_reorder *reorder,
	const struct mt_reorder_config *config, const struct rte_mbuf *frame,
	struct mt_segment *segment)
{
	uint32_t payload = 0;
	uint16_t ethertype = mt_ethertype_read(frame, 0, frame->pkt_len, &payload);
	uint8_t scratch[20];
	uint64_t addresses;
	const uint8_t *tcp;
	struct mt_ip ip;

	segment->flow = 0;
	if ((ethertype != MT_ETHERTYPE_IPV4 && ethertype != MT_ETHERTYPE_IPV6)
		|| !mt_ip_read(frame, payload, frame->pkt_len, ethertype, &ip) || !ip.complete
		|| ip.fragment != MT_FRAGMENT_NONE || ip.protocol != IPPROTO_TCP
		|| ip.length_unstated)
		return;
	tcp = mt_read(frame, ip.payload, ip.end, sizeof(scratch), scratch);
	if (tcp == NULL)
		return;
	if (ip.version == 4) {
		addresses = ip.source.low >> 32 | ip.destination.low >> 32 << 32;
	} else {
		addresses = fold(ip.source.high ^ reorder->seed, ip.source.low + reorder->seed);
		addresses =
			fold(addresses ^ ip.destination.high, ip.destination.low + reorder->seed);
	}
	set_flow(reorder, config, frame, addresses, mt_load32(tcp), segment);
	read_tcp(tcp, ip.stated_end - ip.payload, segment);
}

void mt_reorder_read(const struct mt_reorder *reorder, const struct mt_reorder_config *config,
	const struct rte_mbuf *frame, struct mt_segment *segment)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);
	const uint8_t *ip = bytes + MT_ETHERNET_LENGTH;
	uint32_t total;

	/* Untagged IPv4 without options or fragments, whose TCP header is in one segment. */
	if (likely(frame->data_len >= MT_ETHERNET_LENGTH + 20 + 20)) {
		uint32_t shape =
			(mt_load32(bytes + 12) ^ RTE_BE32(0x08004500)) & RTE_BE32(0xffffff00);

		shape |= mt_load16(ip + 6) & RTE_BE16(0x3fff);
		total = rte_be_to_cpu_16(mt_load16(ip + 2));
		if (likely(shape == 0 && total >= 40)) {
			segment->flow = 0;
			if (ip[9] != IPPROTO_TCP)
				return;
			set_flow(reorder, config, frame, mt_load64(ip + 12), mt_load32(ip + 20),
				segment);
			read_tcp(ip + 20, total - 20, segment);
			return;
		}
	}
	read_any(reorder, config, frame, segment);
}

/* --- flows ------------------------------------------------------------------------------------
 */

static void start_flow(
	struct mt_reorder *reorder, struct mt_reorder_flow *flow, const struct mt_segment *segment)
{
	*flow = (struct mt_reorder_flow){.flow = segment->flow,
		.next = segment->end,
		.used = reorder->clock,
		.first = NONE,
		.last = NONE};
}

/* NULL: it is a new one, which begins with this segment, or there is no room for it. */
static struct mt_reorder_flow *find_flow(
	struct mt_reorder *reorder, const struct mt_segment *segment)
{
	struct mt_reorder_flow *bucket = mt_reorder_bucket(reorder, segment->flow);
	struct mt_reorder_flow *oldest = NULL;

	reorder->clock++;
	for (unsigned w = 0; w < MT_REORDER_WAYS; w++) {
		struct mt_reorder_flow *flow = &bucket[w];

		if (flow->flow == segment->flow) {
			flow->used = reorder->clock;
			return flow;
		}
		if (flow->held == 0
			&& (oldest == NULL
				|| reorder->clock - flow->used > reorder->clock - oldest->used))
			oldest = flow;
	}
	if (oldest != NULL)
		start_flow(reorder, oldest, segment);
	return NULL;
}

static inline void pass(struct mt_reorder *reorder, struct rte_mbuf *frame)
{
	reorder->ready[reorder->ready_count++] = frame;
}

static inline int32_t after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static inline void advance(struct mt_reorder_flow *flow, uint32_t end)
{
	if (after(end, flow->next) > 0)
		flow->next = end;
}

static inline void set_held(struct mt_reorder *reorder, uint32_t held)
{
	__atomic_store_n(&reorder->held, held, __ATOMIC_RELAXED);
}

/* Lets go of the first one of a flow. */
static void release_first(
	struct mt_reorder *reorder, struct mt_reorder_flow *flow, uint64_t *counter)
{
	uint32_t index = flow->first;
	struct mt_reorder_slot *slot = &reorder->slots[index];

	pass(reorder, slot->frame);
	advance(flow, slot->end);
	flow->first = slot->next;
	if (flow->first == NONE)
		flow->last = NONE;
	flow->held--;
	if (slot->older != NONE)
		reorder->slots[slot->older].newer = slot->newer;
	else
		reorder->oldest = slot->newer;
	if (slot->newer != NONE)
		reorder->slots[slot->newer].older = slot->older;
	else
		reorder->newest = slot->older;
	slot->newer = reorder->free;
	reorder->free = index;
	set_held(reorder, reorder->held - 1);
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* All that no gap is before any more. */
static void release_closed(struct mt_reorder *reorder, struct mt_reorder_flow *flow)
{
	while (flow->first != NONE && after(reorder->slots[flow->first].begin, flow->next) <= 0)
		release_first(reorder, flow, &reorder->counts.closed);
}

/* The one that is held the longest, and what is before it in its flow. */
static void release_oldest(struct mt_reorder *reorder, uint64_t *counter)
{
	uint32_t index = reorder->oldest;
	struct mt_reorder_flow *flow = &reorder->flows[reorder->slots[index].flow];
	uint32_t last;

	do {
		last = flow->first;
		release_first(reorder, flow, counter);
	} while (last != index);
	release_closed(reorder, flow);
}

static void release_flow(
	struct mt_reorder *reorder, struct mt_reorder_flow *flow, uint64_t *counter)
{
	while (flow->first != NONE)
		release_first(reorder, flow, counter);
}

/* The slot behind which a segment belongs; NONE: it is the first. False: its place is too far. */
static bool find_place(const struct mt_reorder *reorder, const struct mt_reorder_flow *flow,
	uint32_t begin, uint32_t *place)
{
	unsigned steps = 0;

	if (flow->last != NONE && after(begin, reorder->slots[flow->last].begin) >= 0) {
		*place = flow->last;
		return true;
	}
	*place = NONE;
	for (uint32_t s = flow->first; s != NONE && after(begin, reorder->slots[s].begin) >= 0;
		s = reorder->slots[s].next) {
		*place = s;
		if (++steps == MAX_STEPS)
			return false;
	}
	return true;
}

static void hold(struct mt_reorder *reorder, struct mt_reorder_flow *flow, uint32_t place,
	const struct mt_segment *segment, struct rte_mbuf *frame, uint64_t deadline)
{
	uint32_t index = reorder->free;
	struct mt_reorder_slot *slot = &reorder->slots[index];

	reorder->free = slot->newer;
	*slot = (struct mt_reorder_slot){.frame = frame,
		.deadline = deadline,
		.begin = segment->begin,
		.end = segment->end,
		.flow = (uint32_t)(flow - reorder->flows),
		.next = place == NONE ? flow->first : reorder->slots[place].next,
		.older = reorder->newest,
		.newer = NONE};
	if (place == NONE)
		flow->first = index;
	else
		reorder->slots[place].next = index;
	if (slot->next == NONE)
		flow->last = index;
	if (reorder->newest == NONE)
		reorder->oldest = index;
	else
		reorder->slots[reorder->newest].newer = index;
	reorder->newest = index;
	flow->held++;
	set_held(reorder, reorder->held + 1);
}

/* A segment that no gap is before. */
static inline void take(struct mt_reorder *reorder, struct mt_reorder_flow *flow,
	const struct mt_segment *segment, struct rte_mbuf *frame)
{
	pass(reorder, frame);
	advance(flow, segment->end);
	if (unlikely(flow->first != NONE))
		release_closed(reorder, flow);
}

void mt_reorder_push(struct mt_reorder *reorder, const struct mt_segment *segment,
	struct rte_mbuf *frame, uint64_t now, uint64_t window)
{
	struct mt_reorder_flow *flow;
	uint32_t place;
	int32_t gap;

	flow = segment->flow != 0 ? find_flow(reorder, segment) : NULL;
	if (flow == NULL) {
		pass(reorder, frame);
		return;
	}
	gap = after(segment->begin, flow->next);
	/* A new conversation, or one that goes on elsewhere. */
	if (unlikely(segment->syn || gap > MAX_GAP || gap < -MAX_GAP)) {
		release_flow(reorder, flow, &reorder->counts.full);
		pass(reorder, frame);
		flow->next = segment->end;
		return;
	}
	if (unlikely(gap > 0 && reorder->free == NONE)) {
		release_oldest(reorder, &reorder->counts.full);
		gap = after(segment->begin, flow->next);
	}
	if (likely(gap <= 0)) {
		take(reorder, flow, segment, frame);
	} else if (find_place(reorder, flow, segment->begin, &place)) {
		hold(reorder, flow, place, segment, frame, now + window);
	} else {
		release_flow(reorder, flow, &reorder->counts.full);
		take(reorder, flow, segment, frame);
	}
}

void mt_reorder_expire(struct mt_reorder *reorder, uint64_t now)
{
	while (reorder->oldest != NONE
		&& (int64_t)(now - reorder->slots[reorder->oldest].deadline) >= 0)
		release_oldest(reorder, &reorder->counts.expired);
}

void mt_reorder_flush(struct mt_reorder *reorder)
{
	while (reorder->oldest != NONE)
		release_oldest(reorder, &reorder->counts.expired);
}
