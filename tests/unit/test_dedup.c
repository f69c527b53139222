/* SPDX-License-Identifier: BSD-3-Clause */
/* De-duplication, pure: which changes of a packet make it another one, who may send what twice,
 * windows and full tables with a clock of the test's; and random traffic against a plain reference
 * that keeps whole packets in a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "build_packet.h"
#include "packet/frame_info.h"
#include "policy/dedup.h"
#include "policy/policy.h"
#include "random_packet.h"

enum {
	MS = 1000000,
	PAYLOAD = 200,
	IP = 14, /* offsets in an untagged frame */
	TRANSPORT4 = IP + 20,
	TRANSPORT6 = IP + 40,
};

static const struct mt_dedup_config plain = {
	.window_ms = 50, .bytes = MT_DEDUP_MAX_BYTES, .across_sessions = true};

/* A frame as a mirror point saw it. */
struct seen {
	struct packet packet;
	uint32_t original_length; /* 0: its length */
	uint32_t source;
	uint32_t vni;
	uint64_t time_ns;
	uint32_t piece;   /* bytes of a segment; 0: one segment */
	uint32_t choices; /* of outputs */
};

/* Is it a duplicate? In segments of the very size of their bytes, so that a sanitizer sees. */
static bool check_seen(
	struct mt_dedup *dedup, const struct mt_dedup_config *config, const struct seen *seen)
{
	const struct packet *packet = &seen->packet;
	static struct chain chain;
	uint32_t cuts[CHAIN_SEGMENTS];
	unsigned count = 0;
	struct mt_fingerprint print;

	for (uint32_t at = seen->piece;
		at != 0 && at < packet->length && count < CHAIN_SEGMENTS - 1; at += seen->piece)
		cuts[count++] = at;
	chain_split(&chain, packet->bytes, packet->length, cuts, count);
	chain.segments[0].nb_segs = (uint16_t)chain.count;
	*mt_frame_info(&chain.segments[0]) = (struct mt_frame_info){
		.time_ns = seen->time_ns,
		.source = mt_address_from_ipv4(seen->source),
		.vni_flags = seen->vni << 8,
		.original_length =
			seen->original_length != 0 ? seen->original_length : packet->length,
	};
	*mt_frame_choices(&chain.segments[0]) = seen->choices;
	mt_dedup_read(dedup, config, &chain.segments[0], &print);
	chain_free(&chain);
	return mt_dedup_check(dedup, config, &print);
}

static struct mt_dedup *create(uint32_t entries)
{
	struct mt_dedup *dedup = mt_dedup_create(entries, 7, SOCKET_ID_ANY);

	assert_non_null(dedup);
	return dedup;
}

/* --- packets ----------------------------------------------------------------------------------
 */

static void put_v4(struct packet *packet, uint8_t protocol, uint8_t option_words, uint16_t fragment)
{
	const struct ipv4 ip = {.source = 0x0a000001,
		.destination = 0xc0000207,
		.protocol = protocol,
		.option_words = option_words,
		.fragment = fragment};

	packet_start(packet);
	put_ethernet(packet, ETHERTYPE_V4);
	set_16(packet, put_ipv4(packet, &ip) + 4, 0x1234);
}

static void put_v6(struct packet *packet, uint8_t protocol)
{
	packet_start(packet);
	put_ethernet(packet, ETHERTYPE_V6);
	put_ipv6(packet, protocol, 1, 2);
}

static void finish(struct packet *packet)
{
	put_pattern(packet, PAYLOAD);
	packet_close(packet);
}

static void tcp4(struct packet *packet)
{
	put_v4(packet, IPPROTO_TCP, 0, 0x4000);
	put_tcp(packet, 40000, 80);
	finish(packet);
}

static void tcp4_options(struct packet *packet)
{
	put_v4(packet, IPPROTO_TCP, 3, 0);
	put_tcp(packet, 40000, 80);
	finish(packet);
}

static void udp4(struct packet *packet)
{
	put_v4(packet, IPPROTO_UDP, 0, 0x4000);
	put_udp(packet, 40000, 53);
	finish(packet);
}

