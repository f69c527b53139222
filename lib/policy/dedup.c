/* SPDX-License-Identifier: BSD-3-Clause */
#include "policy/dedup.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_malloc.h>

#include "packet/fast.h"
#include "packet/flow_hash.h"
#include "packet/frame_info.h"
#include "packet/ip.h"
#include "policy/policy.h"

enum {
	TCP_LENGTH = 20,
	UDP_LENGTH = 8,
	SCTP_LENGTH = 12,
	OTHER_LENGTH = 8, /* of a transport header that is not known better */
	TRANSPORT_MAX = 24,
	DSCP_MASK = 0xfc, /* the rest of the byte is ECN, which routers set (RFC 3168) */
};

/* Which kind of packet: those of one are never like those of another. */
enum kind {
	KIND_OTHER = 1,
	KIND_IPV4,
	KIND_IPV6,
};

struct mt_dedup *mt_dedup_create(uint32_t entries, uint64_t seed, int node)
{
	struct mt_dedup *dedup =
		rte_zmalloc_socket("mt_dedup", sizeof(*dedup), __alignof__(struct mt_dedup), node);
	uint32_t buckets = mt_dedup_entries(entries) / MT_DEDUP_WAYS;

	if (dedup == NULL)
		return NULL;
	dedup->buckets = rte_zmalloc_socket("mt_dedup", sizeof(*dedup->buckets) * buckets,
		__alignof__(struct mt_dedup_bucket), node);
	if (dedup->buckets == NULL) {
		rte_free(dedup);
		return NULL;
	}
	dedup->mask = buckets - 1;
	for (unsigned s = 0; s < RTE_DIM(dedup->secret); s++) {
		/* Steele, Lea and Flood's SplitMix64: one seed, independent numbers. */
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		dedup->secret[s] = (z ^ z >> 31) | 1;
	}
	return dedup;
}

void mt_dedup_destroy(struct mt_dedup *dedup)
{
	if (dedup == NULL)
		return;
	rte_free(dedup->buckets);
	rte_free(dedup);
}

/* --- digests ----------------------------------------------------------------------------------
 */

/* The two halves of a product, joined: every bit of both depends on every bit of the factors. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* At most eight bytes as a number. */
static inline uint64_t load_few(const uint8_t *bytes, uint32_t length)
{
	if (length >= 4)
		return (uint64_t)mt_load32(bytes) << 32 | mt_load32(bytes + length - 4);
	if (length == 0)
		return 0;
	return (uint64_t)bytes[0] << 16 | (uint64_t)bytes[length / 2] << 8 | bytes[length - 1];
}

/* Of any bytes. What is left over at the end is read with some of what was read before, which the
 * length makes unambiguous. Never 0. */
static uint32_t digest(const struct mt_dedup *dedup, const uint8_t *bytes, uint32_t length)
{
	const uint64_t *secret = dedup->secret;
	uint64_t a = secret[0] ^ length;
	uint64_t b = secret[1];
	uint32_t left = length;

	/* Two chains, because each step waits for the product before it. */
	for (; left > 32; left -= 32, bytes += 32) {
		a = fold(mt_load64(bytes) ^ secret[2], mt_load64(bytes + 8) ^ a);
		b = fold(mt_load64(bytes + 16) ^ secret[3], mt_load64(bytes + 24) ^ b);
	}
	if (left > 16) {
		a = fold(mt_load64(bytes) ^ secret[2], mt_load64(bytes + 8) ^ a);
		b = fold(mt_load64(bytes + left - 16) ^ secret[3], mt_load64(bytes + left - 8) ^ b);
	} else if (left >= 8) {
		a = fold(mt_load64(bytes) ^ secret[2], mt_load64(bytes + left - 8) ^ a);
	} else {
		a = fold(load_few(bytes, left) ^ secret[2], a ^ secret[3]);
	}
	a = fold(a ^ secret[1], b ^ secret[2]);
	return (uint32_t)(a >> 32) != 0 ? (uint32_t)(a >> 32) : 1;
}

/* The parts of a packet's headers that do not change between two mirror points. */
struct headers {
	uint64_t fixed;     /* lengths, identification, protocol, as they stand in the header */
	uint64_t addresses; /* both, or their digest */
	uint64_t transport[TRANSPORT_MAX / 8];
	uint8_t dscp;
	uint8_t kind; /* enum kind */
};

