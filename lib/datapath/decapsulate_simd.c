/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiled once for each vector width (lib/meson.build), under the name MT_SIMD_NAME.
 *
 * What packet/fast.h asks of one frame field by field is here asked of MT_LANES frames at once: 16
 * bytes of each, compared under a mask. Read that file first; the comments here say only what is
 * different. tests/unit/test_simd.c holds this against the plain way. */
#include <stddef.h>

#include <rte_branch_prediction.h>

#include "datapath/batch.h"
#include "datapath/decapsulate_simd.h"
#include "datapath/simd.h"
#include "packet/frame_info.h"

/* The parts of an mbuf that are read and written as 16 bytes. */
enum {
	REARM = offsetof(struct rte_mbuf, rearm_data), /* data_off, refcnt, nb_segs, port; flags */
	DESCRIPTOR = offsetof(struct rte_mbuf, rx_descriptor_fields1),
	INFO = MT_FRAME_INFO_OFFSET,          /* time, upper half of the source */
	INFO_END = MT_FRAME_INFO_OFFSET + 16, /* lower half, VNI and flags, original length */
};
static_assert(offsetof(struct rte_mbuf, data_off) == REARM
		&& offsetof(struct rte_mbuf, nb_segs) == REARM + 4
		&& offsetof(struct rte_mbuf, ol_flags) == REARM + 8
		&& offsetof(struct rte_mbuf, packet_type) == DESCRIPTOR
		&& offsetof(struct rte_mbuf, pkt_len) == DESCRIPTOR + 4
		&& offsetof(struct rte_mbuf, data_len) == DESCRIPTOR + 8
		&& offsetof(struct rte_mbuf, vlan_tci) == DESCRIPTOR + 10
		&& offsetof(struct rte_mbuf, hash.rss) == DESCRIPTOR + 12,
	"the mbuf is as it is read here");
static_assert(offsetof(struct mt_frame_info, time_ns) == 0
		&& offsetof(struct mt_frame_info, source) == 8
		&& offsetof(struct mt_frame_info, vni_flags) == 24
		&& offsetof(struct mt_frame_info, original_length) == 28,
	"the frame information is as it is written here");

/* The parts of a frame, likewise. */
enum {
	OUTER = 12, /* ethertype, IPv4 header to the first half of its source */
	SOURCE = 26,
	UDP = 34,    /* and VXLAN */
	INNER = 62,  /* ethertype, IP header */
	INNER4 = 72, /* from the time to live of an IPv4 header to the ports */
	INNER6_SOURCE = 72,
	INNER6_DESTINATION = 88,
	INNER6_PORTS = 104,
};

#define UNUSUAL (MT_FLAGS_BORROWED | MT_FLAGS_MAYBE_BAD)
#define BYTES(...) MT_SIMD(mt_simd8, __VA_ARGS__)
#define DWORDS(...) MT_SIMD(mt_simd32, __VA_ARGS__)
#define ALL(value) DWORDS(value, value, value, value)
/* Shuffles: a field of two bytes in network order, or one byte, or four as they are, as a number in
 * every 32 bits of the lane. */
#define Z MT_ZERO
#define BE16(at) \
	BYTES((at) + 1, at, Z, Z, (at) + 1, at, Z, Z, (at) + 1, at, Z, Z, (at) + 1, at, Z, Z)
#define LE16(at) \
	BYTES(at, (at) + 1, Z, Z, at, (at) + 1, Z, Z, at, (at) + 1, Z, Z, at, (at) + 1, Z, Z)
#define BYTE(at) BYTES(at, Z, Z, Z, at, Z, Z, Z, at, Z, Z, Z, at, Z, Z, Z)
#define FOUR(at)                                                                                \
	BYTES(at, (at) + 1, (at) + 2, (at) + 3, at, (at) + 1, (at) + 2, (at) + 3, at, (at) + 1, \
		(at) + 2, (at) + 3, at, (at) + 1, (at) + 2, (at) + 3)

/* Single 32 bits of a lane. */
#define ONLY_1 DWORDS(0, UINT32_MAX, 0, 0)
#define ONLY_2 DWORDS(0, 0, UINT32_MAX, 0)
#define ONLY_3 DWORDS(0, 0, 0, UINT32_MAX)

static inline mt_simd32 number(mt_simd8 v, mt_simd8 from)
{
	return (mt_simd32)mt_simd_shuffle(v, from);
}