static void sctp4(struct packet *packet)
{
	put_v4(packet, IPPROTO_SCTP, 0, 0);
	put_sctp(packet, 40000, 53);
	finish(packet);
}

static void icmp4(struct packet *packet)
{
	put_v4(packet, IPPROTO_ICMP, 0, 0);
	put_icmp(packet, 8, 0);
	finish(packet);
}

static void gre4(struct packet *packet)
{
	put_v4(packet, IPPROTO_GRE, 0, 0);
	finish(packet);
}

static void fragment4(struct packet *packet)
{
	put_v4(packet, IPPROTO_UDP, 0, 0x2000);
	put_udp(packet, 40000, 53);
	finish(packet);
}

static void later4(struct packet *packet)
{
	put_v4(packet, IPPROTO_UDP, 0, 0x00b9);
	finish(packet);
}

static void tcp6(struct packet *packet)
{
	put_v6(packet, IPPROTO_TCP);
	put_tcp(packet, 40000, 80);
	finish(packet);
}

static void udp6(struct packet *packet)
{
	put_v6(packet, IPPROTO_UDP);
	put_udp(packet, 40000, 53);
	finish(packet);
}

static void options6(struct packet *packet)
{
	put_v6(packet, IPPROTO_DSTOPTS);
	put_extension(packet, IPPROTO_TCP, 1);
	put_tcp(packet, 40000, 80);
	finish(packet);
}

static void later6(struct packet *packet)
{
	put_v6(packet, IPPROTO_FRAGMENT);
	put_fragment6(packet, IPPROTO_UDP, 1480, true);
	finish(packet);
}

static void other(struct packet *packet)
{
	packet_start(packet);
	put_ethernet(packet, 0x88cc);
	finish(packet);
}

typedef void maker(struct packet *packet);

/* --- changes ----------------------------------------------------------------------------------
 */

enum change {
	FLIP,  /* the bit 0x10 of the byte at `at`, from the end if negative */
	ECN,   /* set Congestion Experienced */
	DSCP,  /* another class */
	ZERO,  /* two bytes at `at`, four if it is SCTP's checksum */
	TAG,   /* one VLAN tag */
	TAGS,  /* two */
	PAD,   /* Ethernet padding behind the packet */
	CUT,   /* bytes cut off behind `at` */
	SHORT, /* the packet itself is shorter by one byte */
	HOP,   /* as a router does: MAC addresses, hop limit, header checksum */
};

static void insert_tag(struct packet *packet, uint16_t ethertype)
{
	memmove(packet->bytes + 16, packet->bytes + 12, packet->length - 12);
	packet->length += 4;
	set_16(packet, 12, ethertype);
	set_16(packet, 14, 0x2064);
}

static void change_traffic_class(struct packet *packet, uint8_t value)
{
	if (packet->bytes[IP] >> 4 == 4) {
		packet->bytes[IP + 1] ^= value;
	} else {
		packet->bytes[IP] ^= value >> 4;
		packet->bytes[IP + 1] ^= (uint8_t)(value << 4);
	}
}

static void route(struct packet *packet)
{
	memset(packet->bytes, 0x0e, 12);
	if (packet->bytes[IP] >> 4 == 4) {
		packet->bytes[IP + 8]--;
		packet->bytes[IP + 10] ^= 0x55;
	} else {
		packet->bytes[IP + 7]--;
	}
}

static void apply(struct seen *seen, enum change change, int at)
{
	struct packet *packet = &seen->packet;

	switch (change) {
	case FLIP:
		packet->bytes[at < 0 ? (int)packet->length + at : at] ^= 0x10;
		break;
	case ECN:
		change_traffic_class(packet, 0x03);
		break;
	case DSCP:
		change_traffic_class(packet, 0xb8);
		break;
	case ZERO:
		memset(packet->bytes + at, 0, at == TRANSPORT4 + 8 ? 4 : 2);
		break;
	case TAGS:
		insert_tag(packet, 0x8100);
		insert_tag(packet, 0x88a8);
		break;
	case TAG:
		insert_tag(packet, 0x8100);
		break;
	case PAD:
		put_pattern(packet, 18);
		break;
	case CUT:
		seen->original_length = packet->length;
		packet->length = (uint32_t)at;
		break;
	case SHORT:
		packet->length--;
		if (packet->bytes[IP] >> 4 == 4)
			set_16(packet, IP + 2, (uint16_t)(packet->length - IP));
		else
			set_16(packet, IP + 4, (uint16_t)(packet->length - TRANSPORT6));
		break;
	case HOP:
		route(packet);
		break;
	}
}