/* Never 0. */
static inline uint64_t digest_headers(const struct mt_dedup *dedup,
	const struct mt_dedup_config *config, const struct headers *headers,
	const struct rte_mbuf *frame)
{
	uint64_t rest = headers->kind;
	uint64_t h;

	static_assert(MT_POLICY_MAX_OUTPUTS <= 16, "outputs fit behind the VNI");
	if (config->by_outputs)
		rest |= (uint64_t)mt_choices_delivered(*mt_frame_choices_of(frame)) << 40;
	if (!config->ignore_dscp)
		rest |= (uint64_t)headers->dscp << 8;
	if (!config->across_sessions)
		rest |= (uint64_t)mt_frame_vni(mt_frame_info_of(frame)) << 16;
	h = fold(headers->fixed ^ dedup->secret[0], headers->addresses ^ dedup->secret[1]);
	h = fold(h ^ headers->transport[0], headers->transport[1] ^ dedup->secret[2]);
	h = fold(h ^ headers->transport[2], rest ^ dedup->secret[3]);
	return h != 0 ? h : 1;
}

static inline uint32_t digest_point(const uint8_t *macs, const struct mt_frame_info *info)
{
	uint32_t crc = mt_hash_crc(info->source.low, info->vni_flags >> 8);

	crc = mt_hash_crc(info->source.high, crc);
	crc = mt_hash_crc(mt_load64(macs), crc);
	crc = mt_hash_crc(mt_load32(macs + 8), crc);
	return crc != 0 ? crc : 1;
}

/* What follows the headers: from `at`, in `there` bytes of a packet that had `stated`. */
struct content {
	uint32_t at;
	uint32_t there;  /* where the bytes that are there end */
	uint32_t stated; /* where they would end if nothing were cut off */
};

static inline void digest_content(const struct mt_dedup *dedup,
	const struct mt_dedup_config *config, const uint8_t *bytes, const struct content *content,
	struct mt_fingerprint *print)
{
	uint32_t near_end = RTE_MIN(content->stated, content->at + MT_DEDUP_NEAR_BYTES);
	uint32_t far_end = RTE_MIN(content->stated, content->at + config->bytes);

	print->near = 0;
	print->far = 0;
	if (content->there < near_end)
		return;
	print->near = digest(dedup, bytes, near_end - content->at);
	if (far_end <= near_end)
		print->far = 1;
	else if (content->there >= far_end)
		print->far = digest(dedup, bytes + (near_end - content->at), far_end - near_end);
}

/* --- any frame --------------------------------------------------------------------------------
 */

/* How long the header is of which every part counts, and where in it the checksum stands, which the
 * source may leave to its hardware: `skip` bytes from `at`. */
struct transport {
	uint8_t length;
	uint8_t at;
	uint8_t skip;
};

static struct transport transport_of(const struct mt_ip *ip)
{
	if (!ip->complete || ip->fragment == MT_FRAGMENT_LATER)
		return (struct transport){OTHER_LENGTH, 0, 0};
	switch (ip->protocol) {
	case IPPROTO_TCP:
		return (struct transport){TCP_LENGTH, 16, 2};
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_DCCP:
		return (struct transport){UDP_LENGTH, 6, 2};
	case IPPROTO_SCTP:
		return (struct transport){SCTP_LENGTH, 8, 4};
	default:
		return (struct transport){OTHER_LENGTH, 0, 0};
	}
}

/* Reads the transport header and leaves in `content` what is behind it. False: it was cut. */
static bool read_transport(const struct rte_mbuf *frame, const struct mt_ip *ip,
	struct headers *headers, struct content *content)
{
	struct transport transport = transport_of(ip);
	uint32_t length = RTE_MIN((uint32_t)transport.length, content->stated - content->at);
	uint8_t bytes[TRANSPORT_MAX] = {0};
	const void *field;

	if (length > 0) {
		field = mt_read(frame, content->at, content->there, length, bytes);
		if (field == NULL)
			return false;
		if (field != bytes)
			memcpy(bytes, field, length);
	}
	memset(&bytes[transport.at], 0, transport.skip);
	memcpy(headers->transport, bytes, sizeof(headers->transport));
	content->at += length;
	return true;
}

