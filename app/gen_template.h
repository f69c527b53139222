/* SPDX-License-Identifier: BSD-3-Clause */
/* Templates: one frame of each shape with all headers in place, so that only what differs from
 * packet to packet is left to write. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gen_traffic.h"

enum gen_inner {
	GEN_TCP,
	GEN_UDP,
	GEN_FRAGMENT_FIRST,
	GEN_FRAGMENT_LATER,
	GEN_INNERS,
};

enum {
	GEN_IPV6_PREFIX = 0x20010db8,        /* of all addresses but the target's */
	GEN_TCP_FIXED_SUM = 0x5010 + 0xffff, /* length, flags and window of TCP, for its checksum */
	GEN_SHAPES = GEN_TUNNELS * 2 * 2 * GEN_INNERS,
};

/* An IP header of which length, and of IPv4 checksum, are left open. */
struct gen_template_ip {
	uint16_t at;
	uint16_t source; /* where the last four bytes of the addresses stand */
	uint16_t destination;
	bool v6;
	uint32_t sum; /* of IPv4: what stands in the template, length and checksum being 0 */
};

struct gen_template {
	uint8_t bytes[GEN_MAX_PREFIX];
	struct gen_template_ip outer; /* in front of the first UDP */
	struct gen_template_ip
		mirror; /* of the mirrored interface: the outer one, or that in GENEVE */
	struct gen_template_ip inner_ip;
	uint16_t vni;   /* where it stands */
	uint16_t inner; /* where the inner frame begins */
	uint16_t l4;
	uint16_t payload;   /* behind all headers: where the mark goes */
	uint8_t inner_kind; /* enum gen_inner */
	uint8_t tunnel;
};

/* The number of a shape. */
static inline unsigned gen_shape(
	enum gen_tunnel tunnel, bool outer_ipv6, bool ipv6, enum gen_inner inner)
{
	return ((tunnel * 2u + outer_ipv6) * 2u + ipv6) * GEN_INNERS + inner;
}

/* What bytes hold that no header takes. */
static inline uint8_t gen_filler(uint32_t at)
{
	return (uint8_t)(' ' + at % 95);
}

void gen_template_make(struct gen_template *template, unsigned shape, const struct gen_ends *ends);