struct change_case {
	maker *make;
	enum change change;
	int at;
	bool duplicate;
};

static const struct change_case change_cases[] = {
	/* what changes on the way */
	{tcp4, HOP, 0, true},
	{tcp4_options, HOP, 0, true},
	{udp4, HOP, 0, true},
	{sctp4, HOP, 0, true},
	{icmp4, HOP, 0, true},
	{gre4, HOP, 0, true},
	{fragment4, HOP, 0, true},
	{later4, HOP, 0, true},
	{tcp6, HOP, 0, true},
	{udp6, HOP, 0, true},
	{options6, HOP, 0, true},
	{later6, HOP, 0, true},
	{tcp4, TAG, 0, true},
	{tcp4, TAGS, 0, true},
	{tcp6, TAG, 0, true},
	{other, TAG, 0, true},
	{tcp4, ECN, 0, true},
	{tcp6, ECN, 0, true},
	{tcp4, PAD, 0, true},
	{udp6, PAD, 0, true},
	/* checksums that the source left to its hardware */
	{tcp4, ZERO, TRANSPORT4 + 16, true},
	{udp4, ZERO, TRANSPORT4 + 6, true},
	{sctp4, ZERO, TRANSPORT4 + 8, true},
	{tcp6, ZERO, TRANSPORT6 + 16, true},
	{udp6, ZERO, TRANSPORT6 + 6, true},
	/* truncation at one of two mirror points */
	{tcp4, CUT, TRANSPORT4 + 20, true},
	{tcp4, CUT, TRANSPORT4 + 20 + 63, true},
	{tcp4, CUT, TRANSPORT4 + 20 + 64, true},
	{tcp4, CUT, TRANSPORT4 + 20 + PAYLOAD - 1, true},
	{udp6, CUT, TRANSPORT6 + 8 + 100, true},
	{gre4, CUT, TRANSPORT4 + 8, true},
	{other, CUT, 100, true},
	/* cut before the end of the transport header: cannot be known */
	{tcp4, CUT, TRANSPORT4 + 19, false},
	{udp6, CUT, TRANSPORT6 + 7, false},
	{tcp4, CUT, IP + 10, false},
	/* other packets */
	{tcp4, DSCP, 0, false},
	{tcp6, DSCP, 0, false},
	{tcp4, SHORT, 0, false},
	{udp6, SHORT, 0, false},
	{tcp4, FLIP, IP + 5, false},  /* identification */
	{tcp4, FLIP, IP + 6, false},  /* flags */
	{tcp4, FLIP, IP + 15, false}, /* addresses */
	{tcp4, FLIP, IP + 19, false},
	{tcp4, FLIP, TRANSPORT4 + 1, false}, /* ports */
	{tcp4, FLIP, TRANSPORT4 + 3, false},
	{tcp4, FLIP, TRANSPORT4 + 7, false},  /* sequence */
	{tcp4, FLIP, TRANSPORT4 + 11, false}, /* acknowledgement */
	{tcp4, FLIP, TRANSPORT4 + 13, false}, /* flags */
	{tcp4, FLIP, TRANSPORT4 + 15, false}, /* window */
	{tcp4, FLIP, TRANSPORT4 + 19, false}, /* urgent */
	{tcp4, FLIP, TRANSPORT4 + 20, false}, /* the first byte, or an option */
	{tcp4, FLIP, TRANSPORT4 + 20 + 63, false},
	{tcp4, FLIP, TRANSPORT4 + 20 + 64, false},
	{tcp4, FLIP, -1, false},
	{tcp4_options, FLIP, -1, false},
	{udp4, FLIP, IP + 5, false},
	{udp4, FLIP, TRANSPORT4 + 3, false},
	{udp4, FLIP, -1, false},
	{icmp4, FLIP, TRANSPORT4 + 5, false}, /* identifier */
	{icmp4, FLIP, TRANSPORT4 + 7, false}, /* sequence */
	{icmp4, FLIP, -1, false},
	{gre4, FLIP, TRANSPORT4, false},
	{fragment4, FLIP, IP + 7, false}, /* offset */
	{later4, FLIP, IP + 7, false},
	{later4, FLIP, TRANSPORT4 + 6, false}, /* no checksum in a later fragment */
	{tcp6, FLIP, IP + 3, false},           /* flow label */
	{tcp6, FLIP, IP + 8, false},
	{tcp6, FLIP, IP + 39, false},
	{tcp6, FLIP, TRANSPORT6 + 7, false},
	{tcp6, FLIP, -1, false},
	{options6, FLIP, TRANSPORT6 + 12, false}, /* an option */
	{options6, FLIP, -1, false},
	{later6, FLIP, TRANSPORT6 + 7, false}, /* identification */
	{later6, FLIP, TRANSPORT6 + 3, false}, /* offset */
	/* not routed, so MAC addresses count */
	{other, FLIP, 0, false},
	{other, FLIP, 11, false},
	{other, FLIP, 13, false},
	{other, FLIP, -1, false},
};