/* RFC 791 section 3.1: total length, identification, flags and offset, time to live, protocol. */
static bool read_ipv4(const struct rte_mbuf *frame, uint32_t offset, struct headers *headers)
{
	uint8_t scratch[sizeof(struct rte_ipv4_hdr)];
	const uint8_t *ip = mt_read(frame, offset, frame->pkt_len, sizeof(scratch), scratch);

	if (ip == NULL)
		return false;
	headers->kind = KIND_IPV4;
	headers->dscp = ip[1] & DSCP_MASK;
	headers->fixed = mt_load64(ip + 2) & MT_BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0xff);
	headers->addresses = mt_load64(ip + 12);
	return true;
}

/* RFC 8200 section 3: version, traffic class, flow label, payload length, next header, hop limit.
 * What stands between this header and the transport header counts as it is. */
static bool read_ipv6(const struct mt_dedup *dedup, const struct rte_mbuf *frame, uint32_t offset,
	const struct mt_ip *read, struct headers *headers)
{
	uint8_t scratch[sizeof(struct rte_ipv6_hdr)];
	uint8_t extensions[MT_DEDUP_NEAR_BYTES];
	const uint8_t *ip = mt_read(frame, offset, frame->pkt_len, sizeof(scratch), scratch);
	uint32_t length = read->payload - offset - sizeof(scratch);
	const uint8_t *between;

	if (ip == NULL)
		return false;
	headers->kind = KIND_IPV6;
	headers->dscp = (uint8_t)(ip[0] << 4 | ip[1] >> 4) & DSCP_MASK;
	headers->fixed = mt_load64(ip) & MT_BYTES(0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0);
	headers->addresses =
		fold(mt_load64(ip + 8) ^ dedup->secret[2], mt_load64(ip + 16) ^ dedup->secret[3]);
	headers->addresses = fold(
		headers->addresses ^ mt_load64(ip + 24), mt_load64(ip + 32) ^ dedup->secret[0]);
	/* A fragment's identification is among them. Longer ones are told apart by their end. */
	if (length > 0) {
		uint32_t kept = RTE_MIN(length, (uint32_t)sizeof(extensions));

		between = mt_read(frame, read->payload - kept, read->end, kept, extensions);
		if (between == NULL)
			return false;
		headers->addresses = fold(headers->addresses ^ length,
			digest(dedup, between, kept) ^ dedup->secret[1]);
	}
	return true;
}

static bool read_ip(const struct mt_dedup *dedup, const struct rte_mbuf *frame, uint32_t offset,
	const struct mt_ip *ip, struct headers *headers, struct content *content)
{
	content->at = ip->payload;
	content->there = ip->end;
	content->stated = RTE_MAX(ip->stated_end, ip->payload);
	/* Of a length left to segmentation offload, what is there is all that is known. */
	if (ip->length_unstated)
		content->stated =
			RTE_MAX(content->stated, mt_frame_info_of(frame)->original_length);
	if (ip->version == 4 ? !read_ipv4(frame, offset, headers)
			     : !read_ipv6(dedup, frame, offset, ip, headers))
		return false;
	return read_transport(frame, ip, headers, content);
}

/* No sound IP: nothing routes it, so it has the same MAC addresses wherever it is seen. All that is
 * behind the VLAN tags counts. */
static bool read_other(const struct rte_mbuf *frame, uint32_t payload, uint16_t ethertype,
	struct headers *headers, struct content *content)
{
	uint32_t original = mt_frame_info_of(frame)->original_length;
	uint8_t scratch[MT_ETHERNET_LENGTH - 2];
	const uint8_t *macs;

	macs = mt_read(frame, 0, frame->pkt_len, sizeof(scratch), scratch);
	if (macs == NULL || payload == 0)
		return false;
	content->at = payload;
	content->there = frame->pkt_len;
	content->stated = RTE_MAX(original, frame->pkt_len);
	headers->kind = KIND_OTHER;
	headers->dscp = 0;
	headers->fixed = (uint64_t)ethertype << 32 | (content->stated - payload);
	headers->addresses = mt_load64(macs);
	headers->transport[0] = mt_load32(macs + 8);
	return true;
}