/* What is the same for all frames of a burst. */
struct constants {
	mt_simd8 vxlan;     /* what UDP is compared with */
	mt_simd8 geneve;    /* likewise */
	mt_simd8 endpoints; /* masks of the hash */
	mt_simd32 salt_vni;
	mt_simd32 salt_protocol;
	mt_simd8 time; /* first part of the frame information */
};

/* What the flow hashes are made from, of the frames that have been decapsulated. */
struct hashing {
	struct rte_mbuf *frames[MT_BURST];
	uint32_t a[MT_BURST];
	uint32_t b[MT_BURST];
	uint32_t salt[MT_BURST][4]; /* the third counts */
	uint16_t count;
};

/* What is added up of them, lane by lane. */
struct lane_sums {
	mt_simd32 received;
	mt_simd32 bytes;
	mt_simd32 some; /* the third number of each lane counts */
	mt_simd32 all;
};

static inline struct constants prepare(const struct mt_fast *fast, uint64_t time_ns)
{
	const uint32_t address = (uint32_t)fast->hash.address;
	const uint32_t port = fast->hash.port;
	const uint32_t vxlan_low = (uint32_t)fast->vxlan;
	const uint32_t vxlan_high = (uint32_t)(fast->vxlan >> 32);

	return (struct constants){
		/* fast->vxlan is of the bytes from the destination port on, UDP of those from the
		 * source port on. */
		.vxlan = (mt_simd8)DWORDS(
			vxlan_low << 16, vxlan_low >> 16 | vxlan_high << 16, vxlan_high >> 16, 0),
		.geneve =
			(mt_simd8)DWORDS((uint32_t)fast->geneve << 16, 0, RTE_BE32(0x00006558u), 0),
		.endpoints = (mt_simd8)DWORDS(address, port, address, port),
		.salt_vni = ALL(fast->hash.vni << 8),
		.salt_protocol = ALL(fast->hash.protocol),
		.time = (mt_simd8)MT_SIMD(mt_simd64, time_ns, 0),
	};
}

/* What the common shape may be made of. */
enum shape {
	VXLAN4,     /* VXLAN, all inner frames are IPv4 */
	VXLAN_ANY,  /* VXLAN, IPv4 and IPv6 */
	GENEVE4,    /* GENEVE with an Ethernet frame, IPv4 */
	GENEVE_ANY, /* the same, IPv4 and IPv6 */
};

/* GENEVE's options (RFC 8926 section 3.5): how long each lane's are, and whether they are sound;
 * then `inner` is moved behind them. Their length and more is there. */
static inline bool skip_options(mt_simd32 options, const uint8_t *const *at, const uint8_t **inner)
{
	for (unsigned lane = 0; lane < MT_LANES; lane++) {
		uint32_t length = options[4 * lane];

		if (!mt_fast_options(at[lane] + MT_FAST_INNER, length))
			return false;
		inner[lane] = at[lane] + length;
	}
	return true;
}

/* IPv6 lanes have what only they have: enough bytes for the header and the ports, and addresses
 * that are not mapped IPv4 ones. */
static inline bool sound_inner6(mt_simd32 is6, mt_simd32 inner_length, const uint8_t *const *at)
{
	if (mt_simd_any(is6 & (mt_simd32)(inner_length < ALL(MT_ETHERNET_LENGTH + 40 + 4))))
		return false;
	for (unsigned lane = 0; lane < MT_LANES; lane++) {
		if (is6[4 * lane] != 0
			&& (mt_load64(at[lane] + INNER6_SOURCE) == 0
				|| mt_load64(at[lane] + INNER6_DESTINATION) == 0))
			return false;
	}
	return true;
}