/* Each change, in each direction and in every size of segments, as another source saw it. */
static void tells_changes(void **state)
{
	static const uint32_t pieces[] = {0, 1000, 100, 37, 14, 7};
	static struct seen first, second;

	(void)state;
	for (size_t c = 0; c < RTE_DIM(change_cases); c++) {
		const struct change_case *given = &change_cases[c];

		for (size_t p = 0; p < 2 * RTE_DIM(pieces); p++) {
			struct mt_dedup *dedup = create(1024);
			bool found;

			first = (struct seen){.source = 1, .vni = 1};
			second = (struct seen){.source = 2, .vni = 2, .time_ns = MS};
			given->make(&first.packet);
			given->make(&second.packet);
			apply(p % 2 == 0 ? &second : &first, given->change, given->at);
			second.piece = pieces[p / 2];
			assert_false(check_seen(dedup, &plain, &first));
			found = check_seen(dedup, &plain, &second);
			if (found != given->duplicate)
				fail_msg("case %zu, pieces of %u, %zu: %s", c, second.piece, p % 2,
					found ? "duplicate" : "another packet");
			mt_dedup_destroy(dedup);
		}
	}
}

static void configures(void **state)
{
	struct mt_dedup_config config = plain;
	struct mt_dedup *dedup = create(1024);
	static struct seen seen;

	(void)state;
	seen = (struct seen){.source = 1, .vni = 1};
	tcp4(&seen.packet);
	assert_false(check_seen(dedup, &config, &seen));
	/* Another class of service, where it does not count. */
	config.ignore_dscp = true;
	assert_false(check_seen(dedup, &config, &seen)); /* other settings, other fingerprints */
	seen.source = 2;
	apply(&seen, DSCP, 0);
	assert_true(check_seen(dedup, &config, &seen));
	/* What is behind the bytes that are looked at. */
	config.bytes = 100;
	seen.time_ns += 1000 * (uint64_t)MS;
	assert_false(check_seen(dedup, &config, &seen));
	seen.source = 3;
	seen.packet.bytes[TRANSPORT4 + 20 + 100] ^= 1;
	assert_true(check_seen(dedup, &config, &seen));
	seen.source = 4;
	seen.packet.bytes[TRANSPORT4 + 20 + 99] ^= 1;
	assert_false(check_seen(dedup, &config, &seen));
	mt_dedup_destroy(dedup);
}

/* --- who sends what twice ---------------------------------------------------------------------
 */

/* One packet at a mirror point: is it a duplicate? */
static bool at(struct mt_dedup *dedup, const struct mt_dedup_config *config, maker *make,
	uint32_t source, uint32_t vni, uint64_t time_ns)
{
	static struct seen seen;

	seen = (struct seen){.source = source, .vni = vni, .time_ns = time_ns};
	make(&seen.packet);
	return check_seen(dedup, config, &seen);
}