static __rte_noinline void read_any(const struct mt_dedup *dedup,
	const struct mt_dedup_config *config, const struct rte_mbuf *frame,
	struct mt_fingerprint *print)
{
	const struct mt_frame_info *info = mt_frame_info_of(frame);
	uint8_t scratch[MT_DEDUP_MAX_BYTES];
	struct headers headers = {0};
	uint8_t macs_scratch[12];
	struct content content;
	uint32_t payload = 0;
	uint16_t ethertype = mt_ethertype_read(frame, 0, frame->pkt_len, &payload);
	const uint8_t *bytes = scratch;
	uint32_t length;
	struct mt_ip ip;
	bool known;

	if ((ethertype == MT_ETHERTYPE_IPV4 || ethertype == MT_ETHERTYPE_IPV6)
		&& mt_ip_read(frame, payload, frame->pkt_len, ethertype, &ip))
		known = read_ip(dedup, frame, payload, &ip, &headers, &content);
	else
		known = read_other(frame, payload, ethertype, &headers, &content);
	if (!known) {
		print->headers = 0;
		return;
	}
	print->headers = digest_headers(dedup, config, &headers, frame);
	print->point = digest_point(
		mt_read(frame, 0, frame->pkt_len, sizeof(macs_scratch), macs_scratch), info);
	length = RTE_MIN(content.there - content.at, config->bytes);
	if (length > 0)
		bytes = mt_read(frame, content.at, content.there, length, scratch);
	digest_content(dedup, config, bytes, &content, print);
}

/* --- most frames ------------------------------------------------------------------------------
 */

/* Untagged IPv4 without options or fragments, with TCP or UDP, in one segment: the same
 * fingerprint as read_any() makes. */
static inline bool read_common(const struct mt_dedup *dedup, const struct mt_dedup_config *config,
	const struct rte_mbuf *frame, struct mt_fingerprint *print)
{
	const uint8_t *bytes = rte_pktmbuf_mtod(frame, const uint8_t *);
	const uint8_t *ip = bytes + MT_ETHERNET_LENGTH;
	const uint8_t *transport = ip + sizeof(struct rte_ipv4_hdr);
	struct headers headers;
	struct content content;
	uint32_t shape;

	if (unlikely(frame->nb_segs != 1 || frame->data_len < MT_ETHERNET_LENGTH + 20 + UDP_LENGTH))
		return false;
	shape = (mt_load32(bytes + 12) ^ RTE_BE32(0x08004500)) & RTE_BE32(0xffffff00);
	shape |= mt_load16(ip + 6) & RTE_BE16(0x3fff);
	content.stated = MT_ETHERNET_LENGTH + (uint32_t)rte_be_to_cpu_16(mt_load16(ip + 2));
	content.there = RTE_MIN(content.stated, frame->pkt_len);
	if (likely(ip[9] == IPPROTO_TCP)) {
		content.at = MT_ETHERNET_LENGTH + 20 + TCP_LENGTH;
		if (unlikely(shape != 0 || content.there < content.at))
			return false;
		headers.transport[0] = mt_load64(transport);
		headers.transport[1] = mt_load64(transport + 8);
		headers.transport[2] = mt_load32(transport + 16) & RTE_BE32(0x0000ffff);
	} else {
		content.at = MT_ETHERNET_LENGTH + 20 + UDP_LENGTH;
		if (unlikely(ip[9] != IPPROTO_UDP || shape != 0 || content.there < content.at))
			return false;
		headers.transport[0] =
			mt_load64(transport) & MT_BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0);
		headers.transport[1] = 0;
		headers.transport[2] = 0;
	}
	headers.kind = KIND_IPV4;
	headers.dscp = ip[1] & DSCP_MASK;
	headers.fixed = mt_load64(ip + 2) & MT_BYTES(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0xff);
	headers.addresses = mt_load64(ip + 12);
	print->headers = digest_headers(dedup, config, &headers, frame);
	print->point = digest_point(bytes, mt_frame_info_of(frame));
	digest_content(dedup, config, bytes + content.at, &content, print);
	return true;
}