static inline void hash_endpoints(const struct mt_hash_config *config,
	const struct constants *constants, bool mixed, mt_simd32 is6, mt_simd8 inner4,
	const uint8_t *const *at, struct hashing *hashing)
{
	mt_simd8 pairs = mt_simd_shuffle(
		inner4, BYTES(4, 5, 6, 7, 12, 13, Z, Z, 8, 9, 10, 11, 14, 15, Z, Z));
	mt_simd64 endpoints = (mt_simd64)(pairs & constants->endpoints);
	uint32_t *a = &hashing->a[hashing->count];
	uint32_t *b = &hashing->b[hashing->count];

	for (unsigned lane = 0; lane < MT_LANES; lane++) {
		if (mixed && is6[4 * lane] != 0) {
			a[lane] = mt_hash_endpoint6(config, mt_load64(at[lane] + INNER6_SOURCE),
				mt_load64(at[lane] + INNER6_SOURCE + 8),
				mt_load16(at[lane] + INNER6_PORTS));
			b[lane] =
				mt_hash_endpoint6(config, mt_load64(at[lane] + INNER6_DESTINATION),
					mt_load64(at[lane] + INNER6_DESTINATION + 8),
					mt_load16(at[lane] + INNER6_PORTS + 2));
		} else {
			a[lane] = mt_hash_crc(endpoints[2 * lane], MT_HASH_SEED4);
			b[lane] = mt_hash_crc(endpoints[2 * lane + 1], MT_HASH_SEED4);
		}
	}
}

/* One frame in each lane. False: they are left as they are. `shape` is a constant, so that the code
 * for one has nothing of the others. */
static __rte_always_inline bool decapsulate_lanes(const struct mt_fast *fast,
	const struct constants *constants, enum shape shape, struct rte_mbuf **frames,
	struct hashing *hashing, struct lane_sums *sums)
{
	const bool mixed = shape == VXLAN_ANY || shape == GENEVE_ANY;
	const bool geneve = shape == GENEVE4 || shape == GENEVE_ANY;
	const uint8_t *mbuf[MT_LANES];
	const uint8_t *at[MT_LANES];
	const uint8_t *behind[MT_LANES]; /* as `at` for what is behind the options */
	mt_simd8 rearm, descriptor, outer, source, udp, inner, inner4;
	mt_simd32 bad, length, total, udp_length, inner_length, original, protocol, address;
	mt_simd32 options = ALL(0), is6 = ALL(0), vni, egress, ingress, flags, info;

	for (unsigned lane = 0; lane < MT_LANES; lane++)
		mbuf[lane] = (const uint8_t *)frames[lane];
	rearm = mt_simd_load(mbuf, REARM);
	descriptor = mt_simd_load(mbuf, DESCRIPTOR);
	length = number(descriptor, LE16(8));
	/* One segment, with buffer and checksums as usual; and all that is read below is there. */
	bad = (mt_simd32)(rearm & (mt_simd8)DWORDS(0, 0xffff, (uint32_t)UNUSUAL, UNUSUAL >> 32))
		^ DWORDS(0, 1, 0, 0);
	bad |= (mt_simd32)(length < ALL(MT_FAST_MIN_LENGTH));
	if (unlikely(mt_simd_any(bad)))
		return false;

	for (unsigned lane = 0; lane < MT_LANES; lane++)
		behind[lane] = at[lane] = rte_pktmbuf_mtod(frames[lane], const uint8_t *);
	outer = mt_simd_load(at, OUTER);
	udp = mt_simd_load(at, UDP);
	bad = (mt_simd32)((outer
				  & BYTES(255, 255, 255, 0, 0, 0, 0, 0, 0x3f, 255, 0, 255, 0, 0, 0,
					  0))
		^ BYTES(0x08, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 0, IPPROTO_UDP, 0, 0, 0, 0));
	if (geneve) {
		/* Version, O bit, protocol. */
		bad |= (mt_simd32)((udp
					   & BYTES(0, 0, 255, 255, 0, 0, 0, 0, 0xc0, 0x80, 255, 255,
						   0, 0, 0, 0))
			^ constants->geneve);
		options = (number(udp, BYTE(8)) & ALL(0x3f)) << 2;
		bad |= (mt_simd32)(options + ALL(MT_FAST_MIN_LENGTH) > length);
		if (unlikely(mt_simd_any(bad)) || !skip_options(options, at, behind))
			return false;
	} else {
		bad |= (mt_simd32)((udp
					   & BYTES(0, 0, 255, 255, 0, 0, 0, 0, 0x08, 0, 0, 0, 0, 0,
						   0, 0))
			^ constants->vxlan);
	}
	inner = mt_simd_load(behind, INNER);
	inner4 = mt_simd_load(behind, INNER4);
	total = number(outer, BE16(4));
	udp_length = number(udp, BE16(4));
	bad |= (mt_simd32)(total + ALL(MT_FAST_IP) > length);
	bad |= (udp_length + ALL(20)) ^ total;
	bad |= (mt_simd32)(total < options + ALL(MT_FAST_MIN_LENGTH - MT_FAST_IP));
	inner_length = udp_length - options - ALL(16);