static void tells_points(void **state)
{
	struct mt_dedup_config config = plain;
	struct mt_dedup *dedup = create(1024);
	static struct seen seen;

	(void)state;
	/* Another session of the same source is a copy, and so is another source of the session. */
	assert_false(at(dedup, &config, tcp4, 1, 1, 0));
	assert_true(at(dedup, &config, tcp4, 1, 2, MS));
	assert_true(at(dedup, &config, tcp4, 2, 1, MS));
	/* Not across sessions: only the latter. */
	config.across_sessions = false;
	assert_false(at(dedup, &config, tcp4, 1, 1, 2 * MS));
	assert_false(at(dedup, &config, tcp4, 1, 2, 2 * MS));
	assert_true(at(dedup, &config, tcp4, 2, 1, 2 * MS));
	/* A router's interface sees what it forwards come and go. */
	assert_false(at(dedup, &plain, udp4, 9, 1, 0));
	seen = (struct seen){.source = 9, .vni = 1, .time_ns = 10};
	udp4(&seen.packet);
	apply(&seen, HOP, 0);
	assert_true(check_seen(dedup, &plain, &seen));
	mt_dedup_destroy(dedup);
}

/* A copy that goes to other outputs is not one to them. What an output does not take by itself does
 * not count. */
static void tells_outputs(void **state)
{
	static const struct {
		uint32_t first;
		uint32_t second;
		bool duplicate;
	} cases[] = {
		{1, 1, true},
		{1, 2, false},
		{3, 1, false},
		{1, MT_CHOICE_DELIVER | MT_CHOICE_SAMPLED << 1, true},
		{MT_CHOICE_SAMPLED, MT_CHOICE_DELIVER, false},
		{1, 1 << 15, false},
	};
	struct mt_dedup_config config = plain;
	static struct seen seen;

	(void)state;
	for (size_t c = 0; c < 2 * RTE_DIM(cases); c++) {
		struct mt_dedup *dedup = create(1024);

		config.by_outputs = c % 2 == 0;
		seen = (struct seen){.source = 1, .vni = 1, .choices = cases[c / 2].first};
		tcp4(&seen.packet);
		assert_false(check_seen(dedup, &config, &seen));
		seen.source = 2;
		seen.choices = cases[c / 2].second;
		assert_int_equal(check_seen(dedup, &config, &seen),
			!config.by_outputs || cases[c / 2].duplicate);
		mt_dedup_destroy(dedup);
	}
}

/* The same bytes twice from one point are two packets: a ping with identification 0, a resolver
 * that asks again. Each has a copy at the other end, in any order. */
static void keeps_repetitions(void **state)
{
	static maker *const makers[] = {icmp4, udp4, udp6, tcp4};
	/* In time: which point. Each packet is sent four times in all. */
	static const char *const orders[] = {
		"12121212", "11112222", "21211212", "11221122", "12212112", "11212212", "22221111"};

	(void)state;
	for (size_t m = 0; m < RTE_DIM(makers); m++) {
		for (size_t o = 0; o < RTE_DIM(orders); o++) {
			struct mt_dedup *dedup = create(1024);
			unsigned delivered = 0;

			for (unsigned i = 0; i < 8; i++)
				delivered += !at(dedup, &plain, makers[m], orders[o][i] - '0',
					orders[o][i], i * MS);
			assert_int_equal(delivered, 4);
			assert_int_equal(dedup->evicted, 0);
			mt_dedup_destroy(dedup);
		}
	}
}

/* A copy that was lost on one way does not cost the next packet its own. */
static void survives_loss(void **state)
{
	struct mt_dedup *dedup = create(1024);

	(void)state;
	assert_false(at(dedup, &plain, icmp4, 1, 1, 0));
	assert_true(at(dedup, &plain, icmp4, 2, 2, MS));
	/* The second ping: point 1 loses it. */
	assert_false(at(dedup, &plain, icmp4, 2, 2, 10 * MS));
	/* The third: both see it. */
	assert_true(at(dedup, &plain, icmp4, 1, 1, 20 * MS));  /* taken for the second's copy */
	assert_false(at(dedup, &plain, icmp4, 2, 2, 21 * MS)); /* and so this is the third */
	mt_dedup_destroy(dedup);
}

