/* SPDX-License-Identifier: BSD-3-Clause */
/* Malformed frames by the verdict that they get. All are padded to the 60 bytes of the shortest
 * Ethernet frame, so that a link which pads does not change what they are. */
#include "gen_broken.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "gen_bytes.h"
#include "gen_random.h"

enum {
	IP = 14,
	UDP = 34,
	PAYLOAD = 42,
	MIN_FRAME = 60,
	FIRST_PORT = 0xff80,
	MAX_VARIANTS = 8,
};

/* All frames that get one verdict, which take turns. */
struct gen_broken_kind {
	enum mt_verdict verdict;
	uint32_t count;
	uint32_t next;
	struct {
		uint8_t bytes[GEN_BROKEN_BYTES];
		uint32_t length;
	} frames[MAX_VARIANTS];
};

/* Fills in the checksum of the outer IPv4 header as it stands. */
static void close_ip(uint8_t *bytes)
{
	gen_put16(bytes + IP + 10, 0);
	gen_put16(bytes + IP + 10, gen_fold(gen_sum(bytes + IP, 20)));
}

/* Ethernet, IPv4 and UDP to `port` around `payload` bytes that the caller writes. */
static uint32_t put_outer(
	uint8_t *bytes, const struct gen_ends *ends, uint16_t port, uint32_t payload)
{
	memcpy(bytes, ends->target_mac, 6);
	memcpy(bytes + 6, ends->sender_mac, 6);
	gen_put16(bytes + 12, 0x0800);
	bytes[IP] = 0x45;
	gen_put16(bytes + IP + 2, 28 + payload);
	bytes[IP + 8] = 255;
	bytes[IP + 9] = IPPROTO_UDP;
	gen_put32(bytes + IP + 12, ends->source);
	gen_put32(bytes + IP + 16, ends->target);
	gen_put16(bytes + UDP, FIRST_PORT);
	gen_put16(bytes + UDP + 2, port);
	gen_put16(bytes + UDP + 4, 8 + payload);
	close_ip(bytes);
	return PAYLOAD + payload;
}

static uint32_t put_vxlan(
	uint8_t *bytes, const struct gen_ends *ends, uint8_t flags, uint32_t inner)
{
	uint32_t length = put_outer(bytes, ends, ends->vxlan_port, 8 + inner);

	bytes[PAYLOAD] = flags;
	return length;
}

/* GENEVE with `options` bytes of options and `inner` behind. */
static uint32_t put_geneve(uint8_t *bytes, const struct gen_ends *ends, uint16_t protocol,
	uint32_t options, uint32_t inner)
{
	uint32_t length = put_outer(bytes, ends, ends->geneve_port, 8 + options + inner);

	bytes[PAYLOAD] = (uint8_t)(options / 4);
	gen_put16(bytes + PAYLOAD + 2, protocol);
	return length;
}

static uint32_t make_host(uint8_t *bytes, const struct gen_ends *ends, unsigned variant)
{
	uint32_t length;

	switch (variant) {
	case 0: /* another port */
		return put_outer(bytes, ends, 53, 20);
	case 1: /* a health check's SYN */
		length = put_outer(bytes, ends, ends->vxlan_port, 12);
		bytes[IP + 9] = IPPROTO_TCP;
		gen_put32(bytes + UDP + 4, 1);
		bytes[UDP + 12] = 0x50;
		bytes[UDP + 13] = 0x02;
		close_ip(bytes);
		return length;
	case 2: /* an ethertype for experiments: IEEE 802, local experimental 1 */
		length = put_outer(bytes, ends, ends->vxlan_port, 0);
		gen_put16(bytes + 12, 0x88b5);
		return length;
	default:
		return 0;
	}
}

static uint32_t make_outer_malformed(uint8_t *bytes, const struct gen_ends *ends, unsigned variant)
{
	uint32_t length = put_vxlan(bytes, ends, 0x08, 20);

	switch (variant) {
	case 0: /* a header of four words */
		bytes[IP] = 0x44;
		break;
	case 1: /* shorter than its header */
		gen_put16(bytes + IP + 2, 19);
		break;
	case 2: /* no length */
		gen_put16(bytes + IP + 2, 0);
		break;
	case 3: /* ends within the UDP header */
		gen_put16(bytes + IP + 2, 24);
		break;
	case 4: /* IPv6 by its ethertype only */
		gen_put16(bytes + 12, 0x86dd);
		break;
	default:
		return 0;
	}
	close_ip(bytes);
	return length;
}

static uint32_t make_outer_fragment(uint8_t *bytes, const struct gen_ends *ends, unsigned variant)
{
	uint32_t length = put_vxlan(bytes, ends, 0x08, 40);

	if (variant > 1)
		return 0;
	gen_put16(bytes + IP + 6, variant == 0 ? 0x2000 : 185);
	close_ip(bytes);
	return length;
}

static uint32_t make_udp_bad_length(uint8_t *bytes, const struct gen_ends *ends, unsigned variant)
{
	uint32_t length = put_vxlan(bytes, ends, 0x08, 20);

	gen_put16(bytes + UDP + 4, variant == 0 ? 7 : 0);
	return variant < 2 ? length : 0;
}

static uint32_t make_vxlan_no_vni(uint8_t *bytes, const struct gen_ends *ends, unsigned variant)
{
	return variant < 2 ? put_vxlan(bytes, ends, variant == 0 ? 0 : 0xf7, 40) : 0;
}