	if (mixed) {
		mt_simd32 kind = number(inner, FOUR(0));
		mt_simd32 bytes6 = number(inner, BE16(6));
		mt_simd32 bytes4 = number(inner, BE16(4));

		is6 = (mt_simd32)((kind & ALL(RTE_BE32(0xfffff000u)))
			== ALL(RTE_BE32(0x86dd6000u)));
		bad |= ~is6
			& (((kind & ALL(RTE_BE32(0xffffff00u))) ^ ALL(RTE_BE32(0x08004500u)))
				| (number(inner, BE16(8)) & ALL(0x3fff))
				| (mt_simd32)(bytes4 < ALL(24)));
		bad |= is6 & (mt_simd32)(bytes6 < ALL(4));
		protocol = mt_simd_select(is6, number(inner, BYTE(8)), number(inner4, BYTE(1)));
		original = mt_simd_select(is6, bytes6 + ALL(MT_ETHERNET_LENGTH + 40),
			bytes4 + ALL(MT_ETHERNET_LENGTH));
	} else {
		mt_simd32 bytes4 = number(inner, BE16(4));

		bad |= (mt_simd32)((inner
					   & BYTES(255, 255, 255, 0, 0, 0, 0, 0, 0x3f, 255, 0, 0, 0,
						   0, 0, 0))
			^ BYTES(0x08, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
		bad |= (mt_simd32)(bytes4 < ALL(24));
		protocol = number(inner4, BYTE(1));
		original = bytes4 + ALL(MT_ETHERNET_LENGTH);
	}
	bad |= (mt_simd32)(protocol != ALL(IPPROTO_TCP))
		& (mt_simd32)(protocol != ALL(IPPROTO_UDP));
	if (unlikely(mt_simd_any(bad)))
		return false;
	if (mixed && !sound_inner6(is6, inner_length, behind))
		return false;

	/* All are of the common shape: nothing below can fail. */
	source = mt_simd_load(at, SOURCE);
	address = number(source, FOUR(0));
	vni = number(udp, BYTES(Z, Z, Z, Z, Z, Z, Z, Z, Z, 14, 13, 12, Z, Z, Z, Z));
	egress = (mt_simd32)(number(inner4, FOUR(4)) == address) & ~is6;
	ingress = (mt_simd32)(number(inner4, FOUR(8)) == address) & ~egress & ~is6;
	flags = (mt_simd32)(original > inner_length) & ALL(MT_FLAG_TRUNCATED);
	flags |= egress & ALL(MT_FLAG_EGRESS);
	flags |= ingress & ALL(MT_FLAG_INGRESS);
	original = mt_simd_select((mt_simd32)(original > inner_length), original, inner_length);
	info = DWORDS(0xffff0000u, 0, 0, 0) | (address & ONLY_1) | vni | (flags & ONLY_2)
		| (original & ONLY_3);
	hash_endpoints(&fast->hash, constants, mixed, is6, inner4, behind, hashing);
	{
		mt_simd32 salt =
			(protocol & constants->salt_protocol) ^ (vni & constants->salt_vni);

		__builtin_memcpy(hashing->salt[hashing->count], &salt, sizeof(salt));
	}

	rearm = (mt_simd8)((mt_simd16)rearm
		+ (mt_simd16)((options + ALL(MT_FAST_INNER)) & DWORDS(0xffff, 0, 0, 0)));
	rearm = (mt_simd8)(((mt_simd64)rearm & MT_SIMD(mt_simd64, UINT64_MAX, 0))
		| MT_SIMD(mt_simd64, 0, RTE_MBUF_F_RX_RSS_HASH));
	/* The flow hash follows when it is known. */
	descriptor = (mt_simd8)(inner_length & DWORDS(0, UINT32_MAX, UINT32_MAX, 0));
	mt_simd_store((uint8_t *const *)mbuf, REARM, rearm);
	mt_simd_store((uint8_t *const *)mbuf, DESCRIPTOR, descriptor);
	mt_simd_store((uint8_t *const *)mbuf, INFO, constants->time);
	mt_simd_store((uint8_t *const *)mbuf, INFO_END, (mt_simd8)info);
	for (unsigned lane = 0; lane < MT_LANES; lane++)
		hashing->frames[hashing->count + lane] = frames[lane];
	hashing->count += MT_LANES;
	sums->received += length;
	sums->bytes += inner_length;
	sums->some |= info;
	sums->all &= info;
	return true;
}

static inline void add_up(const struct lane_sums *lanes, struct mt_batch *batch)
{
	for (unsigned lane = 0; lane < MT_LANES; lane++) {
		batch->received_bytes += lanes->received[4 * lane];
		batch->sums.bytes += lanes->bytes[4 * lane];
		batch->sums.some |= lanes->some[4 * lane + 2];
		batch->sums.all &= lanes->all[4 * lane + 2];
	}
}

/* mt_hash_join() of all, a step of it at a time. */
static inline void hash_frames(const struct mt_hash_config *config, struct hashing *hashing)
{
	uint64_t joined[MT_BURST];

	for (unsigned i = 0; i < hashing->count; i++) {
		uint32_t low = RTE_MIN(hashing->a[i], hashing->b[i]);
		uint32_t high = RTE_MAX(hashing->a[i], hashing->b[i]);

		joined[i] = mt_hash_pair(config, low, high);
	}
	for (unsigned i = 0; i < hashing->count; i++)
		hashing->frames[i]->hash.rss =
			mt_hash_finish(mt_hash_crc(joined[i], hashing->salt[i][2]));
}

enum {
	/* So many groups of frames in a row that are not of the common shape: the rest of the burst
	 * is not likely to be, and looking costs. */
	GIVE_UP = 2,
};

#define GROUP(first) (((1ull << MT_LANES) - 1) << (first))

/* The shape with IPv4 only, and once that was wrong the one with anything. Both are constants. */
static __rte_always_inline uint64_t burst_of(enum shape shape4, enum shape shape_any,
	const struct mt_fast *fast, const struct constants *constants, struct mt_batch *batch,
	struct hashing *hashing, struct lane_sums *sums)
{
	struct rte_mbuf **frames = batch->frames;
	const uint16_t count = batch->count;
	uint64_t done = 0;
	unsigned misses = 0;
	bool any = false;

	for (unsigned i = 0; i + MT_LANES <= count && misses < GIVE_UP; i += MT_LANES) {
		bool taken = any
			? decapsulate_lanes(fast, constants, shape_any, &frames[i], hashing, sums)
			: decapsulate_lanes(fast, constants, shape4, &frames[i], hashing, sums);

		if (unlikely(!taken && !any)) {
			any = decapsulate_lanes(
				fast, constants, shape_any, &frames[i], hashing, sums);
			taken = any;
		}
		misses = taken ? 0 : misses + 1;
		if (likely(taken))
			done |= GROUP(i);
	}
	return done;
}

/* By itself, so that its constants take no register from the usual one's. */
static __rte_noinline uint64_t burst_of_geneve(const struct mt_fast *fast,
	const struct constants *constants, struct mt_batch *batch, struct hashing *hashing,
	struct lane_sums *sums)
{
	return burst_of(GENEVE4, GENEVE_ANY, fast, constants, batch, hashing, sums);
}

/* Tunnels are seldom mixed: the first frame speaks for the burst. */
static inline bool begins_with_geneve(const struct mt_fast *fast, struct rte_mbuf *frame)
{
	const uint8_t *at = rte_pktmbuf_mtod(frame, const uint8_t *);

	return fast->geneve != 0 && frame->data_len >= MT_FAST_MIN_LENGTH
		&& mt_load16(at + MT_FAST_UDP + 2) == fast->geneve;
}

uint64_t MT_SIMD_NAME(const struct mt_fast *fast, struct mt_batch *batch)
{
	const struct constants constants = prepare(fast, batch->time_ns);
	struct lane_sums sums = {ALL(0), ALL(0), ALL(0), ALL(UINT32_MAX)};
	struct hashing hashing;
	uint64_t done;

	hashing.count = 0;
	if (unlikely(begins_with_geneve(fast, batch->frames[0])))
		done = burst_of_geneve(fast, &constants, batch, &hashing, &sums);
	else
		done = burst_of(VXLAN4, VXLAN_ANY, fast, &constants, batch, &hashing, &sums);
	hash_frames(&fast->hash, &hashing);
	add_up(&sums, batch);
	return done;
}