/* A segment that is sent again has another identification, at both ends. */
static void keeps_retransmissions(void **state)
{
	struct mt_dedup *dedup = create(1024);
	static struct seen seen;

	(void)state;
	for (unsigned again = 0; again < 3; again++) {
		for (uint32_t source = 1; source <= 2; source++) {
			seen = (struct seen){
				.source = source, .vni = source, .time_ns = again * 5 * MS};
			tcp4(&seen.packet);
			set_16(&seen.packet, IP + 4, (uint16_t)(100 + again));
			assert_int_equal(check_seen(dedup, &plain, &seen), source == 2);
		}
	}
	mt_dedup_destroy(dedup);
}

/* Both ends, each with three sessions: one is delivered. */
static void takes_many_copies(void **state)
{
	struct mt_dedup *dedup = create(1024);
	unsigned delivered = 0;

	(void)state;
	for (uint32_t point = 0; point < 6; point++)
		delivered += !at(dedup, &plain, tcp4, point / 3, point, point * MS);
	assert_int_equal(delivered, 1);
	mt_dedup_destroy(dedup);
}

/* --- time and room ----------------------------------------------------------------------------
 */

static void ends_with_the_window(void **state)
{
	static const struct {
		int64_t later_ns;
		bool duplicate;
	} cases[] = {
		{0, true},
		{49 * MS, true},
		{50 * MS - 2048, true},
		{50 * MS + 2048, false},
		{60 * MS, false},
		{-49 * MS, true}, /* bursts of two workers */
		{-51 * MS, false},
		{INT64_C(3600) * 1000 * MS, false},
	};
	/* Around the time when the ticks wrap too. */
	static const uint64_t bases[] = {INT64_C(1700000000) * 1000 * MS, UINT64_C(401234) << 42,
		(UINT64_C(401234) << 42) + MS};

	(void)state;
	for (size_t c = 0; c < RTE_DIM(cases); c++) {
		for (size_t b = 0; b < RTE_DIM(bases); b++) {
			struct mt_dedup *dedup = create(1024);

			assert_false(at(dedup, &plain, tcp4, 1, 1, bases[b]));
			assert_int_equal(
				at(dedup, &plain, tcp4, 2, 2, bases[b] + cases[c].later_ns),
				cases[c].duplicate);
			mt_dedup_destroy(dedup);
		}
	}
}

static void numbered(struct packet *packet, uint16_t number)
{
	tcp4(packet);
	set_16(packet, IP + 4, number);
}

static bool number_at(struct mt_dedup *dedup, uint16_t number, uint32_t source, uint64_t time_ns)
{
	static struct seen seen;

	seen = (struct seen){.source = source, .vni = source, .time_ns = time_ns};
	numbered(&seen.packet, number);
	return check_seen(dedup, &plain, &seen);
}

/* One bucket: who came first goes first, and that is counted; what is past its window goes
 * uncounted. */
static void forgets_the_oldest(void **state)
{
	struct mt_dedup *dedup = create(1);

	(void)state;
	assert_int_equal(dedup->mask, 0);
	for (uint16_t n = 0; n < MT_DEDUP_WAYS; n++)
		assert_false(number_at(dedup, n, 1, n * MS));
	assert_int_equal(dedup->evicted, 0);
	assert_false(number_at(dedup, 100, 1, 10 * MS)); /* in the place of 0 */
	assert_int_equal(dedup->evicted, 1);
	for (uint16_t n = 1; n < MT_DEDUP_WAYS; n++)
		assert_true(number_at(dedup, n, 2, 11 * MS));
	assert_true(number_at(dedup, 100, 2, 11 * MS));
	assert_false(number_at(dedup, 0, 2, 11 * MS)); /* in the place of 1 */
	assert_int_equal(dedup->evicted, 2);
	/* All of these have expired but 100 and 0. */
	assert_false(number_at(dedup, 200, 1, 55 * MS));
	assert_false(number_at(dedup, 201, 1, 55 * MS));
	assert_int_equal(dedup->evicted, 2);
	assert_true(number_at(dedup, 100, 3, 56 * MS));
	mt_dedup_destroy(dedup);
}