void mt_dedup_read(const struct mt_dedup *dedup, const struct mt_dedup_config *config,
	const struct rte_mbuf *frame, struct mt_fingerprint *print)
{
	print->tick = (uint32_t)(mt_frame_info_of(frame)->time_ns >> MT_DEDUP_TICK_SHIFT);
	if (unlikely(!read_common(dedup, config, frame, print)))
		read_any(dedup, config, frame, print);
}

/* --- the table --------------------------------------------------------------------------------
 */

/* Frames of several workers' bursts may come to a queue a little out of order, hence both ways. */
static inline bool is_fresh(uint32_t now, uint32_t tick, uint32_t window)
{
	int32_t age = (int32_t)(now - tick);

	return (uint32_t)(age < 0 ? -age : age) <= window;
}

static inline bool is_equal(const struct mt_dedup_entry *entry, const struct mt_fingerprint *print)
{
	return entry->headers == print->headers
		&& (entry->near == print->near || entry->near == 0 || print->near == 0)
		&& (entry->far == print->far || entry->far == 0 || print->far == 0);
}

/* Where the mirror point's claim on a delivered packet goes: it is its copy. NULL: the mirror point
 * has sent that packet already, so this is another one. */
static uint32_t *find_claim(struct mt_dedup_entry *entry, uint32_t point)
{
	for (unsigned p = 0; p < MT_DEDUP_POINTS - 1; p++) {
		if (entry->points[p] == point)
			return NULL;
		if (entry->points[p] == 0)
			return &entry->points[p];
	}
	/* With more points than are told apart, the last place is anyone's. */
	return entry->points[MT_DEDUP_POINTS - 1] == point ? NULL
							   : &entry->points[MT_DEDUP_POINTS - 1];
}

/* What was found in the buckets that were looked at. */
struct finding {
	uint32_t *claim; /* in the oldest of those that it may be a copy of; NULL: none */
	int64_t claim_age;
	struct mt_dedup_entry *oldest; /* free and stale ones are the oldest of all */
	int64_t oldest_age;
};

/* Returns how many entries have the same headers. */
static inline unsigned look(struct mt_dedup_bucket *bucket, const struct mt_fingerprint *print,
	uint32_t window, struct finding *finding)
{
	unsigned alike = 0;

	for (unsigned w = 0; w < MT_DEDUP_WAYS; w++) {
		struct mt_dedup_entry *entry = &bucket->ways[w];
		bool fresh = entry->headers != 0 && is_fresh(print->tick, entry->tick, window);
		int64_t age = fresh ? (int32_t)(print->tick - entry->tick) : INT64_MAX;

		alike += entry->headers == print->headers;
		if (unlikely(fresh && is_equal(entry, print) && age > finding->claim_age)) {
			uint32_t *claim = find_claim(entry, print->point);

			if (claim != NULL) {
				finding->claim = claim;
				finding->claim_age = age;
			}
		}
		if (age > finding->oldest_age) {
			finding->oldest_age = age;
			finding->oldest = entry;
		}
	}
	return alike;
}

bool mt_dedup_check(struct mt_dedup *dedup, const struct mt_dedup_config *config,
	const struct mt_fingerprint *print)
{
	const uint32_t window = mt_dedup_ticks(config->window_ms);
	struct finding finding = {.claim_age = INT64_MIN, .oldest_age = INT64_MIN};

	if (unlikely(print->headers == 0))
		return false;
	/* A packet that repeats in every byte would fill its bucket alone, and push out the copies
	 * that it waits for: it may take the next ones too. */
	for (uint32_t n = 0; n < MT_DEDUP_BUCKETS; n++) {
		unsigned alike = look(&dedup->buckets[(print->headers + n) & dedup->mask], print,
			window, &finding);

		if (likely(alike == 0 || (alike == 1 && finding.claim != NULL)))
			break;
	}
	if (finding.claim != NULL) {
		*finding.claim = print->point;
		return true;
	}
	if (finding.oldest_age != INT64_MAX)
		__atomic_store_n(&dedup->evicted, dedup->evicted + 1, __ATOMIC_RELAXED);
	*finding.oldest = (struct mt_dedup_entry){
		.headers = print->headers,
		.near = print->near,
		.far = print->far,
		.tick = print->tick,
		.points = {print->point},
	};
	return false;
}