static uint32_t make_geneve_bad_options(
	uint8_t *bytes, const struct gen_ends *ends, unsigned variant)
{
	uint32_t length = put_geneve(bytes, ends, 0x6558, 4, 20);

	switch (variant) {
	case 0: /* beyond the packet */
		bytes[PAYLOAD] = 0x3f;
		return length;
	case 1: /* an option beyond the options */
		bytes[PAYLOAD + 11] = 1;
		return length;
	default:
		return 0;
	}
}

static uint32_t make_inner_too_short(uint8_t *bytes, const struct gen_ends *ends, unsigned variant)
{
	switch (variant) {
	case 0:
		return put_vxlan(bytes, ends, 0x08, 13);
	case 1:
		return put_vxlan(bytes, ends, 0x08, 0);
	case 2: /* no IP packet */
		return put_geneve(bytes, ends, 0x0800, 0, 0);
	default:
		return 0;
	}
}

/* GENEVE of one variant only. */
static uint32_t make_geneve(
	uint8_t *bytes, const struct gen_ends *ends, enum mt_verdict verdict, unsigned variant)
{
	uint32_t length = put_geneve(bytes, ends, 0x6558, 4, 40);

	if (variant > 0)
		return 0;
	switch (verdict) {
	case MT_VERDICT_GENEVE_BAD_VERSION:
		bytes[PAYLOAD] |= 0x40;
		return length;
	case MT_VERDICT_GENEVE_CRITICAL_OPTION:
		bytes[PAYLOAD + 10] = 0x80;
		return length;
	case MT_VERDICT_GENEVE_CONTROL:
		bytes[PAYLOAD + 1] = 0x80;
		return length;
	case MT_VERDICT_GENEVE_UNKNOWN_PROTOCOL:
		gen_put16(bytes + PAYLOAD + 2, 0x8847); /* MPLS */
		return length;
	default:
		return 0;
	}
}

static uint32_t make_too_short(
	uint8_t *bytes, const struct gen_ends *ends, uint16_t port, unsigned variant)
{
	return variant < 2 ? put_outer(bytes, ends, port, variant == 0 ? 7 : 0) : 0;
}

uint32_t gen_broken_make(enum mt_verdict verdict, unsigned variant, const struct gen_ends *ends,
	uint8_t bytes[GEN_BROKEN_BYTES])
{
	uint32_t length = 0;

	memset(bytes, 0, GEN_BROKEN_BYTES);
	switch (verdict) {
	case MT_VERDICT_HOST:
		length = make_host(bytes, ends, variant);
		break;
	case MT_VERDICT_OUTER_MALFORMED:
		length = make_outer_malformed(bytes, ends, variant);
		break;
	case MT_VERDICT_OUTER_FRAGMENT:
		length = make_outer_fragment(bytes, ends, variant);
		break;
	case MT_VERDICT_UDP_BAD_LENGTH:
		length = make_udp_bad_length(bytes, ends, variant);
		break;
	case MT_VERDICT_VXLAN_TOO_SHORT:
		length = make_too_short(bytes, ends, ends->vxlan_port, variant);
		break;
	case MT_VERDICT_VXLAN_NO_VNI:
		length = make_vxlan_no_vni(bytes, ends, variant);
		break;
	case MT_VERDICT_GENEVE_TOO_SHORT:
		length = make_too_short(bytes, ends, ends->geneve_port, variant);
		break;
	case MT_VERDICT_GENEVE_BAD_OPTIONS:
		length = make_geneve_bad_options(bytes, ends, variant);
		break;
	case MT_VERDICT_INNER_TOO_SHORT:
		length = make_inner_too_short(bytes, ends, variant);
		break;
	default:
		length = make_geneve(bytes, ends, verdict, variant);
	}
	return length == 0 || length >= MIN_FRAME ? length : MIN_FRAME;
}

bool gen_broken_begin(struct gen_broken *broken, const struct gen_spec *spec)
{
	double weights[MT_VERDICT_COUNT];
	double sum = 0;

	*broken = (struct gen_broken){0};
	broken->kinds = calloc(MT_VERDICT_COUNT, sizeof(*broken->kinds));
	if (broken->kinds == NULL)
		return false;
	for (unsigned v = 0; v < MT_VERDICT_COUNT; v++) {
		struct gen_broken_kind *kind = &broken->kinds[broken->count];

		if (spec->malformed[v] <= 0)
			continue;
		kind->verdict = v;
		while (kind->count < MAX_VARIANTS) {
			uint32_t length = gen_broken_make(
				v, kind->count, &spec->ends, kind->frames[kind->count].bytes);

			if (length == 0)
				break;
			kind->frames[kind->count++].length = length;
		}
		if (kind->count == 0)
			continue;
		weights[broken->count++] = spec->malformed[v];
		sum += spec->malformed[v];
	}
	broken->share = gen_share(sum);
	return broken->count == 0 || gen_choice_make(&broken->choice, weights, broken->count);
}

void gen_broken_end(struct gen_broken *broken)
{
	gen_choice_free(&broken->choice);
	free(broken->kinds);
	*broken = (struct gen_broken){0};
}

uint32_t gen_broken_write(
	struct gen_broken *broken, uint32_t drawn, uint8_t *bytes, enum mt_verdict *verdict)
{
	struct gen_broken_kind *kind = &broken->kinds[drawn];
	uint32_t variant = kind->next;

	kind->next = variant + 1 < kind->count ? variant + 1 : 0;
	memcpy(bytes, kind->frames[variant].bytes, kind->frames[variant].length);
	*verdict = kind->verdict;
	return kind->frames[variant].length;
}