static void rounds_entries(void **state)
{
	(void)state;
	assert_int_equal(mt_dedup_entries(1), MT_DEDUP_WAYS);
	assert_int_equal(mt_dedup_entries(1024), 1024);
	assert_int_equal(mt_dedup_entries(1025), 2048);
	assert_int_equal(mt_dedup_entries(67108864), 67108864);
}

/* --- random traffic against a reference -------------------------------------------------------
 */

/* What the reference remembers of a delivered packet: its parts as bytes. */
struct plain_packet {
	uint8_t headers[128];
	uint32_t headers_length;
	uint8_t content[1024];
	uint32_t there; /* bytes of it */
	uint32_t stated;
	uint64_t time_ns;
	struct {
		uint32_t source;
		uint32_t vni;
		uint8_t macs[12];
	} points[8];
	unsigned points_count;
};

static void keep(struct plain_packet *kept, const uint8_t *bytes, uint32_t length)
{
	assert_true(kept->headers_length + length <= sizeof(kept->headers));
	memcpy(kept->headers + kept->headers_length, bytes, length);
	kept->headers_length += length;
}

/* Untagged or tagged IPv4 or IPv6 without extensions, as random_seen() makes them. */
static void read_plainly(struct plain_packet *kept, const struct seen *seen)
{
	const uint8_t *bytes = seen->packet.bytes;
	uint32_t ip = bytes[12] == 0x81 ? 18 : 14;
	uint32_t end = seen->packet.length;
	uint32_t transport, stated, length;
	uint8_t copy[64];
	uint8_t protocol;

	memset(kept, 0, sizeof(*kept));
	memcpy(copy, bytes + ip, 40);
	if (copy[0] >> 4 == 4) {
		protocol = copy[9];
		transport = ip + 20;
		stated = ip + (uint32_t)(copy[2] << 8 | copy[3]);
		copy[1] &= 0xfc;
		copy[8] = copy[10] = copy[11] = 0;
		keep(kept, copy, 20);
	} else {
		protocol = copy[6];
		transport = ip + 40;
		stated = transport + (uint32_t)(copy[4] << 8 | copy[5]);
		copy[1] &= 0xcf;
		copy[7] = 0;
		keep(kept, copy, 40);
	}
	length = protocol == IPPROTO_TCP ? 20 : 8;
	memcpy(copy, bytes + transport, length);
	if (protocol == IPPROTO_TCP)
		copy[16] = copy[17] = 0;
	else if (protocol == IPPROTO_UDP)
		copy[6] = copy[7] = 0;
	keep(kept, copy, length);
	kept->stated = stated - transport - length;
	kept->there = (end < stated ? end : stated) - transport - length;
	memcpy(kept->content, bytes + transport + length, kept->there);
	kept->time_ns = seen->time_ns;
}

/* Both have all of a part, and it is different. */
static bool differs(
	const struct plain_packet *a, const struct plain_packet *b, uint32_t from, uint32_t to)
{
	to = a->stated < to ? a->stated : to;
	if (from >= to || a->there < to || b->there < to)
		return false;
	return memcmp(a->content + from, b->content + from, to - from) != 0;
}

static bool same(const struct plain_packet *a, const struct plain_packet *b)
{
	return a->headers_length == b->headers_length
		&& memcmp(a->headers, b->headers, a->headers_length) == 0
		&& !differs(a, b, 0, MT_DEDUP_NEAR_BYTES)
		&& !differs(a, b, MT_DEDUP_NEAR_BYTES, MT_DEDUP_MAX_BYTES);
}

static bool has_point(const struct plain_packet *kept, const struct seen *seen)
{
	for (unsigned p = 0; p < kept->points_count; p++)
		if (kept->points[p].source == seen->source && kept->points[p].vni == seen->vni
			&& memcmp(kept->points[p].macs, seen->packet.bytes, 12) == 0)
			return true;
	return false;
}

static void add_point(struct plain_packet *kept, const struct seen *seen)
{
	kept->points[kept->points_count].source = seen->source;
	kept->points[kept->points_count].vni = seen->vni;
	memcpy(kept->points[kept->points_count++].macs, seen->packet.bytes, 12);
}

struct reference {
	struct plain_packet *list; /* delivered, oldest first */
	unsigned count;
};

static bool check_plainly(struct reference *reference, const struct seen *seen)
{
	struct plain_packet *new = &reference->list[reference->count];

	read_plainly(new, seen);
	for (unsigned i = 0; i < reference->count; i++) {
		struct plain_packet *old = &reference->list[i];

		if (new->time_ns - old->time_ns > 50 * MS || !same(old, new)
			|| has_point(old, seen))
			continue;
		add_point(old, seen);
		return true;
	}
	add_point(new, seen);
	reference->count++;
	return false;
}

/* Few flows, few identifications, mostly 0, and few lengths and bytes: many packets are alike. */
static void random_seen(struct seen *seen, uint64_t time_ns)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	uint8_t protocol = protocols[random_below(3)];
	bool v6 = random_one_in(3);
	uint32_t source = random_below(3);
	struct packet *packet = &seen->packet;

	*seen = (struct seen){.source = source, .vni = source, .time_ns = time_ns};
	if (v6)
		put_v6(packet, protocol);
	else
		put_v4(packet, protocol, 0, 0);
	if (protocol == IPPROTO_TCP)
		put_tcp(packet, (uint16_t)random_below(20), 80);
	else if (protocol == IPPROTO_UDP)
		put_udp(packet, (uint16_t)random_below(20), 53);
	else
		put_icmp(packet, 8, (uint8_t)random_below(20));
	put_pattern(packet, random_below(4) * 50);
	packet_close(packet);
	if (packet->length > TRANSPORT6 + 70 && random_one_in(4))
		packet->bytes[packet->length - 1 - random_below(60)] ^= 1;
	if (!v6)
		set_16(packet, IP + 4, random_one_in(2) ? 0 : (uint16_t)random_below(50));
	if (source == 2)
		route(packet);
	if (random_one_in(8) && packet->length > TRANSPORT6 + 20 + 10)
		apply(seen, CUT, (int)packet->length - 1 - (int)random_below(9));
	if (random_one_in(8))
		insert_tag(packet, 0x8100);
	seen->piece = random_one_in(2) ? 0 : 20 + random_below(200);
}

static void agrees_with_a_list(void **state)
{
	enum { FRAMES = 20000 };
	struct reference reference = {.list = calloc(FRAMES + 1, sizeof(*reference.list))};
	struct mt_dedup *dedup = create(65536);
	static struct seen seen;
	unsigned duplicates = 0;
	uint64_t time_ns = 0;

	(void)state;
	assert_non_null(reference.list);
	for (unsigned f = 0; f < FRAMES; f++) {
		bool found, expected;

		/* On ticks, so that the window's end is the same for both. */
		time_ns += (uint64_t)random_below(400) << MT_DEDUP_TICK_SHIFT;
		random_seen(&seen, time_ns);
		expected = check_plainly(&reference, &seen);
		found = check_seen(dedup, &plain, &seen);
		if (found != expected)
			fail_msg("frame %u is %s", f, found ? "no duplicate" : "a duplicate");
		duplicates += found;
	}
	assert_int_equal(dedup->evicted, 0);
	/* The test would prove nothing if there were hardly any, or nothing else. */
	assert_true(duplicates > FRAMES / 20 && duplicates < FRAMES / 2);
	mt_dedup_destroy(dedup);
	free(reference.list);
}

static int start(void **state)
{
	char *arguments[] = {"test_dedup", "--no-huge", "-m", "256", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores=0"};

	(void)state;
	return rte_eal_init(RTE_DIM(arguments), arguments) < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_changes),
		cmocka_unit_test(configures),
		cmocka_unit_test(tells_points),
		cmocka_unit_test(tells_outputs),
		cmocka_unit_test(keeps_repetitions),
		cmocka_unit_test(survives_loss),
		cmocka_unit_test(keeps_retransmissions),
		cmocka_unit_test(takes_many_copies),
		cmocka_unit_test(ends_with_the_window),
		cmocka_unit_test(forgets_the_oldest),
		cmocka_unit_test(rounds_entries),
		cmocka_unit_test(agrees_with_a_list),
	};

	return cmocka_run_group_tests(tests, start, end);
}
